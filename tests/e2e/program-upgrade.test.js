// Another program takes over the listening sockets (USR2, -s upgrade). BANYAN_UPGRADES: how many in the loop.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { program, start } from './lib/banyan.js';
import { fetch, load, run } from './lib/client.js';
import { connect } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { freePort, serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

// Banyan started through a link in its folder, which a test can point elsewhere. current(): the pid in the file.
async function startLinked(scope, text, options = {}) {
  const banyan = await start(scope, text, {
    program: 'program',
    prepare: (folder) => fs.symlinkSync(program, path.join(folder, 'program')),
    ...options,
  });
  const current = () => Number(fs.readFileSync(path.join(banyan.folder, 'run/banyan.pid'), 'utf8'));
  // The masters that came after the one that the test started.
  scope.after(async () => {
    if (!fs.existsSync(path.join(banyan.folder, 'run/banyan.pid'))) return;
    const pid = current();
    if (pid === banyan.pid || !alive(pid)) return;
    process.kill(pid, 'SIGTERM');
    await until(() => !alive(pid), 'the last master to end');
  });
  return Object.assign(banyan, { current });
}

function relink(banyan, content) {
  const file = path.join(banyan.folder, 'program');
  fs.rmSync(file, { force: true });
  if (content === undefined) fs.symlinkSync(program, file);
  else fs.writeFileSync(file, content, { mode: 0o755 });
}

// The real program does what is asked for whatever lies at the link.
function upgrade(banyan) {
  return run(program, ['-c', banyan.file, '-s', 'upgrade']);
}

const app = (server) =>
  `[upstream.app]\nservers = ["${server.host}"]\n[[route]]\npath = "/*"\ntarget = "upstream.app"\n`;

test('upgrades under load lose no request', { timeout: 300_000 }, async (scope) => {
  const server = await serveHttp(scope, (request, response) => response.end('ok'));
  const banyan = await startLinked(scope, app(server));
  const traffic = load(scope, banyan.url, { connections: 8 });
  const pids = [banyan.pid];
  for (let i = 0; i < Number(process.env.BANYAN_UPGRADES ?? 2); i += 1) {
    const { code, stderr } = await upgrade(banyan);
    assert.equal(code, 0, `${stderr}${banyan.errorLog()}`);
    const pid = banyan.current();
    assert.ok(!pids.includes(pid));
    pids.push(pid);
  }
  await until(() => !alive(pids.at(-2)), 'the old master to end', 20_000);
  const { sent, failures } = await traffic.stop();
  assert.deepEqual(failures, []);
  assert.ok(sent > 100);
});

test('a program that fails changes nothing, and the reason is told', async (scope) => {
  const server = await serveHttp(scope, (request, response) => response.end('ok'));
  const banyan = await startLinked(scope, app(server));
  const refused = async (content, message) => {
    relink(banyan, content);
    const { code, stderr } = await upgrade(banyan);
    assert.equal(code, 1);
    assert.match(stderr, message);
    assert.equal(banyan.current(), banyan.pid);
    assert.equal((await fetch(banyan.url)).text, 'ok');
    await until(async () => (await banyan.admin('/readyz')).status === 200, 'the controller to be back');
  };
  await refused('#!/bin/sh\nexit 3\n', /ended with code 3 before it was ready/);
  const link = path.join(banyan.folder, 'program');
  await refused('this is no program', new RegExp(`${link}: Exec format error`));
  const denied = async (message) => {
    const { code, stderr } = await upgrade(banyan);
    assert.equal(code, 1);
    assert.match(stderr, message);
    await banyan.said(message);
    await until(async () => (await banyan.admin('/readyz')).status === 200, 'the controller to be back');
  };
  fs.chmodSync(link, 0o644);
  await denied(new RegExp(`${link}: Permission denied`));
  fs.rmSync(link);
  await denied(new RegExp(`${link}: No such file or directory`));
  relink(banyan);
  const good = fs.readFileSync(banyan.file, 'utf8');
  fs.appendFileSync(banyan.file, '\n[nonsense]\n');
  process.kill(banyan.pid, 'SIGUSR2');
  await banyan.said(/upgrade: the new program does not start: .*nonsense: unknown key.*; this program goes on/);
  assert.equal((await fetch(banyan.url)).text, 'ok');
  fs.writeFileSync(banyan.file, good);
  await until(async () => (await banyan.admin('/readyz')).status === 200, 'the controller to be back');
  const { code, stderr } = await upgrade(banyan);
  assert.equal(code, 0, stderr);
});

test('what is under way goes on; orders, rollouts and the old master are known to the new one', async (scope) => {
  let answer;
  const slow = await record(scope, {
    onRequest: (request, connection) => {
      answer = () => connection.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow');
    },
  });
  const banyan = await startLinked(
    scope,
    `[upstream.app]
servers = ["${slow.address}", "127.0.0.1:1"]
[upstream.next]
servers = ["${slow.address}"]
[rollout.move]
legacy = "upstream.app"
native = "upstream.next"
[[route]]
path = "/*"
target = "rollout.move"
`,
  );
  await banyan.ctl('upstream', 'down', 'app', '127.0.0.1:1');
  await banyan.ctl('rollout', 'set', 'move', '25');
  const client = await connect(scope, banyan.port);
  await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => answer, 'the request to be under way');
  const { code, stderr } = await upgrade(banyan);
  assert.equal(code, 0, stderr);
  const { json } = await banyan.admin('/status');
  assert.equal(json.pid, banyan.current());
  assert.deepEqual(json.draining, { pid: banyan.pid, connections: 1 });
  assert.equal(json.rollouts[0].percent, 25);
  const [{ servers }] = (await banyan.admin('/upstreams')).json.upstreams;
  assert.equal(servers[1].order, 'down');
  answer();
  const response = await client.response();
  assert.equal(String(response.body), 'slow');
  assert.match(response.get('connection'), /close/i);
  assert.deepEqual(await banyan.exited(), { code: 0, signal: null });
  // The lock on state_dir has passed over.
  const second = path.join(banyan.folder, 'second.toml');
  const text = fs.readFileSync(banyan.file, 'utf8');
  fs.writeFileSync(second, text.replace(`${banyan.folder}/run`, `${banyan.folder}/run2`));
  assert.match((await run(program, ['-c', second])).stderr, /is in use by another banyan/);
  assert.equal((await banyan.admin('/status')).json.draining, undefined);
});

test('a listener on a unix socket keeps its file', async (scope) => {
  const banyan = await startLinked(
    scope,
    (self) => `[[listener]]
address = "unix:${self.folder}/in.sock"
[[route]]
path = "/*"
reply = { status = 204 }
`,
  );
  assert.equal((await upgrade(banyan)).code, 0);
  await banyan.exited();
  const socketPath = path.join(banyan.folder, 'in.sock');
  assert.equal((await fetch('http://a/', { socketPath, agent: false })).status, 204);
});

// Listeners, and the admin API on TCP, which needs a token that the next configuration no longer has.
test('what the new configuration does not name is closed', async (scope) => {
  const gone = await freePort(), adminPort = await freePort();
  const banyan = await startLinked(
    scope,
    (self) => `[[listener]]
address = "127.0.0.1:${gone}"
[[listener]]
address = "unix:${self.folder}/in.sock"
[[route]]
path = "/*"
reply = { status = 204 }
`,
    { admin: `listen = "127.0.0.1:${adminPort}"\ntoken = "open-sesame"` },
  );
  const text = fs.readFileSync(banyan.file, 'utf8');
  const without = text
    .replace(/\[\[listener\]\]\naddress = "127.0.0.1:\d+"\n\[\[listener\]\]\naddress = "unix:.*\n(?=\[\[route)/, '')
    .replace(/^(listen|token) = .*\n/gm, '');
  assert.ok(!without.includes(`:${gone}"`) && !without.includes('sesame') && !without.includes('in.sock'));
  fs.writeFileSync(banyan.file, without);
  const { code, stderr } = await upgrade(banyan);
  assert.equal(code, 0, stderr);
  await banyan.exited();
  for (const port of [gone, adminPort]) {
    await assert.rejects(fetch(`http://127.0.0.1:${port}/status`, { agent: false }), /ECONNREFUSED/);
  }
  assert.ok(!fs.existsSync(path.join(banyan.folder, 'in.sock')));
  assert.equal((await fetch(banyan.url, { agent: false })).status, 204);
});

test('QUIT ends an upgrade and Banyan, a second USR2 changes nothing', async (scope) => {
  const server = await serveHttp(scope, (request, response) => response.end('ok'));
  const banyan = await startLinked(scope, app(server));
  relink(banyan, '#!/bin/sh\nexec sleep 60\n');
  process.kill(banyan.pid, 'SIGUSR2');
  await banyan.said(/upgrade: begins/);
  await until(() => banyan.controller() === undefined, 'the controller to make room');
  process.kill(banyan.pid, 'SIGUSR2');
  await banyan.said(/under way already/);
  assert.ok(!fs.existsSync(path.join(banyan.folder, 'run/upgrade.refused')));
  assert.equal((await fetch(banyan.url)).text, 'ok');
  process.kill(banyan.pid, 'SIGQUIT');
  assert.deepEqual(await banyan.exited(), { code: 0, signal: null });
  assert.ok(!fs.existsSync(path.join(banyan.folder, 'run/banyan.pid')));
});

test('who has not sent its PROXY header yet is served by the old program', async (scope) => {
  const server = await serveHttp(scope, (request, response) => response.end('ok'));
  const banyan = await startLinked(scope, app(server), { listener: 'proxy_protocol = true' });
  const client = await connect(scope, banyan.port);
  const idle = await connect(scope, banyan.port);
  await until(async () => (await banyan.admin('/status')).json.connections === 2, 'the connections to be taken');
  assert.equal((await upgrade(banyan)).code, 0);
  await client.write('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const response = await client.response();
  assert.equal(String(response.body), 'ok');
  assert.match(response.get('connection'), /close/i);
  await idle.close();
  await banyan.exited();
});
