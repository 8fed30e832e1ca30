// Where the server under test is, and the things that many tests need of it.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";

const need = (name) => {
  assert.ok(process.env[name], `${name} is not set: start these tests with ../run.sh node`);
  return process.env[name];
};

export const domain = need("AUTH0_DOMAIN");
export const management = `https://${domain}/api/v2/`;
export const admin = { domain, clientId: need("AUTH0_CLIENT_ID"), clientSecret: need("AUTH0_CLIENT_SECRET") };

let serial = 0;
/** unique makes a name that no other test uses. */
export const unique = (prefix) => `${prefix} ${process.pid}-${++serial}`;
/** identifier makes one for an API; it has every character that escaping is about. */
export const identifier = () => `https://api.test/${process.pid}/${++serial}?a=b c&d=é`;

/** keyPair makes an RSA key: {pem, privateKey, jwk}. */
export function keyPair(bits = 2048) {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  return {
    pem: publicKey.export({ type: "spki", format: "pem" }),
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
    jwk: publicKey.export({ format: "jwk" }),
  };
}

/** client makes a client that is deleted when the test t ends. */
export async function client(t, m, body = {}) {
  const { data } = await m.clients.create({ name: unique("client"), ...body });
  t.after(() => m.clients.delete(data.client_id));
  return data;
}

/** api makes a resource server that is deleted when the test t ends. */
export async function api(t, m, body = {}) {
  const { data } = await m.apis.create({ identifier: identifier(), ...body });
  t.after(() => m.apis.delete(data.id));
  return data;
}

/**
 * fails checks that a call is refused with this status, error code and message
 * (texts or patterns), in the error class that the SDK has for the status.
 */
export async function fails(sdk, promise, status, code, message, type = sdk.errors[status]) {
  const err = await promise.then(
    ({ status, data }) => assert.fail(`answered ${status}: ${JSON.stringify(data)}`),
    (err) => err,
  );
  if (err instanceof assert.AssertionError) throw err;
  assert.ok(err instanceof type, `${err.name}: ${err.message}`);
  assert.equal(err.statusCode, status);
  const body = sdk.body(err);
  assert.equal(body.statusCode, status);
  assert.equal(body.error, { 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict" }[status]);
  for (const [got, want] of [[body.errorCode, code], [body.message, message]]) {
    if (want instanceof RegExp) assert.match(got, want);
    else assert.equal(got, want);
  }
  if (sdk.version.startsWith("4.")) {
    assert.equal(err.name, "ManagementApiError");
    assert.deepEqual([err.errorCode, err.error, err.msg], [body.errorCode, body.error, body.message]);
  }
  return err;
}

/** token asks the token endpoint by hand; form is what is sent. */
export const token = (form, headers = {}) =>
  fetch(`https://${domain}/oauth/token`, { method: "POST", body: new URLSearchParams(form), headers });
