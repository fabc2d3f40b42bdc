// Expect: 100-continue (RFC 9110 section 10.1.1).

import assert from 'node:assert/strict';
import { startInFrontOf } from './lib/banyan.js';
import { curl } from './lib/client.js';
import { ask, connect } from './lib/raw.js';
import { ok, record } from './lib/recorder.js';
import { serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';

const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n';

test('the client is told to go on, and its body arrives', async (scope) => {
  const backend = await record(scope, {
    onHead: (request, connection) => {
      if (request.get('expect')) connection.write('HTTP/1.1 100 Continue\r\n\r\n');
      return false;
    },
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  await client.write(head);
  await client.until(/^HTTP\/1\.1 100 /);
  await client.write('hello');
  const response = await client.response();
  assert.deepEqual([response.status, response.informational.length], [200, 1]);
  assert.equal(String(backend.last.body), 'hello');
});

test('an upstream that answers at once spares the client its body', async (scope) => {
  const backend = await record(scope, {
    onHead: (request, connection) => {
      connection.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n');
      return true;
    },
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const { client, ...response } = await ask(scope, port, head);
  assert.deepEqual([response.status, String(response.body)], [401, 'no\n']);
  assert.ok(client);
});

test('an upstream that says nothing until it has the body', async (scope) => {
  // The client sends its body in the end, as RFC 9110 tells it to.
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  await client.write(head);
  await client.write('hello');
  assert.equal((await client.response()).status, 200);
  assert.equal(String(backend.last.body), 'hello');
});

test('with the body right behind the head, the answer is one final answer', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const { client, ...response } = await ask(scope, port, `${head}hello`);
  assert.equal(response.status, 200);
  await client.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await client.response()).status, 200);
});

test('an HTTP/1.0 client is never sent 100', async (scope) => {
  const backend = await record(scope, {
    onRequest: (request, connection) => connection.write(`HTTP/1.1 100 Continue\r\n\r\n${ok}`),
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const response = await ask(scope, port, `${head.replace('1.1', '1.0')}hello`);
  assert.deepEqual([response.status, response.informational.length], [200, 0]);
});

test('an expectation nobody knows is refused', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const response = await ask(scope, port, 'GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n');
  assert.equal(response.status, 417);
  assert.equal(backend.heads.length, 0);
});

test('curl with a large body waits for 100 and gets it from Node', async (scope) => {
  const backend = await serveHttp(scope, (request, response) => {
    let size = 0;
    request.on('data', (chunk) => {
      size += chunk.length;
    });
    request.on('end', () => response.end(String(size)));
  });
  const { url } = await startInFrontOf(scope, backend.host);
  const began = performance.now();
  const body = 'x'.repeat(120_000);
  const { stdout } = await curl('--expect100-timeout', '20', '-H', 'Expect: 100-continue', '-d', body, url);
  assert.equal(stdout, '120000');
  assert.ok(performance.now() - began < 10_000, 'without waiting for the time-out');
});
