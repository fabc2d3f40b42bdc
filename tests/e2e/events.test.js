// event_dispatch with real subscribers: Node's ws, event streams, curl.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { makeFolder, start } from './lib/banyan.js';
import { fetch, run } from './lib/client.js';
import { begin, eventSource, listen, live, publish } from './lib/events.js';
import { ask } from './lib/raw.js';
import { serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const series = (count, from = 1) => Array.from({ length: count }, (_, i) => `event ${i + from}`);

test('all transports see all events in one order, whichever worker they are on', async (scope) => {
  const banyan = await begin(scope, '', { workers: 3 });
  const sockets = await Promise.all(Array.from({ length: 6 }, () => listen(scope, banyan, 'x')));
  const envelopes = await listen(scope, banyan, 'x', { protocols: ['banyan.v1'] });
  const small = await listen(scope, banyan, 'x', { perMessageDeflate: true });
  const source = await eventSource(scope, banyan, 'x');
  const curl = spawn('curl', ['-sN', '-H', 'Accept: text/event-stream', `${banyan.url}/live/x`]);
  scope.after(() => curl.kill());
  let seen = '';
  curl.stdout.on('data', (chunk) => {
    seen += chunk;
  });
  await until(() => seen.includes('retry:'), 'curl to be connected');
  const poll = fetch(`${banyan.url}/live/x?wait=30s`);
  await until(async () => {
    const page = await fetch(`${banyan.url}/live/_channels/x`);
    return page.status === 200 && JSON.parse(page.text).subscribers === 11;
  }, 'all to be counted');

  const texts = [...series(50), 'x'.repeat(20_000), 'line\nbreak'];
  // Publishers on connections of their own, so on several workers, one after the other.
  for (const text of texts) await publish(banyan, 'x', text, { 'Content-Type': 'text/plain', Connection: 'close' });

  for (const client of [...sockets, small]) {
    await until(() => client.messages.length === texts.length, 'all messages');
    assert.deepEqual(client.messages, texts);
  }
  assert.equal(small.socket.extensions, 'permessage-deflate');
  await until(() => source.events.length === texts.length, 'all events');
  assert.deepEqual(source.events.map(({ data }) => data), texts);
  await until(() => envelopes.messages.length === texts.length + 1, 'all envelopes');
  const parsed = envelopes.messages.slice(1).map((text) => JSON.parse(text));
  assert.deepEqual(parsed.map(({ data }) => data), texts);
  assert.deepEqual(parsed.map(({ offset }) => offset), texts.map((_, i) => i + 1));
  await until(() => seen.includes('data: line\ndata: break\n\n'), 'the last event by curl');
  const answer = JSON.parse((await poll).text);
  assert.equal(answer.events[0].data, 'event 1');
});

test('kill -9 of workers loses and repeats nothing', async (scope) => {
  const banyan = await begin(scope, '', { workers: 2 });
  const sources = await Promise.all(Array.from({ length: 8 }, () => eventSource(scope, banyan, 'x')));
  let sent = 0;
  const send = async () => {
    // A publisher whose worker dies asks again, with the same key.
    sent += 1;
    const headers = { 'Idempotency-Key': `"${sent}"`, 'Content-Type': 'text/plain', Connection: 'close' };
    await until(() => publish(banyan, 'x', `event ${sent}`, headers), `event ${sent} to be taken`);
  };
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 20; i += 1) await send();
    const [victim] = banyan.workers();
    process.kill(victim, 'SIGKILL');
    for (let i = 0; i < 20; i += 1) await send();
    await until(() => banyan.workers().length === 2 && !banyan.workers().includes(victim), 'a new worker');
  }
  for (const source of sources) {
    await until(() => source.events.length >= sent, `${sent} events`);
    assert.deepEqual(source.events.map(({ type, data }) => `${type} ${data}`), series(sent).map((t) => `message ${t}`));
  }
  assert.ok(sources.some(({ opened }) => opened > 1));
});

test('a reload keeps the connections; the end of the process says come again', async (scope) => {
  const banyan = await begin(scope, 'ping = "25s"');
  const socket = await listen(scope, banyan, 'x');
  const source = await eventSource(scope, banyan, 'x');
  await banyan.reconfigure(live('ping = "20s"'));
  await publish(banyan, 'x', 'after');
  await until(() => socket.messages.length === 1 && source.events.length === 1, 'the event');
  assert.equal(source.opened, 1);
  source.stopped = true;
  banyan.signal('QUIT');
  await until(() => socket.closed, 'the close frame');
  assert.equal(socket.closed.code, 1012);
  await banyan.exited();
});

test('Content-Length: 0 is no body: subscribers may send it, but no other', async (scope) => {
  const banyan = await begin(scope);
  const headers = { 'Content-Length': '0' };
  const client = await listen(scope, banyan, 'x', { headers });
  const source = await eventSource(scope, banyan, 'x', headers);
  await publish(banyan, 'x', 'hello', { 'Content-Type': 'text/plain' });
  await until(() => client.messages.length === 1 && source.events.length === 1, 'the event');
  const request = 'GET /live/x HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n';
  assert.equal((await ask(scope, banyan.port, `${request}Content-Length: 1\r\n\r\nx`)).status, 400);
});

// RFC 9110 section 15.5.22, RFC 6455 section 4.4.
test('426 says what to upgrade to', async (scope) => {
  const banyan = await begin(scope);
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n';
  for (const fields of ['', upgrade]) {
    const { status, get } = await ask(scope, banyan.port, `GET /live/x HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    assert.equal(status, 426);
    assert.deepEqual(
      [get('upgrade'), get('connection'), get('sec-websocket-version')],
      ['websocket', 'Upgrade', '13'],
    );
  }
});

// RFC 9110 section 7.8.
test('Upgrade is a list, and a version is another protocol', async (scope) => {
  const banyan = await begin(scope);
  const shake = (protocols) =>
    ask(
      scope,
      banyan.port,
      `GET /live/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${protocols}\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
  assert.equal((await shake('h2c, WebSocket')).status, 101);
  assert.equal((await shake('websocket/13')).status, 426);
});

test('who does not read is closed, others do not notice', async (scope) => {
  const banyan = await begin(scope, 'queue = { bytes = "64k" }', { workers: 1 });
  const stalled = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const socket = net.connect(banyan.port, '127.0.0.1');
      socket.on('error', () => {});
      scope.after(() => socket.destroy());
      socket.write('GET /live/x HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n');
      await new Promise((resolve) => socket.once('readable', resolve));
      return socket;
    }),
  );
  const readers = await Promise.all(Array.from({ length: 5 }, () => listen(scope, banyan, 'x')));
  const event = 'y'.repeat(30_000);
  const closed = () => fetchMetric(banyan, 'banyan_events_closed_total{handler="live",reason="queue_full"}');
  let count = 0;
  await until(async () => {
    count += 1;
    await publish(banyan, 'x', event);
    return (await closed()) === stalled.length;
  }, 'the stalled to be closed', 30_000);
  for (const reader of readers) await until(() => reader.messages.length === count, 'all events');
});

async function fetchMetric(banyan, series) {
  const { text } = await banyan.admin('/metrics');
  const line = text.split('\n').find((one) => one.startsWith(series));
  return line ? Number(line.slice(line.lastIndexOf(' '))) : 0;
}

test('another service says who may listen', async (scope) => {
  const asked = [];
  const service = await serveHttp(scope, (request, response) => {
    asked.push([request.method, request.url, request.headers['x-original-uri'], request.headers.cookie]);
    response.writeHead(request.headers.cookie === 'user=good' ? 204 : request.headers.cookie ? 500 : 401);
    response.end();
  });
  const banyan = await start(
    scope,
    `[upstream.node]
servers = ["${service.host}"]
${live('subscribe = { authorize = "upstream.node/may-listen?why=live" }')}`,
  );
  const good = await listen(scope, banyan, 'x', { headers: { Cookie: 'user=good', 'x-original-uri': '/x' } });
  assert.equal(good.closed, undefined);
  assert.deepEqual(asked[0], ['GET', '/may-listen?why=live', '/live/x', 'user=good']);
  assert.equal((await listen(scope, banyan, 'x')).status, 401);
  assert.equal((await listen(scope, banyan, 'x', { headers: { Cookie: 'user=odd' } })).status, 500);
  const evil = { Cookie: 'user=good', Origin: 'https://evil.example' };
  assert.equal((await listen(scope, banyan, 'x', { headers: evil })).status, 403);
  await publish(banyan, 'x', 'hello');
  await until(() => good.messages.length === 1, 'the event');
});

test('over TLS, with readers that stall', async (scope) => {
  const folder = makeFolder(scope);
  const { code } = await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-keyout', `${folder}/key.pem`, '-out', `${folder}/cert.pem`],
  ]);
  assert.equal(code, 0);
  const keys = 'queue = { messages = 20, when_full = "drop_oldest" }';
  const banyan = await begin(scope, keys, {
    workers: 1,
    listener: `tls = { certificate = "${folder}/cert.pem", key = "${folder}/key.pem" }`,
  });
  const secure = { rejectUnauthorized: false };
  const quick = new WebSocket(`wss://127.0.0.1:${banyan.port}/live/x`, secure);
  const slow = tls.connect({ port: banyan.port, host: '127.0.0.1', ...secure });
  scope.after(() => [quick.terminate(), slow.destroy()]);
  slow.write('GET /live/x HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n');
  await new Promise((resolve) => slow.once('readable', resolve));
  const got = [];
  quick.on('message', (data) => got.push(String(data)));
  await until(() => quick.readyState === WebSocket.OPEN, 'the quick one to be open');
  const url = `https://127.0.0.1:${banyan.port}/live/x`;
  const agent = new https.Agent({ keepAlive: true, ...secure });
  scope.after(() => agent.destroy());
  const events = 400;
  for (let i = 1; i <= events; i += 1) {
    const body = `${i};${'z'.repeat(60_000)}`;
    assert.equal((await fetch(url, { method: 'POST', body, agent })).status, 202);
  }
  await until(() => got.length === events, 'the quick one to have all');
  let text = '';
  slow.on('data', (chunk) => {
    text += chunk;
  });
  await until(() => text.includes(`\ndata: ${events};`) && text.endsWith('\n\n'), 'the slow one to have the last');
  const arrived = text.match(/^data: \d+;z{60000}$/gm);
  const dropped = text.match(/^event: dropped\ndata: \{"count":\d+\}$/gm) ?? [];
  const missing = dropped.reduce((sum, note) => sum + Number(/\d+/.exec(note)[0]), 0);
  assert.ok(missing > 0);
  assert.equal(arrived.length + missing, events);
});

test('a rollout moves its clients to the other hub and back', async (scope) => {
  // The service that is to be replaced.
  const server = await serveHttp(scope, (_, response) => response.end());
  const sockets = new WebSocketServer({ server });
  const there = new Set();
  sockets.on('connection', (socket) => {
    there.add(socket);
    socket.on('close', () => there.delete(socket));
  });
  scope.after(() => sockets.clients.forEach((socket) => socket.terminate()));
  const banyan = await start(
    scope,
    `[upstream.node]
servers = ["${server.host}"]
[handler.live]
type = "event_dispatch"
[rollout.hub]
legacy = "upstream.node"
native = "handler.live"
percent = 100
sticky = ["header:X-User"]
[[route]]
path = "/live/*"
target = "rollout.hub"
deadline = "0s"`,
  );
  const dial = (user) => listen(scope, banyan, 'x', { headers: { 'X-User': user } });
  const clients = await Promise.all(['a', 'b', 'c', 'd'].map(dial));
  assert.equal(there.size, 0);
  assert.equal((await banyan.ctl('rollout', 'set', 'hub', '0')).code, 0);
  for (const client of clients) {
    await until(() => client.closed, 'the client to be sent away');
    assert.equal(client.closed.code, 1012);
  }
  const again = await dial('a');
  await until(() => there.size === 1, 'it to arrive at the old hub');
  assert.equal((await banyan.ctl('rollout', 'set', 'hub', '100')).code, 0);
  await until(() => again.closed, 'it to be sent back');
  assert.equal(again.closed.code, 1012);
});
