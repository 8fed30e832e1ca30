-- +goose Up

-- A role that may only add events decides neither where they stand in the feed
-- nor, by more than an hour, that they are old: old ones may be removed, which
-- moves the beginning of the feed. The owner of the schema is not kept from
-- anything.
--
-- shift only rises. Lowered again after a while, it would have put events into
-- the feed behind its readers. 1.0.0 raises it when it starts, so the right to
-- do so stays with the role.
-- +goose StatementBegin
DO $migration$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION %1$I.events_stamp() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, %1$I, pg_temp AS $$
        BEGIN
            IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
                NEW.transaction := (pg_current_xact_id()::text::bigint + (SELECT shift FROM %1$I.event_clock))::text::xid8;
                NEW.occurred_at := CASE WHEN NEW.occurred_at < now() - interval '1 hour' THEN now() ELSE NEW.occurred_at END;
            END IF;
            RETURN NEW;
        END
        $$ $create$, current_schema());
END
$migration$;
-- +goose StatementEnd
CREATE TRIGGER events_stamp BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_stamp();

-- +goose StatementBegin
CREATE FUNCTION event_clock_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'event_clock.shift only rises' USING ERRCODE = 'restrict_violation';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER event_clock_rises BEFORE UPDATE ON event_clock FOR EACH ROW
    WHEN (NEW.shift < OLD.shift) EXECUTE FUNCTION event_clock_rises();

-- +goose Down
DROP TRIGGER event_clock_rises ON event_clock;
DROP FUNCTION event_clock_rises();
DROP TRIGGER events_stamp ON events;
DROP FUNCTION events_stamp();
