// Publishing to event_dispatch: by POST, in batches, from a stream of Redis.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { WebSocket } from 'ws';
import { makeFolder, start } from './lib/banyan.js';
import { fetch, run } from './lib/client.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const live = (keys = '') => `[handler.live]
type = "event_dispatch"
${keys}
[[route]]
path = "/live/*"
target = "handler.live"`;

const post = (banyan, channel, body, headers = {}) =>
  fetch(`${banyan.url}/live/${channel}`, { method: 'POST', body, headers: { Connection: 'close', ...headers } });

// What is kept of a channel.
async function history(banyan, channel) {
  const response = await fetch(`${banyan.url}/live/${channel}?since=first`);
  return JSON.parse(response.text).events;
}

test('a token, a schema, repeats: the same on all workers', async (scope) => {
  const banyan = await start(
    scope,
    live(`publish_token = "secret"
schema = { order_id = "string", driver_id = "string?", timestamp = "time" }`),
    { workers: 3 },
  );
  const event = JSON.stringify({ order_id: '1', timestamp: '2026-03-01T06:00:00Z' });
  const none = await post(banyan, 'orders', event);
  assert.equal(none.status, 401);
  assert.equal(none.headers['www-authenticate'], 'Bearer realm="banyan"');
  const wrong = await post(banyan, 'orders', event, { Authorization: 'Bearer Secret' });
  assert.equal(wrong.status, 401);
  assert.match(wrong.headers['www-authenticate'], /error="invalid_token"/);
  const right = { Authorization: 'Bearer secret', 'Content-Type': 'application/json' };
  const odd = await post(banyan, 'orders', '{"order_id":1,"timestamp":"now"}', right);
  assert.equal(odd.status, 422);
  assert.equal(odd.headers['content-type'], 'application/problem+json');
  assert.deepEqual(
    JSON.parse(odd.text).errors.map(({ field }) => field),
    ['order_id', 'timestamp'],
  );
  const answers = [];
  for (let i = 0; i < 8; i += 1) {
    const response = await post(banyan, 'orders', event, { ...right, 'Idempotency-Key': '"once"' });
    assert.equal(response.status, 202);
    answers.push(JSON.parse(response.text));
  }
  assert.deepEqual(new Set(answers.map(({ offset, epoch }) => `${epoch}:${offset}`)).size, 1);
  assert.deepEqual(answers.map(({ repeated }) => Boolean(repeated)), [false, ...Array(7).fill(true)]);
  assert.equal((await history(banyan, 'orders')).length, 1);
  const metrics = (await banyan.admin('/metrics')).text;
  assert.match(metrics, /banyan_events_published_total\{[^}]*result="accepted"[^}]*\} 1\n/);
  assert.match(metrics, /banyan_events_published_total\{[^}]*result="unauthorized"[^}]*\} 2\n/);
  assert.match(metrics, /banyan_events_published_total\{[^}]*result="repeated"[^}]*\} 7\n/);
});

test('what is too long, too much or badly named', async (scope) => {
  const banyan = await start(scope, live('max_message = "1k"\npublish_rate = "5/h"'));
  assert.equal((await post(banyan, 'x', 'y'.repeat(1025))).status, 413);
  assert.equal((await post(banyan, 'y'.repeat(201), 'x')).status, 400);
  assert.equal((await post(banyan, 'a%0Ab', 'x')).status, 400);
  assert.equal((await post(banyan, 'a%ff', 'x')).status, 400);
  assert.equal((await post(banyan, 'gr%C3%BC%C3%9Fe', 'x')).status, 202);
  const statuses = [];
  for (let i = 0; i < 6; i += 1) statuses.push((await post(banyan, 'x', 'y')).status);
  assert.deepEqual(statuses, [202, 202, 202, 202, 429, 429]);
  assert.ok(Number((await post(banyan, 'x', 'y')).headers['retry-after']) > 600);
  assert.equal((await fetch(`${banyan.url}/live/x`, { method: 'PUT', body: 'y' })).status, 405);
});

test('a batch keeps the order of its lines', async (scope) => {
  const banyan = await start(scope, live('history = { messages = 5000 }\nqueue = { bytes = "2m" }'));
  const lines = Array.from({ length: 3000 }, (_, i) => JSON.stringify({ channel: `c${i % 3}`, data: { i } }));
  lines[100] = 'this is not JSON';
  const response = await post(banyan, '', lines.join('\n'), { 'Content-Type': 'application/x-ndjson' });
  assert.equal(response.status, 207);
  const answers = response.text.trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(answers.length, 3000);
  assert.equal(answers[100].status, 400);
  assert.deepEqual(answers.filter(({ channel }) => channel === 'c2').map(({ offset }) => offset),
    Array.from({ length: 1000 }, (_, i) => i + 1));
  const seen = await history(banyan, 'c0');
  assert.deepEqual(seen.map(({ data }) => data.i), Array.from({ length: seen.length }, (_, i) => i * 3));
});

// {socket, messages, closed}; open.
async function connect(scope, banyan, channel, protocols = []) {
  const socket = new WebSocket(`ws://127.0.0.1:${banyan.port}/live/${channel}`, protocols);
  const client = { socket, messages: [], closed: undefined };
  socket.on('message', (data, isBinary) => client.messages.push(isBinary ? data : String(data)));
  socket.on('close', (code, reason) => {
    client.closed = { code, reason: String(reason) };
  });
  scope.after(() => socket.terminate());
  await until(() => socket.readyState === WebSocket.OPEN, 'the WebSocket to open');
  return client;
}

test('WebSocket clients publish if they may', async (scope) => {
  const banyan = await start(scope, live('websocket_publish = true\nschema = { n = "int" }'));
  const plain = await connect(scope, banyan, 'x');
  const envelope = await connect(scope, banyan, 'x', ['banyan.v1']);
  plain.socket.send('{"n":1}');
  await until(() => plain.messages.length === 1, 'its own event');
  const command = { type: 'publish', channel: 'x', data: { n: 2 }, key: 'k', id: 7 };
  envelope.socket.send(JSON.stringify(command));
  await until(() => plain.messages.length === 2, 'the second event');
  assert.deepEqual(plain.messages, ['{"n":1}', '{"n":2}']);
  const said = () => envelope.messages.map((text) => JSON.parse(text));
  const published = await until(() => said().find(({ type }) => type === 'published'), 'the answer');
  assert.equal(published.offset, 2);
  assert.equal(published.id, 7);
  envelope.socket.send(JSON.stringify({ ...command, data: { n: 'two' }, key: undefined }));
  const error = await until(() => said().find(({ type }) => type === 'error'), 'the refusal');
  assert.deepEqual([error.status, error.detail], [422, 'the event does not fit the schema: n must be a whole number']);
  plain.socket.send('{}');
  await until(() => plain.closed, 'the plain one to be closed');
  assert.equal(plain.closed.code, 1008);
  // Not allowed by default.
  const strict = await start(scope, live());
  const listener = await connect(scope, strict, 'x');
  listener.socket.send('x');
  await until(() => listener.closed, 'the listener to be closed');
  assert.equal(listener.closed.code, 1008);
});

// Debian's redis-server is a link to this program, in a package that starts no service.
const redisProgram = '/usr/bin/redis-check-rdb';

async function startRedis(scope) {
  const folder = makeFolder(scope);
  const socket = path.join(folder, 'redis.sock');
  const child = spawn(redisProgram, ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', ''], {
    argv0: 'redis-server',
    stdio: 'ignore',
  });
  scope.after(() => child.kill('SIGKILL'));
  const say = async (...words) => (await run('redis-cli', ['-s', socket, ...words])).stdout.trim();
  await until(async () => (await say('PING')) === 'PONG', 'Redis to be ready');
  return { socket, say };
}

function controllerOf(banyan) {
  const children = fs.readFileSync(`/proc/${banyan.pid}/task/${banyan.pid}/children`, 'utf8');
  const workers = banyan.workers();
  return children.trim().split(' ').map(Number).find((pid) => !workers.includes(pid));
}

test('a stream of Redis: killed readers lose and double nothing', { skip: !fs.existsSync(redisProgram) }, async (scope) => {
  const redis = await startRedis(scope);
  const source = (more = '') =>
    live(`source = { redis_stream = "orders", address = "unix:${redis.socket}", group = "test", from = "first"${more} }`);
  const banyan = await start(scope, source());
  let sent = 0;
  const add = async (count) => {
    for (let i = 0; i < count; i += 1) {
      sent += 1;
      await redis.say('XADD', 'orders', '*', 'channel', 'x', 'data', JSON.stringify({ n: sent }));
    }
  };
  const arrived = () => until(async () => (await history(banyan, 'x')).length >= sent, 'all entries', 20_000);
  await add(20);
  await arrived();
  for (let round = 0; round < 3; round += 1) {
    const adding = add(30);
    process.kill(controllerOf(banyan), 'SIGKILL');
    await adding;
    await arrived();
  }
  await until(async () => (await redis.say('XPENDING', 'orders', 'test')).startsWith('0'), 'all to be acknowledged');
  assert.deepEqual((await history(banyan, 'x')).map(({ data }) => data.n), Array.from({ length: sent }, (_, i) => i + 1));
  // Other options from now on; the same group goes on.
  await banyan.reconfigure(source(', channel = "all"'));
  await redis.say('XADD', 'orders', '*', 'data', 'hello');
  await until(async () => (await history(banyan, 'all')).length === 1, 'the entry after the reload');
  assert.equal((await history(banyan, 'x')).length, sent);
  await until(async () => /banyan_events_source_up\{[^}]*\} 1\n/.test((await banyan.admin('/metrics')).text), 'the gauge');
});
