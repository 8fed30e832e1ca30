-- +goose Up

-- roster_trim_events, which this version brought, is made by 00007: as it was
-- here, with a custom parameter in its SET clause, only a superuser may make it.

-- +goose Down
DROP FUNCTION IF EXISTS roster_trim_events(timestamptz, int);
