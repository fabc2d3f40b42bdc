// Limits that protect from clients and from too much of everything: per route and key, per address, slow
// readers, overload.

import assert from 'node:assert/strict';
import net from 'node:net';
import { start } from './lib/banyan.js';
import { fetch, load } from './lib/client.js';
import { connect } from './lib/raw.js';
import { serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { pause, until } from './lib/wait.js';

const reply = (keys) => `[[route]]\nname = "r"\npath = "/*"\nreply = { status = 204 }\n${keys}\n`;
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

async function statuses(banyan, count, options = {}) {
  const list = [];
  for (let i = 0; i < count; i += 1) {
    list.push((await fetch(banyan.url, { agent: false, ...options })).status);
  }
  return list;
}

test('a limit on trial counts and refuses nobody', async (scope) => {
  const banyan = await start(scope, reply('limit = { rate = "1/h", burst = 1, dry_run = true }'));
  assert.deepEqual(await statuses(banyan, 6), Array(6).fill(204));
  const { text } = await banyan.admin('/metrics');
  assert.match(text, /banyan_http_limit_dry_run_total{route="r",reason="rate"} 4/);
  assert.doesNotMatch(text, /banyan_http_rejected_total{route="r"/);
});

test('a limit for the whole route, over all workers', async (scope) => {
  const banyan = await start(scope, reply('limit = { rate = "3/h", burst = 2, key = "route" }'), { workers: 3 });
  const local = async (localAddress) => (await statuses(banyan, 1, { localAddress }))[0];
  const list = [];
  for (const last of [1, 2, 3, 4, 5]) list.push(await local(`127.0.0.${last}`));
  assert.deepEqual(list, [204, 204, 204, 429, 429]);
});

test('a limit by the key that a script returns', async (scope) => {
  const files = {
    'rules.lua': 'return { route = function(req) return { key = req.headers["x-tenant"] } end }',
  };
  const banyan = await start(
    scope,
    `[lua]\nroutes = "rules.lua"\n${reply('limit = { rate = "1/h", burst = 1, key = "lua" }')}`,
    { files },
  );
  const of = (tenant) => statuses(banyan, 3, { headers: tenant ? { 'X-Tenant': tenant } : {} });
  assert.deepEqual(await of('a'), [204, 204, 429]);
  assert.deepEqual(await of('b'), [204, 204, 429]);
  assert.deepEqual(await of(''), [204, 204, 429], 'without a key by address');
});

test('who leaves out the header that is counted is counted by address', async (scope) => {
  const banyan = await start(scope, reply('limit = { rate = "2/h", burst = 1, key = "header:X-Key" }'));
  const of = (localAddress, key) => statuses(banyan, 3, { localAddress, headers: key ? { 'X-Key': key } : {} });
  assert.deepEqual(await of('127.0.0.1'), [204, 204, 429]);
  assert.deepEqual(await of('127.0.0.2'), [204, 204, 429], 'another address has a share of its own');
  assert.deepEqual(await of('127.0.0.1', 'a'), [204, 204, 429]);
  assert.deepEqual(await of('127.0.0.2', 'a'), [429, 429, 429], 'the header counts, not the address');
});

test('connections of one address, over all workers', async (scope) => {
  const top = '[client]\nlimits = { connections = 5 }';
  const banyan = await start(scope, reply(''), { workers: 3, top });
  const open = [];
  for (let i = 0; i < 5; i += 1) {
    const client = await connect(scope, banyan.port);
    await client.write(get);
    assert.equal((await client.response()).status, 204);
    open.push(client);
  }
  await assert.rejects(statuses(banyan, 1));
  assert.deepEqual(await statuses(banyan, 1, { localAddress: '127.0.0.2' }), [204]);
  assert.match((await banyan.admin('/metrics')).text, /^banyan_connections_refused_total 1$/m);
  open[0].close();
  await until(async () => (await statuses(banyan, 1))[0] === 204, 'the place of the one that left');
});

test('who takes an answer byte by byte is cut off', async (scope) => {
  const body = Buffer.alloc(64 << 20, 'x');
  const server = await serveHttp(scope, (request, response) => response.end(body));
  const top = '[client]\nlimits = { response_rate = "16m", response_rate_after = "1s" }';
  const banyan = await start(
    scope,
    `[upstream.app]\nservers = ["${server.host}"]\n[[route]]\npath = "/*"\ntarget = "upstream.app"\n`,
    { top },
  );
  const socket = net.connect({ port: banyan.port, host: '127.0.0.1', highWaterMark: 1024 });
  scope.after(() => socket.destroy());
  let cut = false;
  socket.on('error', () => {});
  socket.on('close', () => {
    cut = true;
  });
  socket.write(get);
  socket.pause();
  const sip = setInterval(() => socket.read(64 << 10), 50);
  scope.after(() => clearInterval(sip));
  const line = await banyan.logged(({ uri }) => uri === '/', 20_000);
  assert.equal(line.term, 'cD');
  socket.resume();
  await until(() => cut, 'the connection to be reset');
  assert.equal((await fetch(banyan.url)).body.length, body.length, 'a quick one gets all of it');
});

test('a worker whose loop lags answers 503 until it has caught up', async (scope) => {
  const banyan = await start(scope, reply(''), { workers: 1, top: '[overload]\nloop_lag = "20ms"' });
  const [worker] = banyan.workers();
  const status = async () => (await fetch(banyan.url, { agent: false })).status;
  await until(async () => {
    // No processor for longer than from one look at the clock to the next.
    process.kill(worker, 'SIGSTOP');
    await pause(150);
    process.kill(worker, 'SIGCONT');
    return (await status()) === 503;
  }, 'a refusal');
  await banyan.said(/overload: too little of loop_lag/);
  assert.ok((await banyan.metric('banyan_overload_shed_total{reason="loop_lag"}')) > 0);
  await until(async () => (await status()) === 204, 'the worker to have caught up');
  await banyan.said(/overload: over/);
});

test('a worker with too little memory answers 503 and says why', async (scope) => {
  const banyan = await start(scope, reply(''), { workers: 1, top: '[overload]\nmemory = "1m"' });
  const answer = await until(async () => {
    const response = await fetch(banyan.url, { agent: false });
    return response.status === 503 && response;
  }, 'a refusal');
  assert.ok(Number(answer.headers['retry-after']) >= 1);
  assert.match((await banyan.admin('/metrics')).text, /banyan_overload_shed_total{reason="memory"} [1-9]/);
  await banyan.said(/overload: too little of memory/);
});
