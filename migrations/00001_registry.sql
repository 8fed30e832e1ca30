-- +goose Up

-- One row a client; the members of its metadata are one JSON document, kept as
-- text because reading text is cheaper than printing jsonb. What lists filter
-- and sort on is generated from the document, so it cannot disagree with it.
CREATE TABLE clients (
    id          uuid        NOT NULL CONSTRAINT clients_pkey PRIMARY KEY,
    client_id   text        NOT NULL CONSTRAINT clients_client_id_key UNIQUE
                            CONSTRAINT clients_client_id_length CHECK (length(client_id) BETWEEN 1 AND 255),
    serial      bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    document    json        NOT NULL CONSTRAINT clients_document_is_object CHECK (json_typeof(document) = 'object'),
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    name               text    GENERATED ALWAYS AS (document ->> 'client_name') STORED,
    app_type           text    GENERATED ALWAYS AS (document ->> 'auth0:app_type') STORED,
    is_first_party     boolean NOT NULL GENERATED ALWAYS AS (coalesce((document ->> 'auth0:is_first_party') <> 'false', true)) STORED,
    is_global          boolean NOT NULL GENERATED ALWAYS AS (coalesce((document ->> 'auth0:global') = 'true', false)) STORED,
    external_client_id text    GENERATED ALWAYS AS (document ->> 'auth0:external_client_id') STORED
);
-- Lists run in creation order with the global client last.
CREATE UNIQUE INDEX clients_listing_idx ON clients (is_global, serial);
CREATE INDEX clients_app_type_idx ON clients (app_type, is_global, serial);
CREATE INDEX clients_first_party_idx ON clients (is_first_party, is_global, serial);
CREATE INDEX clients_external_client_id_idx ON clients (external_client_id, is_global, serial) WHERE external_client_id IS NOT NULL;
CREATE UNIQUE INDEX clients_one_global_idx ON clients (is_global) WHERE is_global;

-- Aliases are unique over all clients.
CREATE TABLE client_aliases (
    alias  text NOT NULL CONSTRAINT client_aliases_pkey PRIMARY KEY,
    client uuid NOT NULL CONSTRAINT client_aliases_client_fkey REFERENCES clients (id) ON DELETE CASCADE
);
CREATE INDEX client_aliases_client_idx ON client_aliases (client);

-- Shared secrets. sealed is NULL where secrets are kept as a MAC only.
CREATE TABLE client_secrets (
    id           uuid        NOT NULL CONSTRAINT client_secrets_pkey PRIMARY KEY,
    client       uuid        NOT NULL CONSTRAINT client_secrets_client_fkey REFERENCES clients (id) ON DELETE CASCADE,
    sealed       bytea,
    mac          bytea       NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz
);
CREATE INDEX client_secrets_client_idx ON client_secrets (client, created_at);

-- Private halves of keys that belong to one client; the public half is in the
-- client's document.
CREATE TABLE client_keys (
    client uuid  NOT NULL CONSTRAINT client_keys_pkey PRIMARY KEY
                 CONSTRAINT client_keys_client_fkey REFERENCES clients (id) ON DELETE CASCADE,
    sealed bytea NOT NULL
);

-- Registered proof material of clients: public keys, certificates, names.
CREATE TABLE credentials (
    id                text        NOT NULL CONSTRAINT credentials_pkey PRIMARY KEY,
    client            uuid        NOT NULL CONSTRAINT credentials_client_fkey REFERENCES clients (id) ON DELETE CASCADE,
    serial            bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    credential_type   text        NOT NULL CONSTRAINT credentials_type_check CHECK (credential_type IN ('public_key', 'x509_cert', 'cert_subject_dn')),
    name              text        NOT NULL DEFAULT '',
    kid               text,
    alg               text,
    public_jwk        json,
    key_thumbprint    text,
    certificate       bytea,
    subject_dn        text,
    thumbprint_sha256 text,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    expires_at        timestamptz,
    CONSTRAINT credentials_id_client_key UNIQUE (id, client),
    CONSTRAINT credentials_kid_key UNIQUE (client, kid)
);
CREATE INDEX credentials_client_idx ON credentials (client, serial);
-- One public key is registered once with a client. Certificates may repeat a
-- key: renewing one keeps it.
CREATE UNIQUE INDEX credentials_public_key_key ON credentials (client, key_thumbprint) WHERE credential_type = 'public_key';

-- Which slot of a client (private_key_jwt, signed_request_object, …) uses which
-- of its credentials, in the order the caller gave. A credential in use cannot
-- be deleted.
CREATE TABLE credential_uses (
    client     uuid     NOT NULL CONSTRAINT credential_uses_client_fkey REFERENCES clients (id) ON DELETE CASCADE,
    slot       text     NOT NULL,
    position   smallint NOT NULL,
    credential text     NOT NULL,
    CONSTRAINT credential_uses_pkey PRIMARY KEY (client, slot, position),
    CONSTRAINT credential_uses_credential_key UNIQUE (client, slot, credential),
    CONSTRAINT credential_uses_credential_fkey FOREIGN KEY (credential, client) REFERENCES credentials (id, client)
);
CREATE INDEX credential_uses_credential_idx ON credential_uses (credential);

-- APIs that tokens can be issued for. The system one is Roster's own
-- management API; its identifier follows the public URL.
CREATE TABLE resource_servers (
    id         text        NOT NULL CONSTRAINT resource_servers_pkey PRIMARY KEY,
    identifier text        NOT NULL CONSTRAINT resource_servers_identifier_key UNIQUE,
    serial     bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    document   json        NOT NULL CONSTRAINT resource_servers_document_is_object CHECK (json_typeof(document) = 'object'),
    sealed_secret bytea, -- signing secret of HS256
    is_system  boolean     NOT NULL DEFAULT false,
    client     uuid        CONSTRAINT resource_servers_client_fkey REFERENCES clients (id) ON DELETE SET NULL,
    version    bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX resource_servers_listing_idx ON resource_servers (serial);
CREATE UNIQUE INDEX resource_servers_one_system_idx ON resource_servers (is_system) WHERE is_system;
CREATE INDEX resource_servers_client_idx ON resource_servers (client) WHERE client IS NOT NULL;

-- What a client may ask a token for. A grant without a client is the default
-- for a class of clients.
CREATE TABLE client_grants (
    id           text        NOT NULL CONSTRAINT client_grants_pkey PRIMARY KEY,
    client       uuid        CONSTRAINT client_grants_client_fkey REFERENCES clients (id) ON DELETE CASCADE,
    audience     text        NOT NULL CONSTRAINT client_grants_audience_fkey
                             REFERENCES resource_servers (identifier) ON UPDATE CASCADE ON DELETE CASCADE,
    subject_type text        NOT NULL,
    default_for  text,
    serial       bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    document     json        NOT NULL CONSTRAINT client_grants_document_is_object CHECK (json_typeof(document) = 'object'),
    version      bigint      NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    allow_any_organization boolean NOT NULL GENERATED ALWAYS AS (coalesce((document ->> 'allow_any_organization') = 'true', false)) STORED,
    CONSTRAINT client_grants_client_or_default CHECK ((client IS NULL) <> (default_for IS NULL)),
    CONSTRAINT client_grants_client_audience_key UNIQUE (client, audience, subject_type),
    CONSTRAINT client_grants_default_audience_key UNIQUE (default_for, audience, subject_type)
);
CREATE UNIQUE INDEX client_grants_listing_idx ON client_grants (serial);
CREATE INDEX client_grants_audience_idx ON client_grants (audience, serial);
CREATE INDEX client_grants_subject_type_idx ON client_grants (subject_type, serial);
CREATE INDEX client_grants_any_organization_idx ON client_grants (serial, client) WHERE allow_any_organization;

-- Keys that Roster signs with. use 'token' signs access tokens; use 'tenant' is
-- the certificate shown with every client.
CREATE TABLE issuer_keys (
    id          text        NOT NULL CONSTRAINT issuer_keys_pkey PRIMARY KEY,
    use         text        NOT NULL CONSTRAINT issuer_keys_use_check CHECK (use IN ('token', 'tenant')),
    sealed      bytea       NOT NULL,
    public      json        NOT NULL,
    created_at  timestamptz NOT NULL,
    retired_at  timestamptz
);
CREATE UNIQUE INDEX issuer_keys_current_idx ON issuer_keys (use) WHERE retired_at IS NULL;

-- Proves that the keyset in use belongs to this database.
CREATE TABLE keyset_check (
    singleton boolean NOT NULL DEFAULT true CONSTRAINT keyset_check_pkey PRIMARY KEY CONSTRAINT keyset_check_one_row CHECK (singleton),
    value     bytea   NOT NULL
);

-- Client assertions that were used, until they expire.
CREATE TABLE assertions_seen (
    client     uuid        NOT NULL CONSTRAINT assertions_seen_client_fkey REFERENCES clients (id) ON DELETE CASCADE,
    jti        bytea       NOT NULL, -- SHA-256
    expires_at timestamptz NOT NULL,
    CONSTRAINT assertions_seen_pkey PRIMARY KEY (client, jti)
);
CREATE INDEX assertions_seen_expires_at_idx ON assertions_seen (expires_at);

-- What happened, written in the transaction of what happened. Never a secret
-- or a digest of one.
CREATE TABLE events (
    id          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT events_pkey PRIMARY KEY,
    transaction xid8        NOT NULL DEFAULT pg_current_xact_id(),
    occurred_at timestamptz NOT NULL,
    actor       text        NOT NULL, -- token subject; 'system' for Roster itself
    actor_client text       NOT NULL DEFAULT '',
    action      text        NOT NULL, -- e.g. client.updated
    target_type text        NOT NULL,
    target      text        NOT NULL, -- public identifier of the target
    changes     json,                 -- member -> {before, after}
    request_id  text        NOT NULL DEFAULT '',
    address     text        NOT NULL DEFAULT ''
);
CREATE INDEX events_feed_idx ON events (transaction, id);
CREATE INDEX events_target_idx ON events (target_type, target, id);
CREATE INDEX events_occurred_at_idx ON events (occurred_at);

-- Scopes that clients may be authorized for, apart from those of an API.
CREATE TABLE scopes (
    id         uuid        NOT NULL CONSTRAINT scopes_pkey PRIMARY KEY,
    name       text        NOT NULL CONSTRAINT scopes_name_key UNIQUE
                           CONSTRAINT scopes_name_length CHECK (length(name) BETWEEN 1 AND 255),
    label      text,
    public     boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE client_scopes (
    client   uuid     NOT NULL CONSTRAINT client_scopes_client_fkey REFERENCES clients (id) ON DELETE CASCADE,
    scope    uuid     NOT NULL CONSTRAINT client_scopes_scope_fkey REFERENCES scopes (id) ON UPDATE CASCADE ON DELETE CASCADE,
    position smallint NOT NULL,
    CONSTRAINT client_scopes_pkey PRIMARY KEY (client, scope)
);
CREATE INDEX client_scopes_scope_idx ON client_scopes (scope);

CREATE TABLE identity_providers (
    id         uuid        NOT NULL CONSTRAINT identity_providers_pkey PRIMARY KEY,
    name       text        NOT NULL CONSTRAINT identity_providers_name_key UNIQUE,
    document   json        NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE client_identity_providers (
    client            uuid NOT NULL CONSTRAINT client_identity_providers_pkey PRIMARY KEY
                           CONSTRAINT client_identity_providers_client_fkey REFERENCES clients (id) ON DELETE CASCADE,
    identity_provider uuid NOT NULL CONSTRAINT client_identity_providers_provider_fkey REFERENCES identity_providers (id)
);
CREATE INDEX client_identity_providers_provider_idx ON client_identity_providers (identity_provider);

-- Key pairs that several clients share.
CREATE TABLE key_pairs (
    id         uuid        NOT NULL CONSTRAINT key_pairs_pkey PRIMARY KEY,
    public_key text        NOT NULL,
    sealed     bytea       NOT NULL,
    is_default boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX key_pairs_one_default_idx ON key_pairs (is_default) WHERE is_default;

-- +goose Down
DROP TABLE key_pairs, client_identity_providers, identity_providers, client_scopes, scopes, events, assertions_seen,
    keyset_check, issuer_keys, client_grants, resource_servers, credential_uses, credentials, client_keys,
    client_secrets, client_aliases, clients;
