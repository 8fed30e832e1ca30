-- +goose Up

-- Members of a client's document that may hold keys of other systems, as one
-- sealed JSON object; NULL where it has none. What a release before this one
-- has stored unsealed stays in the document until `roster keys reseal` or the
-- next change of the client seals it: SQL has no keys.
ALTER TABLE clients ADD COLUMN sealed bytea;

-- +goose Down
ALTER TABLE clients DROP COLUMN sealed;
