-- +goose Up

-- A secret that is no longer good keeps its row for a while, without anything
-- that it could be told by: mac is empty then and sealed is NULL.
CREATE INDEX client_secrets_expires_at_idx ON client_secrets (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX client_secrets_ending_idx ON client_secrets (expires_at) WHERE expires_at IS NOT NULL AND mac <> '';

-- shift is added to transaction numbers, so that they go on where they stopped
-- after the database was restored to a server that counts from a lower number.
-- The trimmed members are the last place in the feed that retention removed.
CREATE TABLE event_clock (
    singleton           boolean NOT NULL DEFAULT true CONSTRAINT event_clock_pkey PRIMARY KEY CONSTRAINT event_clock_one_row CHECK (singleton),
    shift               bigint  NOT NULL DEFAULT 0,
    trimmed_transaction bigint  NOT NULL DEFAULT 0,
    trimmed_id          bigint  NOT NULL DEFAULT 0
);
INSERT INTO event_clock DEFAULT VALUES;

-- Lists of events are filtered by one of these and run in order of time.
DROP INDEX events_target_idx, events_occurred_at_idx;
CREATE INDEX events_occurred_at_idx ON events (occurred_at, id);
CREATE INDEX events_target_idx ON events (target, occurred_at, id);
CREATE INDEX events_action_idx ON events (action, occurred_at, id);
CREATE INDEX events_actor_idx ON events (actor, occurred_at, id);
CREATE INDEX events_actor_client_idx ON events (actor_client, occurred_at, id);

-- Events are only ever added; retention, which says so, may remove them.
-- +goose StatementBegin
CREATE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('roster.trimming', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'events are never changed' USING ERRCODE = 'restrict_violation';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_stay();

-- +goose Down
DROP TRIGGER events_stay ON events;
DROP FUNCTION events_stay();
DROP INDEX events_actor_client_idx, events_actor_idx, events_action_idx, events_target_idx, events_occurred_at_idx;
CREATE INDEX events_target_idx ON events (target_type, target, id);
CREATE INDEX events_occurred_at_idx ON events (occurred_at);
DROP TABLE event_clock;
DROP INDEX client_secrets_ending_idx, client_secrets_expires_at_idx;
