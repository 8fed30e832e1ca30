import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { admin, client, domain, fails, keyPair, management, token, unique } from "./lib/roster.js";
import { sdks } from "./lib/sdks.js";

for (const sdk of sdks) {
  describe(`auth0 ${sdk.version}: login`, () => {
    let m;
    before(() => (m = sdk.connect(admin)));

    /** grantee is a client of its own with a grant on the management API. */
    async function grantee(t, scope, body = {}) {
      const made = await client(t, m, { app_type: "non_interactive", ...body });
      await m.grants.create({ client_id: made.client_id, audience: management, scope });
      return made;
    }

    test("a client secret logs in, and the token is good for what was granted", async (t) => {
      const made = await grantee(t, ["read:clients"]);
      const own = sdk.connect({ domain, clientId: made.client_id, clientSecret: made.client_secret });
      const { status, data } = await own.clients.get(made.client_id);
      assert.equal(status, 200);
      assert.equal(data.name, made.name);
      assert.ok(!("client_secret" in data), "a token without read:client_keys was shown the secret");
      await fails(sdk, own.clients.create({ name: unique("x") }), 403, "insufficient_scope", "Insufficient scope, expected any of: create:clients");
    });

    for (const alg of ["RS256", "RS384", "PS256"]) {
      test(`a private key logs in with ${alg}`, async (t) => {
        const keys = keyPair();
        const made = await grantee(t, ["read:clients"], {
          client_authentication_methods: {
            private_key_jwt: { credentials: [{ credential_type: "public_key", name: "login", pem: keys.pem, alg }] },
          },
        });
        assert.ok(!("client_secret" in made), "a client with keys was given a secret");
        const own = sdk.connect({
          domain,
          clientId: made.client_id,
          clientAssertionSigningKey: keys.privateKey,
          clientAssertionSigningAlg: alg,
        });
        assert.equal((await own.clients.get(made.client_id)).data.client_id, made.client_id);
      });
    }

    test("another client's private key, or another algorithm, is refused", async (t) => {
      const [keys, others] = [keyPair(), keyPair()];
      const made = await grantee(t, ["read:clients"], {
        client_authentication_methods: {
          private_key_jwt: { credentials: [{ credential_type: "public_key", pem: keys.pem }] },
        },
      });
      for (const [privateKey, alg] of [[others.privateKey, "RS256"], [keys.privateKey, "PS256"]]) {
        const own = sdk.connect({ domain, clientId: made.client_id, clientAssertionSigningKey: privateKey, clientAssertionSigningAlg: alg });
        await assert.rejects(own.clients.list(), (err) => {
          assert.equal(err.statusCode ?? err.cause?.statusCode, 401, `${err.name}: ${err.message}`);
          return true;
        });
      }
    });

    test("a wrong secret is refused with 401", async () => {
      const own = sdk.connect({ ...admin, clientSecret: "wrong" });
      await assert.rejects(own.clients.list(), (err) => {
        assert.equal(err.statusCode ?? err.cause?.statusCode, 401, `${err.name}: ${err.message}`);
        return true;
      });
    });

    test("a client without a grant is refused with 403", async (t) => {
      const made = await client(t, m);
      const own = sdk.connect({ domain, clientId: made.client_id, clientSecret: made.client_secret });
      await assert.rejects(own.clients.list(), (err) => {
        assert.equal(err.statusCode ?? err.cause?.statusCode, 403, `${err.name}: ${err.message}`);
        return true;
      });
    });

    test("a token that is given works, a forged one does not", async () => {
      const answer = await token({
        grant_type: "client_credentials", client_id: admin.clientId, client_secret: admin.clientSecret, audience: management,
      });
      assert.equal(answer.status, 200);
      const { access_token, token_type, expires_in, scope } = await answer.json();
      assert.equal(token_type, "Bearer");
      assert.equal(expires_in, parseInt(process.env.SDK_TOKEN_TTL));
      assert.ok(scope.split(" ").includes("create:clients"), scope);
      const own = sdk.connect({ domain, token: access_token });
      assert.equal((await own.clients.get(admin.clientId)).status, 200);
      const [head, , signature] = access_token.split(".");
      const claims = Buffer.from(JSON.stringify({ iss: `https://${domain}/`, sub: "x@clients", aud: management, exp: 4e9 })).toString("base64url");
      await fails(sdk, sdk.connect({ domain, token: `${head}.${claims}.${signature}` }).clients.list(), 401, undefined, /token/i);
    });
  });
}
