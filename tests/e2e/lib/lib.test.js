// The peers themselves, without Banyan: a peer that is wrong would accuse the wrong side.

import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { curl, fetch, load } from './client.js';
import { ask, connect } from './raw.js';
import { record } from './recorder.js';
import { serveHttp } from './servers.js';
import { test } from './test.js';
import { until } from './wait.js';

test('the raw client reads what a Node server writes', async (scope) => {
  const server = await serveHttp(scope, (request, response) => {
    if (request.url === '/chunked') {
      response.writeHead(200, { Trailer: 'X-Sum' });
      response.write('abc');
      response.addTrailers({ 'X-Sum': '3' });
      response.end();
    } else if (request.url === '/early') {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.end('late');
    } else {
      response.end('plain');
    }
  });
  const { port } = server.address();
  const client = await connect(scope, port);
  await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /chunked HTTP/1.1\r\nHost: a\r\n\r\n');
  const plain = await client.response();
  assert.deepEqual([plain.status, plain.framing, String(plain.body)], [200, 'length', 'plain']);
  const chunked = await client.response();
  assert.deepEqual(
    [chunked.framing, String(chunked.body), chunked.trailers],
    ['chunked', 'abc', [['X-Sum', '3']]],
  );
  await client.write('GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const early = await client.response();
  assert.deepEqual(
    early.informational.map(({ status }) => status),
    [103],
  );
  assert.equal(await client.closed(), 'end');
});

test('the raw client refuses what is not HTTP', async (scope) => {
  const bad = [
    'HTTP/1.1 200\r\n\r\n',
    'HTTP/1.1 200 OK\r\nA : b\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc',
  ];
  for (const bytes of bad) {
    const backend = await record(scope, { onRequest: (request, connection) => connection.end(bytes) });
    const asked = ask(scope, backend.server.address().port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await assert.rejects(asked, Error, JSON.stringify(bytes));
  }
});

test('the recorder keeps bytes, requests, trailers', async (scope) => {
  const backend = await record(scope);
  const url = `http://${backend.address}`;
  const body = new PassThrough();
  body.end('streamed');
  assert.equal((await fetch(`${url}/a?b=c`, { method: 'POST', body })).text, 'ok\n');
  assert.equal((await curl('-d', 'form=1', `${url}/curl`)).stdout, 'ok\n');
  const [first, second] = backend.requests;
  assert.deepEqual(
    [first.method, first.target, String(first.body), first.framing],
    ['POST', '/a?b=c', 'streamed', 'chunked'],
  );
  assert.equal(String(second.body), 'form=1');
  assert.match(backend.bytes, /^POST \/a\?b=c HTTP\/1\.1\r\n/);
});

test('the recorder sees a client that gives up', async (scope) => {
  const backend = await record(scope);
  const client = await connect(scope, backend.server.address().port);
  await client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc');
  await until(() => backend.heads.length === 1, 'the head');
  client.reset();
  await until(() => !backend.connections[0].open, 'the reset');
  assert.equal(backend.requests.length, 0);
  assert.match(backend.connections[0].error, /the body of a forwarded request/);
});

test('load counts failures', async (scope) => {
  let count = 0;
  const server = await serveHttp(scope, (request, response) => {
    count += 1;
    response.statusCode = count === 5 ? 500 : 200;
    response.end('x');
  });
  const running = load(scope, `http://${server.host}/`, { connections: 2 });
  await until(() => count > 20, 'some requests');
  const { sent, failures } = await running.stop();
  assert.ok(sent > 20);
  assert.deepEqual(failures, ['500 x']);
});
