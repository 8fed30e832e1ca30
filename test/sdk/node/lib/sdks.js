// The two major versions of the auth0 package under one set of names, so that
// a test body runs against each. Every call answers {status, data, headers}.
import * as current from "auth0";
import * as legacy from "auth0-v4";

const settle = (promise) => promise.then(({ status, data, headers }) => ({ status, data, headers }));

const v4 = {
  version: "4.37.1",
  anyError: legacy.ManagementApiError,
  errors: {
    400: legacy.ManagementApiError,
    401: legacy.ManagementApiError,
    403: legacy.ManagementApiError,
    404: legacy.ManagementApiError,
    409: legacy.ManagementApiError,
  },
  body: (err) => JSON.parse(err.body),
  connect(options) {
    const m = new legacy.ManagementClient(options);
    return {
      raw: m,
      clients: {
        create: (body) => settle(m.clients.create(body)),
        get: (client_id, query) => settle(m.clients.get({ client_id, ...query })),
        list: (query) => settle(m.clients.getAll(query)),
        update: (client_id, body) => settle(m.clients.update({ client_id }, body)),
        delete: (client_id) => settle(m.clients.delete({ client_id })),
        rotateSecret: (client_id) => settle(m.clients.rotateClientSecret({ client_id })),
        connections: (client_id) => settle(m.clients.getEnabledConnections({ client_id })),
      },
      credentials: {
        create: (client_id, body) => settle(m.clients.createCredential({ client_id }, body)),
        get: (client_id, credential_id) => settle(m.clients.getCredential({ client_id, credential_id })),
        list: (client_id) => settle(m.clients.getCredentials({ client_id })),
        update: (client_id, credential_id, body) => settle(m.clients.updateCredential({ client_id, credential_id }, body)),
        delete: (client_id, credential_id) => settle(m.clients.deleteCredential({ client_id, credential_id })),
      },
      grants: {
        create: (body) => settle(m.clientGrants.create(body)),
        list: (query) => settle(m.clientGrants.getAll(query)),
        update: (id, body) => settle(m.clientGrants.update({ id }, body)),
        delete: (id) => settle(m.clientGrants.delete({ id })),
        organizations: (id) => settle(m.clientGrants.getAllOrganizations({ id })),
      },
      apis: {
        create: (body) => settle(m.resourceServers.create(body)),
        get: (id) => settle(m.resourceServers.get({ id })),
        list: (query) => settle(m.resourceServers.getAll(query)),
        update: (id, body) => settle(m.resourceServers.update({ id }, body)),
        delete: (id) => settle(m.resourceServers.delete({ id })),
      },
    };
  },
};

const raw = (promise) =>
  promise.withRawResponse().then(({ data, rawResponse }) => ({ status: rawResponse.status, headers: rawResponse.headers, data }));
const page = (promise) =>
  promise.then((p) => ({ status: p.rawResponse.status, headers: p.rawResponse.headers, data: p.response, page: p }));

const v7 = {
  version: "7.1.0",
  anyError: current.ManagementError,
  errors: {
    400: current.Management.BadRequestError,
    401: current.Management.UnauthorizedError,
    403: current.Management.ForbiddenError,
    404: current.Management.NotFoundError,
    409: current.Management.ConflictError,
  },
  body: (err) => err.body,
  connect(options) {
    const m = new current.ManagementClient(options);
    return {
      raw: m,
      clients: {
        create: (body) => raw(m.clients.create(body)),
        get: (id, query) => raw(m.clients.get(id, query)),
        list: (query) => page(m.clients.list(query)),
        update: (id, body) => raw(m.clients.update(id, body)),
        delete: (id) => raw(m.clients.delete(id)),
        rotateSecret: (id) => raw(m.clients.rotateSecret(id)),
        connections: (id) => page(m.clients.connections.get(id)),
      },
      credentials: {
        create: (id, body) => raw(m.clients.credentials.create(id, body)),
        get: (id, credential) => raw(m.clients.credentials.get(id, credential)),
        list: (id) => raw(m.clients.credentials.list(id)),
        update: (id, credential, body) => raw(m.clients.credentials.update(id, credential, body)),
        delete: (id, credential) => raw(m.clients.credentials.delete(id, credential)),
      },
      grants: {
        create: (body) => raw(m.clientGrants.create(body)),
        list: (query) => page(m.clientGrants.list(query)),
        update: (id, body) => raw(m.clientGrants.update(id, body)),
        delete: (id) => raw(m.clientGrants.delete(id)),
        organizations: (id) => page(m.clientGrants.organizations.list(id)),
      },
      apis: {
        create: (body) => raw(m.resourceServers.create(body)),
        get: (id) => raw(m.resourceServers.get(id)),
        list: (query) => page(m.resourceServers.list(query)),
        update: (id, body) => raw(m.resourceServers.update(id, body)),
        delete: (id) => raw(m.resourceServers.delete(id)),
      },
    };
  },
};

export const sdks = [v7, v4];
