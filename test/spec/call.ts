// Registers, reads, changes and deletes a client through the TypeScript client
// that openapi-typescript makes of openapi.yaml.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import createClient from 'openapi-fetch';
import type {paths} from './generated/roster.js';

const api = createClient<paths>({baseUrl: process.env.ROSTER_URL, headers: {Authorization: `Bearer ${process.env.ROSTER_TOKEN}`}});

test('a client lives from create to delete', async () => {
  const created = await api.POST('/api/v2/clients', {
    body: {name: 'from TypeScript', callbacks: ['https://app.example/callback'], client_metadata: {team: 'pay'}},
  });
  assert.equal(created.response.status, 201, JSON.stringify(created.error));
  const client_id = created.data!.client_id!;
  const path = {client_id};

  const changed = await api.PATCH('/api/v2/clients/{client_id}', {params: {path}, body: {client_metadata: {team: null}}});
  assert.deepEqual(changed.data?.client_metadata, {});

  const listed = await api.GET('/api/v2/clients', {params: {query: {include_totals: true, is_global: false}}});
  assert.ok(listed.data && 'total' in listed.data && listed.data.clients.some((c) => c.client_id === client_id));

  const refused = await api.PATCH('/api/v2/clients/{client_id}', {params: {path}, body: {callbacks: ['javascript:alert(1)']}});
  assert.equal(refused.error?.statusCode, 400);
  assert.match(refused.error!.message, /callbacks\[0\]/);

  const gone = await api.DELETE('/api/v2/clients/{client_id}', {params: {path}});
  assert.equal(gone.response.status, 204);
});
