import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { admin, api, client, fails, identifier, management, token, unique } from "./lib/roster.js";
import { sdks } from "./lib/sdks.js";

for (const sdk of sdks) {
  describe(`auth0 ${sdk.version}: resource servers`, () => {
    let m;
    before(() => (m = sdk.connect(admin)));

    test("create fills in the defaults", async (t) => {
      const [id, name] = [identifier(), unique("api")];
      const { status, data } = await m.apis.create({ identifier: id, name });
      t.after(() => m.apis.delete(data.id));
      assert.equal(status, 201);
      assert.match(data.id, /^[0-9a-f]{24}$/);
      assert.deepEqual(data, {
        id: data.id, identifier: id, name, allow_offline_access: false, skip_consent_for_verifiable_first_party_clients: false,
        subject_type_authorization: { client: { policy: "require_client_grant" }, user: { policy: "allow_all" } },
        token_lifetime: 86400, token_lifetime_for_web: 7200, signing_alg: "RS256",
      });
    });

    test("it is found by id and by identifier", async (t) => {
      const made = await api(t, m);
      for (const id of [made.id, made.identifier]) {
        const { status, data } = await m.apis.get(id);
        assert.equal(status, 200);
        assert.deepEqual(data, made);
      }
    });

    test("update replaces what it names", async (t) => {
      const made = await api(t, m, { name: unique("api"), scopes: [{ value: "read:x", description: "Read X" }] });
      const { status, data } = await m.apis.update(made.id, {
        scopes: [{ value: "read:x", description: "Read X" }, { value: "write:x" }], token_lifetime: 600, allow_offline_access: true,
      });
      assert.equal(status, 200);
      assert.deepEqual(data, {
        ...made, scopes: [{ value: "read:x", description: "Read X" }, { value: "write:x" }], token_lifetime: 600, allow_offline_access: true,
      });
      assert.deepEqual((await m.apis.get(made.id)).data, data);
      const renamed = (await m.apis.update(made.identifier, { name: "by identifier" })).data;
      assert.deepEqual([renamed.id, renamed.name], [made.id, "by identifier"]);
      await fails(sdk, m.apis.update(made.id, { identifier: identifier() }), 400, "invalid_body", /Additional properties not allowed: identifier/);
    });

    test("an HS256 API has a signing secret", async (t) => {
      const made = await api(t, m, { signing_alg: "HS256", signing_secret: "0123456789abcdefghij" });
      assert.equal(made.signing_secret, "0123456789abcdefghij");
      assert.equal((await m.apis.get(made.id)).data.signing_secret, "0123456789abcdefghij");
    });

    test("an identifier is taken once", async (t) => {
      const made = await api(t, m);
      await fails(sdk, m.apis.create({ identifier: made.identifier }), 409, "conflict", /./);
    });

    test("delete answers 204, also the second time", async () => {
      const { data } = await m.apis.create({ identifier: identifier() });
      assert.equal((await m.apis.delete(data.id)).status, 204);
      assert.equal((await m.apis.delete(data.id)).status, 204);
      await fails(sdk, m.apis.get(data.id), 404, "inexistent_resource_server", "The resource server does not exist");
      // The package knows no 404 of this operation, so it comes in the general class.
      await fails(sdk, m.apis.update(data.id, { name: "x" }), 404, "inexistent_resource_server", "The resource server does not exist", sdk.anyError);
    });

    test("bad ones are refused, and so is touching the system's", async () => {
      for (const body of [{}, { identifier: "" }, { identifier: identifier(), token_lifetime: -1 }, { identifier: identifier(), name: "<b>" },
        { identifier: identifier(), signing_alg: "none" }, { identifier: identifier(), signing_alg: "HS256", signing_secret: "short" }]) {
        await fails(sdk, m.apis.create(body), 400, "invalid_body", /^Payload validation error/);
      }
      const system = (await m.apis.get(management)).data;
      await assert.rejects(m.apis.delete(system.id), { statusCode: 400 });
      assert.equal((await m.apis.get(management)).data.is_system, true);
    });
  });

  describe(`auth0 ${sdk.version}: client grants`, () => {
    let m;
    before(() => (m = sdk.connect(admin)));
    const scopes = [{ value: "read:x" }, { value: "write:x" }];

    test("a grant is made, changed and deleted, and tokens follow it", async (t) => {
      const [who, what] = [await client(t, m), await api(t, m, { scopes })];
      const ask = async () => {
        const answer = await token({
          grant_type: "client_credentials", client_id: who.client_id, client_secret: who.client_secret, audience: what.identifier,
        });
        return { status: answer.status, body: await answer.json() };
      };
      assert.deepEqual([(await ask()).status, (await ask()).body.error], [403, "access_denied"]);

      const made = await m.grants.create({ client_id: who.client_id, audience: what.identifier, scope: ["read:x"] });
      assert.equal(made.status, 201);
      assert.match(made.data.id, /^cgr_[A-Za-z0-9]{16}$/);
      assert.deepEqual(made.data, { id: made.data.id, client_id: who.client_id, audience: what.identifier, scope: ["read:x"], subject_type: "client" });
      const first = await ask();
      assert.deepEqual([first.status, first.body.scope, first.body.expires_in], [200, "read:x", 86400]);

      const changed = await m.grants.update(made.data.id, { scope: ["read:x", "write:x"] });
      assert.equal(changed.status, 200);
      assert.deepEqual(changed.data, { ...made.data, scope: ["read:x", "write:x"] });
      assert.deepEqual((await ask()).body.scope.split(" ").sort(), ["read:x", "write:x"]);

      assert.equal((await m.grants.delete(made.data.id)).status, 204);
      assert.equal((await m.grants.delete(made.data.id)).status, 204);
      assert.equal((await ask()).status, 403);
      await fails(sdk, m.grants.update(made.data.id, { scope: [] }), 404, "inexistent_client_grant", "The grant does not exist.");
    });

    if (!sdk.version.startsWith("4.")) {
      test("a grant is read by id", async (t) => {
        const [who, what] = [await client(t, m), await api(t, m, { scopes })];
        const { data } = await m.grants.create({ client_id: who.client_id, audience: what.identifier, scope: [] });
        assert.deepEqual(await m.raw.clientGrants.get(data.id), data);
        await fails(sdk, m.raw.clientGrants.get("cgr_0000000000000000"), 404, "inexistent_client_grant", "The grant does not exist.");
      });
    }

    test("members beside the scope", async (t) => {
      const [who, what] = [await client(t, m), await api(t, m, { scopes })];
      const made = (await m.grants.create({
        client_id: who.client_id, audience: what.identifier, scope: ["read:x"], organization_usage: "allow", allow_any_organization: true,
      })).data;
      assert.deepEqual([made.organization_usage, made.allow_any_organization], ["allow", true]);
      assert.deepEqual((await m.grants.organizations(made.id)).status, 200);
      const all = (await m.grants.update(made.id, { allow_all_scopes: true })).data;
      assert.ok(all.allow_all_scopes && !("scope" in all), JSON.stringify(all));
    });

    test("a second grant, an unknown client or API, and other members are refused", async (t) => {
      const [who, what] = [await client(t, m), await api(t, m, { scopes })];
      const body = { client_id: who.client_id, audience: what.identifier, scope: ["read:x"] };
      const made = (await m.grants.create(body)).data;
      await fails(sdk, m.grants.create(body), 409, "conflict", /./);
      await fails(sdk, m.grants.create({ ...body, client_id: "nobody" }), 404, "inexistent_client", /./);
      await fails(sdk, m.grants.create({ ...body, audience: identifier() }), 404, "inexistent_resource_server", /./);
      await fails(sdk, m.grants.create({ audience: what.identifier, scope: [] }), 400, "invalid_body", /./);
      await fails(sdk, m.grants.update(made.id, { audience: what.identifier, client_id: who.client_id }), 400, "invalid_body",
        "Payload validation error: 'Additional properties not allowed: audience,client_id'.");
    });

    test("a grant goes with its client", async (t) => {
      const what = await api(t, m, { scopes });
      const who = (await m.clients.create({ name: unique("leaving") })).data;
      const grant = (await m.grants.create({ client_id: who.client_id, audience: what.identifier, scope: [] })).data;
      await m.clients.delete(who.client_id);
      await fails(sdk, m.grants.update(grant.id, { scope: [] }), 404, "inexistent_client_grant", "The grant does not exist.");
    });
  });
}
