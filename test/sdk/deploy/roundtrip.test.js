// Exports a tenant with the deploy CLI, imports the files and exports again:
// what nobody changed must come back in the same bytes.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

const need = (name) => {
  assert.ok(process.env[name], `${name} is not set: start these tests with ../run.sh deploy`);
  return process.env[name];
};
const config = {
  AUTH0_DOMAIN: need("AUTH0_DOMAIN"),
  AUTH0_CLIENT_ID: need("AUTH0_CLIENT_ID"),
  AUTH0_CLIENT_SECRET: need("AUTH0_CLIENT_SECRET"),
  AUTH0_INCLUDED_ONLY: ["resourceServers", "clients", "clientAuthCredentials", "clientGrants"],
  AUTH0_ALLOW_DELETE: false,
};
const management = `https://${config.AUTH0_DOMAIN}/api/v2/`;
const cli = createRequire(import.meta.url).resolve("auth0-deploy-cli");

let folder, token;

/** login gets the token that call sends; it may expire while the CLI runs. */
async function login() {
  const answer = await fetch(`https://${config.AUTH0_DOMAIN}/oauth/token`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ grant_type: "client_credentials", client_id: config.AUTH0_CLIENT_ID, client_secret: config.AUTH0_CLIENT_SECRET, audience: management }),
  });
  token = (await answer.json()).access_token;
}

async function call(method, path, body) {
  const answer = await fetch(management + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

/** run starts the CLI; a failure shows what it printed. */
async function run(...args) {
  try {
    await promisify(execFile)(process.execPath, [cli, ...args, "-c", join(folder, "config.json")], { cwd: folder, maxBuffer: 64 << 20 });
  } catch (err) {
    assert.fail(`a0deploy ${args.join(" ")}: exit ${err.code}\n${err.stdout}\n${err.stderr}`);
  }
}

/** files reads a folder: path below it to text. */
async function files(dir) {
  const found = {};
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    found[path.slice(dir.length + 1)] = await readFile(path, "utf8");
  }
  return found;
}

/** reversed is a value whose objects have their members the other way round. */
const reversed = (v) =>
  Array.isArray(v) ? v.map(reversed)
  : v && typeof v === "object" ? Object.fromEntries(Object.entries(v).reverse().map(([k, v]) => [k, reversed(v)]))
  : v;

describe("auth0-deploy-cli: export, import, export", () => {
  const made = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "roster-deploy-"));
    await writeFile(join(folder, "config.json"), JSON.stringify(config));
    await login();
    const api = await call("POST", "resource-servers", reversed({
      identifier: "https://orders.example.com/", name: "Orders", token_lifetime: 600, enforce_policies: true, token_dialect: "access_token_authz",
      scopes: [{ value: "read:orders", description: "Read" }, { value: "write:orders" }],
      subject_type_authorization: { user: { policy: "require_client_grant" }, client: { policy: "require_client_grant" } },
    }));
    made.push(`resource-servers/${api.id}`);
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const bodies = {
      web: {
        app_type: "regular_web", description: "é <&> \\ \"", callbacks: ["https://app.example.com/callback"], allowed_logout_urls: ["https://app.example.com/#/bye"],
        jwt_configuration: { alg: "RS256", lifetime_in_seconds: 60, scopes: { b: 1, a: { d: 1, c: 2 } } },
        refresh_token: { rotation_type: "rotating", expiration_type: "expiring", leeway: 3, token_lifetime: 100, policies: [{ audience: "https://orders.example.com/", scope: ["read:orders"] }] },
        mobile: { ios: { team_id: "T", app_bundle_identifier: "b" }, android: { app_package_name: "p", sha256_cert_fingerprints: ["AA:BB"] } },
        client_metadata: { z: "1", a: "2" }, native_social_login: { google: { enabled: true }, apple: { enabled: false } },
        oidc_logout: { backchannel_logout_urls: ["https://app.example.com/out"], backchannel_logout_initiators: { mode: "custom", selected_initiators: ["rp-logout"] } },
        session_transfer: { allow_refresh_token: true, delegation: { allow_delegated_access: true } },
        token_quota: { client_credentials: { per_hour: 5, enforce: true } },
        addons: { samlp: { recipient: "r", audience: "https://sp.example.com", mappings: { b: "2", a: "1" }, zz: { y: 1, x: 2 } }, slack: { team: "t" }, wsfed: {} },
      },
      keys: {
        app_type: "non_interactive",
        client_authentication_methods: { private_key_jwt: { credentials: [{ credential_type: "public_key", name: "k", pem: publicKey.export({ type: "spki", format: "pem" }) }] } },
      },
      public: { app_type: "spa", token_endpoint_auth_method: "none", web_origins: ["https://spa.example.com"] },
      merged: {},
    };
    const ids = {};
    for (const [name, body] of Object.entries(bodies)) {
      const client = await call("POST", "clients", reversed({ name: `deploy ${name}`, ...body }));
      made.push(`clients/${client.client_id}`);
      ids[name] = client.client_id;
    }
    await call("PATCH", `clients/${ids.merged}`, { jwt_configuration: { scopes: { b: 1, a: 2 } }, mobile: { ios: { team_id: "T" } }, addons: { slack: { team: "t" } } });
    await call("PATCH", `clients/${ids.merged}`, { jwt_configuration: { alg: "RS256" }, mobile: { android: { app_package_name: "p" } }, addons: { samlp: { audience: "a" } } });
    for (const name of ["web", "keys"]) {
      const grant = await call("POST", "client-grants", reversed({ client_id: ids[name], audience: "https://orders.example.com/", scope: ["read:orders", "later:orders"], organization_usage: "allow" }));
      made.push(`client-grants/${grant.id}`);
    }
  });
  after(async () => {
    await login();
    for (const path of made.reverse()) await call("DELETE", path);
    await rm(folder, { recursive: true });
  });

  for (const [format, input] of [["directory", ""], ["yaml", "tenant.yaml"]]) {
    test(`as ${format}: the second export is the first, byte for byte`, async () => {
      const first = join(folder, `${format}-1`), second = join(folder, `${format}-2`);
      await run("export", "-f", format, "-o", first);
      await run("import", "-i", join(first, input));
      await run("export", "-f", format, "-o", second);
      const was = await files(first);
      assert.ok(Object.values(was).join("").includes("deploy merged"), `the export has only ${Object.keys(was)}`);
      assert.deepEqual(await files(second), was);
    });
  }
});
