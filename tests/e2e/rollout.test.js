// Which client gets which side: exact, sticky, monotonic, live.

import assert from 'node:assert/strict';
import { start } from './lib/banyan.js';
import { fetch, load } from './lib/client.js';
import { ask } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { freePort, serveHttp } from './lib/servers.js';
import { begin, users } from './lib/sides.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

test('exactly 0 and exactly 100, with and without a key', async (scope) => {
  const { banyan, legacy, native, send } = await begin(scope, 'percent = 0');
  const everybody = [...users.slice(0, 150), ...Array(50).fill(undefined)];
  for (const user of everybody) await send(user);
  assert.deepEqual([legacy.requests.length, native.requests.length], [200, 0]);
  assert.equal((await banyan.ctl('rollout', 'set', 'r', '100')).code, 0);
  await until(async () => (await send(undefined)) === 'native', 'all workers to see 100', 1000);
  await until(async () => (await send(undefined)) === 'native', 'all workers to see 100', 1000);
  const before = [legacy.requests.length, native.requests.length];
  for (const user of everybody) await send(user);
  assert.deepEqual([legacy.requests.length - before[0], native.requests.length - before[1]], [0, 200]);
});

test('a key has one side: in every worker, after a restart, in another instance', async (scope) => {
  const first = await begin(scope, 'percent = 50', { workers: 3 });
  const side = await first.shareOf(users);
  assert.ok(side.size > 110 && side.size < 190, `${side.size} of 300 at 50%`);
  for (let round = 0; round < 3; round += 1)
    assert.deepEqual(
      await first.shareOf(users.slice(0, 60)),
      new Set(users.slice(0, 60).filter((user) => side.has(user))),
    );
  const second = await begin(scope, 'percent = 50', { workers: 1 });
  assert.deepEqual(await second.shareOf(users), side);
  const salted = await begin(scope, 'percent = 50\nsalt = "another"');
  assert.notDeepEqual(await salted.shareOf(users), side);
});

test('raising moves nobody back, lowering moves only the newest', async (scope) => {
  const { banyan, shareOf } = await begin(scope, 'percent = 10');
  const at = new Map([[10, await shareOf(users)]]);
  for (const percent of [50, 100, 50.5, 10, 0.01]) {
    assert.equal((await banyan.ctl('rollout', 'set', 'r', String(percent), '--why', 'test')).code, 0);
    // Acknowledged is durable; all workers follow within a second.
    await until(
      async () => (await banyan.admin('/rollouts/r')).json.percent === percent,
      'the new percentage',
      1000,
    );
    at.set(percent, await settledShare(shareOf));
  }
  const within = (small, large) => [...at.get(small)].every((user) => at.get(large).has(user));
  assert.ok(within(10, 50) && within(50, 50.5) && within(50.5, 100) && within(0.01, 10));
  assert.equal(at.get(100).size, users.length);
  assert.ok(at.get(10).size > 10 && at.get(10).size < 55, `${at.get(10).size} of 300 at 10%`);
});

// The share once two looks agree (a worker may be up to a second behind).
async function settledShare(shareOf) {
  let last = await shareOf(users);
  return until(
    async () => {
      const next = await shareOf(users);
      const same = next.size === last.size && [...next].every((user) => last.has(user));
      last = next;
      return same && next;
    },
    'all workers to agree',
    20_000,
  );
}

test('a change is live in all workers within a second, under load, and to 0 exactly', async (scope) => {
  const { banyan, native } = await begin(scope, 'percent = 100', { workers: 3 });
  const running = load(scope, banyan.url, { connections: 6, headers: { Cookie: 'uid=x' } });
  await until(() => native.requests.length > 50, 'some requests');
  const { code } = await banyan.ctl('rollout', 'set', 'r', '0', '--why', 'stop');
  const changed = performance.now();
  assert.equal(code, 0);
  let count = native.requests.length;
  let last = changed;
  await until(() => {
    if (native.requests.length !== count) {
      count = native.requests.length;
      last = performance.now();
    }
    return performance.now() - changed > 1500;
  }, 'time for stray requests');
  assert.ok(last - changed < 1000, `a native request ${last - changed} ms after the change`);
  assert.deepEqual((await running.stop()).failures, []);
});

test('the live value survives reload and kill -9 of everything, until reset', async (scope) => {
  const { banyan, text } = await begin(scope, 'percent = 10');
  const percent = async () => (await banyan.admin('/rollouts/r')).json.percent;
  assert.equal(await percent(), 10);
  assert.equal((await banyan.ctl('rollout', 'set', 'r', '37.25', '--why', 'durable')).code, 0);
  await banyan.reconfigure(text.replace('percent = 10', 'percent = 20'));
  assert.equal(await percent(), 37.25);
  await banyan.killEverything();
  assert.equal(await percent(), 37.25);
  assert.equal((await banyan.ctl('rollout', 'reset', 'r')).code, 0);
  await until(async () => (await percent()) === 20, 'the value of the file');
  const journal = await banyan.ctl('journal', '--json');
  assert.equal(journal.code, 0);
  assert.match(journal.stdout, /durable/);
  assert.match(journal.stdout, /37\.25/);
});

test('orders: abort, promote, pause, resume, refused ones', async (scope) => {
  const { banyan } = await begin(scope, 'percent = 10');
  const percent = async () => (await banyan.admin('/rollouts/r')).json.percent;
  assert.equal((await banyan.ctl('rollout', 'promote', 'r')).code, 0);
  assert.equal(await percent(), 100);
  assert.equal((await banyan.ctl('rollout', 'abort', 'r')).code, 0);
  assert.equal(await percent(), 0);
  for (const wrong of ['101', '-1', 'many', '1.234']) {
    const { code, stderr } = await banyan.ctl('rollout', 'set', 'r', wrong);
    assert.ok([1, 2].includes(code), `${wrong}: ${code}`);
    assert.notEqual(stderr, '');
  }
  const unknown = await banyan.ctl('rollout', 'set', 'none', '5');
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /none/);
  assert.equal(await percent(), 0);
  assert.match((await banyan.ctl('rollout', 'list')).stdout, /\br\b/);
  assert.equal(JSON.parse((await banyan.ctl('rollout', 'show', 'r', '--json')).stdout).percent, 0);
});

test('sticky keys: the first that is present', async (scope) => {
  const { send, shareOf } = await begin(scope, 'percent = 50');
  const natives = await shareOf(users.slice(0, 40));
  for (const user of users.slice(0, 40)) {
    const expected = natives.has(user) ? 'native' : 'legacy';
    assert.equal(
      await send(undefined, { headers: { 'X-User-Id': user } }),
      expected,
      'the header says the same',
    );
    assert.equal(
      await send(user, { headers: { 'X-User-Id': 'somebody else' } }),
      expected,
      'the cookie stands first',
    );
  }
});

test('a client without a key may be given a cookie that keeps its side', async (scope) => {
  const { banyan, native } = await begin(scope, 'percent = 50\nassign_cookie = true');
  const seen = new Set();
  for (let round = 0; round < 24; round += 1) {
    const before = native.requests.length;
    const response = await fetch(banyan.url, { agent: false });
    const side = native.requests.length > before;
    seen.add(side);
    const [cookie] = (response.headers['set-cookie'] ?? []).map((text) => text.split(';')[0]);
    assert.ok(cookie, 'a cookie');
    for (let again = 0; again < 3; again += 1) {
      const count = native.requests.length;
      const next = await fetch(banyan.url, { headers: { Cookie: cookie }, agent: false });
      assert.equal(native.requests.length > count, side);
      assert.equal(next.headers['set-cookie'], undefined, 'given once');
    }
  }
  assert.equal(seen.size, 2);
});

test('force: only from whom it is allowed; the field is removed from others', async (scope) => {
  const trusted = await begin(scope, 'percent = 0\nforce = { header = "X-Side", from = ["127.0.0.0/8"] }');
  assert.equal(await trusted.send('a', { headers: { 'X-Side': 'native' } }), 'native');
  assert.equal(await trusted.send('a', { headers: { 'X-Side': 'legacy' } }), 'legacy');
  assert.equal(await trusted.send('a', { headers: { 'X-Side': 'sideways' } }), 'legacy');
  const strangers = await begin(scope, 'percent = 0\nforce = { header = "X-Side", from = ["10.0.0.0/8"] }');
  assert.equal(await strangers.send('a', { headers: { 'X-Side': 'native' } }), 'legacy');
  assert.equal(strangers.legacy.last.get('x-side'), undefined);
});

test('fallback: native fails before an answer, legacy answers what is safe to repeat', async (scope) => {
  const failures = {
    502: (request, connection) => connection.write('HTTP/1.1 502 Bad\r\nContent-Length: 3\r\n\r\nbad'),
    503: (request, connection) => connection.write('HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nbad'),
    reset: (request, connection) => connection.reset(),
  };
  for (const [name, onRequest] of Object.entries(failures)) {
    const { banyan, legacy, native } = await begin(scope, 'percent = 100', { native: { onRequest } });
    const got = await fetch(`${banyan.url}/g`, { agent: false });
    assert.deepEqual([got.status, got.text], [200, 'ok\n'], name);
    const entry = await banyan.logged(({ uri }) => uri === '/g');
    assert.ok(entry.fallback, JSON.stringify(entry));
    const posted = await fetch(`${banyan.url}/p`, { method: 'POST', body: 'x', agent: false });
    assert.ok(posted.status >= 500, `${name}: a POST that was handed over is not repeated`);
    assert.ok(!legacy.requests.some(({ target }) => target === '/p'));
    assert.ok(native.requests.some(({ target }) => target === '/p'));
    const put = await fetch(`${banyan.url}/put`, { method: 'PUT', body: 'whole body', agent: false });
    assert.equal(put.status, 200, name);
    assert.equal(String(legacy.last.body), 'whole body');
    const metrics = (await banyan.admin('/metrics')).text;
    assert.match(metrics, /^banyan_fallback_total\{[^}]*\} [1-9]/m);
  }
});

test('fallback: a POST of which nothing was sent goes to legacy', async (scope) => {
  const legacy = await record(scope);
  const banyan = await start(
    scope,
    `[upstream.old]
servers = ["${legacy.address}"]
[upstream.new]
servers = ["127.0.0.1:${await freePort()}"]
[rollout.r]
legacy = "upstream.old"
native = "upstream.new"
percent = 100
[[route]]
path = "/*"
target = "rollout.r"
`,
  );
  const response = await fetch(banyan.url, { method: 'POST', body: 'precious', agent: false });
  assert.equal(response.status, 200);
  assert.equal(String(legacy.last.body), 'precious');
});

test('fallback: a native side that hangs leaves time for legacy', async (scope) => {
  const { banyan } = await begin(scope, 'percent = 100', {
    native: { onRequest: () => {} },
    route: 'deadline = "3s"',
  });
  const began = performance.now();
  const response = await fetch(banyan.url, { agent: false });
  assert.equal(response.status, 200);
  assert.ok(performance.now() - began < 3000);
});

test('fallback = false leaves the failure as it is; so does an answer that has begun', async (scope) => {
  const refusing = (request, connection) =>
    connection.write('HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nbad');
  const off = await begin(scope, 'percent = 100\nfallback = false', { native: { onRequest: refusing } });
  assert.equal((await fetch(off.banyan.url, { agent: false })).status, 503);
  const half = (request, connection) => connection.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
  const begun = await begin(scope, 'percent = 100', { native: { onRequest: half } });
  await assert.rejects(ask(scope, begun.banyan.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  assert.equal(begun.legacy.requests.length, 0);
});

test('Lua may choose the side, the key, the percentage', async (scope) => {
  const script = `
local M = {}
function M.route(request)
  if request.path == "/native" then return { side = "native", reason = "rule" } end
  if request.path == "/legacy" then return { side = "legacy" } end
  if request.path == "/all" then return { percent = 100 } end
  if request.path == "/key" then return { key = request.headers["x-key"] } end
end
return M
`;
  const more = '[lua]\nroutes = "routes.lua"\n';
  const files = { 'routes.lua': script };
  const { send, banyan, shareOf } = await begin(scope, 'percent = 50', { more, files });
  const natives = await shareOf(users.slice(0, 20));
  for (const user of users.slice(0, 20)) {
    assert.equal(await send(user, { target: '/native' }), 'native');
    assert.equal(await send(user, { target: '/legacy' }), 'legacy');
    assert.equal(await send(user, { target: '/all' }), 'native');
    const expected = natives.has(user) ? 'native' : 'legacy';
    assert.equal(await send('other', { target: '/key', headers: { 'X-Key': user } }), expected);
  }
  const entry = await banyan.logged(({ uri }) => uri === '/native');
  assert.deepEqual([entry.side, entry.reason], ['native', 'lua']);
});

test('the log and the metrics say which side and why', async (scope) => {
  const { banyan, shareOf } = await begin(scope, 'percent = 50');
  const natives = await shareOf(users.slice(0, 50));
  await until(() => banyan.accessLog().length === 50, 'the log');
  const entries = banyan.accessLog();
  assert.equal(entries.filter(({ side }) => side === 'native').length, natives.size);
  assert.ok(
    entries.every(
      ({ bucket, side }) => bucket >= 0 && bucket <= 9999 && bucket < 5000 === (side === 'native'),
    ),
  );
  const { text } = await banyan.admin('/metrics');
  const counter = (side) => {
    const line = text
      .split('\n')
      .find((l) => l.startsWith('banyan_http_requests_total{') && l.includes(`side="${side}"`));
    return Number(line?.split(' ').at(-1));
  };
  assert.deepEqual([counter('native'), counter('legacy')], [natives.size, 50 - natives.size]);
  assert.match(text, /^banyan_rollout_percent\{rollout="r"\} 50$/m);
  assert.match(text, /^banyan_decisions_total\{.*reason="(cookie|hash)".*\} [1-9]/m);
});

test('a native handler beside a legacy server', async (scope) => {
  const server = await serveHttp(scope, (request, response) => response.end('legacy'));
  const banyan = await start(
    scope,
    `[upstream.old]
servers = ["${server.host}"]
[handler.new]
type = "static_reply"
status = 200
body = "native"
[rollout.r]
legacy = "upstream.old"
native = "handler.new"
percent = 50
sticky = ["header:X-User-Id"]
[[route]]
path = "/*"
target = "rollout.r"
`,
  );
  const answers = new Map();
  for (const user of users) {
    const { text } = await fetch(banyan.url, { headers: { 'X-User-Id': user } });
    answers.set(text, (answers.get(text) ?? 0) + 1);
  }
  assert.deepEqual([...answers.keys()].sort(), ['legacy', 'native']);
  assert.ok(answers.get('native') > 110 && answers.get('native') < 190);
});
