// The life of a client connection: keep-alive, pipelining, HTTP/1.0, close, half-close.

import assert from 'node:assert/strict';
import { start, startInFrontOf, forward } from './lib/banyan.js';
import { ask, connect } from './lib/raw.js';
import { ok, record } from './lib/recorder.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const get = (target, fields = '') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;

// Answers with the target as the body.
const echoTarget = ({ target }, connection) => {
  connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
};

test('a hundred requests on one connection use one upstream connection', async (scope) => {
  const backend = await record(scope, { onRequest: echoTarget });
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  for (let number = 0; number < 100; number += 1) {
    await client.write(get(`/${number}`));
    assert.equal(String((await client.response()).body), `/${number}`);
  }
  assert.equal(backend.connections.length, 1);
});

test('pipelined requests are answered in order', async (scope) => {
  const backend = await record(scope, { onRequest: echoTarget });
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  const post = 'POST /with-body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
  const chunked =
    'POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';
  const many = Array.from({ length: 50 }, (_, number) => get(`/${number}`));
  await client.write([...many, post, chunked, get('/last')].join(''));
  const answers = [];
  for (let number = 0; number < 53; number += 1) answers.push(String((await client.response()).body));
  assert.deepEqual(answers, [...many.keys()].map((n) => `/${n}`).concat('/with-body', '/chunked', '/last'));
  assert.deepEqual(
    backend.requests.slice(50, 52).map(({ body }) => String(body)),
    ['hello', 'hello'],
  );
});

test('a pipelined request waits for the answer before it, even when that one is slow', async (scope) => {
  let release;
  const backend = await record(scope, {
    onRequest: (request, connection) => {
      if (request.target === '/slow') release = () => echoTarget(request, connection);
      else echoTarget(request, connection);
    },
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  await client.write(get('/slow') + get('/fast'));
  await until(() => release, 'the slow request');
  assert.equal(client.received, 0);
  release();
  assert.equal(String((await client.response()).body), '/slow');
  assert.equal(String((await client.response()).body), '/fast');
});

test('bytes one at a time make the same requests', async (scope) => {
  const backend = await record(scope, { onRequest: echoTarget });
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  const text =
    'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: 1\r\n\r\n';
  for (const byte of text + get('/y')) await client.write(byte);
  assert.equal(String((await client.response()).body), '/x');
  assert.equal(String((await client.response()).body), '/y');
  assert.equal(String(backend.requests[0].body), 'abc');
});

test('an empty line before a request is forgiven', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const { client, status } = await ask(scope, port, `\r\n${get('/')}`);
  assert.equal(status, 200);
  await client.write(`\r\n${get('/')}`);
  assert.equal((await client.response()).status, 200);
});

test('Connection: close is honoured and said', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const { client, ...response } = await ask(scope, port, get('/', 'Connection: close\r\n') + get('/ignored'));
  assert.match(response.get('connection'), /close/i);
  assert.equal(await client.closed(), 'end');
  assert.deepEqual(
    backend.heads.map(({ target }) => target),
    ['/'],
  );
});

test('HTTP/1.0 closes after the answer unless keep-alive is asked for', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const plain = await ask(scope, port, 'GET / HTTP/1.0\r\n\r\n');
  assert.equal(plain.status, 200);
  assert.equal(await plain.client.closed(), 'end');
  const { client, ...kept } = await ask(
    scope,
    port,
    'GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n',
  );
  assert.match(kept.get('connection'), /keep-alive/i);
  await client.write('GET /2 HTTP/1.0\r\nHost: a\r\n\r\n');
  assert.equal((await client.response()).status, 200);
  assert.equal(await client.closed(), 'end');
  assert.ok(
    backend.requests.every(({ version }) => version === 'HTTP/1.1'),
    'the upstream is spoken to in HTTP/1.1',
  );
});

test('an HTTP/1.0 client never sees chunks', async (scope) => {
  const backend = await record(scope, {
    onRequest: (request, connection) => {
      connection.write(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n',
      );
    },
  });
  const { port } = await startInFrontOf(scope, backend.address);
  for (const fields of ['', 'Connection: keep-alive\r\n']) {
    const { client, ...response } = await ask(scope, port, `GET / HTTP/1.0\r\nHost: a\r\n${fields}\r\n`);
    assert.deepEqual([response.framing, String(response.body)], ['close', 'hello world']);
    assert.deepEqual(response.all('transfer-encoding'), []);
  }
});

test('a connection ends after keepalive_requests and says so', async (scope) => {
  const backend = await record(scope);
  const limits = '[client]\nlimits = { keepalive_requests = 3 }\n';
  const { port } = await start(scope, limits + forward(backend.address));
  const client = await connect(scope, port);
  await client.write(get('/').repeat(5));
  for (const isLast of [false, false, true]) {
    const response = await client.response();
    assert.equal(/close/i.test(response.get('connection') ?? ''), isLast);
  }
  assert.equal(await client.closed(), 'end');
  assert.equal(backend.heads.length, 3);
});

test('an idle connection is closed after its time, without a word', async (scope) => {
  const backend = await record(scope);
  const { port } = await start(
    scope,
    `[client]\ntimeouts = { keepalive = "300ms" }\n${forward(backend.address)}`,
  );
  const { client } = await ask(scope, port, get('/'));
  assert.equal(String(await client.rest()), '');
});

test('a client that has sent its FIN still gets its answer', async (scope) => {
  let answer;
  const backend = await record(scope, {
    onRequest: (request, connection) => {
      answer = () => connection.write(ok);
    },
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  await client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello');
  client.halfClose();
  await until(() => answer, 'the request');
  answer();
  assert.equal((await client.response()).status, 200);
  assert.equal(await client.closed(), 'end');
});

test('a client that resets is forgotten: the upstream request is cancelled', async (scope) => {
  const backend = await record(scope, { onRequest: () => {} });
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  await client.write(get('/'));
  await backend.received(1);
  client.reset();
  await until(() => !backend.connections[0].open, 'the upstream connection to close');
});

test('a client that goes away in its body: the upstream does not take it for a whole one', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  for (const framing of ['Content-Length: 10\r\n\r\nabc', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n']) {
    const seen = backend.heads.length;
    const client = await connect(scope, port);
    await client.write(`POST / HTTP/1.1\r\nHost: a\r\n${framing}`);
    await until(() => backend.heads.length > seen, 'the head');
    client.close();
    await until(() => !backend.connections.at(-1).open, 'the upstream connection to close');
  }
  assert.equal(backend.requests.length, 0);
});
