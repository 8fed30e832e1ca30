-- +goose Up

-- What an identity provider's document held of other systems' passwords, sealed.
ALTER TABLE identity_providers ADD COLUMN sealed bytea;

-- Events are only ever added; retention, which says so, may remove them, and the
-- owner of the schema, who says so, may redact what they should not hold.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('roster.trimming', true) = 'on'
        OR TG_OP = 'UPDATE' AND current_setting('roster.redacting', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'events are never changed' USING ERRCODE = 'restrict_violation';
END
$$;
-- +goose StatementEnd

-- +goose Down
-- events_stay stays: it keeps what 1.0.0 keeps.
ALTER TABLE identity_providers DROP COLUMN sealed;
