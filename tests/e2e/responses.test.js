// Upstreams that answer badly, late or not at all: 502 and 504 with Proxy-Status (RFC 9209), nothing reused,
// nothing repeated that must not be, no worker harmed.

import assert from 'node:assert/strict';
import { start, startInFrontOf, forward } from './lib/banyan.js';
import { ask, connect } from './lib/raw.js';
import { ok, record } from './lib/recorder.js';
import { freePort } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const get = 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n';
const post = 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';

// The error token of Proxy-Status, such as "connection_refused".
function faultOf(response) {
  const text = response.get('proxy-status') ?? '';
  const match = /^[^;]+;.*\berror="?([a-z_]+)"?/.exec(text);
  assert.ok(match, `Proxy-Status with an error: ${JSON.stringify(text)}`);
  return match[1];
}

const malformed = {
  'not HTTP': 'SSH-2.0-OpenSSH_9.2\r\n\r\n',
  'HTTP/0.9': 'hello\r\n\r\n',
  'no status': 'HTTP/1.1\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n',
  'a status below 100': 'HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/2.0': 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'a bare LF': 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  'a bare CR in a value': 'HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: evil\r\nContent-Length: 0\r\n\r\n',
  'NUL in a value': 'HTTP/1.1 200 OK\r\nX-A: b\0\r\nContent-Length: 0\r\n\r\n',
  'NUL in the reason': 'HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n',
  'a space before a colon': 'HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n',
  'an empty name': 'HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n',
  'no colon': 'HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n',
  'a length that is no number': 'HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n',
  'a negative length': 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
  'an empty length': 'HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n',
  'different lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
  'length and chunks': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'chunked in two fields':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'an unknown coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, x-rot13\r\n\r\n0\r\n\r\n',
  'too large a head': `HTTP/1.1 200 OK\r\n${`X-A: ${'x'.repeat(7000)}\r\n`.repeat(12)}Content-Length: 0\r\n\r\n`,
  'a head without an end': `HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(200_000)}`,
  '101 without being asked': 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
};

for (const [name, bytes] of Object.entries(malformed)) {
  test(`malformed response: ${name}`, async (scope) => {
    const backend = await record(scope, { onRequest: (request, connection) => connection.write(bytes) });
    const banyan = await startInFrontOf(scope, backend.address, { workers: 1 });
    const { client, ...response } = await ask(scope, banyan.port, post);
    assert.equal(response.status, 502);
    assert.match(faultOf(response), /^http_(protocol_error|response_|upgrade_failed)/);
    assert.ok(!response.headers.some(([field, value]) => /evil|x-a/i.test(field + value)));
    assert.equal(backend.requests.length, 1, 'a POST is not repeated');
    await until(() => !backend.connections[0].open, 'the upstream connection to close');
    client.close();
  });
}

test('malformed chunks cut the response off', async (scope) => {
  const bad = [
    'x\r\n',
    '3\r\nabcd\r\n0\r\n\r\n',
    '3 \r\nabc\r\n0\r\n\r\n',
    '3\nabc\n0\n\n',
    '-3\r\nabc\r\n0\r\n\r\n',
  ];
  for (const body of bad) {
    const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
    const backend = await record(scope, {
      onRequest: (request, connection) => connection.write(head + body),
    });
    const { port } = await startInFrontOf(scope, backend.address, { workers: 1 });
    const client = await connect(scope, port);
    await client.write(get);
    const answer = String(await client.rest());
    // Either nothing had gone to the client yet, or what has gone is cut off.
    assert.ok(/^HTTP\/1\.1 502 /.test(answer) || !answer.endsWith('0\r\n\r\n'), JSON.stringify(answer));
    await until(() => backend.connections.every(({ open }) => !open), 'the upstream connection to close');
  }
});

test('nobody listens: 502, connection_refused', async (scope) => {
  const banyan = await startInFrontOf(scope, `127.0.0.1:${await freePort()}`);
  const response = await ask(scope, banyan.port, get);
  assert.equal(response.status, 502);
  assert.equal(faultOf(response), 'connection_refused');
  const problem = await ask(
    scope,
    banyan.port,
    get.replace('\r\n\r\n', '\r\nAccept: application/json\r\n\r\n'),
  );
  assert.match(problem.get('content-type'), /^application\/problem\+json/);
  assert.equal(JSON.parse(problem.body).status, 502);
});

test('reset or closed before an answer: 502, connection_terminated; POST once, GET once more', async (scope) => {
  for (const how of ['reset', 'end']) {
    for (const [bytes, attempts] of [
      [post, 1],
      [get, 2],
    ]) {
      const backend = await record(scope, { onRequest: (request, connection) => connection[how]() });
      const banyan = await startInFrontOf(scope, backend.address, {
        workers: 1,
        upstream: 'retry = { budget = 100 }',
      });
      const response = await ask(scope, banyan.port, bytes);
      assert.equal(response.status, 502);
      assert.match(faultOf(response), /^(connection_terminated|http_response_incomplete)$/);
      assert.equal(backend.requests.length, attempts, `${how}, ${bytes.slice(0, 4)}`);
    }
  }
});

test('a head that stops in the middle: 502, not repeated', async (scope) => {
  const backend = await record(scope, {
    onRequest: (request, connection) => connection.end('HTTP/1.1 200 OK\r\nX-'),
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const response = await ask(scope, port, get);
  assert.equal(response.status, 502);
  assert.match(faultOf(response), /^(http_response_incomplete|connection_terminated)$/);
  assert.equal(backend.requests.length, 1, 'something was received');
});

test('no answer in time: 504; a late answer goes nowhere', async (scope) => {
  let late;
  const backend = await record(scope, {
    onRequest: (request, connection) => {
      late = connection;
    },
  });
  const { port } = await start(scope, forward(backend.address, 'timeouts = { response = "300ms" }'));
  const began = performance.now();
  const { client, ...response } = await ask(scope, port, post);
  const took = performance.now() - began;
  assert.equal(response.status, 504);
  assert.equal(faultOf(response), 'http_response_timeout');
  assert.ok(took >= 290 && took < 2000, `after ${took} ms`);
  assert.equal(backend.requests.length, 1);
  await until(() => !late.open, 'the upstream connection to close');
  backend.onRequest = (request, connection) => connection.write(ok);
  await client.write(get);
  assert.equal((await client.response()).status, 200, 'the client connection goes on');
});

test('the deadline of a route ends everything: 504', async (scope) => {
  const backend = await record(scope, { onRequest: () => {} });
  const { port } = await start(scope, forward(backend.address, '', 'deadline = "300ms"'));
  assert.equal((await ask(scope, port, get)).status, 504);
});

test('an upstream that stops in the body is cut off after its idle time', async (scope) => {
  const backend = await record(scope, {
    onRequest: (request, connection) => connection.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
  });
  const { port } = await start(scope, forward(backend.address, 'timeouts = { idle = "300ms" }'));
  const client = await connect(scope, port);
  await client.write(get);
  assert.match(String(await client.rest()), /\r\n\r\nabc$/);
  await until(() => !backend.connections[0].open, 'the upstream connection to close');
});

test('one dead server of two: every request is answered', async (scope) => {
  const backend = await record(scope);
  const dead = `127.0.0.1:${await freePort()}`;
  const servers = `[upstream.app]\nservers = ["${dead}", "${backend.address}"]\nretry = { budget = 100 }\n`;
  const { port } = await start(scope, `${servers}[[route]]\npath = "/*"\ntarget = "upstream.app"\n`);
  for (const bytes of [get, post, get, post, get, post, get, post]) {
    assert.equal((await ask(scope, port, bytes)).status, 200, bytes.slice(0, 4));
  }
});

test('a server that comes back is used again', async (scope) => {
  const port = await freePort();
  const banyan = await startInFrontOf(scope, `127.0.0.1:${port}`, {
    upstream: 'ejection = { time = "200ms" }',
  });
  for (let round = 0; round < 8; round += 1) assert.equal((await ask(scope, banyan.port, get)).status, 502);
  await record(scope, { port });
  await until(async () => (await ask(scope, banyan.port, get)).status === 200, 'the server to be used', 5000);
});

test('active health takes a sick server out and back in', async (scope) => {
  let healthy = true;
  const answer = ({ target }, connection) => {
    const status = target !== '/healthz' || healthy ? '200 OK' : '503 Sick';
    connection.write(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`);
  };
  const one = await record(scope, { onRequest: answer });
  const two = await record(scope);
  const health = 'health = { path = "/healthz", interval = "100ms", timeout = "100ms", fall = 2, rise = 2 }';
  const servers = `[upstream.app]\nservers = ["${one.address}", "${two.address}"]\n${health}\n`;
  const { port } = await start(scope, `${servers}[[route]]\npath = "/*"\ntarget = "upstream.app"\n`);
  const hits = async () => {
    const before = one.requests.filter(({ target }) => target === '/x').length;
    for (let round = 0; round < 10; round += 1) assert.equal((await ask(scope, port, get)).status, 200);
    return one.requests.filter(({ target }) => target === '/x').length - before;
  };
  assert.ok((await hits()) > 0);
  healthy = false;
  await until(async () => (await hits()) === 0, 'the sick server to be left out');
  healthy = true;
  await until(async () => (await hits()) > 0, 'the server to come back');
});

test('too many waiting: 503 with Retry-After', async (scope) => {
  const held = [];
  const backend = await record(scope, { onRequest: (request, connection) => held.push(connection) });
  const limits = 'limits = { connections = 1, pending = 1, queue = "300ms" }';
  const { port } = await start(scope, forward(backend.address, limits), { workers: 1 });
  const first = await connect(scope, port);
  await first.write(get);
  await until(() => held.length === 1, 'the first request');
  const waiting = ask(scope, port, get);
  const tooMany = ask(scope, port, get);
  const statuses = (await Promise.all([waiting, tooMany])).map((response) => {
    assert.match(response.get('retry-after') ?? '', /^[0-9]+$/);
    return response.status;
  });
  assert.deepEqual(statuses, [503, 503]);
  held[0].write(ok);
  assert.equal((await first.response()).status, 200);
});
