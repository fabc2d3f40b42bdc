// A process that stops ends what passes through it for hours politely: WebSockets by 1012, event streams by
// `retry`, one after the other.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { forward, program, start } from './lib/banyan.js';
import { run } from './lib/client.js';
import { dial, listen, service } from './lib/longlived.js';
import { connect } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const route = 'deadline = "0s"';

// `count` WebSockets and as many event streams through Banyan.
async function begin(scope, count, options = {}) {
  const { host, state } = await service(scope, 'app');
  const banyan = await start(scope, forward(host, '', route), { ...options, top: options.top });
  const users = Array.from({ length: count }, (_, number) => `user-${number}`);
  const clients = await Promise.all(users.map((user) => dial(scope, banyan, user)));
  return { banyan, app: state, clients, users };
}

test('a graceful stop: 1012, retry at the end of an event, and not all at once', async (scope) => {
  const { banyan, app, clients, users } = await begin(scope, 8);
  const sources = users.map((user) => listen(scope, banyan.port, user));
  await until(() => app.streams.size === 8, 'the streams');
  for (const source of sources) source.stopped = true; // nobody is there to come back to
  const half = [...app.streams].slice(0, 4);
  for (const stream of half) stream.write('data: begun\n');
  await until(() => sources.filter(({ texts }) => texts.includes('begun')).length === 4, 'the beginnings');
  banyan.signal('QUIT');
  await until(() => sources.filter(({ ends }) => ends === 1).length === 4, 'those between events to end');
  assert.ok(sources.every(({ texts, ends }) => ends === 0 || !texts.includes('begun')));
  const asked = performance.now();
  await until(() => performance.now() - asked > 2100, 'the turn of all of them');
  for (const stream of half) stream.write('data: done\n\ndata: too late\n\n');
  await until(() => sources.every(({ ends }) => ends === 1), 'the others to end');
  for (const { retries, texts } of sources) {
    assert.equal(retries.length, 1);
    assert.ok(retries[0] >= 500 && retries[0] <= 5000);
    assert.ok(!texts.includes('too late'));
    if (texts.includes('begun')) assert.match(texts, /begun\ndata: done\n\nretry: \d+\n\n$/);
  }
  await until(() => clients.every(({ closed }) => closed), 'the WebSockets to close');
  for (const { closed, error } of clients) {
    assert.deepEqual([closed.code, closed.reason, error], [1012, 'restarting', undefined]);
  }
  assert.deepEqual(app.closes.map(([code]) => code), Array(8).fill(1012), 'the server is told, too');
  const times = clients.map(({ closed }) => closed.at).sort((a, b) => a - b);
  assert.ok(times.at(-1) - times[0] > 150, `all within ${times.at(-1) - times[0]} ms`);
  assert.deepEqual(await banyan.exited(), { code: 0, signal: null });
  const lines = banyan.accessLog().filter(({ status }) => status === 101);
  assert.equal(lines.length, 8);
  for (const { term, error } of lines) assert.deepEqual([term, error], ['KD', 'this process stops']);
});

test('in the middle of a frame the rest of it comes first, and nothing behind it', async (scope) => {
  let peer;
  const backend = await record(scope, {
    onRequest: (request, connection) => {
      peer = connection;
      return connection.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05he',
      );
    },
  });
  const banyan = await start(scope, forward(backend.address), { workers: 1 });
  const client = await connect(scope, banyan.port);
  await client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await client.until(/\x81\x05he$/);
  banyan.signal('QUIT');
  const asked = performance.now();
  await until(() => performance.now() - asked > 600, 'its turn to have come');
  await peer.write('l');
  await client.until(/hel$/);
  await peer.write('lo\x81\x04late');
  await client.until(/hello\x88\x0c\x03\xf4restarting$/);
  client.halfClose();
  assert.deepEqual(await banyan.exited(), { code: 0, signal: null });
});

test('an upgrade: they come back to the new program, over connections of their own', async (scope) => {
  const { banyan, app, clients, users } = await begin(scope, 6, {
    program: 'program',
    prepare: (folder) => fs.symlinkSync(program, path.join(folder, 'program')),
  });
  const agent = new http.Agent({ keepAlive: true });
  scope.after(() => agent.destroy());
  const sources = users.map((user) => listen(scope, banyan.port, user, agent));
  await until(() => app.streams.size === 6, 'the streams');
  const { code, stderr } = await run(program, ['-c', banyan.file, '-s', 'upgrade']);
  assert.equal(code, 0, stderr);
  const pid = Number(fs.readFileSync(path.join(banyan.folder, 'run/banyan.pid'), 'utf8'));
  scope.after(async () => {
    process.kill(pid, 'SIGTERM');
    await until(() => !fs.existsSync(`/proc/${pid}`), 'the new master to end');
  });
  await until(() => clients.every(({ closed }) => closed?.code === 1012), 'the WebSockets to close');
  await until(() => sources.every(({ ends, sides }) => ends === 1 && sides.length === 2), 'all to be back');
  assert.deepEqual(await banyan.exited(), { code: 0, signal: null });
  assert.ok(sources.every(({ ends, sides }) => ends === 1 && sides.length === 2), 'none was sent away twice');
  assert.equal(app.streams.size, 6);
});

test('a tunnel that we have no words for stays as long as it can', async (scope) => {
  let peer;
  const backend = await record(scope, {
    onRequest: (request, connection) => {
      peer = connection;
      return connection.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nhi');
    },
  });
  const banyan = await start(scope, forward(backend.address));
  const client = await connect(scope, banyan.port);
  await client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n');
  await client.until(/hi$/);
  const began = performance.now();
  banyan.signal('QUIT');
  await client.write('more');
  await until(() => /more$/.test(peer.bytes), 'the tunnel to be open');
  assert.match(String(await client.rest()), /\r\n\r\nhi$/);
  assert.ok(performance.now() - began > 2400, 'half of shutdown_timeout');
  client.halfClose();
  assert.deepEqual(await banyan.exited(), { code: 0, signal: null });
});
