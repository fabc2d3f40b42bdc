// Reload in place: nothing is lost, nothing half applied, no process replaced.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import { start, startInFrontOf, forward } from './lib/banyan.js';
import { fetch, load } from './lib/client.js';
import { ask, connect } from './lib/raw.js';
import { ok, record } from './lib/recorder.js';
import { serve, serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const reply = (text) => `[[route]]\npath = "/*"\nreply = { status = 200, body = "${text}" }\n`;

test(
  'a hundred reloads under load with a WebSocket held open: no failed request',
  { timeout: 120_000 },
  async (scope) => {
    const server = http.createServer((request, response) => {
      request.resume();
      request.on('end', () => response.end('ok'));
    });
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))));
    await serve(scope, server);
    const banyan = await startInFrontOf(scope, server.host);
    const pids = [banyan.pid, ...banyan.workers()];
    const socket = new WebSocket(`${banyan.url.replace('http', 'ws')}/ws`);
    scope.after(() => socket.terminate());
    let echoed = 0;
    let closed = false;
    socket.on('message', () => {
      echoed += 1;
    });
    socket.on('close', () => {
      closed = true;
    });
    await until(() => socket.readyState === WebSocket.OPEN, 'the WebSocket');

    const keepAlive = load(scope, `${banyan.url}/`, { connections: 4 });
    const fresh = load(scope, `${banyan.url}/`, {
      connections: 2,
      method: 'POST',
      body: 'x',
      headers: { Connection: 'close' },
    });
    for (let round = 1; round <= 100; round += 1) {
      // Every second time something really changes.
      const rules = `response_headers = { set = { X-Round = "${Math.floor(round / 2)}" } }`;
      await banyan.reconfigure(forward(server.host, '', rules));
      socket.send('x');
    }
    const results = [await keepAlive.stop(), await fresh.stop()];
    assert.deepEqual(
      results.flatMap(({ failures }) => failures),
      [],
    );
    assert.ok(
      results.every(({ sent }) => sent > 50),
      JSON.stringify(results),
    );
    await until(() => echoed === 100, 'every echo');
    assert.ok(!closed, 'the WebSocket stays open');
    assert.equal((await fetch(banyan.url)).headers['x-round'], '50');
    assert.deepEqual([banyan.pid, ...banyan.workers()], pids, 'the same processes');
  },
);

test('requests under way end under the configuration they began with', async (scope) => {
  let held;
  const backend = await record(scope, {
    onRequest: (request, connection) => {
      held = connection;
    },
  });
  const keys = (text) =>
    forward(backend.address, '', `response_headers = { set = { X-Version = "${text}" } }`);
  const banyan = await start(scope, keys('old'));
  const client = await connect(scope, banyan.port);
  await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => held, 'the request');
  await banyan.reconfigure(keys('new'));
  held.write(ok);
  assert.equal((await client.response()).get('x-version'), 'old');
  backend.onRequest = (request, connection) => connection.write(ok);
  await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await client.response()).get('x-version'), 'new');
});

test('once -s reload has returned, every worker answers by the new configuration', async (scope) => {
  const banyan = await start(scope, reply(0));
  for (let round = 1; round <= 10; round += 1) {
    await banyan.reconfigure(reply(round));
    for (let count = 0; count < 10; count += 1) {
      assert.equal((await fetch(banyan.url, { agent: false })).text, String(round));
    }
  }
});

test('a refused reload changes nothing, exits 1 and says all the reasons', async (scope) => {
  const banyan = await start(scope, reply('good'));
  const bad =
    '[[route]]\npath = "/*"\ntarget = "upstream.none"\n[upstream.app]\nservers = ["nonsense"]\ncolour = 1\n';
  banyan.configure(bad);
  const { code, stdout, stderr } = await banyan.order('reload');
  assert.equal(code, 1);
  const said = stdout + stderr;
  for (const pattern of [/banyan\.toml:\d+:\d+: /, /upstream\.none/, /colour/, /servers\[0\]/])
    assert.match(said, pattern);
  assert.equal((await fetch(banyan.url)).text, 'good');
  fs.rmSync(banyan.file);
  assert.equal((await banyan.order('reload')).code, 1);
  await banyan.reconfigure(reply('better'));
  assert.equal((await fetch(banyan.url)).text, 'better');
});

test('a Lua script that does not compile refuses the reload', async (scope) => {
  const text = `[lua]\nroutes = "routes.lua"\n${reply('good')}`;
  const banyan = await start(scope, text, { files: { 'routes.lua': 'return { route = function() end }' } });
  fs.writeFileSync(path.join(banyan.folder, 'routes.lua'), 'return {');
  const { code, stdout, stderr } = await banyan.order('reload');
  assert.equal(code, 1);
  assert.match(stdout + stderr, /routes\.lua:\d+/);
  assert.equal((await fetch(banyan.url)).text, 'good');
});

test('HUP reloads too, and the admin API', async (scope) => {
  const banyan = await start(scope, reply('one'));
  banyan.configure(reply('two'));
  banyan.signal('HUP');
  await until(async () => (await fetch(banyan.url, { agent: false })).text === 'two', 'the new answer');
  banyan.configure(reply('three'));
  const answer = await banyan.admin('/reload', { method: 'POST' });
  assert.ok([200, 202, 204].includes(answer.status), answer.text);
  await until(async () => (await fetch(banyan.url, { agent: false })).text === 'three', 'the new answer');
  banyan.configure('nonsense');
  const refused = await banyan.admin('/reload', { method: 'POST' });
  assert.ok(refused.status >= 400, 'a refused reload is an error');
  assert.match(refused.headers['content-type'], /problem\+json/);
  const ctl = await banyan.ctl('reload');
  assert.equal(ctl.code, 1);
});

test('listeners come and go by reload', async (scope) => {
  const backend = await record(scope);
  const { address } = backend;
  const banyan = await startInFrontOf(scope, address);
  const kept = await connect(scope, banyan.port);
  const oldPort = banyan.port;
  const socket = path.join(banyan.folder, 'extra.sock');
  banyan.options.listener = `[[listener]]\naddress = "unix:${socket}"`;
  await banyan.reconfigure(forward(address));
  assert.equal((await ask(scope, { path: socket }, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).status, 200);
  banyan.options.listener = '';
  await banyan.reconfigure(forward(address));
  await assert.rejects(connect(scope, { path: socket }));
  await kept.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await kept.response()).status, 200);
  assert.equal(banyan.port, oldPort);
});

test('upstream connections survive a reload that does not touch their upstream', async (scope) => {
  const backend = await record(scope);
  const banyan = await startInFrontOf(scope, backend.address, { workers: 1 });
  await ask(scope, banyan.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await banyan.reconfigure(forward(backend.address, '', 'max_body = "1m"'));
  await ask(scope, banyan.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(backend.connections.length, 1);
});

test('counters survive a reload', async (scope) => {
  const server = await serveHttp(scope, (request, response) => response.end('x'));
  const banyan = await startInFrontOf(scope, server.host);
  const total = async () => {
    const { text } = await banyan.admin('/metrics');
    const lines = text.split('\n').filter((line) => line.startsWith('banyan_http_requests_total{'));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };
  for (let count = 0; count < 10; count += 1) await fetch(banyan.url);
  await until(async () => (await total()) === 10, 'ten requests in the metrics');
  await banyan.reconfigure(forward(server.host, '', 'max_body = "1m"'));
  assert.equal(await total(), 10);
});

const root = process.getuid() === 0 ? false : 'only root can start workers as another user';
test('a user that the next start would refuse is refused', { skip: root }, async (scope) => {
  const banyan = await start(scope, '[[route]]\npath = "/*"\nreply = { status = 204 }\n');
  banyan.options.top = 'user = "nosuchuser"';
  banyan.configure('[[route]]\npath = "/*"\nreply = { status = 200 }\n');
  const { code, stderr } = await banyan.order('reload');
  assert.equal(code, 1);
  assert.match(stderr, /user: there is no user nosuchuser/);
  assert.equal((await fetch(banyan.url)).status, 204);
});
