-- +goose Up

-- What a client leaves when it is deleted: its identifier for ever, which nobody
-- else gets, and for 30 days what brings it back. held has the rows that belonged
-- to it, by table. What is sealed is apart, where resealing finds it.
CREATE TABLE tombstones (
    number     bigint      NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT tombstones_pkey PRIMARY KEY,
    client     uuid,       -- clients.id; NULL where a release without this table has deleted it
    client_id  text        NOT NULL,
    deleted_at timestamptz NOT NULL,
    deleted_by text        NOT NULL DEFAULT '',
    reused_at  timestamptz, -- when somebody asked for the identifier to be registered anew
    held       json,
    sealed     bytea, -- clients.sealed
    sealed_key bytea, -- client_keys.sealed
    key_pair   uuid   -- client_keys.key_pair
);
CREATE UNIQUE INDEX tombstones_client_id_idx ON tombstones (client_id) WHERE reused_at IS NULL;
CREATE INDEX tombstones_client_idx ON tombstones (client) WHERE reused_at IS NULL;
CREATE INDEX tombstones_deleted_at_idx ON tombstones (deleted_at) WHERE held IS NOT NULL;
CREATE INDEX tombstones_key_pair_idx ON tombstones (key_pair) WHERE key_pair IS NOT NULL;

CREATE TABLE tombstone_secrets (
    id           uuid        NOT NULL CONSTRAINT tombstone_secrets_pkey PRIMARY KEY,
    tombstone    bigint      NOT NULL CONSTRAINT tombstone_secrets_tombstone_fkey REFERENCES tombstones (number) ON DELETE CASCADE,
    sealed       bytea,
    mac          bytea       NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    weak         boolean
);
CREATE INDEX tombstone_secrets_tombstone_idx ON tombstone_secrets (tombstone);

-- All of this is done by triggers and functions, with their owner's rights: an
-- older release leaves tombstones too, and the role that serves can neither
-- remove one nor change what it holds.
-- +goose StatementBegin
CREATE FUNCTION roster_bury_client() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    part   text;
    source text;
    list   json;
    held   text := '';
    stone  bigint;
BEGIN
    FOR part, source IN VALUES
        ('clients', 'SELECT * FROM clients WHERE id = $1'),
        ('client_aliases', 'SELECT * FROM client_aliases WHERE client = $1'),
        ('credentials', 'SELECT * FROM credentials WHERE client = $1 ORDER BY serial'),
        ('credential_uses', 'SELECT * FROM credential_uses WHERE client = $1'),
        ('client_grants', 'SELECT g.*, a.id AS api FROM client_grants g JOIN resource_servers a ON a.identifier = g.audience WHERE g.client = $1'),
        ('client_scopes', 'SELECT * FROM client_scopes WHERE client = $1'),
        ('client_identity_providers', 'SELECT * FROM client_identity_providers WHERE client = $1'),
        ('assertions_seen', 'SELECT * FROM assertions_seen WHERE client = $1 AND expires_at > now()'),
        ('apis', 'SELECT id FROM resource_servers WHERE client = $1')
    LOOP
        EXECUTE 'SELECT json_agg((SELECT json_object_agg(key, value) FROM json_each(row_to_json(one)) WHERE key <> ''sealed''))
            FROM (' || source || ') one' INTO list USING OLD.id;
        held := held || CASE WHEN held = '' THEN '{' ELSE ',' END || to_json(part) || ':' || coalesce(list, '[]');
    END LOOP;
    INSERT INTO tombstones (client, client_id, deleted_at, held, sealed, sealed_key, key_pair)
        SELECT OLD.id, OLD.client_id, clock_timestamp(), (held || '}')::json, OLD.sealed, k.sealed, k.key_pair
        FROM (SELECT) one LEFT JOIN client_keys k ON k.client = OLD.id RETURNING number INTO stone;
    INSERT INTO tombstone_secrets SELECT id, stone, sealed, mac, created_at, expires_at, last_used_at, weak
        FROM client_secrets WHERE client = OLD.id;
    RETURN OLD;
END
$$;

-- Notes who deleted a client when the event of it is stored.
CREATE FUNCTION roster_note_deletion() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE tombstones SET deleted_by = NEW.actor WHERE client_id = NEW.target AND reused_at IS NULL AND deleted_by = '';
    RETURN NULL;
END
$$;

-- Refuses the identifiers of deleted clients by the names of constraints that
-- every release knows; the table tells later ones why. It comes after the row:
-- whoever deletes the client at the same time has ended then.
CREATE FUNCTION roster_refuse_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM tombstones WHERE client_id = NEW.client_id AND reused_at IS NULL) THEN
        RAISE EXCEPTION 'the client % was deleted', NEW.client_id
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'clients_client_id_key', TABLE = 'tombstones';
    ELSIF EXISTS (SELECT FROM tombstones WHERE client = NEW.id AND reused_at IS NULL) THEN
        RAISE EXCEPTION 'the client % was deleted', NEW.id
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'clients_pkey', TABLE = 'tombstones';
    END IF;
    RETURN NULL;
END
$$;

-- Under another identifier, a deleted client would not keep its own.
CREATE FUNCTION roster_client_keeps_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION 'clients keep their identifiers' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

-- Brings a client back as it was, but for what was deleted in the meantime: APIs,
-- scopes, an identity provider, a shared key. Its tokens stay dead.
CREATE FUNCTION roster_restore_client(stone bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    t     tombstones;
    part  text;
    list  json;
    names text;
BEGIN
    SELECT * INTO STRICT t FROM tombstones WHERE number = stone AND held IS NOT NULL AND reused_at IS NULL FOR UPDATE;
    UPDATE tombstones SET reused_at = clock_timestamp() WHERE number = stone;
    FOR part, list IN VALUES
        ('clients', t.held -> 'clients'),
        ('client_aliases', t.held -> 'client_aliases'),
        ('credentials', t.held -> 'credentials'),
        ('credential_uses', t.held -> 'credential_uses'),
        ('client_grants', (SELECT json_agg((SELECT json_object_agg(key, CASE key WHEN 'audience' THEN to_json(a.identifier) ELSE value END) FROM json_each(one)))
            FROM json_array_elements(t.held -> 'client_grants') one JOIN resource_servers a ON a.id = one ->> 'api')),
        ('client_scopes', (SELECT json_agg(one) FROM json_array_elements(t.held -> 'client_scopes') one JOIN scopes s ON s.id::text = one ->> 'scope')),
        ('client_identity_providers', (SELECT json_agg(one) FROM json_array_elements(t.held -> 'client_identity_providers') one
            JOIN identity_providers p ON p.id::text = one ->> 'identity_provider')),
        ('assertions_seen', t.held -> 'assertions_seen')
    LOOP
        SELECT string_agg(quote_ident(attname), ', ') INTO names FROM pg_attribute
            WHERE attrelid = part::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname IN (SELECT json_object_keys(list -> 0));
        IF names IS NOT NULL THEN
            EXECUTE format('INSERT INTO %1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM json_populate_recordset(NULL::%1$I, $1)', part, names) USING list;
        END IF;
    END LOOP;
    UPDATE clients SET sealed = t.sealed WHERE id = t.client AND t.sealed IS NOT NULL;
    INSERT INTO client_secrets (id, client, sealed, mac, created_at, expires_at, last_used_at, weak)
        SELECT id, t.client, sealed, mac, created_at, expires_at, last_used_at, weak FROM tombstone_secrets WHERE tombstone = stone;
    INSERT INTO client_keys (client, sealed, key_pair)
        SELECT t.client, t.sealed_key, t.key_pair WHERE t.sealed_key IS NOT NULL OR t.key_pair IN (SELECT id FROM key_pairs);
    UPDATE resource_servers SET client = t.client
        WHERE client IS NULL AND id IN (SELECT one ->> 'id' FROM json_array_elements(t.held -> 'apis') one);
    DELETE FROM tombstones WHERE number = stone;
    PERFORM roster_end_tokens(t.client_id, '');
END
$$;

-- Lets the identifier of a deleted client be registered anew. What was issued to
-- its former owner stays dead, and what the tombstone holds is kept until its time is up.
CREATE FUNCTION roster_reuse_client_id(identifier text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE tombstones SET reused_at = clock_timestamp() WHERE client_id = identifier AND reused_at IS NULL;
    PERFORM roster_end_tokens(identifier, '');
END
$$;

-- Removes what brings back clients that were deleted before a time, and the
-- tombstones of identifiers that have another owner since. Nobody but the owner of
-- the schema removes what is younger than 30 days, whatever is asked for.
CREATE FUNCTION roster_clear_tombstones(before timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF session_user <> current_user THEN
        before := least(before, now() - interval '30 days');
    END IF;
    DELETE FROM tombstone_secrets USING tombstones WHERE number = tombstone AND deleted_at < before;
    DELETE FROM tombstones WHERE deleted_at < before AND reused_at IS NOT NULL;
    UPDATE tombstones SET held = NULL, sealed = NULL, sealed_key = NULL, key_pair = NULL WHERE deleted_at < before AND held IS NOT NULL;
END
$$;

CREATE FUNCTION roster_api_is_gone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM roster_end_tokens('', OLD.identifier);
    RETURN NULL;
END
$$;

DO $$
DECLARE
    one regprocedure;
BEGIN
    FOREACH one IN ARRAY ARRAY['roster_bury_client()', 'roster_note_deletion()', 'roster_refuse_deleted()', 'roster_restore_client(bigint)',
        'roster_reuse_client_id(text)', 'roster_clear_tombstones(timestamptz)', 'roster_api_is_gone()']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', one, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', one);
    END LOOP;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER bury BEFORE DELETE ON clients FOR EACH ROW EXECUTE FUNCTION roster_bury_client();
CREATE TRIGGER refuse_deleted AFTER INSERT ON clients FOR EACH ROW EXECUTE FUNCTION roster_refuse_deleted();
CREATE TRIGGER keep_id BEFORE UPDATE ON clients FOR EACH ROW
    WHEN (OLD.id <> NEW.id OR OLD.client_id <> NEW.client_id) EXECUTE FUNCTION roster_client_keeps_id();
CREATE TRIGGER note_deletion AFTER INSERT ON events FOR EACH ROW
    WHEN (NEW.action = 'client.deleted') EXECUTE FUNCTION roster_note_deletion();
CREATE TRIGGER api_is_gone AFTER DELETE ON resource_servers FOR EACH ROW EXECUTE FUNCTION roster_api_is_gone();

-- Clients that were deleted before: the triggers stand, so none is missed.
INSERT INTO tombstones (client_id, deleted_at, deleted_by)
    SELECT DISTINCT ON (target) target, occurred_at, actor FROM events
    WHERE action = 'client.deleted' AND target_type = 'client' AND NOT EXISTS (SELECT FROM clients WHERE client_id = target)
    ORDER BY target, occurred_at DESC;

-- +goose Down
DROP TRIGGER api_is_gone ON resource_servers;
DROP TRIGGER note_deletion ON events;
DROP TRIGGER keep_id ON clients;
DROP TRIGGER refuse_deleted ON clients;
DROP TRIGGER bury ON clients;
DROP FUNCTION roster_bury_client(), roster_note_deletion(), roster_refuse_deleted(), roster_client_keeps_id(), roster_restore_client(bigint),
    roster_reuse_client_id(text), roster_clear_tombstones(timestamptz), roster_api_is_gone();
DROP TABLE tombstone_secrets, tombstones;
