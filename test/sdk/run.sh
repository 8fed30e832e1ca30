#!/usr/bin/env bash
# Starts Roster over TLS on loopback and drives it with published clients.
# Usage: run.sh [node|deploy|goauth0|terraform|guide|acceptance]...
# Default: all but acceptance, the provider's own tests, which take some minutes.
# SDK_ROSTER names a roster binary to use instead of one built from this tree.
# SDK_TOKEN_TTL is how many seconds tokens live (60s), 3600s by default. Where a suite
# takes longer, its client has to fetch another; the summary tells how many it fetched.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
suites=("$@")
((${#suites[@]})) || suites=(node deploy goauth0 terraform guide)
for suite in "${suites[@]}"; do
  case $suite in
  node | deploy | goauth0 | terraform | guide | acceptance) ;;
  *) echo "run.sh: no suite $suite: node, deploy, goauth0, terraform, guide or acceptance" >&2; exit 2 ;;
  esac
done

work=$(mktemp -d "${TMPDIR:-/tmp}/roster-sdk.XXXXXX")
chmod 711 "$work" # the embedded database may run as another user, in a folder below
server=""

stop() { # ends the server; its exit status
  local pid=$server
  server=""
  [[ -z $pid ]] && return
  kill -TERM "$pid" 2>/dev/null || true
  wait "$pid"
}
trap 'status=$?; stop || true; rm -rf "$work"; exit $status' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_port() { # below the ports that the kernel gives to outgoing connections
  local port
  for _ in {1..50}; do
    port=$((20000 + RANDOM % 12000))
    (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null || { echo "$port"; return; }
  done
  echo "run.sh: found no free port" >&2
  return 1
}

certificate() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=roster-sdk-test \
    -addext subjectAltName=IP:127.0.0.1,DNS:localhost -addext extendedKeyUsage=serverAuth \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl.log" || { cat "$work/openssl.log" >&2; return 1; }
}

start() {
  local port name
  port=$(free_port)
  for name in $(compgen -e | grep -E '^(ROSTER_|DATABASE_URL$|PG)' || true); do unset "$name"; done
  export AUTH0_DOMAIN=127.0.0.1:$port
  export SDK_TOKEN_TTL=${SDK_TOKEN_TTL:-3600s}
  export AUTH0_CLIENT_ID=sdkTestAdministrator AUTH0_CLIENT_SECRET
  AUTH0_CLIENT_SECRET=$(openssl rand -hex 32)
  ROSTER_ADDR=127.0.0.1:$port ROSTER_PUBLIC_URL=https://127.0.0.1:$port ROSTER_DATA_DIR=$work/data \
    ROSTER_TLS_CERT_FILE=$work/cert.pem ROSTER_TLS_KEY_FILE=$work/key.pem \
    ROSTER_MANAGEMENT_TOKEN_TTL=$SDK_TOKEN_TTL \
    ROSTER_BOOTSTRAP_CLIENT_ID=$AUTH0_CLIENT_ID ROSTER_BOOTSTRAP_CLIENT_SECRET=$AUTH0_CLIENT_SECRET \
    "$roster" serve >"$work/banner" 2>"$work/log" &
  server=$!
  for _ in {1..600}; do
    grep -q '"msg":"listening"' "$work/log" && return
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  echo "run.sh: the server does not listen:" >&2
  cat "$work/log" >&2
  return 1
}

# Fetching and building comes before the certificate of the server replaces
# those of the machine.
prepare_npm() { (cd "$here/$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); }
prepare_node() { prepare_npm node; }
prepare_deploy() { prepare_npm deploy; }
prepare_goauth0() {
  (cd "$here/goauth0" && go test -c -o "$work/goauth0.test" . &&
    go test -c -o "$work/upstream.test" github.com/auth0/go-auth0/management &&
    go list -m -f '{{.Dir}}' github.com/auth0/go-auth0 >"$work/upstream.dir")
}
has_terraform() { command -v terraform >/dev/null; }
no_terraform="--- SKIP: terraform: no terraform binary on this machine"
prepare_terraform() {
  has_terraform || return 0
  (cd "$here/terraform" && go test -c -o "$work/terraform.test" . &&
    go build -o "$work/terraform-provider-auth0" github.com/auth0/terraform-provider-auth0)
}
prepare_guide() {
  prepare_node && prepare_deploy && prepare_terraform
  mkdir -p "$work/guide"
  block go >"$work/guide/main.go"
  (cd "$here/goauth0" && go build -o "$work/guide/list" "$work/guide/main.go")
}
prepare_acceptance() {
  local package
  has_terraform || return 0
  (cd "$here/terraform" && go mod download github.com/auth0/terraform-provider-auth0 &&
    go list -m -f '{{.Dir}}' github.com/auth0/terraform-provider-auth0 >"$work/provider.dir")
  for package in client resourceserver; do
    (cd "$(<"$work/provider.dir")" && go test -c -o "$work/$package.test" "./internal/auth0/$package")
  done
}

run_npm() {
  (cd "$here/$1" && NODE_EXTRA_CA_CERTS=$work/cert.pem node --test --test-concurrency=1 \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$work/$1.tap")
}
run_node() { run_npm node; }
run_deploy() { run_npm deploy; }
run_goauth0() {
  local out=$work/goauth0.out status=0
  (cd "$here/goauth0" && SSL_CERT_FILE=$work/cert.pem "$work/goauth0.test" -test.v) | tee "$out" || status=1
  each "$(<"$work/upstream.dir")/management" "$work/upstream.test" <"$here/goauth0/upstream-tests.txt" | tee -a "$out" || status=1
  return $status
}
run_terraform() {
  local out=$work/terraform.out
  has_terraform || { echo "$no_terraform" | tee "$out"; return; }
  (cd "$here/terraform" && SSL_CERT_FILE=$work/cert.pem SDK_PROVIDER_DIR=$work "$work/terraform.test" -test.v) | tee "$out"
}
# block prints the blocks of a language of docs/guides/auth0-tools.md.
block() { awk -v fence="\`\`\`$1" '$0 == fence {on = 1; next} /^```/ {on = 0} on' "$root/docs/guides/auth0-tools.md"; }
# run_guide runs what docs/guides/auth0-tools.md shows, besides its blocks of sh,
# which a test of cmd/roster runs.
run_guide() {
  local out=$work/guide.out log=$work/guide.log verdict=PASS want=4
  block hcl >"$work/guide/main.tf"
  block js >"$work/guide/list.mjs"
  ln -s "$here/node/node_modules" "$work/guide/node_modules"
  printf 'provider_installation {\n  dev_overrides { "auth0/auth0" = "%s" }\n  direct {}\n}\n' "$work" >"$work/guide/cli.tfrc"
  { has_terraform || echo 'terraform() { :; }'; block bash; printf './list\nnode list.mjs\ngrep -r billing tenant\n'; } >"$work/guide/run"
  has_terraform || want=0
  (cd "$work/guide" && SSL_CERT_FILE=$work/cert.pem NODE_EXTRA_CA_CERTS=$work/cert.pem TF_CLI_CONFIG_FILE=$work/guide/cli.tfrc \
    CHECKPOINT_DISABLE=1 TF_INPUT=0 PATH="$here/deploy/node_modules/.bin:$PATH" bash -e -x run) >"$log" 2>&1 || verdict=FAIL
  # Terraform, both SDKs and the deploy CLI name what was made.
  [ "$(grep -c 'billing by Terraform' "$log")" -ge $want ] || verdict=FAIL
  echo "--- $verdict: docs/guides/auth0-tools.md" | tee "$out"
  [ $verdict = PASS ] || { cat "$log"; return 1; }
}
run_acceptance() {
  local out=$work/acceptance.out package status=0
  has_terraform || { echo "$no_terraform" | tee "$out"; return; }
  for package in client resourceserver; do
    sed -n "s/^$package //p" "$here/terraform/acceptance-tests.txt" |
      TF_ACC=1 TF_ACC_TERRAFORM_PATH=$(command -v terraform) CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE=/dev/null \
        each "$(<"$work/provider.dir")/internal/auth0/$package" "$work/$package.test" | tee -a "$out" || status=1
  done
  return $status
}

# each runs tests of a client's own, in their folder: one process each, since
# one that fails may panic and would take the others along. Names come from
# standard input, a line each; folder, test binary.
each() {
  local name status=0
  while read -r name; do
    [[ -z $name || $name == \#* ]] && continue
    (cd "$1" && SSL_CERT_FILE=$work/cert.pem AUTH0_HTTP_RECORDINGS=off AUTH0_DEBUG=false \
      "$2" -test.v -test.run "^$name\$" </dev/null) >"$work/each.out" 2>&1 || status=1
    if grep -qE '^--- (PASS|SKIP)' "$work/each.out"; then
      grep -E '^ *--- ' "$work/each.out"
    else
      status=1
      cat "$work/each.out"
      grep -q '^--- FAIL' "$work/each.out" || echo "--- FAIL: $name (did not run)"
    fi
  done
  return $status
}

# fetched is how many tokens were asked for so far.
fetched() { grep -c '"/oauth/token"' "$work/log" || true; }

# summary counts what a suite's runner printed; suite, seconds, tokens.
summary() {
  local counts
  if [[ -f $work/$1.tap ]]; then
    counts=$(awk '/^# (pass|fail|cancelled|skipped) [0-9]+$/ {n[$2] = $3}
      END {printf "%d passed, %d failed, %d skipped", n["pass"], n["fail"] + n["cancelled"], n["skipped"]}' "$work/$1.tap")
  else
    counts=$(awk '/^ *--- (PASS|FAIL|SKIP):/ {n[$2]++}
      END {printf "%d passed, %d failed, %d skipped", n["PASS:"], n["FAIL:"], n["SKIP:"]}' "$work/$1.out")
  fi
  echo "$1: $counts in $2 s, with $3 tokens"
}

roster=${SDK_ROSTER:-$work/roster}
[[ -n ${SDK_ROSTER:-} ]] || (cd "$root" && go build -o "$roster" ./cmd/roster)
for suite in "${suites[@]}"; do "prepare_$suite"; done
certificate
start

failed=0 lines=()
for suite in "${suites[@]}"; do
  echo "== $suite"
  since=$SECONDS before=$(fetched)
  "run_$suite" || failed=1
  lines+=("$(summary "$suite" $((SECONDS - since)) $(($(fetched) - before)))")
done

if grep '"level":"ERROR"' "$work/log"; then
  lines+=("server: logged errors (above)") failed=1
fi
stop || { lines+=("server: did not stop cleanly: $(tail -3 "$work/log")"); failed=1; }
echo
printf '%s\n' "${lines[@]}"
exit $failed
