// Mixed traffic with faults for SOAK_SECONDS (30): fails when memory or descriptors of any process grow, when requests
// become slow, when hardly any of some kind succeed, or when something is left over at the end. bench/soak.sh runs it.
//
// Meanwhile the second worker is killed, the backend restarts, and the configuration is reloaded, again and again.
// The first worker is left alone: what it accumulates is what is looked for.

import assert from 'node:assert/strict';
import http from 'node:http';
import { start } from '../lib/banyan.js';
import { oddStore } from '../lib/store.js';
import { test } from '../lib/test.js';
import { pause, until } from '../lib/wait.js';
import { closeAll, kinds, timedGet } from './traffic.js';
import { descriptorsOf, growth, median, sample } from './watch.js';

const seconds = Number(process.env.SOAK_SECONDS ?? 30);
const loops = { get: 4, large: 2, post: 2, rollout: 2, batch: 2, publish: 2, stream: 4, socket: 4, slow: 2, stalled: 2, aborted: 2, nonsense: 1 };

// A Node service that can be restarted on its port.
class Backend {
  constructor() {
    this.large = Buffer.alloc(300_000, 'l');
    this.port = 0;
  }

  async start() {
    this.server = http.createServer((request, response) => {
      if (request.url === '/large') return response.end(this.large);
      if (request.url !== '/count') return response.end('ok');
      let size = 0;
      request.on('data', (chunk) => {
        size += chunk.length;
      });
      request.on('end', () => response.end(String(size)));
    });
    await until(
      () =>
        new Promise((resolve, reject) => {
          this.server.once('error', reject).listen(this.port, '127.0.0.1', () => resolve(true));
        }),
      'the backend to listen',
    );
    this.port = this.server.address().port;
  }

  async restart() {
    await this.stop();
    await this.start();
  }

  stop() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    return closed;
  }
}

const configuration = (backend, store, percent) => `
[upstream.node]
servers = ["127.0.0.1:${backend.port}"]
ejection = { failures = 1000 }
[upstream.other]
servers = ["127.0.0.1:${backend.port}"]
[handler.content]
type = "batch_fetch"
origin = "${store.origin}"
[handler.live]
type = "event_dispatch"
memory = "4m"
history = { messages = 50, age = "2s" }
[rollout.split]
legacy = "upstream.node"
native = "upstream.other"
percent = ${percent}
sticky = ["header:X-User"]
[[route]]
path = "/batch"
target = "handler.content"
[[route]]
path = "/live/*"
target = "handler.live"
[[route]]
path = "/split"
target = "rollout.split"
[[route]]
path = "/*"
target = "upstream.node"
`;

test('nothing grows', { timeout: (seconds + 90) * 1000 }, async (scope) => {
  const backend = new Backend();
  await backend.start();
  scope.after(() => backend.stop());
  const store = await oddStore(scope);
  const top = '[client]\ntimeouts = { header = "5s", body = "5s", keepalive = "2s" }\n[overload]\nloop_lag = "0s"';
  const options = { workers: 2, top };
  const banyan = await start(scope, configuration(backend, store, 10), options);
  const [steady] = banyan.workers();
  const roles = { master: banyan.pid, controller: banyan.controller(), worker: steady };
  const atRest = descriptorsOf(steady);

  const counts = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, { good: 0, bad: 0, why: '' }]));
  const end = performance.now() + seconds * 1000;
  const running = () => performance.now() < end;
  const work = async (kind) => {
    while (running()) {
      try {
        await kinds[kind](banyan.port);
        counts[kind].good += 1;
      } catch (error) {
        counts[kind].bad += 1;
        counts[kind].why = error.message;
        await pause(20); // a server that is away is not asked ten thousand times
      }
      await pause(10);
    }
  };
  const disturb = async (every, action) => {
    await pause(every / 2);
    while (running()) {
      await action();
      await pause(every);
    }
  };
  let reloads = 0;
  const faults = [
    disturb(5000, async () => {
      const victims = banyan.workers().filter((pid) => pid !== steady);
      for (const pid of victims) process.kill(pid, 'SIGKILL');
    }),
    disturb(7000, () => backend.restart()),
    disturb(4000, async () => banyan.reconfigure(configuration(backend, store, (reloads += 1) % 100))),
  ];

  const samples = [];
  const times = [];
  const watch = async () => {
    await pause(Math.min(30_000, seconds * 250)); // warm-up
    while (running()) {
      samples.push(sample(roles));
      // How much slower than the backend itself: the machine may be busy with others.
      const pair = await Promise.all([timedGet(banyan.port), timedGet(backend.port)]).catch(() => undefined);
      if (pair) times.push(pair[0] - pair[1]);
      await pause(Math.max(200, Math.min(1000, seconds * 20)));
    }
  };
  const traffic = Object.entries(loops).flatMap(([kind, count]) => Array.from({ length: count }, () => work(kind)));
  await Promise.all([...traffic, ...faults, watch()]);
  closeAll();

  const grown = growth(samples, roles);
  const quarter = Math.max(2, Math.trunc(times.length / 4));
  const [early, late] = [median(times.slice(0, quarter)), median(times.slice(-quarter))];
  const told = JSON.stringify({ counts, reloads, first: samples[0], last: samples.at(-1), early, late });
  if (process.env.SOAK_SECONDS) console.log(told);
  assert.deepEqual(grown, [], told);
  assert.ok(late < early * 3 + 50, `requests take ${late} ms more than the backend, after ${early} ms; ${told}`);
  for (const [kind, { good, bad }] of Object.entries(counts)) {
    assert.ok(good > 0 && bad < good / 5 + 10, `${kind}: ${good} good, ${bad} bad; ${told}`);
  }
  assert.ok(banyan.workers().includes(steady), 'the worker that nobody killed is gone');
  // What belonged to connections goes with them; idle ones to the backend may stay for a while.
  const left = () => descriptorsOf(steady) <= atRest + 4;
  await until(left, `${atRest} descriptors as before the traffic`, 15_000).catch((error) => {
    throw new Error(`${error.message}; there are ${descriptorsOf(steady)}; ${told}`);
  });
});
