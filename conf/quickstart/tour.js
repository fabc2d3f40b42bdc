// The requests of the tour, and what became of them.
//
//   node tour.js URL ACCESS_LOG -- BANYANCTL [OPTION...]
//
// Sends batches for 300 users at 10%, again at 50% (set live), moves 100 clients of the event hub, and does a
// little of everything else; reads in the access log which side answered; prints tables. Exits 1 when an answer
// is wrong, a user moved back, or the sides differ.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const WebSocket = createRequire(new URL('./legacy/', import.meta.url))('ws');
const [url, accessLog, , ...banyanctl] = process.argv.slice(2);
const users = 300;
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
const run = promisify(execFile);

// Resolves to {status, headers, body}.
function send(method, path, { headers = {}, body: sent } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url + path, { method, headers, agent }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode, headers: response.headers, body });
      });
    });
    request.on('error', reject);
    request.end(sent);
  });
}

function keysOf(user) {
  const name = String((user % 200) + 1).padStart(4, '0');
  return [`articles/${name}.json`, 'pages/0010.html', 'thumbs/0004.gif', `nothing/${user}`];
}

function sendBatch(user, pass, headers = {}) {
  return send('POST', `/batch?pass=${pass}&user=${user}`, {
    headers: { 'Content-Type': 'application/json', Cookie: `uid=user-${user}`, ...headers },
    body: JSON.stringify({ keys: keysOf(user), timeout_ms: 5000 }),
  });
}

// Runs the task for 0 … count-1, 8 at a time.
async function forEach(count, task) {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const number = next;
      next += 1;
      await task(number);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

async function batches(pass) {
  await forEach(users, async (user) => {
    const { status, body } = await sendBatch(user, pass);
    assert.equal(status, 200, `batch of user ${user}: ${body}`);
    const { complete, results } = JSON.parse(body);
    assert.equal(complete, true, `batch of user ${user}: ${body}`);
    assert.deepEqual(
      keysOf(user).map((key) => results[key].status),
      [200, 200, 200, 404],
    );
  });
}

// The log's lines whose URI has pass=PASS, once there are as many as expected.
async function logged(pass, expected) {
  for (let patience = 100; ; patience -= 1) {
    const lines = (await readFile(accessLog, 'utf8')).split('\n').filter(Boolean);
    const found = lines.map((line) => JSON.parse(line)).filter(({ uri }) => uri.includes(`pass=${pass}`));
    if (found.length >= expected) return found;
    assert.ok(patience > 0, `${accessLog} has ${found.length} lines of ${expected} requests`);
    await pause(50);
  }
}

function milliseconds(entries, share) {
  const times = entries.map((entry) => Number(entry.request_time) * 1000).sort((a, b) => a - b);
  return `${times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(1)} ms`;
}

function printTable(title, entries) {
  const groups = new Map();
  for (const entry of entries) {
    const name = [entry.route, entry.side || '-', entry.status].join(' ');
    groups.set(name, [...(groups.get(name) ?? []), entry]);
  }
  const pad = (cell, at) => (at === 0 ? String(cell).padEnd(26) : String(cell).padStart(10));
  const row = (...cells) => console.log(`  ${cells.map(pad).join('')}`);
  console.log(`\n${title}`);
  row('route', 'side', 'status', 'requests', 'share', 'p50', 'p99');
  for (const [, group] of [...groups].sort()) {
    const { route, side, status } = group[0];
    const share = `${((100 * group.length) / entries.length).toFixed(1)}%`;
    row(route, side || '-', status, group.length, share, milliseconds(group, 0.5), milliseconds(group, 0.99));
  }
}

function nativeUsers(entries) {
  const native = entries.filter(({ side }) => side === 'native');
  return new Set(native.map(({ uri }) => new URL(uri, url).searchParams.get('user')));
}

async function setPercent(rollout, percent) {
  const order = ['rollout', 'set', rollout, String(percent), '--why', 'tour'];
  const { stdout } = await run(banyanctl[0], [...banyanctl.slice(1), ...order]);
  console.log(`\n$ banyanctl ${order.join(' ')}\n${stdout.trim()}`);
}

async function compareSides() {
  const [legacy, native] = await Promise.all(
    ['legacy', 'native'].map(async (side) => {
      const { status, body } = await sendBatch(7, 'compare', { 'X-Banyan-Side': side });
      assert.equal(status, 200, body);
      return JSON.parse(body);
    }),
  );
  assert.deepEqual(native, legacy, 'both sides give the same answer');
  const sides = (await logged('compare', 2)).map(({ side }) => side).sort();
  assert.deepEqual(sides, ['legacy', 'native'], 'X-Banyan-Side chooses the side');
  console.log('\nThe same batch on both sides: equal answers.');
}

function echoThroughWebSocket() {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/echo?pass=other`);
    socket.on('open', () => socket.send('hello'));
    socket.on('message', (data) => {
      socket.close();
      resolve(String(data));
    });
    socket.on('error', reject);
  });
}

// A client of the event hub that comes back when it is sent away. `hub` is the one that its last event came from.
function listen(user) {
  const client = { hub: null, connected: false, closes: [], stop: () => {} };
  const connect = () => {
    const headers = { Cookie: `uid=user-${user}` };
    const socket = new WebSocket(`${url.replace('http', 'ws')}/live/tour`, { headers });
    let again = setTimeout;
    socket.on('open', () => (client.connected = true));
    socket.on('message', (data) => (client.hub = JSON.parse(data).hub));
    socket.on('error', () => {});
    socket.on('close', (code) => {
      client.connected = false;
      client.closes.push(code);
      again(connect, 50);
    });
    client.stop = () => {
      again = () => {};
      socket.close();
    };
  };
  connect();
  return client;
}

async function until(condition, what) {
  for (let patience = 400; !condition(); patience -= 1) {
    assert.ok(patience > 0, `waited too long for ${what}`);
    await pause(50);
  }
}

// To both hubs, as long as there are clients on both.
async function publish() {
  for (const hub of ['legacy', 'native']) {
    const { status, body } = await send('POST', '/live/tour', {
      headers: { 'Content-Type': 'application/json', 'X-Banyan-Side': hub },
      body: JSON.stringify({ hub }),
    });
    assert.equal(status, 202, body);
  }
}

function printHubs(title, clients) {
  const count = (hub) => clients.filter((client) => client.hub === hub).length;
  console.log(`\n${title}\n  legacy ${count('legacy')}, native ${count('native')} of ${clients.length}`);
  return count('native');
}

async function events() {
  const clients = Array.from({ length: 100 }, (_, user) => listen(user));
  await until(() => clients.every(({ connected }) => connected), 'the WebSockets');
  await publish();
  await until(() => clients.every(({ hub }) => hub !== null), 'an event at every client');
  const native = printHubs('100 clients of the event hub, 10% of them on the native side', clients);
  assert.ok(native > 0 && native < 50, 'the share follows the percentage');
  await setPercent('live', 100);
  const moved = clients.filter(({ hub }) => hub === 'legacy');
  await until(() => moved.every(({ connected, closes }) => connected && closes.length > 0), 'clients to move');
  await publish();
  await until(() => clients.every(({ hub }) => hub === 'native'), 'the events of the native hub');
  printHubs('The same clients: who was on the legacy hub was sent away (1012) and has come back', clients);
  assert.ok(moved.every(({ closes }) => closes.length === 1 && closes[0] === 1012), 'once, and politely');
  assert.ok(clients.every((client) => moved.includes(client) || client.closes.length === 0), 'nobody else');
  for (const client of clients) client.stop();
  await setPercent('live', 10);
}

async function everythingElse() {
  const json = { 'Content-Type': 'application/json' };
  await forEach(20, async () => assert.equal((await send('GET', '/api/orders?pass=other')).status, 200));
  const order = { headers: json, body: '{"item":"scone","quantity":3}' };
  const created = await send('POST', '/api/orders?pass=other', order);
  assert.equal(created.status, 201, created.body);
  assert.equal((await send('GET', `${created.headers.location}?pass=other`)).status, 200);
  assert.equal((await send('DELETE', `${created.headers.location}?pass=other`)).status, 204);
  assert.equal((await send('GET', '/nowhere?pass=other')).status, 404);
  const stream = await send('GET', '/api/events?pass=other&count=3&interval=20');
  assert.equal(stream.body.match(/^event: tick$/gm)?.length, 3, stream.body);
  assert.equal(await echoThroughWebSocket(), 'hello');
}

try {
  await batches('first');
  const first = await logged('first', users);
  printTable(`${users} users ask for a batch, 10% of them on the native side`, first);
  await setPercent('content', 50);
  await batches('second');
  const second = await logged('second', users);
  printTable('The same users again', second);
  const before = nativeUsers(first);
  const after = nativeUsers(second);
  assert.ok(
    before.size > 0 && before.size < after.size && after.size < users,
    'the shares follow the percentages',
  );
  assert.ok(
    [...before].every((user) => after.has(user)),
    'nobody has moved back',
  );
  await setPercent('content', 10);
  await compareSides();
  await events();
  await everythingElse();
  printTable('Everything else', await logged('other', 26));
} catch (error) {
  console.error(`tour: ${error.message}`);
  process.exitCode = 1;
} finally {
  agent.destroy();
}
