// Upgrades and reloads with everything open at once: keep-alive clients, TLS, WebSockets, event streams.
// BANYAN_E2E_HUGE=1: 20 upgrades, and 100 reloads with a thousand of each.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { WebSocket } from 'ws';
import { makeFolder, program, start } from './lib/banyan.js';
import { makeAuthority } from './lib/certificates.js';
import { load, run } from './lib/client.js';
import { dial, listen, service } from './lib/longlived.js';
import { freePort, serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const huge = Boolean(process.env.BANYAN_E2E_HUGE);

// Plain requests to /r, WebSockets and event streams at all other paths, by HTTP and by HTTPS.
async function startAll(scope, options = {}) {
  const { cert, key } = await (await makeAuthority(makeFolder(scope), 'ca')).issue('app', { names: ['a.test'] });
  const plain = await serveHttp(scope, (request, response) => response.end('ok'));
  const live = await service(scope, 'app');
  const tlsPort = await freePort();
  const tables = (round) => `[client]
limits = { keepalive_requests = 0 }
[upstream.plain]
servers = ["${plain.host}"]
limits = { connections = 5000 }
keepalive = { connections = 2000 }
[upstream.live]
servers = ["${live.host}"]
limits = { connections = 5000 }
[[listener]]
address = "127.0.0.1:${tlsPort}"
tls = { certificate = "${cert}", key = "${key}" }
[[route]]
path = "/r"
target = "upstream.plain"
response_headers = { set = { X-Round = "${round}" } }
[[route]]
path = "/*"
target = "upstream.live"
stream = true
`;
  const banyan = await start(scope, tables(0), options);
  const secure = { rejectUnauthorized: false };
  return {
    banyan,
    tables,
    keepAlive: (connections) => load(scope, `${banyan.url}/r`, { connections }),
    fresh: (connections) => load(scope, `${banyan.url}/r`, { connections, headers: { Connection: 'close' } }),
    secureTraffic: (connections) => new SecureLoad(scope, tlsPort, connections, secure),
  };
}

// Requests in a loop, each connection after the other by TLS; a connection is used until Banyan says "close".
class SecureLoad {
  constructor(scope, port, connections, options) {
    this.result = { sent: 0, failures: [], handshakes: 0 };
    this.stopping = false;
    scope.after(() => this.stop());
    this.loops = Array.from({ length: connections }, () => this.loop({ host: '127.0.0.1', port, ...options }));
  }

  async loop(options) {
    while (!this.stopping) {
      try {
        this.result.handshakes += 1;
        await this.connection(options);
      } catch (error) {
        this.result.failures.push(String(error));
      }
    }
  }

  // Until the answer that says close, or stop(). An end without an answer due is the idle connection's right.
  connection(options) {
    return new Promise((resolve, reject) => {
      const socket = tls.connect(options);
      let text = '';
      let waiting = false;
      const ask = () => {
        waiting = true;
        this.result.sent += 1;
        socket.write('GET /r HTTP/1.1\r\nHost: a\r\n\r\n');
      };
      socket.on('secureConnect', ask);
      socket.on('error', reject);
      socket.on('close', () => (waiting ? reject(new Error(`closed: ${text}`)) : resolve()));
      socket.on('data', (chunk) => {
        text += chunk;
        if (!text.endsWith('\r\n\r\nok')) return;
        waiting = false;
        if (!text.startsWith('HTTP/1.1 200 ')) reject(new Error(text));
        if (this.stopping || /^connection: close/im.test(text)) socket.end();
        else {
          text = '';
          ask();
        }
      });
    });
  }

  async stop() {
    this.stopping = true;
    await Promise.all(this.loops);
    return this.result;
  }
}

// A WebSocket that comes back when it is closed: {opened, codes}.
function stayConnected(scope, url) {
  const client = { opened: 0, codes: [], stopped: false, socket: undefined };
  const open = () => {
    client.socket = new WebSocket(url);
    client.socket.on('open', () => {
      client.opened += 1;
    });
    client.socket.on('error', (error) => client.codes.push(error.message));
    client.socket.on('close', (code) => {
      client.codes.push(code);
      if (!client.stopped) open();
    });
  };
  open();
  scope.after(() => {
    client.stopped = true;
    client.socket.terminate();
  });
  return client;
}

const alive = (pid) => fs.existsSync(`/proc/${pid}`);

test('upgrades: no request fails, streams are told to come back', { timeout: 600_000 }, async (scope) => {
  const count = huge ? 20 : 2;
  const { banyan, keepAlive, fresh, secureTraffic } = await startAll(scope);
  const current = () => Number(fs.readFileSync(path.join(banyan.folder, 'run/banyan.pid'), 'utf8'));
  scope.after(async () => {
    const pid = current();
    if (pid === banyan.pid) return;
    process.kill(pid, 'SIGTERM');
    await until(() => !alive(pid), 'the last master to end');
  });
  const size = huge ? 50 : 10;
  const sockets = Array.from({ length: size }, () => stayConnected(scope, `ws://127.0.0.1:${banyan.port}/`));
  const streams = Array.from({ length: size }, (_, i) => listen(scope, banyan.port, `user${i}`));
  await until(() => sockets.every(({ opened }) => opened === 1), 'the WebSockets');
  await until(() => streams.every(({ sides }) => sides.length === 1), 'the streams');
  const running = [keepAlive(8), fresh(2), secureTraffic(4)];
  for (let i = 0; i < count; i += 1) {
    const before = current();
    const { code, stderr } = await run(program, ['-c', banyan.file, '-s', 'upgrade']);
    assert.equal(code, 0, `${stderr}${banyan.errorLog()}`);
    assert.notEqual(current(), before);
    await until(() => !alive(before) || before === banyan.pid, 'the old master to end', 20_000);
  }
  await banyan.exited();
  await until(() => sockets.every(({ opened }) => opened === count + 1), 'all WebSockets to be back', 20_000);
  await until(() => streams.every(({ sides }) => sides.length === count + 1), 'all streams to be back', 20_000);
  const results = await Promise.all(running.map((each) => each.stop()));
  if (huge) console.log(JSON.stringify(results.map(({ failures, ...counts }) => ({ ...counts, failed: failures.length }))));
  assert.deepEqual(results.flatMap(({ failures }) => failures), []);
  assert.ok(results.every(({ sent }) => sent > 4));
  assert.deepEqual([...new Set(sockets.flatMap(({ codes }) => codes))], [1012]);
  assert.ok(streams.every(({ ends, retries }) => ends === count && retries.length === count));
});

test('reloads: no request fails, no connection ends', { timeout: 900_000 }, async (scope) => {
  const [count, size] = huge ? [100, 1000] : [10, 40];
  const { banyan, tables, keepAlive, secureTraffic } = await startAll(scope);
  const sockets = [];
  const streams = [];
  for (let i = 0; i < size; i += 1) {
    sockets.push(await dial(scope, banyan, `user${i}`));
    streams.push(listen(scope, banyan.port, `user${i}`));
  }
  await until(() => streams.every(({ sides }) => sides.length === 1), 'the streams', 30_000);
  const running = [keepAlive(size), secureTraffic(4)];
  const accepted = async () => /^banyan_connections_accepted_total (\d+)$/m.exec((await banyan.admin('/metrics')).text)[1];
  const all = `${3 * size + 4}`;
  await until(async () => Number(await accepted()) >= Number(all), 'every connection', 30_000);
  const before = await accepted();
  for (let round = 1; round <= count; round += 1) await banyan.reconfigure(tables(round));
  assert.equal(await accepted(), before, 'nobody had to connect again');
  const results = await Promise.all(running.map((each) => each.stop()));
  if (huge) console.log(JSON.stringify(results.map(({ failures, ...counts }) => ({ ...counts, failed: failures.length }))));
  assert.deepEqual(results.flatMap(({ failures }) => failures), []);
  assert.ok(results.every(({ sent }) => sent > 4));
  assert.ok(sockets.every(({ closed }) => closed === undefined));
  assert.ok(streams.every(({ ends }) => ends === 0));
  sockets.forEach(({ socket }) => socket.send('x'));
  await until(() => sockets.every(({ messages }) => messages.length === 1), 'every echo', 30_000);
});
