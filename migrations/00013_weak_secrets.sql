-- +goose Up

-- Whether a secret has fewer than 16 characters; NULL in rows of an earlier
-- release, where the length of what is sealed tells: it is 33 bytes longer.
ALTER TABLE client_secrets ADD COLUMN weak boolean;
CREATE INDEX client_secrets_weak_idx ON client_secrets (client) WHERE coalesce(weak, octet_length(sealed) < 49, false);

-- +goose Down
DROP INDEX client_secrets_weak_idx;
ALTER TABLE client_secrets DROP COLUMN weak;
