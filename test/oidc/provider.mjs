// An OpenID Connect provider on loopback, with one client and one key made at its
// start. It reads a line of JSON from standard input, writes its issuer when it
// is ready, and ends with standard input.
//
//   {"port": "0", "alg": "ES256", "kid": "first", "client": {"id": "ops", "secret": "…"}, "scope": "read:clients"}
//
// The client gets JWT access tokens with the client_credentials grant, for
// whatever resource it names.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const input = createInterface({ input: process.stdin });
const { port, alg, kid, client, scope } = await new Promise((resolve) => input.once('line', (line) => resolve(JSON.parse(line))));
input.once('close', () => process.exit());

const { privateKey } = alg.startsWith('ES')
  ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
  : generateKeyPairSync('rsa', { modulusLength: 2048 });

const server = createServer();
await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }] },
  clients: [{
    client_id: client.id,
    client_secret: client.secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: alg,
  }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, audience) => ({ audience, scope, accessTokenFormat: 'jwt', jwt: { sign: { alg } } }),
    },
  },
});
server.on('request', provider.callback());
console.log(issuer);
