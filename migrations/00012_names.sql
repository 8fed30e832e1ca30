-- +goose Up

-- Every three characters that follow one another. It takes no extension, which
-- not every role may create and not every server has.
CREATE FUNCTION roster_trigrams(words text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ARRAY(SELECT substr(words, i, 3) FROM generate_series(1, length(words) - 2) i);

-- Finds clients by the first 200 characters of their names, in upper or lower
-- case. Two characters that no name has stand before each, so that the beginning
-- of a name has trigrams of its own.
CREATE INDEX clients_name_idx ON clients USING gin (roster_trigrams(E'\x01\x01' || lower(left(name, 200))));

-- +goose Down
DROP INDEX clients_name_idx;
DROP FUNCTION roster_trigrams(text);
