// The time a request may take: who is told how much of it is left, and what becomes of it when servers fail, hang
// or ask to be left alone.

import assert from 'node:assert/strict';
import { forward, start, startInFrontOf } from './lib/banyan.js';
import { fetch } from './lib/client.js';
import { record } from './lib/recorder.js';
import { freePort, serveHttp } from './lib/servers.js';
import { begin } from './lib/sides.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const field = 'banyan-timeout-ms';

// A server that keeps the heads it got and answers what `answer` says.
async function heads(scope, answer = (request, response) => response.end('ok')) {
  const seen = [];
  const server = await serveHttp(scope, (request, response) => {
    seen.push(request.headers);
    answer(request, response);
  });
  return { host: server.host, quoted: `"${server.host}"`, seen };
}

const get = (banyan, headers = {}) => fetch(banyan.url, { headers, agent: false });

test('servers are told how many milliseconds are left; clients are not believed', async (scope) => {
  const backend = await heads(scope);
  const banyan = await startInFrontOf(scope, backend.host, { route: 'deadline = "20s"' });
  assert.equal((await get(banyan, { [field]: '5' })).status, 200);
  const left = Number(backend.seen[0][field]);
  assert.ok(left > 15_000 && left <= 20_000, `${left} ms`);
  await banyan.reconfigure(forward(backend.host, '', 'stream = true'));
  await get(banyan, { [field]: '5' });
  assert.equal(backend.seen[1][field], undefined, 'no deadline, no field');
});

test('another name for the field, or none', async (scope) => {
  const backend = await heads(scope);
  const text = forward(backend.host);
  const name = 'X-Envoy-Expected-Rq-Timeout-Ms';
  const banyan = await start(scope, text, { top: `timeout_header = "${name}"` });
  await get(banyan);
  assert.match(backend.seen[0][name.toLowerCase()], /^[1-9][0-9]*$/);
  assert.equal(backend.seen[0][field], undefined);
  const silent = await start(scope, text, { top: 'timeout_header = ""' });
  await get(silent, { [field]: 'what else' });
  assert.equal(backend.seen[1][field], 'what else', 'a field like any other');
});

test('a trusted proxy in front may leave less time, not more', async (scope) => {
  const backend = await heads(scope, () => {});
  const top = 'trusted_proxies = ["127.0.0.1"]';
  const banyan = await start(scope, forward(backend.host, '', 'deadline = "10s"'), { top });
  const began = performance.now();
  const answer = await get(banyan, { [field]: '300' });
  const took = performance.now() - began;
  assert.equal(answer.status, 504);
  assert.ok(took >= 299 && took < 5000, `${took} ms`);
  assert.ok(Number(backend.seen[0][field]) <= 300);
  assert.match(answer.headers['proxy-status'], /error=http_response_timeout/);
  const quick = await start(scope, forward(backend.host, '', 'deadline = "300ms"'), { top });
  assert.equal((await get(quick, { [field]: '60000' })).status, 504);
  assert.ok(Number(backend.seen[1][field]) <= 300);
});

test('native is told of its half, legacy of the rest', async (scope) => {
  const native = { onRequest: () => {} };
  const t = await begin(scope, 'percent = 100', { native, route: 'deadline = "1s"' });
  assert.equal((await fetch(t.banyan.url, { agent: false })).status, 200);
  assert.ok(Number(t.native.heads[0].get(field)) <= 500);
  assert.ok(Number(t.legacy.heads[0].get(field)) <= 500, 'half of it is gone');
});

test('a server that hangs until the deadline is ejected as if it had failed', async (scope) => {
  const hangs = await heads(scope, () => {});
  const well = await heads(scope);
  const banyan = await start(
    scope,
    `[upstream.app]
servers = [${hangs.quoted}, ${well.quoted}]
ejection = { failures = 2, time = "1m" }
[[route]]
path = "/*"
target = "upstream.app"
deadline = "200ms"`,
  );
  const ejected = async () =>
    (await banyan.admin('/upstreams')).json.upstreams[0].servers.find(({ address }) => address === hangs.host)
      .ejected;
  await until(async () => {
    await get(banyan);
    return ejected();
  }, 'the ejection');
  for (let count = 0; count < 8; count += 1) assert.equal((await get(banyan)).status, 200);
});

test('the pause before a retry ends before the deadline, or there is no retry', async (scope) => {
  const dead = `127.0.0.1:${await freePort()}`;
  const banyan = await startInFrontOf(scope, dead, {
    upstream: 'retry = { attempts = 3, budget = 100, backoff = "1m", backoff_max = "1m" }',
    route: 'deadline = "1s"',
  });
  const answer = await get(banyan);
  assert.equal(answer.status, 502, 'what is wrong, not that it took too long');
  assert.match(answer.headers['proxy-status'], /error=connection_refused/);
});

test('every attempt is told what is left for it', async (scope) => {
  const seen = [];
  const backend = await record(scope, {
    onRequest: (request, connection) => {
      seen.push(Number(request.get(field)));
      connection.end();
    },
  });
  const { port } = await startInFrontOf(scope, backend.address, {
    upstream: 'retry = { attempts = 4, budget = 100, backoff = "40ms", backoff_max = "40ms" }',
    route: 'deadline = "10s"',
  });
  assert.equal((await fetch(`http://127.0.0.1:${port}/`, { agent: false })).status, 502);
  assert.equal(seen.length, 5);
  assert.deepEqual(
    [...seen].sort((a, b) => b - a),
    seen,
  );
  assert.ok(seen.at(-1) < seen[0], `${seen}`);
});

// Two servers, the first of which answers `status` with Retry-After.
async function oneThatAsks(scope, status, keys, retryAfter = '30') {
  const asks = await heads(scope, (request, response) =>
    response.writeHead(status, { 'Retry-After': retryAfter }).end(),
  );
  const well = await heads(scope);
  const text = `[upstream.app]
servers = [${asks.quoted}, ${well.quoted}]
${keys}
[[route]]
path = "/*"
target = "upstream.app"`;
  const banyan = await start(scope, text, { workers: 3 });
  const shown = async () =>
    (await banyan.admin('/upstreams')).json.upstreams[0].servers.find(({ address }) => address === asks.host);
  return { banyan, asks, well, shown };
}

test('a server that answers 503 with Retry-After is left alone, by all workers', async (scope) => {
  const { banyan, asks, shown } = await oneThatAsks(scope, 503, '');
  await until(async () => (await get(banyan)).status === 503, 'the answer');
  const { ejected, ejected_seconds: seconds } = await shown();
  assert.ok(ejected && seconds > 20 && seconds <= 30, `${seconds} s`);
  for (let count = 0; count < 30; count += 1) assert.equal((await get(banyan)).status, 200);
  assert.equal(asks.seen.length, 1);
  await banyan.said(/answered 503 and is left alone for 30 s, as it asks/);
});

test('Retry-After is bounded, may be a date, and is heeded for 429 where that is said', async (scope) => {
  const bounded = await oneThatAsks(scope, 503, 'ejection = { time = "1s", time_max = "10s" }', '86400');
  await until(async () => (await get(bounded.banyan)).status === 503, 'the answer');
  assert.ok((await bounded.shown()).ejected_seconds <= 10);

  const date = new Date(Date.now() + 60_000).toUTCString();
  const dated = await oneThatAsks(scope, 429, 'ejection = { retry_after = [429] }', date);
  await until(async () => (await get(dated.banyan)).status === 429, 'the answer');
  assert.ok((await dated.shown()).ejected_seconds > 40);

  const client = await oneThatAsks(scope, 429, '');
  await until(async () => (await get(client.banyan)).status === 429, 'the answer');
  assert.equal((await client.shown()).ejected, false, 'one client above its limit takes no server away');
});

test('the last server is asked whatever it says, and the client is told', async (scope) => {
  const asks = await heads(scope, (request, response) =>
    response.writeHead(503, { 'Retry-After': '77' }).end(),
  );
  const banyan = await startInFrontOf(scope, asks.host);
  for (let count = 1; count <= 6; count += 1) {
    const answer = await get(banyan);
    assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '77']);
    assert.equal(asks.seen.length, count);
  }
});
