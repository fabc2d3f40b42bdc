// What every proxy does, seen by curl and by Node.

import assert from 'node:assert/strict';
import http from 'node:http';
import { startInFrontOf } from './lib/banyan.js';
import { curl, fetch } from './lib/client.js';
import { ask } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';

// Answers with what it received.
function mirror(request, response) {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString();
    response.setHeader('Content-Type', 'application/json');
    response.end(
      JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }),
    );
  });
}

test('methods, targets and bodies arrive as they were sent', async (scope) => {
  const backend = await serveHttp(scope, mirror);
  const { url } = await startInFrontOf(scope, backend.host);
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'REPORT', 'PURGE']) {
    const body = ['GET', 'OPTIONS'].includes(method) ? undefined : `body of ${method}`;
    const { status, text } = await fetch(`${url}/a/b;c=1/d%20e?x=1&y=%2F&z`, { method, body });
    const seen = JSON.parse(text);
    assert.equal(status, 200);
    assert.deepEqual([seen.method, seen.url, seen.body], [method, '/a/b;c=1/d%20e?x=1&y=%2F&z', body ?? '']);
  }
});

test('an empty POST keeps its Content-Length: 0', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  await ask(scope, port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
  assert.equal(backend.last.get('content-length'), '0');
  await ask(scope, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(backend.last.framing, 'none');
  assert.deepEqual(backend.last.all('transfer-encoding'), []);
});

test('curl: GET, HEAD, POST, PUT of a file, form', async (scope) => {
  const backend = await serveHttp(scope, mirror);
  const { url } = await startInFrontOf(scope, backend.host);
  assert.equal(JSON.parse((await curl(url)).stdout).method, 'GET');
  assert.match((await curl('-I', url)).stdout, /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(JSON.parse((await curl('--json', '{"a":1}', url)).stdout).body, '{"a":1}');
  assert.equal(JSON.parse((await curl('-T', '/etc/hostname', `${url}/f`)).stdout).method, 'PUT');
  assert.match(JSON.parse((await curl('-F', 'a=b', url)).stdout).body, /name="a"\r\n\r\nb/);
  assert.equal(JSON.parse((await curl('--http1.0', url)).stdout).method, 'GET');
});

test('response heads pass: status, reason, repeated fields, their order', async (scope) => {
  const fields =
    'Content-Type: text/x\r\nSet-Cookie: a=1; Path=/\r\nX-One: 1\r\nSet-Cookie: b=2\r\nServer: express\r\n';
  const backend = await record(scope, {
    onRequest: (request, connection) => {
      connection.write(
        `HTTP/1.1 203 Quite Fine\r\n${fields}X-Odd: \x80\xff "\t"\r\nContent-Length: 2\r\n\r\nhi`,
      );
    },
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const response = await ask(scope, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.deepEqual([response.status, response.reason], [203, 'Quite Fine']);
  assert.deepEqual(response.all('set-cookie'), ['a=1; Path=/', 'b=2']);
  assert.equal(response.get('x-odd'), '\x80\xff "\t"');
  assert.equal(response.get('server'), 'express');
  assert.equal(String(response.body), 'hi');
});

test('every final status passes', async (scope) => {
  const backend = await serveHttp(scope, (request, response) => {
    response.statusCode = Number(request.url.slice(1));
    response.end([204, 304].includes(response.statusCode) ? undefined : 'x');
  });
  const { url } = await startInFrontOf(scope, backend.host);
  for (const status of [
    200, 201, 202, 204, 206, 301, 302, 304, 307, 308, 400, 401, 404, 409, 418, 429, 500, 501, 503, 599,
  ]) {
    assert.equal((await fetch(`${url}/${status}`)).status, status);
  }
});

test('HEAD, 204 and 304 have no body and the connection goes on', async (scope) => {
  const answers = {
    HEAD: 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: "x"\r\n\r\n',
    204: 'HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n',
    304: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: "x"\r\n\r\n',
  };
  const backend = await record(scope, {
    onRequest: ({ method, target }, connection) =>
      connection.write(answers[method === 'HEAD' ? method : target.slice(1)]),
  });
  const { port } = await startInFrontOf(scope, backend.address, { workers: 1 });
  const { client, ...head } = await ask(scope, port, 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', {
    method: 'HEAD',
  });
  assert.deepEqual([head.status, head.get('content-length'), head.get('etag')], [200, '1234', '"x"']);
  for (const status of [204, 304, 204]) {
    await client.write(`GET /${status} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const response = await client.response();
    assert.equal(response.status, status);
    if (status === 204)
      assert.deepEqual([...response.all('content-length'), ...response.all('transfer-encoding')], []);
  }
  assert.equal(backend.connections.length, 1, 'the upstream connection was reused');
});

test('large heads pass both ways', async (scope) => {
  const backend = await serveHttp(
    scope,
    (request, response) => {
      for (let i = 0; i < 6; i += 1) response.setHeader(`X-Big-${i}`, 'v'.repeat(8000));
      response.end(String(request.headers['x-large'].length));
    },
    { maxHeaderSize: 64 * 1024 },
  );
  const { url } = await startInFrontOf(scope, backend.host);
  const response = await fetch(url, { headers: { 'X-Large': 'w'.repeat(7900) }, maxHeaderSize: 128 * 1024 });
  assert.equal(response.text, '7900');
  assert.equal(response.headers['x-big-5'].length, 8000);
});

test('many clients at once', async (scope) => {
  const backend = await serveHttp(scope, mirror);
  const { url } = await startInFrontOf(scope, backend.host);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 100 });
  const ask1 = async (number) => {
    const { status, text } = await fetch(`${url}/${number}`, { method: 'POST', body: `b${number}`, agent });
    const { url: seen, body } = JSON.parse(text);
    assert.deepEqual([status, seen, body], [200, `/${number}`, `b${number}`]);
  };
  await Promise.all(Array.from({ length: 1000 }, (_, number) => ask1(number)));
  agent.destroy();
});
