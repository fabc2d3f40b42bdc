// Header fields on their way: hop-by-hop, forwarded, Via, request ids, traces, rules of a route.

import assert from 'node:assert/strict';
import { start, startInFrontOf, forward } from './lib/banyan.js';
import { ask } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { test } from './lib/test.js';

const get = (fields = '', target = '/x') =>
  `GET ${target} HTTP/1.1\r\nHost: shop.example.org:8080\r\n${fields}\r\n`;

test('forwarding fields are made for an untrusted client, whatever it says', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const lies =
    'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n' +
    'X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n';
  for (const fields of ['', lies]) {
    await ask(scope, port, get(fields));
    const { last } = backend;
    assert.deepEqual(last.all('x-forwarded-for'), ['127.0.0.1']);
    assert.deepEqual(last.all('x-forwarded-proto'), ['http']);
    assert.deepEqual(last.all('x-forwarded-host'), ['shop.example.org:8080']);
    assert.deepEqual(last.all('x-forwarded-port'), [String(port)]);
    assert.deepEqual(last.all('x-real-ip'), ['127.0.0.1']);
    assert.ok(!last.raw.includes('6.6.6.6'));
  }
});

test('Max-Forwards says how far OPTIONS and TRACE go', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const send = async (method, value) => {
    const before = backend.requests.length;
    const { status } = await ask(scope, port, `${method} /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: ${value}\r\n\r\n`);
    return [status, backend.requests.length > before ? backend.last.all('max-forwards') : 'went no further'];
  };
  assert.deepEqual(await send('OPTIONS', '5'), [200, ['4']]);
  assert.deepEqual(await send('TRACE', '1'), [200, ['0']]);
  assert.deepEqual(await send('OPTIONS', '0'), [204, 'went no further']);
  assert.deepEqual(await send('TRACE', '0'), [501, 'went no further']);
  assert.deepEqual(await send('GET', '0'), [200, ['0']], 'other methods do not count');
  assert.deepEqual(await send('OPTIONS', 'soon'), [200, ['soon']]);
});

test('forwarding fields of a trusted proxy are extended', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address, { top: 'trusted_proxies = ["127.0.0.0/8"]' });
  await ask(
    scope,
    port,
    get('X-Forwarded-For: 9.8.7.6, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: www\r\n'),
  );
  assert.equal(backend.last.all('x-forwarded-for').join(', '), '9.8.7.6, 10.0.0.1, 127.0.0.1');
  assert.deepEqual(backend.last.all('x-forwarded-proto'), ['https']);
  assert.deepEqual(backend.last.all('x-forwarded-host'), ['www']);
});

test('Host passes as the client wrote it', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  await ask(scope, port, get());
  assert.deepEqual(backend.last.all('host'), ['shop.example.org:8080']);
});

test('the absolute form names the host', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  await ask(scope, port, 'GET http://other.example:99/a?b HTTP/1.1\r\nHost: shop\r\n\r\n');
  assert.deepEqual([backend.last.target, backend.last.all('host')], ['/a?b', ['other.example:99']]);
  await ask(scope, port, 'GET http://other.example HTTP/1.1\r\nHost: shop\r\n\r\n');
  assert.deepEqual([backend.last.target, backend.last.all('host')], ['/', ['other.example']]);
  await ask(scope, port, 'GET HTTP://other.example?q HTTP/1.1\r\nHost: shop\r\n\r\n');
  assert.equal(backend.last.target, '/?q');
});

test('fields of one hop are not passed on, in either direction', async (scope) => {
  const answer =
    'HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Private\r\nKeep-Alive: timeout=5\r\nX-Private: p\r\n' +
    'Proxy-Connection: keep-alive\r\nX-Public: q\r\nContent-Length: 0\r\n\r\n';
  const backend = await record(scope, { onRequest: (request, connection) => connection.write(answer) });
  const { port } = await startInFrontOf(scope, backend.address);
  const fields =
    'Connection: keep-alive, X-Secret , x-other\r\nX-Secret: s\r\nX-Other: o\r\nKeep-Alive: timeout=9\r\n' +
    'Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nTE: gzip\r\nUpgrade: h2c\r\nX-Kept: k\r\n';
  const response = await ask(scope, port, get(fields));
  const names = backend.last.headers.map(([name]) => name.toLowerCase());
  for (const name of [
    'x-secret',
    'x-other',
    'keep-alive',
    'proxy-connection',
    'proxy-authorization',
    'upgrade',
  ]) {
    assert.ok(!names.includes(name), name);
  }
  assert.ok(!(backend.last.get('te') ?? '').includes('gzip'));
  assert.equal(backend.last.get('x-kept'), 'k');
  assert.equal(response.get('x-private'), undefined);
  assert.equal(response.get('proxy-connection'), undefined);
  assert.ok(!(response.get('connection') ?? '').toLowerCase().includes('x-private'));
  assert.equal(response.get('x-public'), 'q');
});

test('Connection cannot remove what Banyan or the protocol needs', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const named = 'Host, X-Forwarded-For, X-Forwarded-Proto, X-Real-IP, Content-Length, X-Request-ID, Via';
  const bytes = `POST /x HTTP/1.1\r\nHost: shop\r\nConnection: ${named}\r\nContent-Length: 5\r\n\r\nhello`;
  const response = await ask(scope, port, bytes);
  if (response.status === 400) return assert.equal(backend.bytes, '');
  assert.equal(response.status, 200);
  const { last } = backend;
  assert.deepEqual(last.all('host'), ['shop']);
  assert.deepEqual(last.all('x-forwarded-for'), ['127.0.0.1']);
  assert.deepEqual(last.all('x-forwarded-proto'), ['http']);
  assert.ok(last.get('x-request-id') && last.get('via'));
  return assert.equal(String(last.body), 'hello');
});

test('Via is added in both directions', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address, { top: 'via = "gate-7"' });
  const response = await ask(scope, port, get('Via: 1.0 fred\r\n'));
  assert.match(backend.last.all('via').join(', '), /^1\.0 fred, (HTTP\/)?1\.1 gate-7/);
  assert.match(response.all('via').join(', '), /1\.1 gate-7/);
});

test('X-Request-ID is made, or kept from whom we trust when it is well formed', async (scope) => {
  const backend = await record(scope);
  const banyan = await startInFrontOf(scope, backend.address);
  const seen = new Set();
  for (let round = 0; round < 10; round += 1) {
    await ask(scope, banyan.port, get());
    seen.add(backend.last.get('x-request-id'));
  }
  assert.equal(seen.size, 10);
  assert.ok([...seen].every((id) => /^[\w-]{16,}$/.test(id)));
  const logged = await banyan.logged(({ request_id: id }) => id === [...seen][9]);
  assert.equal(logged.uri, '/x');
  const trusting = await startInFrontOf(scope, backend.address, { top: 'trusted_proxies = ["127.0.0.0/8"]' });
  await ask(scope, trusting.port, get('X-Request-ID: abc-123_DEF.4567\r\n'));
  assert.deepEqual(backend.last.all('x-request-id'), ['abc-123_DEF.4567']);
  await ask(scope, trusting.port, get(`X-Request-ID: ${'x'.repeat(1000)}"<>\r\n`));
  assert.ok(backend.last.get('x-request-id').length < 200);
});

test('traceparent is passed on or made', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const shape = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
  await ask(scope, port, get());
  assert.match(backend.last.get('traceparent'), shape);
  const trace = '0af7651916cd43dd8448eb211c80319c';
  await ask(scope, port, get(`traceparent: 00-${trace}-b7ad6b7169203331-01\r\ntracestate: a=b\r\n`));
  assert.match(backend.last.get('traceparent'), shape);
  assert.equal(backend.last.get('traceparent').split('-')[1], trace);
  assert.equal(backend.last.get('tracestate'), 'a=b');
  await ask(scope, port, get('traceparent: 00-00000000000000000000000000000000-0000000000000000-01\r\n'));
  assert.match(backend.last.get('traceparent'), shape);
  assert.doesNotMatch(backend.last.get('traceparent'), /-0{32}-/);
});

test('rules of a route change requests and responses', async (scope) => {
  const answer =
    'HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nX-Set: old\r\nVary: A\r\nContent-Length: 0\r\n\r\n';
  const backend = await record(scope, { onRequest: (request, connection) => connection.write(answer) });
  const rules = `
request_headers = { set = { X-Set = "new", X-More = "1" }, add = { X-Add = "two" }, remove = ["X-Gone"] }
response_headers = { set = { X-Set = "fresh" }, add = { Vary = "B" }, remove = ["X-Powered-By"] }`;
  const { port } = await start(scope, forward(backend.address, '', rules));
  const response = await ask(scope, port, get('X-Set: old\r\nx-set: older\r\nX-Add: one\r\nx-gone: g\r\n'));
  const { last } = backend;
  assert.deepEqual(last.all('x-set'), ['new']);
  assert.deepEqual(last.all('x-more'), ['1']);
  assert.equal(last.all('x-add').join(', '), 'one, two');
  assert.equal(last.get('x-gone'), undefined);
  assert.deepEqual(response.all('x-set'), ['fresh']);
  assert.equal(response.all('vary').join(', '), 'A, B');
  assert.equal(response.get('x-powered-by'), undefined);
});

test('Cookie, Authorization, Origin and odd fields pass untouched', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const fields = [
    ['Cookie', 'a=1; b="x y"'],
    ['Authorization', 'Bearer abc.def'],
    ['Origin', 'https://a.example'],
    ['Idempotency-Key', '"k1"'],
    ['baggage', 'k=v'],
    ['X-Empty', ''],
    ['X-Latin', '\xe9\xff'],
    ['Accept-Encoding', 'gzip, br'],
  ];
  await ask(scope, port, get(fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')));
  for (const [name, value] of fields) assert.deepEqual(backend.last.all(name), [value]);
});
