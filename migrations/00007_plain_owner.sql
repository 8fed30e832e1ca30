-- +goose Up

-- The one way by which a role that may only add events removes old ones: at
-- most batch of them, oldest first. Others than the owner of the schema cannot
-- remove what is younger than a day, whatever they ask for.
--
-- It takes the place of the function that 1.0.0 made, whose SET clause names a
-- custom parameter: no role but a superuser may create or restore such a one.
-- What set_config does locally lasts to the end of the transaction, not of the
-- function, so it is undone. An error undoes it by itself.
-- +goose StatementBegin
DO $migration$
BEGIN
    EXECUTE format($create$
        CREATE OR REPLACE FUNCTION %1$I.roster_trim_events(before timestamptz, batch int) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        DECLARE
            removed bigint;
        BEGIN
            IF session_user <> current_user AND before > now() - interval '1 day' THEN
                RAISE EXCEPTION 'events younger than a day stay' USING ERRCODE = 'insufficient_privilege';
            END IF;
            PERFORM set_config('roster.trimming', 'on', true);
            WITH old AS MATERIALIZED (
                    SELECT id FROM %1$I.events WHERE occurred_at < before ORDER BY occurred_at, id LIMIT batch FOR UPDATE SKIP LOCKED),
                gone AS (DELETE FROM %1$I.events e USING old WHERE e.id = old.id RETURNING e.transaction::text::bigint AS transaction, e.id),
                noted AS (UPDATE %1$I.event_clock c SET trimmed_transaction = g.transaction, trimmed_id = g.id
                    FROM (SELECT gone.transaction, gone.id FROM gone ORDER BY 1 DESC, 2 DESC LIMIT 1) g
                    WHERE (g.transaction, g.id) > (c.trimmed_transaction, c.trimmed_id))
                SELECT count(*) INTO removed FROM gone;
            PERFORM set_config('roster.trimming', 'off', true);
            RETURN removed;
        END
        $$ $create$, current_schema());
    EXECUTE format('REVOKE ALL ON FUNCTION %I.roster_trim_events(timestamptz, int) FROM PUBLIC', current_schema());
END
$migration$;
-- +goose StatementEnd

-- +goose Down
-- The function stays: 1.0.0 calls it as it is.
