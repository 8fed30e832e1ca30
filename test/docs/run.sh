#!/usr/bin/env bash
# Opens the reference page of a Roster of its own in a headless browser.
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --silent
exec ../with-roster.sh node --test
