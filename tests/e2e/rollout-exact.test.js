// A client keeps its side whatever happens to the processes; what is counted adds up.

import assert from 'node:assert/strict';
import { fetch } from './lib/client.js';
import { begin, users } from './lib/sides.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

// The side of each of the users, as the backends saw it: one request each.
async function sidesOf(t) {
  const before = [t.legacy.heads.length, t.native.heads.length];
  const natives = await t.shareOf(users);
  const got = [t.legacy.heads.length - before[0], t.native.heads.length - before[1]];
  assert.deepEqual(got, [users.length - natives.size, natives.size], 'each request came once, to one side');
  return natives;
}

test('the same side after the death of workers, a reload, a restart and kill -9 of everything', async (scope) => {
  const t = await begin(scope, 'percent = 35', { workers: 3 });
  const { banyan } = t;
  const expected = await sidesOf(t);
  assert.ok(expected.size > 65 && expected.size < 145, `${expected.size} of 300 at 35%`);

  const old = banyan.workers();
  for (const pid of old) process.kill(pid, 'SIGKILL');
  await until(async () => {
    const now = banyan.workers();
    const fresh = now.length === 3 && !now.some((pid) => old.includes(pid));
    return fresh && (await fetch(banyan.url)).status === 200;
  }, 'new workers');
  await until(async () => (await banyan.admin('/readyz')).status === 200, 'all of them to be ready');
  assert.deepEqual(await sidesOf(t), expected, 'after the death of all workers');

  await banyan.reconfigure(`${t.text}\n[[route]]\npath = "/new"\ntarget = "upstream.old"\n`);
  assert.deepEqual(await sidesOf(t), expected, 'after a reload');

  banyan.signal('TERM');
  await banyan.exited();
  banyan.spawn();
  await banyan.ready();
  assert.deepEqual(await sidesOf(t), expected, 'after a restart');

  await banyan.killEverything();
  assert.deepEqual(await sidesOf(t), expected, 'after kill -9 of everything');
});

// All samples of one metric: [{labels, value}].
async function samples(banyan, name) {
  const { text } = await banyan.admin('/metrics');
  const lines = [...text.matchAll(new RegExp(`^banyan_${name}\\{(.*)\\} (\\S+)$`, 'gm'))];
  return lines.map(([, labels, value]) => ({
    ...Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, word]) => [key, word])),
    value: Number(value),
  }));
}

function sum(list, where = {}) {
  const fits = (sample) => Object.entries(where).every(([key, value]) => sample[key] === value);
  return list.filter(fits).reduce((total, { value }) => total + value, 0);
}

test('sums over sides are the totals, and survive reload and the death of a worker', async (scope) => {
  const t = await begin(scope, 'percent = 40', { workers: 2 });
  const { banyan } = t;
  const check = async (what) => {
    const total = t.legacy.heads.length + t.native.heads.length;
    const requests = await until(async () => {
      const list = await samples(banyan, 'http_requests_total');
      return sum(list) === total && list;
    }, `${total} requests in the metrics ${what}`);
    assert.equal(sum(requests, { side: 'native' }), t.native.heads.length, what);
    assert.equal(sum(requests, { side: 'legacy' }), t.legacy.heads.length, what);
    assert.equal(sum(await samples(banyan, 'decisions_total')), total, what);
    const durations = await samples(banyan, 'http_request_duration_seconds_count');
    assert.equal(sum(durations), total, what);
    assert.equal(sum(durations, { side: 'native' }), t.native.heads.length, what);
    const buckets = await samples(banyan, 'http_request_duration_seconds_bucket');
    assert.equal(sum(buckets, { le: '+Inf' }), total, what);
    for (const name of ['http_requests_in_flight', 'http_request_bytes_total', 'http_response_bytes_total']) {
      const labels = (await samples(banyan, name)).map(({ side }) => side);
      assert.deepEqual([...new Set(labels)].sort(), ['legacy', 'native'], name);
    }
  };
  await t.shareOf(users.slice(0, 100));
  await check('at first');
  const [victim] = banyan.workers();
  process.kill(victim, 'SIGKILL');
  await until(() => banyan.workers().length === 2 && !banyan.workers().includes(victim), 'a new worker');
  await until(async () => (await banyan.admin('/readyz')).status === 200, 'it to be ready');
  await check('after the death of a worker');
  await t.shareOf(users.slice(100, 150));
  await check('with requests to its successor');
  await banyan.reconfigure(`${t.text}\n[[route]]\npath = "/new"\ntarget = "upstream.old"\n`);
  await t.shareOf(users.slice(150, 200));
  await check('after a reload');
});
