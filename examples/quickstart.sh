#!/usr/bin/env bash
# Walks through a client's credentials with nothing but curl, openssl and jq.
#
# Needs a running Roster and an administrator of it:
#
#   ROSTER_URL=http://localhost:8080 CLIENT_ID=… CLIENT_SECRET=… examples/quickstart.sh
#
# ROSTER_URL must be the public URL of the service: tokens are asked for its
# management API, ROSTER_URL/api/v2/. Everything it makes it deletes again.
set -euo pipefail

: "${ROSTER_URL:?set it to the public URL of the service}"
: "${CLIENT_ID:?set it to the client_id of an administrator}"
: "${CLIENT_SECRET:?set it to the secret of that client}"
url=${ROSTER_URL%/}
for tool in curl openssl jq; do
  command -v "$tool" >/dev/null || { echo "$tool is needed" >&2; exit 1; }
done
umask 077
work=$(mktemp -d)
client='' token='' administrator=''

# say tells what comes next.
say() { printf '\n== %s\n' "$*"; }

# fail ends the walk.
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# same NAME WANT GOT compares two figures.
same() {
  [ "$2" = "$3" ] || fail "$1 is '$3', want '$2'"
  printf '   %-18s %s\n' "$1" "$3"
}

# request STATUS METHOD PATH [JSON] sends a request, fails unless it is answered
# with that status, and prints the answer. Tokens and secrets go through files
# and pipes: what is in arguments, everybody on the machine can read.
request() {
  local want=$1 method=$2 path=$3 status
  shift 3
  [ $# -eq 0 ] || set -- -H 'Content-Type: application/json' --data "$1"
  status=$(printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl -sS --max-time 30 -K - -X "$method" -o "$work/answer" -w '%{http_code}' "$@" "$url$path") || fail "$method $path: no answer"
  [ "$status" = "$want" ] || fail "$method $path answers $status, want $want: $(cat "$work/answer")"
  cat "$work/answer"
}

# ask_token STATUS FORM… asks for a token and prints the answer.
ask_token() {
  local want=$1 status form
  shift
  form=$(printf '&%s' grant_type=client_credentials "$@")
  status=$(printf '%s' "${form#&}" |
    curl -sS --max-time 30 -o "$work/answer" -w '%{http_code}' --data @- "$url/oauth/token") || fail "POST /oauth/token: no answer"
  [ "$status" = "$want" ] || fail "POST /oauth/token answers $status, want $want: $(cat "$work/answer")"
  cat "$work/answer"
}

escape() { VALUE=$1 jq -rn '$ENV.VALUE | @uri'; }

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# The modulus of a public key as a JWK writes it.
modulus() { openssl rsa -pubin -in "$1" -noout -modulus | sed 's/^Modulus=//' | tr -d '\n' | hex_to_bytes | base64url; }
hex_to_bytes() {
  local hex
  hex=$(cat)
  # shellcheck disable=SC2059 # the format is made of \x escapes
  printf "$(printf '%s' "$hex" | sed 's/../\\x&/g')"
}

clean_up() {
  local status=$?
  if [ -n "$client" ] && [ "$status" -ne 0 ]; then
    token=${administrator:-$token}
    (request 204 DELETE "/api/v2/clients/$client" >/dev/null) || true
  fi
  rm -rf "$work"
}
trap clean_up EXIT

say "Get a token for the management API"
token=$(ask_token 200 "client_id=$(escape "$CLIENT_ID")" "client_secret=$(escape "$CLIENT_SECRET")" "audience=$(escape "$url/api/v2/")" | jq -er .access_token)
echo "   it may: $(jq -r '.scope | split(" ") | .[0:3] | join(", ")' "$work/answer"), …"

administrator=$token

say "Register a client"
client=$(request 201 POST /api/v2/clients '{"name":"quickstart","app_type":"non_interactive","grant_types":["client_credentials"]}' | jq -er .client_id)
echo "   client_id          $client"
credentials=/api/v2/clients/$client/credentials

say "Make a key and a certificate"
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /O=Quickstart/CN=billing \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl.log" || fail "openssl: $(cat "$work/openssl.log")"
openssl rsa -in "$work/key.pem" -pubout -out "$work/public.pem" 2>"$work/openssl.log" || fail "openssl: $(cat "$work/openssl.log")"
# RFC 7638: the SHA-256 of the key's required members in the order of their names.
kid=$(jq -jn --arg n "$(modulus "$work/public.pem")" '{e: "AQAB", kty: "RSA", n: $n} | tojson' | openssl dgst -sha256 -binary | base64url)
thumbprint=$(openssl x509 -in "$work/cert.pem" -outform DER | openssl dgst -sha256 -binary | base64url)
echo "   thumbprints        by openssl, to compare with"

say "Register the public key"
key=$(request 201 POST "$credentials" "$(jq -n --rawfile pem "$work/public.pem" '{credential_type: "public_key", name: "quickstart key", $pem}')" | jq -er .id)
same kid "$kid" "$(jq -r .kid "$work/answer")"
same alg RS256 "$(jq -r .alg "$work/answer")"

say "Register the certificate"
cert=$(request 201 POST "$credentials" "$(jq -n --rawfile pem "$work/cert.pem" '{credential_type: "x509_cert", name: "quickstart certificate", $pem}')" | jq -er .id)
same thumbprint_sha256 "$thumbprint" "$(jq -r .thumbprint_sha256 "$work/answer")"

say "Let the key expire, then let it not"
request 200 PATCH "$credentials/$key" '{"expires_at":"2099-01-31T00:00:00.000Z"}' >/dev/null
same expires_at 2099-01-31T00:00:00.000Z "$(jq -r .expires_at "$work/answer")"
request 200 PATCH "$credentials/$key" '{"expires_at":null}' >/dev/null
same expires_at null "$(jq -r .expires_at "$work/answer")"

say "Attach the key: from now on the client authenticates with it, not with a secret"
request 200 PATCH "/api/v2/clients/$client" "$(jq -n --arg id "$key" '{token_endpoint_auth_method: null, client_authentication_methods: {private_key_jwt: {credentials: [{$id}]}}}')" >/dev/null
same attached "$key" "$(jq -r '.client_authentication_methods.private_key_jwt.credentials[0].id' "$work/answer")"

say "Allow the client to list clients"
grant=$(request 201 POST /api/v2/client-grants "$(jq -n --arg client_id "$client" --arg audience "$url/api/v2/" '{$client_id, $audience, scope: ["read:clients"]}')" | jq -er .id)
echo "   grant              $grant"

say "Authenticate as the client with an assertion signed by the key (RFC 7523)"
issuer=$(request 200 GET /.well-known/oauth-authorization-server | jq -er .issuer)
assertion() {
  local now header payload
  now=$(date +%s)
  header=$(jq -jn --arg kid "$kid" '{alg: "RS256", typ: "JWT", $kid} | tojson' | base64url)
  payload=$(jq -jn --arg id "$client" --arg aud "$issuer" --arg jti "$(openssl rand -hex 16)" --argjson now "$now" \
    '{iss: $id, sub: $id, $aud, $jti, iat: $now, exp: ($now + 60)} | tojson' | base64url)
  printf '%s.%s.%s' "$header" "$payload" "$(printf '%s.%s' "$header" "$payload" | openssl dgst -sha256 -sign "$work/key.pem" -binary | base64url)"
}
by_assertion() {
  ask_token "$1" "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer" "client_assertion=$2" "audience=$(escape "$url/api/v2/")"
}
signed=$(assertion)
own=$(by_assertion 200 "$signed" | jq -er .access_token)
same scope read:clients "$(jq -r .scope "$work/answer")"
same "used again" invalid_client "$(by_assertion 401 "$signed" | jq -r .error)"

say "Use the client's own token"
token=$own
request 200 GET "/api/v2/clients/$client?fields=name" >/dev/null
same name quickstart "$(jq -r .name "$work/answer")"
request 403 DELETE "/api/v2/clients/$client" >/dev/null
same "deleting answers" 403 "$(jq -r .statusCode "$work/answer")"
token=$administrator

say "List the credentials"
request 200 GET "$credentials" | jq -r '.[] | "   \(.id)  \(.credential_type)  \(.name)"'
same ids "$(printf '%s\n' "$key" "$cert" | sort | tr '\n' ' ')" "$(jq -r '.[].id' "$work/answer" | sort | tr '\n' ' ')"

say "Detach and delete: a credential in use cannot go"
request 400 DELETE "$credentials/$key" >/dev/null
echo "   in use             $(jq -r .message "$work/answer")"
request 200 PATCH "/api/v2/clients/$client" '{"client_authentication_methods":null,"token_endpoint_auth_method":"client_secret_post"}' >/dev/null
request 204 DELETE "$credentials/$key"
request 204 DELETE "$credentials/$cert"
request 200 GET "$credentials" >/dev/null
same "credentials left" 0 "$(jq length "$work/answer")"
same "key detached" invalid_client "$(by_assertion 401 "$(assertion)" | jq -r .error)"

say "Delete the client, and its grant with it"
request 204 DELETE "/api/v2/clients/$client"
request 404 GET "/api/v2/clients/$client" >/dev/null
request 404 GET "/api/v2/client-grants/$grant" >/dev/null
client=''
printf '\nAll of it worked.\n'
