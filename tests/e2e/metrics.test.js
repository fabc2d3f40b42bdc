// What Prometheus itself says of /metrics.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { repository } from './lib/banyan.js';
import { fetch } from './lib/client.js';
import { begin, users } from './lib/sides.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

// promtool of the system, or the one that `./test.sh install` has fetched.
function promtool(args, input) {
  const own = path.join(repository, '.cache/promtool');
  const run = spawnSync(fs.existsSync(own) ? own : 'promtool', args, { input, encoding: 'utf8' });
  assert.equal(run.error, undefined, `no promtool (./test.sh install gets it): ${run.error}`);
  return run;
}

const script = `return { route = function(request)
  if request.path == "/lua" then return { side = "native" } end
end }
`;

test('promtool check metrics has nothing to say', async (scope) => {
  const refuse = (request, connection) =>
    connection.write(
      request.target === '/fails'
        ? 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n'
        : 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    );
  const { banyan, shareOf } = await begin(
    scope,
    'percent = 50\nforce = { header = "X-Side", from = ["127.0.0.0/8"] }',
    {
      native: { onRequest: refuse },
      upstream: 'health = { path = "/healthz", interval = "200ms", timeout = "100ms" }',
      route: 'limit = { rate = "1000/s", burst = 1000 }',
      more: `[rollout.s]
legacy = "upstream.old"
native = "upstream.new"
steps = [{ percent = 10, hold = "1h" }, { percent = 100 }]
gate = { min_requests = 1 }
[[route]]
path = "/s"
target = "rollout.s"
[handler.batch]
type = "batch_fetch"
origin = "http://127.0.0.1:1/none"
[[route]]
path = "/batch"
target = "handler.batch"
[lua]
routes = "routes.lua"
`,
      files: { 'routes.lua': script },
    },
  );
  await shareOf(users.slice(0, 20));
  await fetch(`${banyan.url}/lua`);
  await fetch(`${banyan.url}/fails`, { headers: { 'X-Side': 'native' } });
  await fetch(`${banyan.url}/batch`, { method: 'POST', body: '{"keys":["a"],"timeout_ms":100}' });
  await banyan.ctl('rollout', 'set', 'r', '12.5');
  const order = await banyan.order('reload');
  assert.equal(order.code, 0, order.stderr);
  const text = await until(async () => {
    const page = await banyan.admin('/metrics');
    return ['fallback_total', 'lua_calls', 'upstream_probes', 'rollout_verdict', 'reload_total'].every((name) =>
      page.text.includes(`\nbanyan_${name}`),
    ) && page.text;
  }, 'all kinds of metrics');
  const { status, stdout, stderr } = promtool(['check', 'metrics'], text);
  assert.equal(status, 0, stdout + stderr);
  assert.equal(stdout + stderr, '');
});

test('promtool would see a mistake', () => {
  const wrong = '# HELP banyan_x_total x\n# TYPE banyan_x_total gauge\nbanyan_x_total 1\n';
  assert.notEqual(promtool(['check', 'metrics'], wrong).status, 0);
});
