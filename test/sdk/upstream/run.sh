#!/usr/bin/env bash
# Compares openapi.yaml with the newest npm package auth0 and with the go-auth0
# that go.mod names. AUTH0_SDK is another version of the former.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/roster-upstream.XXXXXX")
trap 'rm -rf "$work"' EXIT
archive=$(cd "$work" && npm pack --silent "auth0@${AUTH0_SDK:-latest}")
tar -xzf "$work/$archive" -C "$work"
cd "$here"
echo "npm auth0 $(node -p "require('$work/package/package.json').version"), go-auth0 $(go list -m -f '{{.Version}}' github.com/auth0/go-auth0)"
go run . "$work/package" "$here/../../../openapi.yaml" "$here/known.txt"
