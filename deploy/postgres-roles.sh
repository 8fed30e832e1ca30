#!/bin/sh
# Makes Roster's database and its two roles, as docs/postgres-roles.md says. The
# postgres image runs this once, as its superuser, on a new volume.
set -eu
psql -v ON_ERROR_STOP=1 -v owner="$(cat /run/secrets/owner_password)" -v runtime="$(cat /run/secrets/runtime_password)" <<'SQL'
CREATE ROLE roster_owner LOGIN PASSWORD :'owner';
CREATE ROLE roster_runtime LOGIN PASSWORD :'runtime';
CREATE DATABASE roster OWNER roster_owner;
REVOKE ALL ON DATABASE roster FROM PUBLIC;
GRANT CONNECT ON DATABASE roster TO roster_runtime;
SQL
