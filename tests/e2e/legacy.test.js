// The whole legacy service behind Banyan: clients must not notice.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { startInFrontOf } from './lib/banyan.js';
import { fetch } from './lib/client.js';
import { startLegacy } from './lib/legacy.js';
import { test } from './lib/test.js';

test('REST with ETags and cookies', async (scope) => {
  const legacy = await startLegacy(scope);
  const { url } = await startInFrontOf(scope, legacy.host);
  const json = { 'Content-Type': 'application/json' };
  const send = (method, path, body, headers = {}) =>
    fetch(url + path, { method, headers: { ...json, ...headers }, body: body && JSON.stringify(body) });
  const created = await send('POST', '/api/orders', { item: 'scone', quantity: 2 });
  assert.equal(created.status, 201);
  const { location, etag } = created.headers;
  assert.match(location, /^\/api\/orders\/[0-9]+$/);
  assert.match(created.headers['set-cookie'][0], /^uid=.*HttpOnly/);
  const read = await send('GET', location, undefined, { 'If-None-Match': etag });
  assert.deepEqual([read.status, read.text], [304, '']);
  assert.equal(
    (await send('PUT', location, { item: 'scone', quantity: 3 }, { 'If-Match': '"other"' })).status,
    412,
  );
  const changed = await send('PUT', location, { item: 'scone', quantity: 3 }, { 'If-Match': etag });
  assert.equal(JSON.parse(changed.text).quantity, 3);
  assert.equal((await send('DELETE', location)).status, 204);
  assert.equal((await send('GET', location)).status, 404);
  assert.equal((await send('POST', '/api/orders', { item: 1 })).status, 422);
  const home = JSON.parse((await send('GET', '/')).text);
  assert.equal(home.client, '127.0.0.1');
});

test('a channel that is encoded wrongly is refused', async (scope) => {
  const legacy = await startLegacy(scope);
  const banyan = await startInFrontOf(scope, legacy.host);
  for (const base of [`ws://${legacy.host}`, `ws://127.0.0.1:${banyan.port}`]) {
    const socket = new WebSocket(`${base}/live/%ff`);
    scope.after(() => socket.terminate());
    socket.on('error', () => {});
    const [, response] = await once(socket, 'unexpected-response');
    assert.equal(response.statusCode, 400);
  }
  assert.equal((await fetch(banyan.url)).status, 200);
});

test('events resume by Last-Event-ID', async (scope) => {
  const legacy = await startLegacy(scope);
  const { url } = await startInFrontOf(scope, legacy.host, { route: 'stream = true' });
  const first = await fetch(`${url}/api/events?count=3&interval=10`);
  assert.deepEqual(first.text.match(/^id: .*$/gm), ['id: 1', 'id: 2', 'id: 3']);
  const next = await fetch(`${url}/api/events?count=2&interval=10`, { headers: { 'Last-Event-ID': '3' } });
  assert.deepEqual(next.text.match(/^id: .*$/gm), ['id: 4', 'id: 5']);
});
