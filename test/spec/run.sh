#!/usr/bin/env bash
# Lints openapi.yaml, and makes real calls with a TypeScript and a Python client
# made of it. The generator of the latter needs a Java run-time, its code Debian's
# python3-urllib3, python3-dateutil, python3-six and python3-certifi.
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --silent
npm run --silent lint
rm -rf generated build
npm run --silent generate
npm run --silent build
npm run --silent generate:python
export PYTHONPATH=generated/python PYTHONDONTWRITEBYTECODE=1
exec ../with-roster.sh sh -c 'curl -fsS "$ROSTER_URL/openapi-3.1.json" -o build/openapi-3.1.json && npm run --silent lint:3.1 &&
  node --test build/call.js && /usr/bin/python3 -m unittest -v python/test_client.py'
