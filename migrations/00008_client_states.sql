-- +goose Up

-- What a client may be used for: 'active' as ever; 'disabled' by an
-- administrator or 'quarantined' by a rule, nothing.
ALTER TABLE clients
    ADD COLUMN state text NOT NULL DEFAULT 'active'
        CONSTRAINT clients_state_check CHECK (state IN ('active', 'disabled', 'quarantined')),
    ADD COLUMN state_reason text NOT NULL DEFAULT '',
    ADD COLUMN state_changed_at timestamptz;
CREATE INDEX clients_state_idx ON clients (state, is_global, serial) WHERE state <> 'active';

-- +goose Down
ALTER TABLE clients DROP COLUMN state_changed_at, DROP COLUMN state_reason, DROP COLUMN state;
