// What workers and the controller may still do, as the kernel sees it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { start } from './lib/banyan.js';
import { fetch } from './lib/client.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const root = process.getuid() === 0;

const tables = (onEvent = '') => `[handler.old]
type = "static_reply"
body = "legacy"
[handler.new]
type = "echo"
[rollout.r]
legacy = "handler.old"
native = "handler.new"
percent = 0
${onEvent}
[[route]]
path = "/*"
target = "rollout.r"
`;

// {Seccomp: '2', NoNewPrivs: '1', …}
function status(pid) {
  const text = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Object.fromEntries(text.split('\n').map((line) => line.split(':\t')));
}

function isConfined(pid) {
  const { Seccomp, NoNewPrivs, CapInh, CapPrm, CapEff, CapBnd, CapAmb, Uid } = status(pid);
  assert.deepEqual([Seccomp, NoNewPrivs], ['2', '1']);
  if (!root) return;
  assert.deepEqual([CapInh, CapPrm, CapEff, CapBnd, CapAmb], Array(5).fill('0'.repeat(16)));
  assert.ok(!Uid.split('\t').includes('0'), Uid);
}

// A folder that the user may enter and write to, for commands of hooks.
function openFolder(self) {
  const folder = path.join(self.folder, 'hook');
  fs.mkdirSync(folder, { mode: 0o777 });
  fs.chmodSync(folder, 0o777);
  return folder;
}

const top = root ? 'user = "nobody"' : '';

test('workers and controller are confined, also after a reload and a death', async (scope) => {
  const banyan = await start(scope, tables(), { top });
  const all = () => [...banyan.workers(), banyan.controller()];
  assert.equal(all().length, 3);
  for (const pid of all()) isConfined(pid);
  assert.equal(status(banyan.pid).Seccomp, '0', 'the master starts programs');
  assert.equal((await banyan.admin('/status')).json.seccomp, 'on');
  await banyan.reconfigure(`${tables()}# changed\n`);
  process.kill(banyan.workers()[0], 'SIGKILL');
  await until(() => banyan.workers().length === 2, 'the new worker');
  await until(async () => (await banyan.admin('/readyz')).status === 200, 'all to be ready');
  for (const pid of all()) isConfined(pid);
  assert.equal((await fetch(banyan.url)).text, 'legacy');
});

test('the command of a hook runs outside the filter, as the user, and only the configured one', async (scope) => {
  const banyan = await start(
    scope,
    (self) => {
      const script = `cat > out; cat /proc/self/status >> out; ls -l /proc/self/fd > fds; cat nowhere; exit 0`;
      const hook = openFolder(self);
      return tables(`on_event = { command = ["/bin/sh", "-c", "cd ${hook}; ${script}"] }`);
    },
    { top },
  );
  assert.equal((await banyan.ctl('rollout', 'set', 'r', '40')).code, 0);
  await banyan.said(/command: event \d+ \(set\) delivered/);
  const [event, ...rest] = fs.readFileSync(path.join(banyan.folder, 'hook/out'), 'utf8').split('\n');
  assert.equal(JSON.parse(event).new, 40);
  assert.match(rest.join('\n'), /^Seccomp:\t0$/m);
  if (root) assert.match(rest.join('\n'), /^Uid:\t[1-9]/m);
  const fds = fs.readFileSync(path.join(banyan.folder, 'hook/fds'), 'utf8');
  assert.ok(!/banyan|memfd/.test(fds.replaceAll(banyan.folder, '')), `no descriptor of ours: ${fds}`);
  await banyan.said(/command: cat: nowhere: No such file/);
  // A command that comes with a reload is run by the same, confined, controller.
  const before = banyan.controller();
  await banyan.reconfigure(tables('on_event = { command = ["/bin/echo", "second"] }'));
  assert.equal((await banyan.ctl('rollout', 'set', 'r', '41')).code, 0);
  await banyan.said(/command: second/);
  assert.equal(banyan.controller(), before);
});

test('seccomp = false leaves the system calls, and status says so', async (scope) => {
  const banyan = await start(scope, tables(), { top: `seccomp = false\n${top}` });
  for (const pid of [...banyan.workers(), banyan.controller()]) {
    const { Seccomp, NoNewPrivs } = status(pid);
    assert.deepEqual([Seccomp, NoNewPrivs], ['0', '1']);
  }
  assert.match((await banyan.ctl('status')).stdout, /not restricted: seccomp is off/);
});
