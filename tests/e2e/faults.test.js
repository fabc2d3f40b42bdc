// What the machine runs out of, and what it does wrong: no request that could be answered fails for it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { poor, start, startInFrontOf } from './lib/banyan.js';
import { fetch, load } from './lib/client.js';
import { connect } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { freePort, serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const reply = '[[route]]\npath = "/*"\nreply = { status = 200, body = "hi" }\n';
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('a full disk under the access log: lines are lost and counted, requests are not', async (scope) => {
  const prepare = (folder) => fs.symlinkSync('/dev/full', path.join(folder, 'access.log'));
  const banyan = await start(scope, reply, { prepare });
  const traffic = load(scope, banyan.url, { connections: 4 });
  await until(async () => (await banyan.metric('banyan_log_lines_dropped_total')) > 10, 'lost lines', 20_000);
  const { sent, failures } = await traffic.stop();
  assert.deepEqual(failures, []);
  assert.ok(sent > 10);
  await banyan.said(/cannot write to .*access\.log: lines are being lost/);
  // There is room again: the log is opened anew.
  fs.rmSync(path.join(banyan.folder, 'access.log'));
  assert.equal((await banyan.order('reopen')).code, 0);
  await fetch(`${banyan.url}/after`);
  await banyan.logged(({ uri }) => uri === '/after');
});

test('too few descriptors: 503 with Retry-After before that, and all is well afterwards', async (scope) => {
  const banyan = await start(scope, `${reply}\n[overload]\ndescriptors = 50`, { workers: 1, ...poor(100) });
  const open = [];
  const first = await connect(scope, banyan.port);
  for (let i = 0; i < 150; i += 1) {
    const client = await connect(scope, banyan.port).catch(() => undefined);
    if (client) open.push(client);
  }
  const answer = async () => {
    await first.write(get);
    return first.response();
  };
  const shed = await until(async () => {
    const response = await answer();
    return response.status === 503 && response;
  }, 'the first to be told', 20_000);
  assert.ok(Number(shed.get('retry-after')) >= 1);
  assert.ok((await banyan.metric('banyan_overload_shed_total{reason="descriptors"}')) > 0);
  for (const client of open) client.close();
  await until(async () => (await fetch(banyan.url, { agent: false })).status === 200, 'a new client', 20_000);
  for (let i = 0; i < 20; i += 1) assert.equal((await fetch(banyan.url, { agent: false })).status, 200);
  assert.equal(banyan.workers().length, 1);
});

test('more clients than descriptors: who is served stays, also with a reload and new log files', async (scope) => {
  const text = (version) => `[[route]]\npath = "/*"\nreply = { body = "${version}" }\n`;
  const banyan = await start(scope, text('one'), { ...poor(256), top: 'worker_connections = 1024' });
  const warning = /worker_connections: 1024 exceeds the limit of open files, 256: a worker takes [0-9]+ at most/;
  await banyan.said(warning);
  const workers = banyan.workers();
  const ended = [];
  for (let i = 0; i < 600; i += 1) {
    const client = await connect(scope, banyan.port);
    client.socket.on('close', () => ended.push(i));
  }
  await banyan.said(/worker_connections \([0-9]+\) reached: new clients have to wait/);
  for (let i = 0; i < 3; i += 1) {
    fs.renameSync(path.join(banyan.folder, 'access.log'), path.join(banyan.folder, 'access.log.1'));
    const { code, stderr } = await banyan.ctl('reopen');
    assert.equal(code, 0, stderr);
  }
  const free = await freePort();
  banyan.configure(`${text('two')}[[listener]]\naddress = "127.0.0.1:${free}"\n`);
  const { code, stderr } = await banyan.order('reload');
  assert.equal(code, 0, stderr);
  assert.match(stderr, warning);
  assert.deepEqual(banyan.workers(), workers);
  assert.deepEqual(ended, []);
  assert.doesNotMatch(banyan.errorLog(), / error /);
});

test('a server that drips is cut off at the deadline, in its head or in its body', async (scope) => {
  const timers = [];
  scope.after(() => timers.forEach(clearInterval));
  const drip = (connection, text) => {
    let at = 0;
    timers.push(setInterval(() => at < text.length && connection.write(text[at++]), 20));
  };
  const head = await record(scope, {
    onRequest: (request, connection) => drip(connection, `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(5000)}`),
  });
  const banyan = await startInFrontOf(scope, head.address, { route: 'deadline = "700ms"' });
  const began = performance.now();
  assert.equal((await fetch(banyan.url, { method: 'POST', body: 'x' })).status, 504);
  assert.ok(performance.now() - began < 5000);
  const body = await serveHttp(scope, (request, response) => {
    response.writeHead(200, { 'Content-Length': 5000 });
    drip(response, 'x'.repeat(5000));
  });
  const second = await startInFrontOf(scope, body.host, { route: 'deadline = "700ms"' });
  await assert.rejects(fetch(second.url), /aborted|cut off|ECONNRESET/);
  assert.equal(second.workers().length, 2);
});
