-- +goose Up

-- A client signs with a key of its own (sealed here) or with a shared pair.
-- A shared pair that is deleted while clients use it is retired: no longer
-- listed, but theirs until the last of them goes.
ALTER TABLE key_pairs ADD COLUMN retired_at timestamptz;
ALTER TABLE client_keys
    ALTER COLUMN sealed DROP NOT NULL,
    ADD COLUMN key_pair uuid CONSTRAINT client_keys_key_pair_fkey REFERENCES key_pairs (id),
    ADD CONSTRAINT client_keys_own_or_shared CHECK ((sealed IS NULL) <> (key_pair IS NULL));
CREATE INDEX client_keys_key_pair_idx ON client_keys (key_pair) WHERE key_pair IS NOT NULL;

-- +goose Down
DELETE FROM client_keys WHERE sealed IS NULL;
ALTER TABLE client_keys DROP COLUMN key_pair, ALTER COLUMN sealed SET NOT NULL;
DELETE FROM key_pairs WHERE retired_at IS NOT NULL;
ALTER TABLE key_pairs DROP COLUMN retired_at;
