-- +goose Up

-- Answers to requests that carried an Idempotency-Key, for the case that they
-- are repeated. They may hold secrets and are sealed.
CREATE TABLE idempotency_keys (
    caller     text        NOT NULL,
    key        text        NOT NULL,
    request    bytea       NOT NULL, -- SHA-256 of scopes, path, query, media type and body
    sealed     bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

-- +goose Down
DROP TABLE idempotency_keys;
