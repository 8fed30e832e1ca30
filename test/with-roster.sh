#!/usr/bin/env bash
# Runs a command beside a Roster of its own: with-roster.sh COMMAND [ARG ...]
# The command finds the server in ROSTER_URL and a token with every scope in
# ROSTER_TOKEN. The server's data is gone afterwards.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
chmod 755 "$work" # the database's account has to get in
pid=
stop() {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap stop EXIT
(cd "$root" && go build -o "$work/roster" ./cmd/roster)
unset DATABASE_URL
export ROSTER_ADDR=127.0.0.1:0 ROSTER_DATA_DIR="$work/data"
"$work/roster" serve >"$work/out" 2>"$work/log" &
pid=$!
for _ in $(seq 600); do
  grep -q '"msg":"listening"' "$work/log" && break
  kill -0 "$pid" 2>/dev/null || { cat "$work/log"; exit 1; }
  sleep 0.1
done
ROSTER_URL=$(sed -n 's/.*"msg":"listening".*"addr":"\([^"]*\)".*/http:\/\/\1/p' "$work/log")
ROSTER_TOKEN=$("$work/roster" token)
export ROSTER_URL ROSTER_TOKEN
"$@"
