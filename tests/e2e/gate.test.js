// What both sides of a rollout did, as the workers count it, and what the gate makes of it.

import assert from 'node:assert/strict';
import { start } from './lib/banyan.js';
import { fetch } from './lib/client.js';
import { serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

// Two services and a rollout of half of all clients, with a gate of that window.
async function begin(scope, { legacy, native, keys = '', gate = 'window = "60s"', workers = 2, route = '' }) {
  const old = await serveHttp(scope, legacy);
  const fresh = await serveHttp(scope, native);
  const banyan = await start(
    scope,
    `[upstream.old]
servers = ["${old.host}"]
[upstream.new]
servers = ["${fresh.host}"]
[rollout.r]
legacy = "upstream.old"
native = "upstream.new"
sticky = ["header:X-User-Id"]
gate = { min_requests = 50, error_rate_increase = 5, ${gate} }
steps = [{ percent = 50, hold = "1h" }, { percent = 100 }]
${keys}
[[route]]
path = "/*"
target = "rollout.r"
${route}`,
    { workers },
  );
  const rollout = async () => (await banyan.admin('/rollouts/r')).json;
  await until(async () => (await rollout()).percent === 50, 'the first step');
  let user = 0;
  const send = async (count, { headers = {}, target = '/' } = {}) => {
    for (let i = 0; i < count; i += 1)
      await fetch(banyan.url + target, { headers: { 'X-User-Id': `u${user++}`, ...headers }, agent: false });
  };
  return { banyan, rollout, send };
}

const fine = (request, response) => response.end('fine');
const broken = (request, response) => response.writeHead(500).end('broken');

// Requests count once the step is a little older: wait until one does.
async function settled({ rollout, send }) {
  await until(async () => {
    await send(2);
    const { window } = await rollout();
    return window.legacy.requests + window.native.requests > 0;
  }, 'requests to count', 30_000);
}

// All requests shown, once nothing is added for longer than the controller takes from one look to the next.
async function shown({ rollout }) {
  let last = -1;
  let since = 0;
  return until(async () => {
    const { window } = await rollout();
    const sum = window.legacy.requests + window.native.requests;
    if (sum !== last) [last, since] = [sum, Date.now()];
    return Date.now() - since > 2000 && sum > 0 && sum;
  }, 'the counts to be complete');
}

test('both sides are counted with their errors and times; forced requests are not', async (scope) => {
  const slow = (request, response) => setTimeout(() => response.end('slow'), 40);
  const house = await begin(scope, {
    legacy: fine,
    native: slow,
    keys: 'force = { header = "X-Side", from = ["127.0.0.0/8"] }',
  });
  await settled(house);
  await house.send(100);
  await house.send(150, { headers: { 'X-Side': 'native' } });
  const counted = await shown(house);
  const { window } = await house.rollout();
  assert.ok(counted < 200, `${counted}`);
  assert.ok(window.native.requests > 25 && window.native.requests < 120, `${window.native.requests}`);
  assert.ok(window.native.p50 > 0.038 && window.native.p50 < 0.2, `native p50 ${window.native.p50}`);
  assert.ok(window.legacy.p50 < 0.03, `legacy p50 ${window.legacy.p50}`);
  assert.equal(window.native.errors, 0);
});

test('a broken native side fails the gate, is rolled back, and the journal says why', async (scope) => {
  const house = await begin(scope, { legacy: fine, native: broken, gate: 'window = "20s"' });
  await until(async () => {
    await house.send(10);
    return (await house.rollout()).percent === 0;
  }, 'the roll-back', 40_000);
  const { entries } = (await house.banyan.admin('/journal')).json;
  const entry = entries.find((candidate) => candidate.verdict === 'fail');
  assert.ok(entry, JSON.stringify(entries));
  assert.match(entry.why, /error rate 100\.00% against 0\.00%/);
  assert.ok(entry.numbers.native_errors >= 50);
  assert.equal(entry.numbers.legacy_errors, 0);
});

test('a worker that is killed takes no counts with it', async (scope) => {
  const house = await begin(scope, { legacy: fine, native: fine, workers: 1 });
  await settled(house);
  await house.send(60);
  const before = await shown(house);
  const { processes } = (await house.banyan.admin('/status')).json;
  const worker = processes.find((process) => process.name === 'worker/0');
  process.kill(worker.pid, 'SIGKILL');
  await until(async () => {
    const now = (await house.banyan.admin('/status')).json;
    const next = now.processes.find((process) => process.name === 'worker/0');
    return now.ready && next && next.pid !== worker.pid;
  }, 'a new worker');
  await house.send(20);
  assert.equal(await shown(house), before + 20);
});

test('an event stream counts when it begins', async (scope) => {
  const stream = (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('data: x\n\n');
    if (request.url !== '/open') response.end();
  };
  const house = await begin(scope, { legacy: stream, native: stream });
  await settled(house);
  const before = await shown(house);
  const open = [];
  for (let i = 0; i < 20; i += 1) {
    const abort = new AbortController();
    scope.after(() => abort.abort());
    open.push(
      globalThis.fetch(`${house.banyan.url}/open`, {
        headers: { 'X-User-Id': `s${i}` },
        signal: abort.signal,
      }),
    );
  }
  await Promise.all(open);
  assert.equal(await shown(house), before + 20);
  assert.equal((await house.rollout()).window.native.p50, 0, 'without a time');
});
