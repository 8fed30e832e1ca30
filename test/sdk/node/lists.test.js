import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { admin, api, client, fails, identifier, management } from "./lib/roster.js";
import { sdks } from "./lib/sdks.js";

for (const sdk of sdks) {
  const isV4 = sdk.version.startsWith("4.");

  describe(`auth0 ${sdk.version}: lists of clients`, () => {
    let m;
    const ids = [], cleanup = [];
    const t = { after: (undo) => cleanup.push(undo) };
    after(() => Promise.all(cleanup.map((undo) => undo())));
    before(async () => {
      m = sdk.connect(admin);
      for (let i = 0; i < 5; i++) ids.push((await client(t, m, { app_type: "sso_integration" })).client_id);
    });
    const of = (list) => list.map((c) => c.client_id);
    const mine = { app_type: "sso_integration" }; // copied at each use: the pager of 7.1.0 changes the query it is given

    test("with totals, the numbers are those of the whole", async () => {
      const first = await m.clients.list({ ...mine, page: 0, per_page: 2, include_totals: true });
      assert.equal(first.status, 200);
      assert.deepEqual([first.data.start, first.data.limit, first.data.total], [0, 2, 5]);
      assert.deepEqual(of(first.data.clients), ids.slice(0, 2));
      const last = (await m.clients.list({ ...mine, page: 2, per_page: 2, include_totals: true })).data;
      assert.deepEqual([last.start, last.limit, last.total], [4, 2, 5]);
      assert.deepEqual(of(last.clients), ids.slice(4));
    });

    test("a page past the end is empty", async () => {
      const { status, data } = await m.clients.list({ ...mine, page: 7, per_page: 50, include_totals: true });
      assert.equal(status, 200);
      assert.deepEqual(data, { start: 350, limit: 50, total: 5, clients: [] });
    });

    test("a page of no clients tells the total", async () => {
      const { data } = await m.clients.list({ ...mine, page: 0, per_page: 0, include_totals: true });
      assert.deepEqual([data.total, data.clients], [5, []]);
    });

    test("filters", async () => {
      const spa = await m.clients.create({ name: "filtered", app_type: "spa" });
      try {
        const both = (await m.clients.list({ app_type: "sso_integration,spa", include_totals: true })).data;
        assert.deepEqual(of(both.clients), [...ids, spa.data.client_id]);
        const third = (await m.clients.list({ ...mine, is_first_party: false, include_totals: true })).data;
        assert.deepEqual([third.total, third.clients], [0, []]);
        const global = (await m.clients.list({ is_global: true, include_totals: true })).data;
        assert.deepEqual([global.total, global.clients.length, global.clients[0].name], [1, 1, "All Applications"]);
        const all = (await m.clients.list({ include_totals: true })).data;
        const local = (await m.clients.list({ is_global: false, include_totals: true })).data;
        assert.equal(all.total, local.total + 1);
        assert.deepEqual(of(all.clients), [...of(local.clients), global.clients[0].client_id]);
      } finally {
        await m.clients.delete(spa.data.client_id);
      }
    });

    test("fields", async () => {
      const { data } = await m.clients.list({ ...mine, fields: "client_id,app_type", include_fields: true, include_totals: true });
      assert.deepEqual(data.clients, ids.map((client_id) => ({ tenant: "roster", client_id, app_type: "sso_integration" })));
      const rest = (await m.clients.list({ ...mine, fields: "client_secret", include_fields: false, include_totals: true })).data;
      assert.ok(rest.clients.every((c) => c.name && !("client_secret" in c)));
    });

    test("a page of 101 is refused", () =>
      fails(sdk, m.clients.list({ per_page: 101 }), 400, "invalid_query_string",
        /^Query validation error: 'Value 101 is greater than maximum 100' on property per_page/));

    if (isV4) {
      test("without totals it is a bare array", async () => {
        const { data } = await m.clients.list(mine);
        assert.deepEqual(of(data), ids);
        assert.deepEqual(of((await m.clients.list({ ...mine, page: 1, per_page: 2 })).data), ids.slice(2, 4));
      });

      test("checkpoints lead through all of it", async () => {
        const seen = [];
        let from, rounds = 0;
        do {
          const { data } = await m.clients.list({ ...mine, take: 2, ...(from && { from }) });
          assert.ok(!("total" in data));
          seen.push(...of(data.clients));
          from = data.next;
        } while (from && ++rounds < 9);
        assert.deepEqual(seen, ids);
        assert.equal(rounds, 2);
        await fails(sdk, m.clients.list({ take: 2, from: "forged" }), 400, /^invalid_(query_string|body|paging)$/, /./);
      });
    } else {
      test("the pager leads through all of it, with and without a page size", async () => {
        for (const query of [{ ...mine, per_page: 2 }, { ...mine }]) {
          const seen = [];
          for await (const c of await m.raw.clients.list(query)) seen.push(c.client_id);
          assert.deepEqual(seen, ids);
        }
        const page = (await m.clients.list({ ...mine, per_page: 5 })).page;
        assert.ok(page.hasNextPage(), "a full page is followed by a request for the next one");
        assert.deepEqual((await page.getNextPage()).data, []);
        assert.ok(!page.hasNextPage());
      });
    }
  });

  describe(`auth0 ${sdk.version}: lists of grants and APIs`, () => {
    let m, subject;
    const apis = [], grants = [], cleanup = [];
    const t = { after: (undo) => cleanup.push(undo) };
    after(() => Promise.all(cleanup.map((undo) => undo())));
    before(async () => {
      m = sdk.connect(admin);
      subject = (await client(t, m)).client_id;
      for (let i = 0; i < 3; i++) {
        const made = await api(t, m, { scopes: [{ value: "read:x" }] });
        apis.push(made);
        grants.push((await m.grants.create({ client_id: subject, audience: made.identifier, scope: ["read:x"] })).data);
      }
    });
    const idsOf = (list) => list.map((x) => x.id);

    test("grants by client and by audience", async () => {
      const by = { client_id: subject };
      if (isV4) {
        assert.deepEqual((await m.grants.list(by)).data, grants);
        const { data } = await m.grants.list({ ...by, page: 1, per_page: 2, include_totals: true });
        assert.deepEqual(data, { start: 2, limit: 2, total: 3, client_grants: grants.slice(2) });
      } else {
        assert.deepEqual((await m.grants.list(by)).data, { client_grants: grants });
      }
      const one = await m.grants.list({ ...by, audience: apis[1].identifier, ...(isV4 && { include_totals: true }) });
      assert.deepEqual(one.data.client_grants, [grants[1]]);
      const none = await m.grants.list({ ...by, subject_type: "user", ...(isV4 && { include_totals: true }) });
      assert.deepEqual(none.data.client_grants, []);
    });

    test("grants by checkpoints", async () => {
      const seen = [];
      if (isV4) {
        let from;
        do {
          const { data } = await m.grants.list({ client_id: subject, take: 2, ...(from && { from }) });
          seen.push(data.client_grants.length);
          from = data.next;
        } while (from && seen.length < 9);
      } else {
        let page = (await m.grants.list({ client_id: subject, take: 2 })).page;
        seen.push(page.data.length);
        while (page.hasNextPage() && seen.length < 9) seen.push((page = await page.getNextPage()).data.length);
      }
      assert.deepEqual(seen, [2, 1]);
    });

    test("APIs, the management API among them", async () => {
      const { data } = await m.apis.list({ page: 0, per_page: 100, include_totals: true });
      assert.deepEqual([data.start, data.limit, data.total], [0, 100, data.resource_servers.length]);
      const ours = data.resource_servers.filter((x) => apis.some((a) => a.id === x.id));
      assert.deepEqual(ours, apis);
      const system = data.resource_servers.find((x) => x.identifier === management);
      assert.deepEqual([system?.name, system?.is_system], ["Auth0 Management API", true]);
      if (isV4) {
        assert.deepEqual(idsOf((await m.apis.list()).data), idsOf(data.resource_servers));
      } else {
        const seen = [];
        for await (const x of await m.raw.resourceServers.list({ per_page: 2 })) seen.push(x.id);
        assert.deepEqual(seen, idsOf(data.resource_servers));
      }
    });

    test("APIs by identifiers", async () => {
      const identifiers = [apis[2].identifier, apis[0].identifier, identifier()];
      const { data } = await m.apis.list({ identifiers, include_totals: true, page: 0, per_page: 50 });
      assert.equal(data.total, 2);
      assert.deepEqual(idsOf(data.resource_servers).sort(), [apis[0].id, apis[2].id].sort());
    });
  });
}
