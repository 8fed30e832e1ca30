#!/usr/bin/env bash
# Starts Roster on a free port and opens its reference page in a headless browser.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
chmod 755 "$work"
pid=
stop() {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap stop EXIT
(cd ../.. && go build -o "$work/roster" ./cmd/roster)
[ -d node_modules ] || npm ci --no-audit --no-fund
export ROSTER_ADDR=127.0.0.1:0 ROSTER_DATA_DIR="$work/data"
"$work/roster" serve >"$work/out" 2>"$work/log" &
pid=$!
for _ in $(seq 300); do
  grep -q '"msg":"listening"' "$work/log" && break
  kill -0 "$pid" || { cat "$work/log"; exit 1; }
  sleep 0.1
done
ROSTER_URL=$(sed -n 's/.*"msg":"listening".*"addr":"\([^"]*\)".*/http:\/\/\1/p' "$work/log")
ROSTER_TOKEN=$("$work/roster" token)
export ROSTER_URL ROSTER_TOKEN
node --test
