// The whole story of a rollout: the legacy Node service serves, its native successor is rolled out by
// schedule, goes bad on the way, the gate notices, traffic goes back; and everything tells of it afterwards.

import assert from 'node:assert/strict';
import http from 'node:http';
import { start } from './lib/banyan.js';
import { fetch } from './lib/client.js';
import { startLegacy } from './lib/legacy.js';
import { serveHttp } from './lib/servers.js';
import { pause, until } from './lib/wait.js';
import { test } from './lib/test.js';

// The successor answers like legacy, until it is told to behave otherwise.
async function successor(scope) {
  const service = { served: 0, behave: undefined };
  const server = await serveHttp(scope, async (request, response) => {
    service.served += 1;
    if (service.behave) await service.behave(response);
    if (response.writableEnded) return;
    response.setHeader('Content-Type', 'application/json');
    response.end('[{"id":1,"item":"tea","quantity":2}]');
  });
  return Object.assign(service, { host: server.host });
}

// Clients with identities of their own, each asking now and then, until the end of the test. Collects what
// they got since the last take().
function crowd(scope, url) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 12 });
  let results = [];
  let stopping = false;
  let next = 0;
  const client = async () => {
    while (!stopping) {
      next += 1;
      const headers = { 'X-User': `user-${next % 5000}` };
      const { status } = await fetch(`${url}/api/orders`, { agent, headers }).catch((error) => ({
        status: error.code,
      }));
      results.push(status);
      await pause(2);
    }
  };
  const clients = Array.from({ length: 12 }, client);
  scope.after(async () => {
    stopping = true;
    await Promise.all(clients);
    agent.destroy();
  });
  return {
    take() {
      const taken = results;
      results = [];
      return taken;
    },
  };
}

async function begin(scope, keys) {
  const legacy = await startLegacy(scope);
  const native = await successor(scope);
  const events = [];
  const hook = await serveHttp(scope, (request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      events.push(JSON.parse(body));
      response.end();
    });
  });
  const banyan = await start(
    scope,
    `[upstream.node]
servers = ["${legacy.host}"]
[upstream.successor]
servers = ["${native.host}"]
[rollout.orders]
legacy = "upstream.node"
native = "upstream.successor"
sticky = ["header:X-User"]
on_event = { url = "http://${hook.host}/" }
${keys}
[[route]]
name = "orders"
path = "/api/orders"
target = "rollout.orders"
[[route]]
path = "/*"
target = "upstream.node"
`,
  );
  const look = async () => (await banyan.admin('/rollouts/orders')).json;
  const reaches = (state, percent, limit) =>
    until(
      async () => {
        const now = await look();
        return now.state === state && now.percent === percent && now;
      },
      `${state} at ${percent}%`,
      limit,
    );
  const journal = async () => {
    const { entries } = (await banyan.admin('/journal?limit=100&rollout=orders')).json;
    return entries.reverse();
  };
  return { banyan, legacy, native, events, look, reaches, journal };
}

const patience = { timeout: 120_000 };

test('a successor that begins to fail is caught by the gate and rolled back', patience, async (scope) => {
  const { banyan, native, events, reaches, journal } = await begin(
    scope,
    `steps = [{ percent = 20, hold = "3s" }, { percent = 50, hold = "1h" }, { percent = 100 }]
soak = "1h"
gate = { min_requests = 50, window = "5s", error_rate_increase = 1 }
on_fail = "rollback"`,
  );
  const clients = crowd(scope, banyan.url);

  // The first step holds for its time, the gate passes, the second comes by itself.
  await reaches('holding', 20);
  const began = performance.now();
  await reaches('holding', 50, 30_000);
  assert.ok(performance.now() - began > 1500, 'not before its time');
  assert.ok(
    clients.take().every((status) => status === 200),
    'nobody has noticed anything',
  );
  await until(() => native.served > 200, 'the successor to have its share');

  // One answer in three is an error from here on.
  let count = 0;
  native.behave = (response) => {
    count += 1;
    if (count % 3 === 0) response.writeHead(500).end('broken');
  };
  await reaches('rolled_back', 0, 30_000);
  await until(async () => {
    const before = native.served;
    clients.take();
    await until(() => clients.take().length > 0, 'further requests');
    return native.served === before;
  }, 'the successor to be left alone');
  clients.take();
  const served = native.served;
  let after = [];
  await until(() => (after = after.concat(clients.take())).length > 200, 'the clients to go on');
  assert.ok(
    after.every((status) => status === 200),
    'legacy serves everybody again',
  );
  assert.equal(native.served, served, 'nobody is sent to the successor any more');

  // The journal.
  const entries = await journal();
  const story = entries.map(({ old, new: next, new_state: state }) => [old, next, state]);
  assert.deepEqual(story.at(-1).slice(1), [0, 'rolled_back'], JSON.stringify(story));
  const shares = story.map(([, next]) => next).filter((next, i, all) => next !== all[i - 1]);
  assert.deepEqual(shares, [0, 20, 50, 0], JSON.stringify(story));
  const moved = (percent) => entries.find(({ old, new: next }) => old !== next && next === percent);
  assert.deepEqual([moved(50).verdict, moved(0).verdict], ['pass', 'fail']);
  const last = entries.at(-1);
  assert.equal(last.who, 'schedule');
  assert.ok(last.numbers && Object.keys(last.numbers).length > 0, JSON.stringify(last));

  // Whoever was told, was told the same.
  await until(() => events.some(({ new_state: state }) => state === 'rolled_back'), 'the webhook');
  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    entries.map(({ sequence }) => sequence).filter((sequence) => sequence >= events[0].sequence),
  );

  // The metrics.
  const { text: metrics } = await banyan.admin('/metrics');
  assert.match(metrics, /^banyan_rollout_percent\{rollout="orders"\} 0$/m);
  assert.match(metrics, /^banyan_rollout_state\{rollout="orders",state="rolled_back"\} 1$/m);
  const failed = /^banyan_http_requests_total\{route="orders",side="(\w+)",.*code="500"\} (\d+)$/gm;
  const errors = [...metrics.matchAll(failed)].map(([, side, number]) => [side, Number(number)]);
  assert.equal(errors.length, 1);
  assert.ok(errors[0][0] === 'native' && errors[0][1] > 10, JSON.stringify(errors));

  // The logs, and what an operator asks for.
  await banyan.said(/rollout orders: rollback, 50% to 0%, .*native is worse: error rate/);
  const broken = banyan.accessLog().filter(({ status }) => status === 500);
  assert.ok(broken.length > 10);
  assert.ok(broken.every(({ side, rollout }) => side === 'native' && rollout === 'orders'));
  const shown = await banyan.ctl('rollout', 'show', 'orders');
  assert.match(shown.stdout, /rolled_back/);
  assert.match((await banyan.ctl('journal', 'orders')).stdout, /schedule/);
  assert.match((await banyan.ctl('top', '--once', '--interval', '0.3')).stdout, /orders +0% +rolled_back/);
});

test('a successor that becomes slow goes one step back', patience, async (scope) => {
  const { banyan, native, reaches, journal } = await begin(
    scope,
    `steps = [{ percent = 30, hold = "4s" }, { percent = 60, hold = "1h" }, { percent = 100 }]
soak = "1h"
gate = { min_requests = 50, window = "5s", p99_ratio = 3 }
on_fail = "step_back"`,
  );
  const clients = crowd(scope, banyan.url);
  await reaches('holding', 60, 30_000);
  native.behave = () => pause(150);
  await until(
    async () => (await banyan.admin('/rollouts/orders')).json.percent === 30,
    'the step back',
    60_000,
  );
  assert.ok(clients.take().every((status) => status === 200));
  const entry = (await journal()).find(({ new: next, verdict }) => next === 30 && verdict === 'fail');
  assert.ok(entry, 'the journal says why');
});
