#!/usr/bin/env bash
# Migrates, stores and serves on PostgreSQL servers newer than the machine's own,
# which npm packages hold for Linux on x86-64. They come without pg_dump, so what
# needs that is tested with the machine's server alone.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/roster-postgres.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # as root, the servers run as another user
cp "$here"/package*.json "$work"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)

cd "$here/../.."
for server in "$work"/node_modules/postgres-*; do
  (cd "$server" && node scripts/hydrate-symlinks.js)
  ROSTER_POSTGRES_BIN=$server/native/bin go run ./internal/postgrestest/run sh -ec '
    go test -count=1 -timeout 30m ./migrations ./internal/postgres ./internal/registry
    go test -count=1 -timeout 30m -run "RolesAre|OwnerIs|IsShared|Settings|External" ./cmd/roster'
done
