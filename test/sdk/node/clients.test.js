import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { admin, client, fails, unique } from "./lib/roster.js";
import { sdks } from "./lib/sdks.js";

for (const sdk of sdks) {
  describe(`auth0 ${sdk.version}: clients`, () => {
    let m;
    before(() => (m = sdk.connect(admin)));

    test("create fills in the defaults and answers what was sent", async (t) => {
      const name = unique("defaults");
      const { status, data } = await m.clients.create({ name });
      t.after(() => m.clients.delete(data.client_id));
      assert.equal(status, 201);
      const { client_id, client_secret, signing_keys, ...rest } = data;
      assert.match(client_id, /^[A-Za-z0-9]{32}$/);
      assert.match(client_secret, /^[A-Za-z0-9_-]{64}$/);
      assert.match(signing_keys[0].cert, /^-----BEGIN CERTIFICATE-----\r\n/);
      assert.deepEqual(rest, {
        tenant: "roster", global: false, is_token_endpoint_ip_header_trusted: false, name, is_first_party: true,
        oidc_conformant: false, sso_disabled: false, cross_origin_authentication: false, cross_origin_auth: false, encrypted: true,
        refresh_token: {
          expiration_type: "non-expiring", leeway: 0, infinite_token_lifetime: true, infinite_idle_token_lifetime: true,
          token_lifetime: 2592000, idle_token_lifetime: 1296000, rotation_type: "non-rotating",
        },
        callback_url_template: false,
        jwt_configuration: { lifetime_in_seconds: 36000, secret_encoded: false },
        grant_types: ["authorization_code", "implicit", "refresh_token", "client_credentials"],
        custom_login_page_on: true,
      });
    });

    test("what is created is what is read", async (t) => {
      const body = {
        name: unique("Ünïcode ✓"), description: "a \"quoted\" text", logo_uri: "https://example.com/logo.png",
        callbacks: ["https://example.com/cb?x=1", "http://localhost:3000/cb"], allowed_origins: ["https://example.com"],
        web_origins: ["https://example.com"], allowed_logout_urls: ["https://example.com/out"], client_aliases: [],
        allowed_clients: [], grant_types: ["authorization_code", "refresh_token"], app_type: "regular_web",
        token_endpoint_auth_method: "client_secret_basic", oidc_conformant: true, is_first_party: true, sso: true,
        initiate_login_uri: "https://example.com/login", client_metadata: { tier: "gold", empty: "" },
        jwt_configuration: { lifetime_in_seconds: 3600, alg: "RS256" },
        refresh_token: {
          rotation_type: "rotating", expiration_type: "expiring", leeway: 10, token_lifetime: 86400,
          infinite_token_lifetime: false, idle_token_lifetime: 3600, infinite_idle_token_lifetime: false,
        },
        mobile: { ios: { team_id: "TEAM", app_bundle_identifier: "com.example" } },
        native_social_login: { apple: { enabled: true }, facebook: { enabled: false } },
        organization_usage: "allow", organization_require_behavior: "no_prompt",
        oidc_logout: { backchannel_logout_urls: ["https://example.com/bc"] },
      };
      const made = await client(t, m, body);
      const { status, data } = await m.clients.get(made.client_id);
      assert.equal(status, 200);
      assert.deepEqual(
        Object.fromEntries(Object.keys(body).map((name) => [name, data[name]])),
        { ...body, jwt_configuration: { ...body.jwt_configuration, secret_encoded: false } },
      );
      assert.equal(data.client_secret, made.client_secret);
      assert.ok(!("encrypted" in data) && !("key" in data.signing_keys[0]), "GET showed what only POST shows");
    });

    test("get cuts down to the fields asked for, or leaves those out", async (t) => {
      const made = await client(t, m, { app_type: "spa" });
      const some = await m.clients.get(made.client_id, { fields: "client_id,app_type,name,description", include_fields: true });
      assert.deepEqual(some.data, { client_id: made.client_id, app_type: "spa", name: made.name });
      const rest = await m.clients.get(made.client_id, { fields: "client_secret,signing_keys", include_fields: false });
      assert.ok(!("client_secret" in rest.data) && !("signing_keys" in rest.data));
      assert.equal(rest.data.name, made.name);
    });

    test("update merges objects, replaces arrays and removes what is null", async (t) => {
      const made = await client(t, m, {
        callbacks: ["https://a.example/cb", "https://b.example/cb"], description: "old", client_metadata: { keep: "1", gone: "2" },
        jwt_configuration: { alg: "RS256", lifetime_in_seconds: 100 },
      });
      const { status, data } = await m.clients.update(made.client_id, {
        callbacks: ["https://c.example/cb"], description: "", client_metadata: { gone: null, more: "3" }, jwt_configuration: { alg: "HS256" },
      });
      assert.equal(status, 200);
      assert.deepEqual(data.callbacks, ["https://c.example/cb"]);
      assert.equal(data.description, "");
      assert.deepEqual(data.client_metadata, { keep: "1", more: "3" });
      assert.deepEqual(data.jwt_configuration, { alg: "HS256", lifetime_in_seconds: 100, secret_encoded: false });
      assert.equal(data.name, made.name);
      const read = (await m.clients.get(made.client_id)).data;
      delete read.signing_keys, delete data.signing_keys; // told differently by PATCH and GET
      assert.deepEqual(read, data);
      const gone = (await m.clients.update(made.client_id, { default_organization: null, addons: null, cross_origin_loc: null })).data;
      for (const name of ["default_organization", "addons", "cross_origin_loc"]) assert.ok(!(name in gone), name);
    });

    test("a secret is rotated, and can be set", async (t) => {
      const made = await client(t, m);
      const rotated = await m.clients.rotateSecret(made.client_id);
      assert.equal(rotated.status, 200);
      assert.match(rotated.data.client_secret, /^[A-Za-z0-9_-]{64}$/);
      assert.notEqual(rotated.data.client_secret, made.client_secret);
      assert.equal(rotated.data.name, made.name);
      assert.equal((await m.clients.get(made.client_id)).data.client_secret, rotated.data.client_secret);
      const own = "chosen-by-hand_" + "x".repeat(49);
      assert.equal((await m.clients.update(made.client_id, { client_secret: own })).data.client_secret, own);
      assert.equal((await m.clients.get(made.client_id)).data.client_secret, own);
    });

    test("delete answers 204, also the second time, and the client is gone", async () => {
      const made = (await m.clients.create({ name: unique("short-lived") })).data;
      assert.equal((await m.clients.delete(made.client_id)).status, 204);
      assert.equal((await m.clients.delete(made.client_id)).status, 204);
      await fails(sdk, m.clients.get(made.client_id), 404, "inexistent_client", "The client does not exist");
      await fails(sdk, m.clients.update(made.client_id, { name: "x" }), 404, "inexistent_client", "The client does not exist");
      await fails(sdk, m.clients.rotateSecret(made.client_id), 404, "inexistent_client", "The client does not exist");
    });

    test("an id with characters that need escaping is just unknown", async () => {
      for (const id of ["a/b", "a b?c=d#e", "%2F", "é", ".."]) {
        await fails(sdk, m.clients.get(id), 404, id === ".." ? undefined : "inexistent_client", /./);
      }
    });

    test("two clients may have one name", async (t) => {
      const name = unique("twin");
      const [a, b] = [await client(t, m, { name }), await client(t, m, { name })];
      assert.notEqual(a.client_id, b.client_id);
      assert.equal(a.name, b.name);
    });

    test("a client has no connections", async (t) => {
      const made = await client(t, m);
      const { status, data } = await m.clients.connections(made.client_id);
      assert.equal(status, 200);
      assert.deepEqual(data, { connections: [] });
    });

    for (const [what, body, message] of [
      ["no name", {}, /^Payload validation error: 'Missing required property: name'/],
      ["a name of another type", { name: 5 }, /^Payload validation error: 'Expected type string but found type \w+' on property name/],
      ["a name with <", { name: "a<b" }, /^Payload validation error: 'String does not match pattern .*' on property name/],
      ["an unknown member", { name: "x", nonsense: 1 }, /^Payload validation error: 'Additional properties not allowed: nonsense'/],
      ["an unknown app_type", { name: "x", app_type: "toaster" }, /^Payload validation error: 'No enum match for: toaster' on property app_type/],
      ["a callback that is no URL", { name: "x", callbacks: ["https://ok.example", "no url"] }, /on property callbacks\[1\]/],
      ["a login URI over http", { name: "x", initiate_login_uri: "http://localhost:3000" }, /^Payload validation error: .* on property initiate_login_uri/],
      ["client credentials without authentication", { name: "x", token_endpoint_auth_method: "none", grant_types: ["client_credentials"] }, /client_credentials/],
    ]) {
      test(`create with ${what} is refused`, () => fails(sdk, m.clients.create(body), 400, "invalid_body", message));
    }

    test("update refuses what cannot be changed", async (t) => {
      const made = await client(t, m);
      for (const body of [{ client_id: "other" }, { tenant: "other" }, { global: true }, { signing_keys: [] }, { name: null }]) {
        await fails(sdk, m.clients.update(made.client_id, body), 400, "invalid_body", /^Payload validation error/);
      }
      assert.equal((await m.clients.get(made.client_id)).data.name, made.name);
    });
  });
}
