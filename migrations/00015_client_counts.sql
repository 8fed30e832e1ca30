-- +goose Up

-- How many clients there are, by what lists filter on, in blocks of 1,000 places
-- in a list (size 1) and of 32,000 (size 32). A count in one row would have all
-- who create clients wait for one another, so changes are noted in rows of their
-- own, which serving adds up. The sum of both is exact in every snapshot.
CREATE TABLE client_counts (
    size           int     NOT NULL,
    block          bigint  NOT NULL,
    is_global      boolean NOT NULL,
    is_first_party boolean NOT NULL,
    app_type       text    NOT NULL,
    clients        bigint  NOT NULL,
    CONSTRAINT client_counts_pkey PRIMARY KEY (size, is_global, block, is_first_party, app_type)
);
CREATE TABLE client_count_changes (
    block          bigint  NOT NULL, -- of size 1
    is_global      boolean NOT NULL,
    is_first_party boolean NOT NULL,
    app_type       text    NOT NULL,
    clients        int     NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000); -- it is emptied all the time

-- +goose StatementBegin
DO $migration$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION %1$I.roster_count_client() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                INSERT INTO %1$I.client_count_changes VALUES (OLD.serial / 1000, OLD.is_global, OLD.is_first_party, coalesce(OLD.app_type, ''), -1);
            END IF;
            IF TG_OP <> 'DELETE' THEN
                INSERT INTO %1$I.client_count_changes VALUES (NEW.serial / 1000, NEW.is_global, NEW.is_first_party, coalesce(NEW.app_type, ''), 1);
            END IF;
            RETURN NULL;
        END
        $$ $create$, current_schema());
END
$migration$;
-- +goose StatementEnd
CREATE TRIGGER count_client AFTER INSERT OR DELETE ON clients
    FOR EACH ROW EXECUTE FUNCTION roster_count_client();
CREATE TRIGGER count_changed_client AFTER UPDATE ON clients
    FOR EACH ROW WHEN ((OLD.is_global, OLD.is_first_party, OLD.app_type) IS DISTINCT FROM (NEW.is_global, NEW.is_first_party, NEW.app_type))
    EXECUTE FUNCTION roster_count_client();

-- The triggers keep others from writing until this is committed.
INSERT INTO client_counts
    SELECT size, serial / 1000 / size, is_global, is_first_party, coalesce(app_type, ''), count(*)
    FROM clients, unnest(ARRAY[1, 32]) size GROUP BY 1, 2, 3, 4, 5;

-- +goose Down
DROP TRIGGER count_changed_client ON clients;
DROP TRIGGER count_client ON clients;
DROP FUNCTION roster_count_client();
DROP TABLE client_count_changes, client_counts;
