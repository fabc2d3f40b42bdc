// A worker whose loop does not turn any more is found by the master, named, and replaced.

import assert from 'node:assert/strict';
import path from 'node:path';
import { repository, start } from './lib/banyan.js';
import { fetch, run } from './lib/client.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

// A handler that computes for ever when it is asked for /spin. With options, it takes a worker very long to
// prepare.
const source = `#include "handler/abi.h"
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
static const banyan_host* banyan;
static int self;
static void* create(const banyan_host* host, banyan_setup* setup) {
  char name[16] = "";
  banyan = host;
  prctl(PR_GET_NAME, name);
  if (banyan->option_count(setup) > 0 && strncmp(name, "banyan: worker", 14) == 0) sleep(35);
  return &self;
}
static void* open_call(void* handler, banyan_call* call) {
  (void)handler;
  banyan_text path = banyan->path(call);
  volatile int round = 0;
  while (path.size == 5 && memcmp(path.data, "/spin", 5) == 0) ++round;
  banyan->respond(call, 204, 0, 0, 0);
  banyan->end(call);
  return 0;
}
static void ready(void* session, uint32_t events) { (void)session, (void)events; }
static void nothing(void* object) { (void)object; }
BANYAN_EXPORT const banyan_handler_table banyan_handler = {
    sizeof(banyan_handler_table), BANYAN_ABI_VERSION, create, open_call, ready, nothing, nothing};
`;

const text = (self, body) => `[handler.spin]
type = "shared_object"
path = "${self.folder}/spin.so"
[[route]]
path = "/spin"
target = "handler.spin"
[[route]]
path = "/*"
reply = { body = "${body}" }
`;

const startSpinning = (scope, workers) =>
  start(scope, (self) => text(self, 'one'), {
    workers,
    files: { 'spin.c': source },
    prepare: async (folder) => {
      const file = (name) => path.join(folder, name);
      const include = path.join(repository, 'proxy');
      const built = await run('cc', ['-shared', '-fPIC', '-I', include, '-o', file('spin.so'), file('spin.c')]);
      assert.equal(built.code, 0, built.stderr);
    },
  });

const spin = (banyan) => fetch(`${banyan.url}/spin`, { agent: false }).catch(() => 'lost');

test('a worker that is stuck is named and replaced; the others serve', async (scope) => {
  const banyan = await startSpinning(scope, 3);
  const before = banyan.workers();
  const lost = spin(banyan);
  const [, pid] = await until(
    () => banyan.errorLog().match(/worker \d \(process (\d+)\) is stuck: its loop has not turned for/),
    'the master to notice',
    20_000,
  );
  assert.ok(before.includes(Number(pid)));
  assert.equal(await lost, 'lost');
  await until(() => banyan.workers().length === 3 && !banyan.workers().includes(Number(pid)), 'another one');
  await until(async () => (await banyan.admin('/readyz')).status === 200, 'all to be ready');
  for (let i = 0; i < 20; i += 1) assert.equal((await fetch(banyan.url, { agent: false })).status, 200);
  assert.match((await banyan.admin('/metrics')).text, /^banyan_worker_stuck_total 1$/m);
});

test('a reload goes on without a worker that is stuck, and with its replacement', async (scope) => {
  const banyan = await startSpinning(scope, 2);
  const before = banyan.workers();
  const lost = spin(banyan);
  // What a stuck one is asked it does not begin; how long it may take is not waited for.
  banyan.configure(text(banyan, 'two'));
  const began = performance.now();
  const { code, stderr } = await banyan.order('reload');
  assert.equal(code, 0, stderr);
  assert.ok(performance.now() - began < 25_000, 'before the time for a reload is over');
  assert.equal(await lost, 'lost');
  await banyan.said(/worker \d \(process \d+\) is stuck/);
  await until(() => banyan.workers().length === 2, 'another one');
  assert.equal(banyan.workers().filter((pid) => before.includes(pid)).length, 1);
  await until(async () => (await banyan.admin('/readyz')).status === 200, 'all to be ready');
  for (let i = 0; i < 20; i += 1) assert.equal((await fetch(banyan.url, { agent: false })).text, 'two');
});

test('a reload that takes a worker too long to prepare is refused, and the worker is named', async (scope) => {
  const banyan = await startSpinning(scope, 1);
  banyan.configure(text(banyan, 'two').replace('path =', 'options = { slow = "yes" }\npath ='));
  const { code, stderr } = await banyan.ctl('reload');
  assert.equal(code, 1, stderr);
  assert.match(stderr, /worker 0 did not prepare the configuration within 30 s/);
  await until(async () => (await fetch(banyan.url, { agent: false })).text === 'one', 'it to serve', 20_000);
});
