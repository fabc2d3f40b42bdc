// The admin socket, its metrics, and banyanctl.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { client, start } from './lib/banyan.js';
import { fetch, load } from './lib/client.js';
import { record } from './lib/recorder.js';
import { freePort } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

async function begin(scope, options) {
  const backend = await record(scope);
  const text = `[upstream.app]
servers = ["${backend.address}"]
[handler.hello]
type = "static_reply"
body = "hi"
[rollout.r]
legacy = "upstream.app"
native = "handler.hello"
percent = 25
sticky = ["header:X-User-Id", "client_ip"]
[[route]]
name = "split"
path = "/split"
target = "rollout.r"
[[route]]
name = "rest"
path = "/*"
target = "upstream.app"
`;
  return { backend, banyan: await start(scope, text, options) };
}

test('every page that can be read answers', async (scope) => {
  const { banyan } = await begin(scope);
  for (const page of [
    '/healthz',
    '/readyz',
    '/status',
    '/config',
    '/routes',
    '/upstreams',
    '/handlers',
    '/rollouts',
    '/rollouts/r',
    '/journal',
    '/metrics',
  ]) {
    const { status, text } = await banyan.admin(page);
    assert.equal(status, 200, page);
    assert.notEqual(text, '', page);
  }
  const unknown = await banyan.admin('/nothing');
  assert.equal(unknown.status, 404);
  assert.match(unknown.headers['content-type'], /problem\+json/);
  assert.equal((await banyan.admin('/rollouts/none')).status, 404);
  assert.equal((await banyan.admin('/status', { method: 'POST' })).status, 405);
  assert.equal((await banyan.admin('/rollouts/r/set')).status, 405, 'changes need POST');
});

test('/status knows the workers', async (scope) => {
  const { banyan } = await begin(scope);
  const { text } = await banyan.admin('/status');
  for (const pid of banyan.workers()) assert.ok(text.includes(String(pid)), text);
});

test('metrics in Prometheus format: types, no duplicates, counts that add up', async (scope) => {
  const { banyan } = await begin(scope);
  for (let count = 0; count < 20; count += 1) await fetch(`${banyan.url}/x`, { agent: false });
  await fetch(`${banyan.url}/split`, { headers: { 'X-User-Id': 'u' } });
  const metrics = await until(async () => {
    const { text } = await banyan.admin('/metrics');
    return /^banyan_http_requests_total\{.*route="rest".*\} 20$/m.test(text) && text;
  }, 'twenty requests in the metrics');
  const names = new Set();
  const series = new Set();
  for (const line of metrics.split('\n').filter(Boolean)) {
    if (line.startsWith('# TYPE ')) {
      const [, , name] = line.split(' ');
      assert.ok(!names.has(name), `${name} twice`);
      names.add(name);
    } else if (!line.startsWith('#')) {
      const match = /^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (\S+)$/.exec(line);
      assert.ok(match && !Number.isNaN(Number(match[3].replace('+Inf', 'Infinity'))), line);
      assert.match(match[1], /^banyan_/);
      assert.ok(
        names.has(match[1].replace(/_(bucket|sum|count)$/, '')) || names.has(match[1]),
        `type of ${match[1]}`,
      );
      assert.ok(!series.has(match[1] + match[2]), `${line} twice`);
      series.add(match[1] + match[2]);
    }
  }
  assert.match(metrics, /^banyan_http_request_duration_seconds_count\{.*route="rest".*\} 20$/m);
  assert.match(metrics, /^banyan_rollout_percent\{rollout="r"\} 25$/m);
  assert.match(metrics, /^banyan_upstream_\w+\{.*upstream="app".*\} /m);
});

test('explain says what the data path does', async (scope) => {
  const { banyan, backend } = await begin(scope);
  for (let number = 0; number < 20; number += 1) {
    const user = `user-${number}`;
    const { code, stdout } = await banyan.ctl(
      'explain',
      'GET',
      `${banyan.url}/split`,
      '-H',
      `X-User-Id: ${user}`,
      '--json',
    );
    assert.equal(code, 0);
    const { side, route } = JSON.parse(stdout);
    const before = backend.requests.length;
    await fetch(`${banyan.url}/split`, { headers: { 'X-User-Id': user } });
    assert.equal(side, backend.requests.length > before ? 'legacy' : 'native');
    assert.match(JSON.stringify(route), /split/);
  }
  const rest = await banyan.ctl('explain', 'GET', `${banyan.url}/other`);
  assert.match(rest.stdout, /rest/);
  const count = backend.requests.length;
  await banyan.ctl('explain', 'GET', `${banyan.url}/x`);
  assert.equal(backend.requests.length, count, 'explain sends nothing');
});

test('banyanctl: status, rollout, upstream, JSON', async (scope) => {
  const { banyan } = await begin(scope);
  for (const args of [['status'], ['rollout', 'list'], ['rollout', 'show', 'r'], ['journal']]) {
    const plain = await banyan.ctl(...args);
    assert.equal(plain.code, 0, `${args}: ${plain.stderr}`);
    const json = await banyan.ctl(...args, '--json');
    assert.doesNotThrow(() => JSON.parse(json.stdout), args.join(' '));
  }
  assert.equal((await banyan.ctl('reload')).code, 0);
});

test('TCP needs the token', async (scope) => {
  const port = await freePort();
  const { banyan } = await begin(scope, { admin: `listen = "127.0.0.1:${port}"\ntoken = "open-sesame"` });
  const at = (headers) => fetch(`http://127.0.0.1:${port}/status`, { headers, agent: false });
  assert.equal((await at({})).status, 401);
  assert.equal((await at({ Authorization: 'Bearer open-sesam' })).status, 401);
  assert.equal((await at({ Authorization: 'Bearer open-sesame' })).status, 200);
  assert.ok(!(await banyan.admin('/config')).text.includes('open-sesame'));
  // The address stays open until a restart, but a new controller knows no token that would fit.
  const text = fs.readFileSync(banyan.file, 'utf8');
  fs.writeFileSync(banyan.file, text.replace(/^(listen = ".*"|token = .*)\n/gm, ''));
  assert.equal((await banyan.order('reload')).code, 0);
  assert.equal((await at({ Authorization: 'Bearer open-sesame' })).status, 200);
  const before = banyan.controller();
  process.kill(before, 'SIGKILL');
  await until(async () => (await banyan.admin('/readyz').catch(() => ({}))).status === 200, 'another controller');
  for (const headers of [{}, { Authorization: 'Bearer ' }, { Authorization: 'Bearer open-sesame' }]) {
    assert.equal((await at(headers)).status, 401);
  }
});

test('banyanctl top: once as text and JSON, and live in a terminal', async (scope) => {
  const { banyan } = await begin(scope);
  const running = load(scope, `${banyan.url}/split`, { connections: 2, headers: { 'X-User-Id': 'u' } });
  const json = await banyan.ctl('top', '--json', '--interval', '0.3');
  assert.equal(json.code, 0, json.stderr);
  const { routes, rollouts, seconds } = JSON.parse(json.stdout);
  assert.ok(seconds >= 0.3 && seconds < 5);
  const busy = routes.filter((route) => route.requests_per_second > 0);
  assert.equal(busy.length, 1, json.stdout);
  assert.ok(['legacy', 'native'].includes(busy[0].side) && busy[0].p99 >= busy[0].p50 && busy[0].p50 > 0);
  assert.deepEqual([rollouts[0].name, rollouts[0].percent], ['r', 25]);
  const once = await banyan.ctl('top', '--once', '--interval', '0.2');
  assert.match(once.stdout, /^banyan .* req\/s/);
  assert.match(once.stdout, /^r +25%/m);
  assert.ok(once.stdout.split('\n').every((line) => line.length <= 80));

  // script(1) gives it a terminal; its settings before and after must be the same.
  const top = `${client} --socket ${banyan.socket} top --interval 0.2`;
  const live = `stty cols 80 rows 20; stty -g; ${top}; echo "code $?"; stty -g`;
  const child = spawn('script', ['-qec', live, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let screen = '';
  child.stdout.on('data', (chunk) => {
    screen += chunk;
  });
  scope.after(() => child.kill('SIGKILL'));
  await until(() => screen.split('req/s').length > 3, 'some looks');
  child.stdin.write('q');
  await until(() => /code 0/.test(screen) && child.exitCode !== null, 'the end');
  assert.ok(screen.includes('\x1b[?1049h') && screen.includes('\x1b[?1049l') && screen.includes('\x1b[?25h'));
  const settings = screen.match(/^[0-9a-f]+(:[0-9a-f]+)+/gm);
  assert.equal(settings.length, 2, screen);
  assert.equal(settings[0], settings[1]);
});
