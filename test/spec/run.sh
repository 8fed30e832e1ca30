#!/usr/bin/env bash
# Lints openapi.yaml, and makes real calls with a TypeScript client made of it.
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --silent
npm run --silent lint
npm run --silent generate
npm run --silent build
exec ../with-roster.sh node --test build/call.js
