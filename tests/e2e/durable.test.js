// What was acknowledged stays: under kill -9 of every role, and when the disk is full.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { run } from './lib/client.js';
import { begin } from './lib/sides.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const journalOf = (banyan) =>
  fs.readFileSync(`${banyan.folder}/state/journal.jsonl`, 'utf8').split('\n').filter(Boolean);
const percentOf = async (banyan) => (await banyan.admin('/rollouts/r')).json.percent;

// Numbers that look random and are the same in every run.
function* dice(seed) {
  for (let state = seed; ; ) {
    state = (state * 1103515245 + 12345) % 2147483648;
    yield state / 2147483648;
  }
}

test('100 kills of master, controller and workers lose no acknowledged order', { timeout: 300_000 }, async (scope) => {
  const { banyan, send } = await begin(scope, 'percent = 0');
  const random = dice(7);
  const roll = (limit) => Math.floor(random.next().value * limit);
  const allowed = { acknowledged: 0, asked: 0 };
  let ended = false;
  let controllers = 0;
  // Orders without a pause, one after the other: each is 0.01 more.
  const orders = (async () => {
    while (!ended) {
      allowed.asked = Math.round(allowed.acknowledged * 100 + 1) / 100;
      try {
        const reply = await banyan.admin('/rollouts/r/set', { method: 'POST', body: { percent: allowed.asked } });
        if (reply.status === 200) allowed.acknowledged = allowed.asked;
      } catch {
        // Nobody answered: it was done or not. What counts is told by the next look.
        await until(async () => {
          const seen = await percentOf(banyan);
          assert.ok(
            ended || seen === allowed.acknowledged || seen === allowed.asked,
            `${seen}% after ${allowed.acknowledged}% was acknowledged`,
          );
          allowed.acknowledged = seen;
          return true;
        }, 'the admin socket', 20_000);
      }
    }
  })();
  const kills = (async () => {
    for (let count = 0; count < 100; count += 1) {
      const before = allowed.acknowledged;
      await until(() => allowed.acknowledged > before, 'an order', 30_000);
      // A master gives a process that dies a fifth time within ten seconds a rest: then it is its own turn.
      const role = controllers === 4 ? 0 : roll(8);
      if (role === 0) {
        await banyan.killEverything();
        controllers = 0;
      } else {
        const victim = role < 6 ? banyan.controller() : banyan.workers()[roll(2)];
        if (victim) process.kill(victim, 'SIGKILL');
        if (role < 6) controllers += 1;
      }
      const text = fs.readFileSync(`${banyan.folder}/state/rollouts.json`, 'utf8');
      assert.equal(JSON.parse(text).version, 2, 'the state is whole at any moment');
    }
  })();
  await Promise.race([orders, kills]);
  ended = true;
  await orders;
  await banyan.ready();
  assert.equal(await percentOf(banyan), allowed.acknowledged);
  const lines = journalOf(banyan).map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map((line) => line.sequence),
    lines.map((_, index) => index + 1),
    'no number is missing, none is there twice',
  );
  assert.equal(lines.at(-1).new, allowed.acknowledged);
  for (const [index, line] of lines.entries()) if (index > 0) assert.equal(line.old, lines[index - 1].new);
  assert.equal((await banyan.ctl('rollout', 'promote', 'r')).code, 0);
  await until(async () => (await send(undefined)) === 'native', 'the workers to follow', 1000);
});

test('a full disk refuses an order and changes nothing', async (scope) => {
  const { banyan, send } = await begin(scope, 'percent = 0');
  assert.equal((await banyan.ctl('rollout', 'set', 'r', '100')).code, 0);
  const files = ['rollouts.json', 'journal.jsonl'].map((name) => `${banyan.folder}/state/${name}`);
  const before = files.map((file) => fs.readFileSync(file, 'utf8'));
  // For a process there is no difference between a full disk and a limit of ten bytes for every file.
  const limit = (bytes) => run('prlimit', ['--pid', String(banyan.controller()), `--fsize=${bytes}:`]);
  assert.equal((await limit(10)).code, 0);
  const refused = await banyan.ctl('rollout', 'abort', 'r', '--why', 'full');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /nothing was changed: .*(File too large|No space left)/);
  assert.equal(await percentOf(banyan), 100);
  assert.deepEqual(files.map((file) => fs.readFileSync(file, 'utf8')), before);
  assert.deepEqual(fs.readdirSync(`${banyan.folder}/state`).sort(), ['history', 'journal.jsonl', 'rollouts.json']);
  assert.equal(await send(undefined), 'native');
  assert.equal((await limit('unlimited')).code, 0);
  assert.equal((await banyan.ctl('rollout', 'abort', 'r')).code, 0);
  await until(async () => (await send(undefined)) === 'legacy', 'the workers to follow', 1000);
});
