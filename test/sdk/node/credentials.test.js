import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, describe, test } from "node:test";

import { admin, client, fails, keyPair } from "./lib/roster.js";
import { sdks } from "./lib/sdks.js";

/** thumbprint is that of RFC 7638. */
const thumbprint = ({ e, kty, n }) => createHash("sha256").update(JSON.stringify({ e, kty, n })).digest("base64url");
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

for (const sdk of sdks) {
  describe(`auth0 ${sdk.version}: client credentials`, () => {
    let m;
    before(() => (m = sdk.connect(admin)));

    test("create, get and list tell of a credential, never its PEM", async (t) => {
      const made = await client(t, m);
      assert.deepEqual((await m.credentials.list(made.client_id)).data, []);
      const keys = keyPair();
      const { status, data } = await m.credentials.create(made.client_id, {
        credential_type: "public_key", name: "first", pem: keys.pem, alg: "PS256", expires_at: "2033-05-13T11:33:13.123456789+02:00",
      });
      assert.equal(status, 201);
      const { id, created_at, updated_at, ...rest } = data;
      assert.match(id, /^cred_[A-Za-z0-9]{22}$/);
      assert.match(created_at, instant);
      assert.equal(updated_at, created_at);
      assert.deepEqual(rest, {
        credential_type: "public_key", name: "first", kid: thumbprint(keys.jwk), alg: "PS256", expires_at: "2033-05-13T09:33:13.123Z",
      });
      const got = await m.credentials.get(made.client_id, id);
      assert.equal(got.status, 200);
      assert.deepEqual(got.data, data);
      const second = (await m.credentials.create(made.client_id, { credential_type: "public_key", pem: keyPair().pem, kid: "my-own-kid_01" })).data;
      assert.deepEqual([second.kid, second.alg, second.name, second.expires_at], ["my-own-kid_01", "RS256", undefined, undefined]);
      const listed = (await m.credentials.list(made.client_id)).data;
      assert.deepEqual(listed.map((c) => c.id), [id, second.id]);
      assert.deepEqual(listed[0], data);
    });

    test("an expiry is set and taken away", async (t) => {
      const made = await client(t, m);
      const { id } = (await m.credentials.create(made.client_id, { credential_type: "public_key", pem: keyPair().pem })).data;
      const set = await m.credentials.update(made.client_id, id, { expires_at: "2034-01-01T00:00:00.000Z" });
      assert.equal(set.status, 200);
      assert.equal(set.data.expires_at, "2034-01-01T00:00:00.000Z");
      assert.equal((await m.credentials.get(made.client_id, id)).data.expires_at, "2034-01-01T00:00:00.000Z");
      assert.equal((await m.credentials.update(made.client_id, id, { expires_at: null })).data.expires_at ?? null, null);
      assert.equal((await m.credentials.get(made.client_id, id)).data.expires_at ?? null, null);
      await fails(sdk, m.credentials.update(made.client_id, id, {}), 400, "invalid_body", /^Payload validation error/);
      await fails(sdk, m.credentials.update(made.client_id, id, { name: "x" }), 400, "invalid_body", /Additional properties not allowed: name/);
    });

    test("keys are attached, exchanged and detached", async (t) => {
      const made = await client(t, m, { token_endpoint_auth_method: "client_secret_post" });
      const add = async () => (await m.credentials.create(made.client_id, { credential_type: "public_key", pem: keyPair().pem })).data.id;
      const [one, two] = [await add(), await add()];
      const attach = (...ids) =>
        m.clients.update(made.client_id, {
          client_authentication_methods: { private_key_jwt: { credentials: ids.map((id) => ({ id })) } },
          token_endpoint_auth_method: null,
        });
      const attached = await attach(one);
      assert.equal(attached.status, 200);
      assert.deepEqual(attached.data.client_authentication_methods, { private_key_jwt: { credentials: [{ id: one }] } });
      assert.ok(!("client_secret" in attached.data) && !("token_endpoint_auth_method" in attached.data));
      const read = (await m.clients.get(made.client_id)).data;
      assert.deepEqual(read.client_authentication_methods, { private_key_jwt: { credentials: [{ id: one }] } });
      assert.ok(!("client_secret" in read) && !("token_endpoint_auth_method" in read));

      assert.deepEqual((await attach(two, one)).data.client_authentication_methods.private_key_jwt.credentials, [{ id: two }, { id: one }]);
      await attach(two);
      await fails(sdk, m.credentials.delete(made.client_id, two), 400, undefined, /still associated with a client/i);
      assert.equal((await m.credentials.delete(made.client_id, one)).status, 204);
      await fails(sdk, attach(one), 400, "invalid_body", /./);

      const detached = await m.clients.update(made.client_id, {
        client_authentication_methods: null, token_endpoint_auth_method: "client_secret_post",
      });
      assert.ok(!("client_authentication_methods" in detached.data));
      assert.equal(detached.data.client_secret, made.client_secret);
      assert.equal(detached.data.token_endpoint_auth_method, "client_secret_post");
      assert.equal((await m.credentials.delete(made.client_id, two)).status, 204);
      assert.equal((await m.credentials.delete(made.client_id, two)).status, 204);
      assert.deepEqual((await m.credentials.list(made.client_id)).data, []);
      await fails(sdk, m.credentials.get(made.client_id, two), 404, "inexistent_credential", /Credential does not exist/i);
    });

    test("credentials sent along with a client are answered in full once", async (t) => {
      const keys = keyPair();
      const made = await client(t, m, {
        jwt_configuration: { alg: "RS256" },
        client_authentication_methods: { private_key_jwt: { credentials: [{ credential_type: "public_key", name: "inline", pem: keys.pem }] } },
      });
      const [inline] = made.client_authentication_methods.private_key_jwt.credentials;
      assert.deepEqual([inline.name, inline.kid, inline.alg, inline.credential_type], ["inline", thumbprint(keys.jwk), "RS256", "public_key"]);
      assert.ok(!("pem" in inline));
      assert.deepEqual(made.jwt_configuration, { alg: "RS256", secret_encoded: false });
      const read = (await m.clients.get(made.client_id)).data;
      assert.deepEqual(read.client_authentication_methods.private_key_jwt.credentials, [{ id: inline.id }]);
      assert.deepEqual((await m.credentials.list(made.client_id)).data.map((c) => c.id), [inline.id]);
    });

    test("a client has room for four credentials, a method for two, and a key only once", async (t) => {
      const made = await client(t, m);
      const keys = keyPair();
      const ids = [];
      for (const pem of [keys.pem, keyPair().pem, keyPair().pem]) {
        ids.push((await m.credentials.create(made.client_id, { credential_type: "public_key", pem })).data.id);
      }
      await fails(sdk, m.credentials.create(made.client_id, { credential_type: "public_key", name: "again", pem: keys.pem }), 400, "invalid_body",
        /public keys that already exist in client/);
      ids.push((await m.credentials.create(made.client_id, { credential_type: "public_key", pem: keyPair().pem })).data.id);
      await fails(sdk, m.credentials.create(made.client_id, { credential_type: "public_key", pem: keyPair().pem }), 400, "invalid_body",
        /A client can have a maximum of 4 credentials\./);
      await fails(sdk,
        m.clients.update(made.client_id, {
          client_authentication_methods: { private_key_jwt: { credentials: ids.slice(0, 3).map((id) => ({ id })) } },
          token_endpoint_auth_method: null,
        }),
        400, "invalid_body", /Array is too long \(3\), maximum 2/);
    });

    test("bad credentials and unknown clients are refused", async (t) => {
      const made = await client(t, m);
      const keys = keyPair();
      for (const body of [
        { credential_type: "public_key" },
        { credential_type: "public_key", pem: "no pem" },
        { credential_type: "public_key", pem: keys.privateKey },
        { credential_type: "public_key", pem: keys.pem, alg: "HS256" },
        { credential_type: "public_key", pem: keys.pem, kid: "short" },
        { credential_type: "public_key", pem: keys.pem, expires_at: "tomorrow" },
        { credential_type: "password", pem: keys.pem },
        { pem: keys.pem },
      ]) {
        await fails(sdk, m.credentials.create(made.client_id, body), 400, "invalid_body", /./);
      }
      assert.deepEqual((await m.credentials.list(made.client_id)).data, []);
      await fails(sdk, m.credentials.list("nobody"), 404, "inexistent_client", "The client does not exist");
      await fails(sdk, m.credentials.create("nobody", { credential_type: "public_key", pem: keys.pem }), 404, "inexistent_client", "The client does not exist");
    });
  });
}
