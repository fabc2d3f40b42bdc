// Reloads that are to be confirmed, the history of configurations, and the way back.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { program, start } from './lib/banyan.js';
import { fetch, run } from './lib/client.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const reply = (text) => `[[route]]\npath = "/*"\nreply = { status = 200, body = "${text}" }\n`;
const said = async (banyan) => (await fetch(banyan.url, { agent: false })).text;
const says = (banyan, text, limit) =>
  until(async () => (await said(banyan)) === text, `the answer "${text}"`, limit);
const history = async (banyan) => (await banyan.admin('/history')).json.entries;
const status = async (banyan) => (await banyan.admin('/status')).json;
const kept = (banyan) => path.join(banyan.folder, 'state/history');

// The file's text becomes this, and banyanctl says the words.
async function change(banyan, text, ...words) {
  banyan.configure(text);
  const { code, stdout, stderr } = await banyan.ctl(...words);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function refused(banyan, words, message, expected = 1) {
  const { code, stderr } = await banyan.ctl(...words);
  assert.equal(code, expected, stderr);
  assert.match(stderr, message);
}

test('a reload that is not confirmed goes back alone', async (scope) => {
  const banyan = await start(scope, reply('old'));
  const stdout = await change(banyan, reply('new'), 'reload', '--confirm', '1h', '--why', 'a try');
  assert.match(stdout, /not confirmed yet: Banyan goes back to configuration 1 at /);
  assert.equal(await said(banyan), 'new');
  const { unconfirmed } = await status(banyan);
  assert.equal(unconfirmed.number, 2);
  assert.equal(unconfirmed.fallback, 1);
  assert.ok(unconfirmed.seconds_left > 3000 && unconfirmed.seconds_left <= 3600, unconfirmed.seconds_left);
  assert.match(unconfirmed.who, /^\S+ over unix socket \(uid \d+\)$/);
  assert.match((await banyan.ctl('status')).stdout, /not confirmed: goes back to configuration 1 in \d+m/);
  await change(banyan, reply('new'), 'reload', '--confirm', '1s');
  await says(banyan, 'old');
  await until(async () => !(await status(banyan)).unconfirmed, 'the end of it');
  const { stdout: shown } = await banyan.ctl('status');
  assert.match(shown, /rolled back to configuration 1 at \S+ by Banyan; the files differ/);
  const [last, , tried, first] = await history(banyan);
  assert.deepEqual([last.how, last.back_to, last.running], ['went back', 1, true]);
  assert.deepEqual([tried.state, tried.why, first.how], ['reverted', 'a try', 'start']);
  // Plain: the next reload takes the files.
  banyan.signal('HUP');
  await says(banyan, 'new');
  await until(async () => !(await status(banyan)).rolled_back, 'the end of the rollback');
  assert.match((await history(banyan))[0].who, /^signal HUP of process \d+ \(uid \d+\)$/);
});

test('confirmed, it stays', async (scope) => {
  const banyan = await start(scope, reply('old'));
  await refused(banyan, ['confirm'], /nothing is to be confirmed/, 3);
  await change(banyan, reply('new'), 'reload', '--confirm', '1h');
  assert.equal((await banyan.ctl('confirm')).code, 0);
  assert.equal((await status(banyan)).unconfirmed, undefined);
  assert.equal((await history(banyan))[0].state, 'confirmed');
  await refused(banyan, ['confirm'], /nothing is to be confirmed/, 3);
  // The next start knows it, too.
  await banyan.killEverything();
  assert.equal((await status(banyan)).unconfirmed, undefined);
  assert.equal((await history(banyan)).length, 2, 'a start with the same texts is no change');
  assert.equal((await status(banyan)).generation, 2);
});

test('reloads meanwhile do not confirm, and the way back leads to the last good one', async (scope) => {
  const banyan = await start(scope, reply('good'));
  await change(banyan, reply('first'), 'reload', '--confirm', '1h');
  const stdout = await change(banyan, reply('second'), 'reload');
  assert.match(stdout, /not confirmed yet: Banyan goes back to configuration 1 at /);
  const before = (await status(banyan)).unconfirmed;
  assert.deepEqual([before.number, before.fallback], [3, 1]);
  banyan.configure('nonsense = 1\n');
  await refused(banyan, ['reload', '--confirm', '1s'], /nonsense/);
  assert.ok((await status(banyan)).unconfirmed.seconds_left > 3000, 'a refused one changes nothing');
  await change(banyan, reply('third'), 'reload', '--confirm', '1s');
  await says(banyan, 'good');
  await until(async () => !(await status(banyan)).unconfirmed, 'the end of it');
  const states = (await history(banyan)).map(({ state }) => state);
  assert.deepEqual(states, ['applied', 'reverted', 'reverted', 'reverted', 'applied']);
});

test('the time runs on when processes are killed', async (scope) => {
  const banyan = await start(scope, reply('old'));
  await change(banyan, reply('new'), 'reload', '--confirm', '1h');
  const controller = banyan.controller();
  process.kill(controller, 'SIGKILL');
  await until(() => banyan.controller() && banyan.controller() !== controller, 'the next controller');
  await banyan.ready();
  assert.equal((await status(banyan)).unconfirmed.fallback, 1);
  // The next master knows it from the history.
  await banyan.killEverything();
  assert.equal(await said(banyan), 'new', 'what the file says');
  const { unconfirmed } = await status(banyan);
  assert.deepEqual([unconfirmed.number, unconfirmed.fallback], [2, 1]);
  assert.ok(unconfirmed.seconds_left > 3000 && unconfirmed.seconds_left < 3600);
  await change(banyan, reply('newer'), 'reload', '--confirm', '1s');
  await says(banyan, 'old');
  // When it ends while nobody runs, that is the first thing the next master does.
  await change(banyan, reply('newest'), 'reload', '--confirm', '1s');
  const end = Date.now() + 1000;
  process.kill(banyan.pid, 'SIGKILL');
  await banyan.exited();
  await until(() => Date.now() > end, 'the time to be over');
  banyan.spawn();
  await says(banyan, 'old');
  await until(async () => !(await status(banyan)).unconfirmed, 'the end of it');
  const [last, tried] = await history(banyan);
  assert.deepEqual([last.how, last.who, tried.state], ['went back', 'Banyan', 'reverted']);
});

test('files that were put back confirm nothing, and need no way back', async (scope) => {
  const banyan = await start(scope, reply('old'));
  await change(banyan, reply('new'), 'reload', '--confirm', '1h');
  banyan.configure(reply('old'));
  await banyan.killEverything();
  assert.equal((await status(banyan)).unconfirmed, undefined);
  const [last, tried] = await history(banyan);
  assert.deepEqual([last.number, last.how, last.state, tried.state], [3, 'start', 'applied', 'reverted']);
});

test('a rollback loads a kept configuration with its includes, and says that the files differ', async (scope) => {
  const banyan = await start(scope, '', {
    files: { 'more/a.toml': reply('one') },
    top: 'include = "more/*.toml"',
  });
  const more = (name) => path.join(banyan.folder, 'more', name);
  fs.rmSync(more('a.toml'));
  fs.writeFileSync(more('b.toml'), reply('two'));
  assert.equal((await banyan.ctl('reload', '--why', 'two is more')).code, 0);
  assert.equal(await said(banyan), 'two');
  const { code, stdout } = await banyan.ctl('rollback', '1', '--why', 'too much');
  assert.equal(code, 0);
  assert.match(stdout, /banyan\.toml differs from what runs now: the next reload, restart or upgrade takes/);
  assert.equal(await said(banyan), 'one');
  const { rolled_back: noted } = await status(banyan);
  assert.equal(noted.to, 1);
  const [last] = await history(banyan);
  assert.deepEqual([last.number, last.how, last.back_to, last.why], [3, 'rollback', 1, 'too much']);
  assert.match((await banyan.ctl('history')).stdout, /3 {2}\* .*rollback to 1 +applied .*too much\n/);
  assert.match((await banyan.ctl('history', 'show', '2')).stdout, /body = "two"/);
  await refused(banyan, ['rollback', '3'], /configuration 3 runs already/);
  await refused(banyan, ['rollback', '99'], /configuration 99 is not kept; there are 1 to 3/);
  await refused(banyan, ['history', 'show', '99'], /configuration 99 is not kept/);
  await refused(banyan, ['rollback', 'x'], /x/, 2);
  assert.equal((await banyan.admin('/history/x')).status, 404);
  const again = await banyan.ctl('reload');
  assert.match(again.stdout, /the files count again, after configuration 1/);
  assert.equal(await said(banyan), 'two');
});

test('a rollback may be to be confirmed, and ends what was', async (scope) => {
  const banyan = await start(scope, reply('one'));
  await change(banyan, reply('two'), 'reload');
  await change(banyan, reply('three'), 'reload', '--confirm', '1h');
  assert.equal((await banyan.ctl('rollback', '1')).code, 0);
  assert.equal((await status(banyan)).unconfirmed, undefined);
  assert.equal((await history(banyan))[1].state, 'reverted');
  assert.equal((await banyan.ctl('rollback', '2', '--confirm', '1h')).code, 0);
  assert.equal(await said(banyan), 'two');
  await change(banyan, reply('three'), 'reload', '--confirm', '1s');
  await says(banyan, 'one');
});

test('secrets of files and the environment are not kept, the rest only for the master', async (scope) => {
  const banyan = await start(scope, reply('${GREETING}'), {
    env: { GREETING: 'from-the-environment' },
    files: { 'secret.txt': 'from-a-file\n' },
    admin: 'token = { file = "secret.txt" }',
  });
  assert.equal(await said(banyan), 'from-the-environment');
  assert.equal(fs.statSync(kept(banyan)).mode & 0o777, 0o700);
  const file = path.join(kept(banyan), '1.config');
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  const text = fs.readFileSync(file, 'utf8');
  assert.match(text, /\$\{GREETING\}/);
  assert.match(text, /token = \{ file = "secret\.txt" \}/);
  assert.doesNotMatch(text, /from-the-environment|from-a-file/);
  await change(banyan, reply('two'), 'reload');
  const shown = (await banyan.ctl('history', 'show', '1')).stdout;
  assert.match(shown, /token = "\*\*\*"/);
  assert.doesNotMatch(shown, /from-a-file/);
  assert.equal((await banyan.ctl('rollback', '1')).code, 0);
  assert.equal(await said(banyan), 'from-the-environment');
  // What it refers to is gone: nothing changes.
  await banyan.ctl('rollback', '2');
  fs.rmSync(path.join(banyan.folder, 'secret.txt'));
  await refused(banyan, ['rollback', '1'], /secret\.txt: No such file/);
  await refused(banyan, ['history', 'show', '1'], /secret\.txt: No such file/);
  assert.equal(await said(banyan), 'two');
});

test('twenty are kept', async (scope) => {
  const banyan = await start(scope, reply('1'));
  for (let number = 2; number <= 23; number += 1) await change(banyan, reply(number), 'reload');
  const numbers = (await history(banyan)).map(({ number }) => number);
  assert.deepEqual(numbers, Array.from({ length: 20 }, (_, index) => 23 - index));
  assert.equal(fs.readdirSync(kept(banyan)).length, 20);
  await refused(banyan, ['rollback', '3'], /is not kept; there are 4 to 23/);
  assert.equal((await banyan.ctl('rollback', '4')).code, 0);
  assert.equal(await said(banyan), '4');
});

test('a damaged one is refused, and skipped by the next start', async (scope) => {
  const banyan = await start(scope, reply('one'));
  await change(banyan, reply('two'), 'reload');
  await change(banyan, reply('three'), 'reload');
  const file = (number) => path.join(kept(banyan), `${number}.config`);
  fs.truncateSync(file(1), fs.statSync(file(1)).size - 5);
  await refused(banyan, ['rollback', '1'], /1\.config is damaged/);
  fs.writeFileSync(file(2), 'nonsense');
  fs.writeFileSync(path.join(kept(banyan), 'notes.txt'), 'left alone');
  await banyan.killEverything();
  await banyan.said(/history: 2\.config is skipped: it is damaged/);
  await refused(banyan, ['rollback', '2'], /configuration 2 is not kept/);
  await refused(banyan, ['rollback', '1'], /1\.config is damaged/);
  assert.equal(await said(banyan), 'three');
  assert.ok(fs.existsSync(path.join(kept(banyan), 'notes.txt')));
});

test('a history that cannot be written is a warning: reloads go on, and back', async (scope) => {
  const banyan = await start(scope, reply('one'));
  fs.rmSync(kept(banyan), { recursive: true });
  fs.writeFileSync(kept(banyan), '');
  await banyan.killEverything();
  await banyan.said(/configurations are not kept: .*history/);
  assert.equal(await said(banyan), 'one');
  const stdout = await change(banyan, reply('two'), 'reload', '--confirm', '1h');
  assert.match(stdout, /this configuration is not kept in the history: .*history/);
  assert.match(stdout, /a restart would forget that it is to be confirmed/);
  assert.equal(await said(banyan), 'two');
  await change(banyan, reply('two'), 'reload', '--confirm', '1s');
  await says(banyan, 'one');
  assert.deepEqual(await history(banyan), []);
  // As soon as it can be written, it is.
  fs.rmSync(kept(banyan));
  await change(banyan, reply('three'), 'reload');
  assert.equal((await history(banyan)).length, 1);
});

test('an upgrade takes the history and what is to be confirmed along', async (scope) => {
  const banyan = await start(scope, reply('old'), {
    program: 'program',
    prepare: (folder) => fs.symlinkSync(program, path.join(folder, 'program')),
  });
  const current = () => Number(fs.readFileSync(path.join(banyan.folder, 'run/banyan.pid'), 'utf8'));
  await change(banyan, reply('new'), 'reload', '--confirm', '1h');
  const { code, stderr } = await run(program, ['-c', banyan.file, '-s', 'upgrade']);
  assert.equal(code, 0, stderr);
  const pid = current();
  scope.after(() => process.kill(pid, 'SIGTERM'));
  assert.notEqual(pid, banyan.pid);
  assert.equal((await status(banyan)).unconfirmed.fallback, 1);
  await change(banyan, reply('new'), 'reload', '--confirm', '1s');
  await says(banyan, 'old');
  await until(async () => (await history(banyan))[0].how === 'went back', 'the entry');
});
