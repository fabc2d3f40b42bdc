// A worker whose loop does not turn any more is found by the master, named, and replaced.

import assert from 'node:assert/strict';
import path from 'node:path';
import { repository, start } from './lib/banyan.js';
import { fetch, run } from './lib/client.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

// A handler that computes for ever when it is asked for /spin.
const source = `#include "handler/abi.h"
#include <string.h>
static const banyan_host* banyan;
static int self;
static void* create(const banyan_host* host, banyan_setup* setup) {
  (void)setup;
  banyan = host;
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

test('a worker that is stuck is named and replaced; the others serve', async (scope) => {
  const banyan = await start(
    scope,
    (self) => `[handler.spin]
type = "shared_object"
path = "${self.folder}/spin.so"
[[route]]
path = "/spin"
target = "handler.spin"
[[route]]
path = "/*"
reply = { status = 204 }
`,
    {
      workers: 3,
      files: { 'spin.c': source },
      prepare: async (folder) => {
        const file = (name) => path.join(folder, name);
        const include = path.join(repository, 'proxy');
        const built = await run('cc', ['-shared', '-fPIC', '-I', include, '-o', file('spin.so'), file('spin.c')]);
        assert.equal(built.code, 0, built.stderr);
      },
    },
  );
  const before = banyan.workers();
  const lost = fetch(`${banyan.url}/spin`, { agent: false }).catch(() => 'lost');
  const [, pid] = await until(
    () => banyan.errorLog().match(/worker \d \(process (\d+)\) is stuck: its loop has not turned for/),
    'the master to notice',
    20_000,
  );
  assert.ok(before.includes(Number(pid)));
  assert.equal(await lost, 'lost');
  await until(() => banyan.workers().length === 3 && !banyan.workers().includes(Number(pid)), 'another one');
  await until(async () => (await banyan.admin('/readyz')).status === 200, 'all to be ready');
  for (let i = 0; i < 20; i += 1) assert.equal((await fetch(banyan.url, { agent: false })).status, 204);
  assert.match((await banyan.admin('/metrics')).text, /^banyan_worker_stuck_total 1$/m);
});
