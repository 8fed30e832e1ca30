-- +goose Up

-- What ended tokens of a client, for one audience or, '', for all; of every
-- client where client_id is ''. A token carries the sum of the generations that
-- it is subject to. It is dead once that sum is higher, whatever any clock says.
-- Rows stay for ever: a deleted client's tokens must not come back with its id.
-- not_before is for tokens of releases that put no generation into them.
CREATE TABLE token_ends (
    client_id  text        NOT NULL,
    audience   text        NOT NULL,
    generation bigint      NOT NULL,
    not_before timestamptz NOT NULL,
    CONSTRAINT token_ends_pkey PRIMARY KEY (client_id, audience)
);

-- Tokens that outlive what ended the others of their client: up to a generation.
CREATE TABLE spared_tokens (
    jti        text        NOT NULL CONSTRAINT spared_tokens_pkey PRIMARY KEY,
    client_id  text        NOT NULL,
    generation bigint      NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX spared_tokens_client_id_idx ON spared_tokens (client_id);

-- Whatever takes something away from a client ends its tokens, also when an
-- older release does it, with the rights that its role had before this table.
-- +goose StatementBegin
DO $migration$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION %1$I.roster_end_tokens(client text, audience text) RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
            INSERT INTO %1$I.token_ends AS e (client_id, audience, generation, not_before)
            SELECT client, audience, 1, clock_timestamp() WHERE client IS NOT NULL
            ON CONFLICT ON CONSTRAINT token_ends_pkey DO UPDATE SET generation = e.generation + 1, not_before = clock_timestamp()
        $$ $create$, current_schema());
    EXECUTE format($create$
        CREATE FUNCTION %1$I.roster_less_is_granted() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        BEGIN
            IF OLD.subject_type <> 'client' OR TG_OP = 'UPDATE' AND (
                NEW.document ->> 'allow_all_scopes' = 'true' OR
                OLD.document ->> 'allow_all_scopes' IS DISTINCT FROM 'true' AND coalesce((NEW.document -> 'scope')::jsonb, '[]') @> coalesce((OLD.document -> 'scope')::jsonb, '[]')) THEN
                RETURN NULL;
            END IF;
            PERFORM %1$I.roster_end_tokens(CASE WHEN OLD.client IS NULL THEN '' ELSE (SELECT client_id FROM %1$I.clients WHERE id = OLD.client) END, OLD.audience);
            RETURN NULL;
        END
        $$ $create$, current_schema());
    EXECUTE format($create$
        CREATE FUNCTION %1$I.roster_api_has_less() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        BEGIN
            IF NEW.document #>> '{subject_type_authorization,client,policy}' = 'deny_all'
                    AND OLD.document #>> '{subject_type_authorization,client,policy}' IS DISTINCT FROM 'deny_all'
                OR EXISTS (SELECT jsonb_path_query(OLD.document::jsonb, '$.scopes[*].value')
                    EXCEPT SELECT jsonb_path_query(NEW.document::jsonb, '$.scopes[*].value')) THEN
                PERFORM %1$I.roster_end_tokens('', OLD.identifier);
            END IF;
            RETURN NULL;
        END
        $$ $create$, current_schema());
    EXECUTE format($create$
        CREATE FUNCTION %1$I.roster_client_is_less() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        BEGIN
            PERFORM %1$I.roster_end_tokens(OLD.client_id, '');
            RETURN NULL;
        END
        $$ $create$, current_schema());
    EXECUTE format('REVOKE ALL ON FUNCTION %I.roster_end_tokens(text, text) FROM PUBLIC', current_schema());
END
$migration$;
-- +goose StatementEnd
CREATE TRIGGER less_is_granted AFTER UPDATE OF document OR DELETE ON client_grants
    FOR EACH ROW EXECUTE FUNCTION roster_less_is_granted();
CREATE TRIGGER api_has_less AFTER UPDATE OF document ON resource_servers
    FOR EACH ROW WHEN (NOT OLD.is_system) EXECUTE FUNCTION roster_api_has_less();
CREATE TRIGGER client_is_less AFTER UPDATE ON clients
    FOR EACH ROW WHEN (OLD.is_first_party <> NEW.is_first_party OR OLD.state <> NEW.state AND NEW.state <> 'active')
    EXECUTE FUNCTION roster_client_is_less();
CREATE TRIGGER client_is_gone AFTER DELETE ON clients
    FOR EACH ROW EXECUTE FUNCTION roster_client_is_less();

-- +goose Down
DROP TRIGGER client_is_gone ON clients;
DROP TRIGGER client_is_less ON clients;
DROP TRIGGER api_has_less ON resource_servers;
DROP TRIGGER less_is_granted ON client_grants;
DROP FUNCTION roster_client_is_less(), roster_api_has_less(), roster_less_is_granted(), roster_end_tokens(text, text);
DROP TABLE spared_tokens, token_ends;
