// What keeps a sick or overloaded server from hurting clients: ejection, circuit breaker, limits, slow start.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { start } from './lib/banyan.js';
import { fetch, run } from './lib/client.js';
import { freePort, serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { pause, until } from './lib/wait.js';

const toApp = '[[route]]\npath = "/*"\ntarget = "upstream.app"\n';
const app = (servers, keys) => `[upstream.app]\nservers = [${servers}]\n${keys}\n${toApp}`;

// A server that answers its name with a status that the test can change, after a pause if it likes.
async function named(scope, name) {
  const backend = { name, status: 200, hits: 0, busy: 0, mostBusy: 0, held: [] };
  backend.hold = false;
  backend.server = await serveHttp(scope, (request, response) => {
    backend.hits += 1;
    backend.busy += 1;
    backend.mostBusy = Math.max(backend.mostBusy, backend.busy);
    const answer = () => {
      backend.busy -= 1;
      response.writeHead(backend.status).end(name);
    };
    if (backend.hold) backend.held.push(answer);
    else answer();
  });
  backend.quoted = `"${backend.server.host}"`;
  return backend;
}

async function upstreams(banyan) {
  return (await banyan.admin('/upstreams')).json.upstreams;
}

const server = async (banyan, backend) =>
  (await upstreams(banyan))[0].servers.find(({ address }) => address === backend.server.host);

async function many(banyan, count, path = '/') {
  const answers = [];
  for (let i = 0; i < count; i += 1) answers.push(await fetch(`${banyan.url}${path}`, { agent: false }));
  return answers;
}

test('an ejection counts in all workers, is shown, and survives a reload', async (scope) => {
  const sick = await named(scope, 'sick');
  const well = await named(scope, 'well');
  sick.status = 503;
  const text = (keys) =>
    app(`${sick.quoted}, ${well.quoted}`, `ejection = { failures = 3, time = "1m" }\n${keys}`);
  const banyan = await start(scope, text(''), { workers: 3 });
  await until(async () => {
    await many(banyan, 4);
    return (await server(banyan, sick)).ejected;
  }, 'the ejection');
  assert.equal((await server(banyan, sick)).ejections, 1);
  assert.ok((await server(banyan, sick)).ejected_seconds > 30);
  const { hits } = sick;
  for (const { status } of await many(banyan, 40)) assert.equal(status, 200);
  await banyan.reconfigure(text('resolve = "1m"'));
  for (const { status } of await many(banyan, 40)) assert.equal(status, 200);
  assert.equal(sick.hits, hits, 'no worker asked it');
  const { text: metrics } = await banyan.admin('/metrics');
  assert.match(metrics, new RegExp(`banyan_upstream_server_ejected{upstream="app",server=${sick.quoted}} 1`));
  assert.match((await banyan.ctl('upstream', 'list')).stdout, new RegExp(`${sick.server.host} +ejected`));
});

test('the last server is never ejected, not even when the others are down by order', async (scope) => {
  const one = await named(scope, 'one');
  const two = await named(scope, 'two');
  const banyan = await start(
    scope,
    app(`${one.quoted}, ${two.quoted}`, 'ejection = { failures = 2, time = "1m", max_percent = 100 }'),
  );
  await banyan.ctl('upstream', 'down', 'app', two.server.host);
  one.status = 503;
  for (const { status } of await many(banyan, 12)) assert.equal(status, 503);
  assert.equal((await server(banyan, one)).ejected, false);
  one.status = 200;
  for (const { text } of await many(banyan, 4)) assert.equal(text, 'one');
});

test('the circuit breaker opens, answers at once, tries, and closes', async (scope) => {
  const backend = await named(scope, 'app');
  const breaker = 'breaker = { requests = 5, window = "10s", time = "300ms", time_max = "300ms", trials = 2 }';
  const banyan = await start(scope, app(backend.quoted, breaker), { workers: 2 });
  backend.status = 502;
  const state = async () => (await upstreams(banyan))[0].breaker.state;
  await until(async () => {
    await many(banyan, 3);
    return (await state()) === 'open';
  }, 'the breaker to open');
  const { hits } = backend;
  const refused = await until(async () => {
    const [answer] = await many(banyan, 1);
    return answer.status === 503 && answer;
  }, 'a request that is not let through');
  assert.ok(Number(refused.headers['retry-after']) >= 1);
  assert.ok(backend.hits <= hits + 4, 'only trials came through');
  assert.match((await banyan.admin('/metrics')).text, /banyan_upstream_breaker_openings_total{upstream="app"} /);
  backend.status = 200;
  await until(async () => (await many(banyan, 1))[0].status === 200, 'a trial');
  await until(async () => {
    await many(banyan, 1);
    return (await state()) === 'closed';
  }, 'the breaker to close');
  for (const { status } of await many(banyan, 10)) assert.equal(status, 200);
  await banyan.said(/upstream app: the circuit breaker opens/);
  await banyan.said(/upstream app: the circuit breaker closes/);
});

test('a rollout whose native side has an open breaker goes to legacy', async (scope) => {
  const legacy = await named(scope, 'legacy');
  const native = await named(scope, 'native');
  native.status = 503;
  const banyan = await start(
    scope,
    `[upstream.legacy]
servers = [${legacy.quoted}]
[upstream.native]
servers = [${native.quoted}]
breaker = { requests = 5, time = "1m" }
[rollout.move]
legacy = "upstream.legacy"
native = "upstream.native"
percent = 100
fallback = false
[[route]]
path = "/*"
target = "rollout.move"`,
  );
  await until(async () => (await many(banyan, 2)).every(({ text }) => text === 'legacy'), 'legacy to answer');
  const { hits } = native;
  for (const { text } of await many(banyan, 20)) assert.equal(text, 'legacy');
  assert.equal(native.hits, hits);
});

test('max_connections holds over all workers, and who waits is served in the end', async (scope) => {
  const backend = await named(scope, 'app');
  backend.hold = true;
  const limited = `{ address = ${backend.quoted}, max_connections = 3 }`;
  const banyan = await start(scope, app(limited, 'limits = { queue = "20s" }'), { workers: 4 });
  const agent = new http.Agent({ maxSockets: 40 });
  const answers = Array.from({ length: 40 }, () => fetch(banyan.url, { agent }));
  let served = 0;
  while (served < 40) {
    await until(() => backend.held.length > 0, 'a request at the backend');
    backend.held.shift()();
    served += 1;
  }
  for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
  assert.equal(backend.mostBusy, 3);
  assert.equal((await server(banyan, backend)).max_connections, 3);
});

test('the line is bounded in length and time, and says when to come back', async (scope) => {
  const backend = await named(scope, 'app');
  backend.hold = true;
  const limited = `{ address = ${backend.quoted}, max_connections = 1 }`;
  const banyan = await start(scope, app(limited, 'limits = { pending = 1, queue = "300ms" }'), { workers: 1 });
  const first = fetch(banyan.url, { agent: false });
  await until(() => backend.held.length === 1, 'the first request');
  const others = await Promise.all([
    fetch(banyan.url, { agent: false }),
    fetch(banyan.url, { agent: false }),
  ]);
  for (const { status, headers } of others) {
    assert.equal(status, 503);
    assert.ok(Number(headers['retry-after']) >= 1);
  }
  backend.held[0]();
  assert.equal((await first).status, 200);
  assert.match((await banyan.admin('/metrics')).text, /banyan_upstream_pending_timeouts_total{upstream="app"} 1/);
});

test('the time in the line ends when the request leaves it', async (scope) => {
  const backend = await named(scope, 'app');
  backend.hold = true;
  const limited = `{ address = ${backend.quoted}, max_connections = 1 }`;
  const banyan = await start(scope, app(limited, 'limits = { queue = "700ms" }'), { workers: 1 });
  const post = () => fetch(banyan.url, { method: 'POST', body: 'x', agent: false });
  const first = post();
  await until(() => backend.held.length === 1, 'the first request');
  const second = post();
  await until(async () => (await banyan.metric('banyan_upstream_pending{upstream="app"}')) === 1, 'the second to wait');
  backend.held[0]();
  await until(() => backend.held.length === 2, 'the second to be asked');
  await pause(1000);
  backend.held[1]();
  assert.deepEqual([(await first).status, (await second).status], [200, 200]);
});

test('kept connections that the server closes at once cost no request', async (scope) => {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      setTimeout(() => socket.end(), 1);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.after(() => server.close());
  const banyan = await start(scope, app(`"127.0.0.1:${server.address().port}"`, ''), { workers: 1 });
  const answers = await many(banyan, 300);
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
});

test('a request whose answer had begun is not sent again', async (scope) => {
  let asked = 0;
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      asked += 1;
      socket.write('HTTP/1.1 200 OK\r\nX-Begun: ');
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.after(() => server.close());
  const keys = 'timeouts = { response = "300ms" }';
  const banyan = await start(scope, app(`"127.0.0.1:${server.address().port}"`, keys), { workers: 1 });
  assert.equal((await fetch(banyan.url, { agent: false })).status, 504);
  assert.equal(asked, 1);
});

test('a place that a killed worker had taken is free again', async (scope) => {
  const backend = await named(scope, 'app');
  backend.hold = true;
  const limited = `{ address = ${backend.quoted}, max_connections = 1 }`;
  const banyan = await start(scope, app(limited, 'limits = { queue = "20s" }'), { workers: 2 });
  const lost = fetch(banyan.url, { agent: false }).catch(() => 'lost');
  await until(() => backend.held.length === 1, 'the first request');
  const waiting = Array.from({ length: 2 }, () => fetch(banyan.url, { agent: false }).catch(() => 'lost'));
  await until(
    async () => /banyan_upstream_pending{upstream="app"} 2/.test((await banyan.admin('/metrics')).text),
    'both to wait',
  );
  backend.hold = false;
  for (const pid of banyan.workers()) process.kill(pid, 'SIGKILL');
  assert.equal(await lost, 'lost');
  await Promise.all(waiting);
  await until(async () => (await many(banyan, 1))[0].status === 200, 'the place');
});

test('backups are used only while no other server can be', async (scope) => {
  const main = await named(scope, 'main');
  const backup = await named(scope, 'backup');
  const banyan = await start(
    scope,
    app(`${main.quoted}, { address = ${backup.quoted}, backup = true }`, ''),
  );
  for (const { text } of await many(banyan, 6)) assert.equal(text, 'main');
  await banyan.ctl('upstream', 'drain', 'app', main.server.host);
  await until(async () => (await many(banyan, 1))[0].text === 'backup', 'the backup');
  await banyan.ctl('upstream', 'up', 'app', main.server.host);
  await until(async () => (await many(banyan, 1))[0].text === 'main', 'the main server');
});

test('slow start: a server that comes back gets less than its share at first', async (scope) => {
  const one = await named(scope, 'one');
  const two = await named(scope, 'two');
  const banyan = await start(scope, app(`${one.quoted}, ${two.quoted}`, 'slow_start = "1h"'), { workers: 1 });
  await many(banyan, 10);
  assert.equal(two.hits, 5);
  await banyan.ctl('upstream', 'down', 'app', two.server.host);
  await banyan.ctl('upstream', 'up', 'app', two.server.host);
  two.hits = 0;
  await many(banyan, 44);
  assert.equal(two.hits, 4, 'a tenth of the share of the other');
});

test('TCP health checks', async (scope) => {
  const port = await freePort();
  const well = await named(scope, 'well');
  const health = 'health = { type = "tcp", interval = "100ms", timeout = "100ms", fall = 2, rise = 2 }';
  const banyan = await start(scope, app(`"127.0.0.1:${port}", ${well.quoted}`, health));
  const state = async () => {
    const [{ servers }] = await upstreams(banyan);
    return servers.map(({ health: word }) => word).join();
  };
  await until(async () => (await state()) === 'unhealthy,healthy', 'the probes to tell');
  for (const { text } of await many(banyan, 6)) assert.equal(text, 'well');
  const late = http.createServer((request, response) => response.end('late'));
  await new Promise((resolve) => {
    late.listen(port, '127.0.0.1', resolve);
  });
  scope.after(() => {
    late.closeAllConnections();
    return new Promise((resolve) => {
      late.close(resolve);
    });
  });
  await until(async () => (await state()) === 'healthy,healthy', 'the server to be back');
  await until(async () => (await many(banyan, 1))[0].text === 'late', 'its share');
});

test('a unix server that nobody listens on costs no request', async (scope) => {
  const live = await named(scope, 'live');
  const banyan = await start(scope, (self) =>
    app(`"unix:${self.folder}/nobody.sock", ${live.quoted}`, '[upstream.app.ejection]\nfailures = 100000'),
  );
  for (let i = 0; i < 20; i += 1) assert.equal((await fetch(banyan.url, { method: 'POST' })).text, 'live');
  const [{ servers }] = await upstreams(banyan);
  assert.ok(servers.some(({ address }) => address.startsWith('unix:')));
});

test('descriptors that Banyan lacks are not taken for a fault of the server', async (scope) => {
  const [one, two] = [await named(scope, 'one'), await named(scope, 'two')];
  const keys = 'keepalive = { connections = 0 }\n[upstream.app.ejection]\nfailures = 1\n[upstream.app.breaker]\nrequests = 2';
  const banyan = await start(scope, app(`${one.quoted}, ${two.quoted}`, `${keys}\n[overload]\ndescriptors = 0`), {
    workers: 1,
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  scope.after(() => agent.destroy());
  assert.equal((await fetch(banyan.url, { agent })).status, 200);
  const [pid] = banyan.workers();
  const limit = async (value) => {
    const { code, stderr } = await run('prlimit', ['--pid', String(pid), `--nofile=${value}:`]);
    assert.equal(code, 0, stderr);
  };
  // The connection to the server is not kept: its descriptor is free once the server saw its end.
  await until(() => one.server.sockets.size + two.server.sockets.size === 0, 'the connections to end');
  // A look of the worker at how many are left opens one for a moment.
  const looks = [1, 2, 3].map(() => fs.readdirSync(`/proc/${pid}/fd`).map(Number));
  const open = looks[0].filter((fd) => looks.every((look) => look.includes(fd)));
  const before = fs.readFileSync(`/proc/${pid}/limits`, 'utf8').match(/Max open files +(\d+)/)[1];
  let lowest = 0;
  while (open.includes(lowest)) lowest += 1;
  await limit(lowest);
  for (let i = 0; i < 5; i += 1) assert.equal((await fetch(banyan.url, { agent })).status, 503);
  await limit(before);
  assert.equal((await fetch(banyan.url, { agent })).status, 200);
  const [group] = await upstreams(banyan);
  assert.ok(group.servers.every(({ ejected }) => !ejected), JSON.stringify(group));
});
