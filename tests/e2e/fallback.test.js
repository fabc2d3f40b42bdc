// Native fails: who gets legacy's answer, how many of them, and who gets to know.

import assert from 'node:assert/strict';
import { fetch } from './lib/client.js';
import { begin, users } from './lib/sides.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const busy = (request, connection) => connection.write('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n');
const silent = () => {};

async function metric(banyan, name) {
  const { text } = await banyan.admin('/metrics');
  const lines = text.split('\n').filter((line) => line.startsWith(`banyan_${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

test('the budget: a broken native side is carried by legacy only so far', async (scope) => {
  const native = { onRequest: busy };
  const { banyan, legacy } = await begin(scope, 'percent = 100', { native, workers: 1 });
  const began = performance.now();
  const statuses = new Map();
  for (let count = 0; count < 300; count += 1) {
    const { status } = await fetch(`${banyan.url}/x`, { agent: false });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  const seconds = Math.ceil((performance.now() - began) / 1000) + 1;
  const carried = statuses.get(200);
  assert.equal(carried, legacy.requests.length);
  // A fifth of the requests, the reserve of ten, and one a second.
  assert.ok(carried >= 60 && carried <= 60 + 10 + seconds, `${carried} of 300 fell back`);
  assert.equal(statuses.get(503), 300 - carried);
  assert.equal(await metric(banyan, 'fallback_total'), carried);
  assert.equal(await metric(banyan, 'fallback_refused_total'), 300 - carried);
  const log = await until(() => banyan.accessLog().length === 300 && banyan.accessLog(), 'the log');
  const count = (fallback, reason) =>
    log.filter((entry) => entry.fallback === fallback && entry.fallback_reason === reason).length;
  assert.deepEqual([count(true, 'status'), count(false, 'budget')], [carried, 300 - carried]);
  assert.ok(log.every(({ side }) => side === 'native'), "all of them are native's");
});

test('fallback_budget = 100 carries everybody, 0 nobody', async (scope) => {
  const native = { onRequest: busy };
  const all = await begin(scope, 'percent = 100\nfallback_budget = 100', { native, workers: 1 });
  for (let count = 0; count < 60; count += 1) await all.send('a');
  assert.equal(all.legacy.requests.length, 60);
  const none = await begin(scope, 'percent = 100\nfallback_budget = 0', { native, workers: 1 });
  assert.equal((await fetch(none.banyan.url, { agent: false })).status, 503);
  assert.equal(none.legacy.requests.length, 0);
});

test('a POST that was handed over is executed once, however native fails', async (scope) => {
  const failures = {
    hangs: silent,
    resets: (request, connection) => connection.reset(),
    closes: (request, connection) => connection.end(),
    garbage: (request, connection) => connection.end('what?\r\n\r\n'),
    504: (request, connection) => connection.write('HTTP/1.1 504 Late\r\nContent-Length: 0\r\n\r\n'),
  };
  const bodies = { sized: 'order 1', large: 'x'.repeat(300_000) };
  for (const [name, onRequest] of Object.entries(failures)) {
    const t = await begin(scope, 'percent = 100', { native: { onRequest }, route: 'deadline = "600ms"' });
    for (const [size, body] of Object.entries(bodies)) {
      const target = `/${name}/${size}`;
      const { status } = await fetch(t.banyan.url + target, { method: 'POST', body, agent: false });
      assert.ok(status >= 502, `${target}: ${status}`);
      await t.banyan.logged(({ uri }) => uri === target);
      assert.equal(t.native.heads.filter((head) => head.target === target).length, 1, target);
    }
    assert.equal(t.legacy.heads.length, 0, name);
  }
});

test('retry = "always" says that a POST may be repeated', async (scope) => {
  const t = await begin(scope, 'percent = 100', { native: { onRequest: busy }, route: 'retry = "always"' });
  const body = 'harmless';
  assert.equal((await fetch(t.banyan.url, { method: 'POST', body, agent: false })).status, 200);
  assert.equal(String(t.legacy.last.body), body);
});

test('the body is replayed to the byte, up to its bound', async (scope) => {
  const onRequest = (request, connection) => connection.reset();
  const t = await begin(scope, 'percent = 100', { native: { onRequest } });
  for (const size of [0, 1, 1000, 60_000]) {
    const body = Buffer.from(Array.from({ length: size }, (_, index) => (index * 7 + (index >> 8)) & 255));
    for (const chunked of [false, true]) {
      const headers = chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': size };
      const { status } = await new Promise((resolve, reject) => {
        fetch(`${t.banyan.url}/${size}`, {
          method: 'PUT',
          headers,
          agent: false,
          body: { pipe: (request) => request.end(body) },
        }).then(resolve, reject);
      });
      assert.equal(status, 200, `${size} ${chunked}`);
      assert.ok(t.legacy.last.body.equals(body), `${size} ${chunked}`);
    }
  }
  const before = t.legacy.heads.length;
  const large = 'y'.repeat(3 << 20);
  const { status } = await fetch(t.banyan.url, { method: 'PUT', body: large, agent: false });
  assert.equal(status, 502, 'more than can be kept');
  assert.equal(t.legacy.heads.length, before);
});

test('both sides share one deadline', async (scope) => {
  const t = await begin(scope, 'percent = 100', {
    native: { onRequest: silent },
    legacy: { onRequest: silent },
    route: 'deadline = "800ms"',
  });
  const began = performance.now();
  const { status } = await fetch(t.banyan.url, { agent: false });
  const taken = performance.now() - began;
  assert.equal(status, 504);
  assert.ok(taken >= 790 && taken < 1600, `${taken} ms`);
  assert.deepEqual([t.native.requests.length, t.legacy.requests.length], [1, 1]);
  const entry = await t.banyan.logged(({ status: code }) => code === 504);
  assert.deepEqual([entry.side, entry.fallback, entry.fallback_reason], ['native', true, 'timeout']);
});

test('Server-Timing tells trusted clients, and only them', async (scope) => {
  const serve = (request, connection) =>
    connection.write('HTTP/1.1 200 OK\r\nServer-Timing: db;dur=3\r\nContent-Length: 0\r\n\r\n');
  const native = {
    onRequest: (request, connection) => (request.target === '/f' ? busy : serve)(request, connection),
  };
  const force = 'force = { header = "X-Side", from = ["127.0.0.0/8"] }';
  const trusting = await begin(scope, `percent = 100\n${force}`, { native, route: 'name = "the \\"api\\""' });
  const timing = async (t, target, headers = {}) =>
    (await fetch(t.banyan.url + target, { headers: { Cookie: 'uid=a', ...headers }, agent: false })).headers[
      'server-timing'
    ];
  const first = (await timing(trusting, '/')).replace(/dur=\d+\.\d{3}/g, 'dur=T');
  assert.equal(
    first,
    'db;dur=3, route;desc="the \\"api\\"", side;desc="native", reason;desc="cookie", ' +
      'connect;dur=T, ttfb;dur=T, total;dur=T',
  );
  const asked = await timing(trusting, '/', { 'X-Side': 'legacy' });
  assert.match(asked, /side;desc="legacy", reason;desc="forced"/);
  assert.match(await timing(trusting, '/f'), /side;desc="native", .*fallback;desc="status"/);

  const stranger = await begin(scope, 'percent = 100', { native });
  assert.equal(await timing(stranger, '/'), 'db;dur=3', "the server's own passes");
  assert.equal(await timing(stranger, '/f'), undefined);

  const behind = await begin(scope, 'percent = 100', { top: 'trusted_proxies = ["127.0.0.0/8"]' });
  assert.match(await timing(behind, '/'), /side;desc="native"/);
  assert.equal(await timing(behind, '/', { 'X-Forwarded-For': '203.0.113.9' }), undefined, 'behind a proxy');
});

test('a native side that is down: its share goes to legacy, and comes back', async (scope) => {
  let well = true;
  const onRequest = (request, connection) =>
    connection.write(`HTTP/1.1 ${well ? '200 OK' : '500 Ill'}\r\nContent-Length: 0\r\n\r\n`);
  const t = await begin(scope, 'percent = 50\nforce = { header = "X-Side", from = ["127.0.0.0/8"] }', {
    native: { onRequest },
    upstream: 'health = { path = "/healthz", interval = "100ms", timeout = "80ms", rise = 1, fall = 1 }',
  });
  const some = users.slice(0, 40);
  // Requests of clients, without the probes.
  const seen = () => t.native.heads.filter(({ target }) => target !== '/healthz').length;
  const natives = async () => {
    const result = new Set();
    for (const user of some) {
      const before = seen();
      const response = await fetch(t.banyan.url, { headers: { Cookie: `uid=${user}` }, agent: false });
      assert.equal(response.status, 200);
      if (seen() > before) result.add(user);
    }
    return result;
  };
  const expected = await natives();
  assert.ok(expected.size > 5 && expected.size < 35);

  well = false;
  await until(async () => (await natives()).size === 0, "all workers to send native's share to legacy");
  const diverted = [...expected][0];
  await fetch(`${t.banyan.url}/diverted`, { headers: { Cookie: `uid=${diverted}` }, agent: false });
  const entry = await t.banyan.logged(({ uri }) => uri === '/diverted');
  assert.deepEqual([entry.side, entry.reason], ['legacy', 'health']);
  const other = some.find((user) => !expected.has(user));
  await fetch(`${t.banyan.url}/own`, { headers: { Cookie: `uid=${other}` }, agent: false });
  assert.equal((await t.banyan.logged(({ uri }) => uri === '/own')).reason, 'cookie', "legacy's own share");
  const before = seen();
  await fetch(`${t.banyan.url}/forced`, { headers: { Cookie: 'uid=a', 'X-Side': 'native' }, agent: false });
  const forced = await t.banyan.logged(({ uri }) => uri === '/forced');
  assert.deepEqual([forced.side, forced.reason], ['native', 'forced'], 'a tester sees the failure itself');
  assert.equal(seen(), before);

  well = true;
  await until(async () => (await natives()).size === expected.size, 'the share to come back');
  assert.deepEqual(await natives(), expected);
});

test('a native side that an operator takes down is no place to go either', async (scope) => {
  const t = await begin(scope, 'percent = 100');
  assert.equal(await t.send('a'), 'native');
  assert.equal((await t.banyan.ctl('upstream', 'down', 'new', t.native.address)).code, 0);
  await until(async () => (await t.send('a')) === 'legacy', 'legacy to take over');
  assert.equal((await t.banyan.ctl('upstream', 'up', 'new', t.native.address)).code, 0);
  await until(async () => (await t.send('a')) === 'native', 'native to be back');
});
