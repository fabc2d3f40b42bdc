// Rollouts that move by themselves: short ones by the real clock, weeks by one that the test drives.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { makeFolder } from './lib/banyan.js';
import { begin } from './lib/sides.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const show = async (banyan) => (await banyan.admin('/rollouts/r')).json;
const stateOf = async (banyan) => (await show(banyan)).state;
const story = async (banyan) =>
  (await banyan.admin('/journal')).json.entries.reverse().map((entry) => `${entry.verb} ${entry.new}`);

// libfaketime's library for programs with threads; ./test.sh installs it.
function faketimeLibrary() {
  const folder = fs.readdirSync('/usr/lib').find((name) => fs.existsSync(`/usr/lib/${name}/faketime`));
  assert.ok(folder, 'the Debian package faketime is needed');
  return `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`;
}

// A wall clock for begin(): set() moves it; it stands still in between.
function drivenClock(scope, begin) {
  const file = path.join(makeFolder(scope), 'clock');
  const clock = {
    now: new Date(begin),
    set(now) {
      clock.now = now;
      const text = now.toISOString().replace('T', ' ').slice(0, 19);
      fs.writeFileSync(`${file}.new`, text);
      fs.renameSync(`${file}.new`, file);
    },
    hours(count) {
      clock.set(new Date(clock.now.getTime() + count * 3_600_000));
    },
    env: {
      LD_PRELOAD: faketimeLibrary(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      TZ: 'UTC',
    },
  };
  clock.set(clock.now);
  return clock;
}

test('steps are taken one after the other, down to the last client', async (scope) => {
  const steps = '[{ percent = 10, hold = "1s" }, { percent = 50, hold = "1s" }, { percent = 100 }]';
  const { banyan, send } = await begin(scope, `steps = ${steps}\nsoak = "1s"`);
  await until(async () => (await stateOf(banyan)) === 'done', 'the schedule to be done');
  await until(async () => (await send(undefined)) === 'native', 'all workers to see 100', 1000);
  assert.deepEqual(await story(banyan), [
    'begin 0',
    'advance 10',
    'advance 50',
    'advance 100',
    'finish 100',
  ]);
  const metrics = (await banyan.admin('/metrics')).text;
  assert.match(metrics, /^banyan_rollout_percent\{rollout="r"\} 100$/m);
  assert.match(metrics, /^banyan_rollout_state\{rollout="r",state="done"\} 1$/m);
  assert.match(metrics, /^banyan_rollout_state\{rollout="r",state="holding"\} 0$/m);
  const list = await banyan.ctl('rollout', 'list');
  assert.match(list.stdout, /^r +100% +done +3 of 3 /m);
});

test('orders take over, pause, resume, step; refusals are exit code 3', async (scope) => {
  const steps = '[{ percent = 10, hold = "1h" }, { percent = 50, hold = "1h" }, { percent = 100 }]';
  const { banyan, send } = await begin(scope, `steps = ${steps}\nsoak = "1h"`);
  const ctl = async (...words) => (await banyan.ctl('rollout', ...words)).code;
  await until(async () => (await stateOf(banyan)) === 'holding', 'the first step');
  assert.equal(await ctl('pause', 'r', '--why', 'holidays'), 0);
  const again = await banyan.ctl('rollout', 'pause', 'r');
  assert.equal(again.code, 3);
  assert.match(again.stderr, /it is paused already/);
  assert.equal(await ctl('resume', 'r'), 0);
  assert.equal(await ctl('step', 'r'), 0);
  assert.equal((await show(banyan)).percent, 50);
  assert.equal(await ctl('set', 'r', '100'), 0);
  assert.equal(await stateOf(banyan), 'paused');
  await until(async () => (await send('anybody')) === 'native', 'all workers to see 100', 1000);
  assert.equal(await ctl('step', 'r'), 3);
  assert.equal(await ctl('abort', 'r', '--why', 'enough'), 0);
  await until(async () => (await send('anybody')) === 'legacy', 'all workers to see 0', 1000);
  const refused = await banyan.admin('/rollouts/r/step', { method: 'POST' });
  assert.equal(refused.status, 409);
  assert.equal(refused.headers['content-type'], 'application/problem+json');
  assert.match(refused.json.detail, /its state is aborted/);
  assert.equal((await banyan.ctl('rollout', 'show', 'r')).stdout.match(/^next .*$/m)[0].trim(), 'next         10% waits for an order');
});

test('three weeks with a freeze, an approval and a restart of everything', async (scope) => {
  const clock = drivenClock(scope, '2026-03-02T00:00:00Z'); // a Monday
  const keys = `
steps = [{ percent = 10, hold = "7d" }, { percent = 50, hold = "5d", approve = true }, { percent = 100 }]
soak = "7d"
start = 2026-03-02T08:00:00+01:00
freeze = { days = ["fri", "sat", "sun"], tz = "Europe/Berlin" }`;
  const { banyan } = await begin(scope, keys, { env: clock.env });
  const at = async (state, percent) => {
    const seen = await until(
      async () => {
        const now = await show(banyan);
        return now.state === state && now;
      },
      `${state} at ${clock.now.toISOString()}`,
    );
    assert.equal(seen.percent, percent, `percent at ${clock.now.toISOString()}`);
    return seen;
  };
  await at('waiting', 0);
  clock.hours(6.5);
  await at('waiting', 0);
  clock.hours(0.5);
  const first = await at('holding', 10);
  assert.equal(first.schedule.next_percent, 50);
  assert.equal(first.schedule.next_at, '2026-03-09T07:00:00.000Z');

  banyan.signal('KILL');
  await banyan.exited();
  clock.hours(24 * 7);
  banyan.spawn();
  await banyan.ready();
  assert.equal((await at('waiting', 10)).schedule.waits_for, 'approval');
  assert.equal((await banyan.ctl('rollout', 'step', 'r', '--why', 'looks good')).code, 0);
  await at('holding', 50);

  clock.hours(24 * 5); // Saturday
  const frozen = await at('advancing', 50);
  assert.equal(frozen.schedule.waits_for, 'freeze');
  assert.equal(frozen.schedule.next_at, '2026-03-15T23:00:00.000Z');
  const refused = await banyan.ctl('rollout', 'promote', 'r');
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /freeze until 2026-03-15T23:00:00Z/);
  clock.hours(48 - 7);
  await at('soaking', 100);
  clock.hours(24 * 7);
  await at('done', 100);
  assert.deepEqual(await story(banyan), [
    'begin 0',
    'advance 10',
    'due 10',
    'step 50',
    'due 50',
    'advance 100',
    'finish 100',
  ]);
});
