// WebSockets and event streams follow their rollout: after a change those on the wrong side are ended, at the
// configured rate, and come back to the right one.

import assert from 'node:assert/strict';
import { WebSocket, WebSocketServer } from 'ws';
import { start } from './lib/banyan.js';
import { dial, listen, service } from './lib/longlived.js';
import { connect } from './lib/raw.js';
import { serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

async function begin(scope, keys, { workers = 2, more = '', files } = {}) {
  const legacy = await service(scope, 'legacy');
  const native = await service(scope, 'native');
  const text = `[upstream.old]
servers = ["${legacy.host}"]
[upstream.new]
servers = ["${native.host}"]
[rollout.r]
legacy = "upstream.old"
native = "upstream.new"
sticky = ["header:X-User"]
force = { header = "X-Side", from = ["127.0.0.0/8"] }
${keys}
[[route]]
path = "/*"
target = "rollout.r"
deadline = "0s"
${more}`;
  const banyan = await start(scope, text, { workers, files });
  return { banyan, legacy: legacy.state, native: native.state, text };
}

const dialAll = (scope, banyan, count) =>
  Promise.all(Array.from({ length: count }, (_, number) => dial(scope, banyan, `user-${number}`)));

async function moved(banyan, side) {
  const { text } = await banyan.admin('/metrics');
  const metric = 'banyan_connections_moved_total{';
  const line = text.split('\n').find((l) => l.startsWith(metric) && l.includes(`side="${side}"`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

test('a rollback closes the native WebSockets at the rate, each once, with 1012', async (scope) => {
  const { banyan, legacy, native } = await begin(scope, 'percent = 50\nclose_rate = "40/s"', { workers: 3 });
  const clients = await dialAll(scope, banyan, 120);
  const lost = clients.filter(({ side }) => side === 'native');
  assert.ok(lost.length > 35 && lost.length < 85, `${lost.length} of 120`);
  const began = performance.now();
  assert.equal((await banyan.ctl('rollout', 'abort', 'r', '--why', 'bad')).code, 0);
  await until(() => native.sockets.size === 0, 'the native side to be empty', 20_000);
  await until(() => lost.every(({ closed }) => closed), 'all clients to be told');
  const times = lost.map(({ closed }) => closed.at - began).sort((a, b) => a - b);
  for (const { closed, error } of lost) {
    assert.deepEqual([closed.code, closed.reason], [1012, 'moved']);
    assert.equal(error, undefined);
  }
  const clean = lost.map(() => [1012, 'moved']);
  assert.deepEqual(native.closes, clean, 'the server saw a clean close of each');
  assert.ok(times.at(-1) >= ((lost.length - 1) / 40) * 900, `${lost.length} within ${times.at(-1)} ms`);
  for (let i = 0; i + 45 < times.length; i += 1)
    assert.ok(times[i + 45] - times[i] > 900, 'more than the rate');
  assert.ok(
    clients.every(({ side, closed }) => side === 'native' || !closed),
    'legacy stays',
  );
  const again = await Promise.all(lost.map(({ user }) => dial(scope, banyan, user)));
  assert.ok(again.every(({ side }) => side === 'legacy'), 'they come back to legacy');
  await until(async () => (await moved(banyan, 'native')) === lost.length, 'the metric');
  const entry = await banyan.logged(({ term }) => term === 'PD');
  assert.match(entry.error, /moved/);
  assert.equal(legacy.sockets.size, 120);
  assert.equal(native.opened, lost.length);
});

test('in both directions, only the newest share, and not who was forced', async (scope) => {
  const { banyan, native } = await begin(scope, 'percent = 30\nclose_rate = "1000/s"');
  const clients = await dialAll(scope, banyan, 60);
  const forced = await dial(scope, banyan, 'tester', { 'X-Side': 'native' });
  const at = (side) => new Set(clients.filter((c) => c.side === side && !c.closed).map(({ user }) => user));
  const natives = at('native');
  assert.equal((await banyan.ctl('rollout', 'set', 'r', '60')).code, 0);
  await until(async () => (await banyan.admin('/rollouts/r')).json.percent === 60, 'the order');
  const changed = [];
  for (const client of clients) {
    const now = await dial(scope, banyan, client.user);
    if (now.side !== client.side) changed.push(client);
  }
  assert.ok(changed.length > 5);
  assert.ok(
    changed.every(({ side }) => side === 'legacy'),
    'raising moves nobody back',
  );
  await until(() => changed.every(({ closed }) => closed), 'those who belong to native now to be closed');
  await until(async () => (await moved(banyan, 'legacy')) === changed.length, 'the metric');
  assert.equal(clients.filter(({ closed }) => closed).length, changed.length, 'and nobody else');
  assert.deepEqual(at('native'), natives);
  assert.equal((await banyan.ctl('rollout', 'abort', 'r')).code, 0);
  await until(() => native.sockets.size === 1, 'all natives but the forced one to go');
  forced.socket.send('still here');
  await until(() => forced.messages.length === 1, 'the forced one to be served');
});

test('the close comes between frames, whatever is under way', async (scope) => {
  const { banyan, native } = await begin(scope, 'percent = 100\nclose_rate = "1000/s"', { workers: 1 });
  const client = await dial(scope, banyan, 'a');
  const [server] = native.sockets;
  const size = 200_000;
  let sent = 0;
  const pump = setInterval(() => {
    if (server.readyState !== WebSocket.OPEN || server.bufferedAmount > 4 << 20) return;
    server.send(Buffer.alloc(size, sent & 255));
    sent += 1;
  }, 1);
  scope.after(() => clearInterval(pump));
  await until(() => client.messages.length > 20, 'traffic');
  await banyan.ctl('rollout', 'abort', 'r');
  await until(() => client.closed, 'the end');
  assert.deepEqual([client.closed.code, client.error], [1012, undefined]);
  assert.ok(client.messages.every((data) => data.length === size && data.every((byte) => byte === data[0])));
});

test('a client that does not answer the close is cut off after the grace', async (scope) => {
  const { banyan, native } = await begin(scope, 'percent = 100', { workers: 1 });
  const client = await connect(scope, banyan.port);
  await client.write(
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-User: a\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await client.until(/native$/);
  await banyan.ctl('rollout', 'abort', 'r');
  await client.until(/\x88\x07\x03\xf4moved$/);
  await until(() => native.sockets.size === 0, 'the server to be freed', 8000);
});

test('event streams end with retry and jitter at the end of an event, and come back', async (scope) => {
  const { banyan, native, legacy } = await begin(scope, 'percent = 100\nclose_rate = "1000/s"');
  const sources = Array.from({ length: 20 }, (_, number) => listen(scope, banyan.port, `user-${number}`));
  await until(() => native.streams.size === 20, 'the streams');
  // Half of them are in the middle of an event when the order comes.
  const half = [...native.streams].slice(0, 10);
  for (const stream of half) stream.write('data: begun\n');
  await until(() => sources.filter(({ texts }) => texts.includes('begun')).length === 10, 'the beginnings');
  await banyan.ctl('rollout', 'abort', 'r');
  await until(() => sources.filter(({ ends }) => ends === 1).length === 10, 'those between events to end');
  assert.ok(sources.every(({ texts, ends }) => ends === 0 || !texts.includes('begun')));
  const asked = performance.now();
  await until(() => performance.now() - asked > 400, 'all workers to have looked');
  for (const stream of half) stream.write('data: done\n\ndata: too late\n\n');
  await until(() => sources.every(({ sides }) => sides.length === 2), 'all to come back');
  assert.equal(legacy.streams.size, 20);
  for (const source of sources) {
    assert.deepEqual(source.sides, ['native', 'legacy']);
    assert.equal(source.ends, 1);
    assert.equal(source.retries.length, 1);
    assert.ok(source.retries[0] >= 500 && source.retries[0] <= 5000);
    if (source.texts.includes('begun')) {
      assert.match(source.texts, /begun\ndata: done\n\nretry: \d+\n\ndata: leg/);
    }
    assert.ok(!source.texts.includes('too late'));
  }
  assert.ok(new Set(sources.flatMap(({ retries }) => retries)).size > 5, 'jitter');
  await until(() => native.streams.size === 0, 'native to be free');
});

test('close_rate = "off" leaves them; so does a script that decided', async (scope) => {
  const off = await begin(scope, 'percent = 100\nclose_rate = "off"');
  const calm = await dial(scope, off.banyan, 'a');
  const script = 'return { route = function(r) return { percent = 100 } end }';
  const lua = await begin(scope, 'percent = 100\nclose_rate = "1000/s"', {
    more: '[lua]\nroutes = "r.lua"\n',
    files: { 'r.lua': script },
  });
  const chosen = await dial(scope, lua.banyan, 'a');
  for (const { banyan } of [off, lua]) await banyan.ctl('rollout', 'abort', 'r');
  await until(async () => (await dial(scope, off.banyan, 'b')).side === 'legacy', 'the order to count');
  const looks = performance.now();
  await until(() => performance.now() - looks > 500, 'some looks');
  assert.deepEqual([calm.closed, chosen.closed], [undefined, undefined]);
  assert.equal(chosen.side, 'native');
});

test('a reload that changes the start value moves them too', async (scope) => {
  const { banyan, text } = await begin(scope, 'percent = 100\nclose_rate = "1000/s"');
  const client = await dial(scope, banyan, 'a');
  await banyan.reconfigure(text.replace('percent = 100', 'percent = 0'));
  await until(() => client.closed, 'the close');
  assert.equal(client.closed.code, 1012);
});
