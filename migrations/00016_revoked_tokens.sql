-- +goose Up

-- Tokens that their own clients have revoked, until they expire. A jti counts for
-- its client alone: whoever knows the secret of an API's HS256 tokens writes any
-- jti into one, but no other client_id's tokens are revoked by it.
CREATE TABLE revoked_tokens (
    client_id  text        NOT NULL,
    jti        text        NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT revoked_tokens_pkey PRIMARY KEY (client_id, jti)
);
CREATE INDEX revoked_tokens_expires_at_idx ON revoked_tokens (expires_at);

-- +goose Down
DROP TABLE revoked_tokens;
