// on_event: others are told of each change of a rollout's state, and nothing waits for them.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { start } from './lib/banyan.js';
import { fetch } from './lib/client.js';
import { serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const tables = (onEvent) => `[handler.old]
type = "static_reply"
body = "legacy"
[handler.new]
type = "static_reply"
body = "native"
[rollout.r]
legacy = "handler.old"
native = "handler.new"
percent = 10
on_event = ${onEvent}
[[route]]
path = "/*"
target = "rollout.r"
`;

// A server that keeps what it is sent and answers with the statuses, one after the other, the last one on.
async function receiver(scope, ...statuses) {
  const calls = [];
  const server = await serveHttp(scope, (request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const status = statuses[Math.min(calls.length, statuses.length - 1)];
      calls.push({ method: request.method, url: request.url, headers: request.headers, body, status });
      if (status) response.writeHead(status).end();
    });
  });
  return { calls, url: `http://${server.host}/hook?x=1` };
}

test('a webhook that fails twice is tried again, in order, signed', async (scope) => {
  const { calls, url } = await receiver(scope, 500, 503, 200);
  const banyan = await start(
    scope,
    tables(`{ url = "${url}", secret = "s3cret", headers = { X-Team = "ops" } }`),
  );
  assert.equal((await banyan.ctl('rollout', 'set', 'r', '25', '--why', 'first')).code, 0);
  assert.equal((await banyan.ctl('rollout', 'abort', 'r', '--why', 'second')).code, 0);
  await until(() => calls.length === 4, 'both events', 20_000);
  const events = calls.map(({ body }) => JSON.parse(body));
  assert.deepEqual(
    events.map(({ verb, why }) => [verb, why]),
    [
      ['set', 'first'],
      ['set', 'first'],
      ['set', 'first'],
      ['abort', 'second'],
    ],
  );
  assert.deepEqual([events[0].rollout, events[0].old, events[0].new], ['r', 10, 25]);
  assert.deepEqual([events[3].old, events[3].new], [25, 0]);
  for (const { method, url: target, headers, body } of calls) {
    assert.deepEqual([method, target], ['POST', '/hook?x=1']);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['x-team'], 'ops');
    const digest = crypto.createHmac('sha256', 's3cret').update(body).digest('hex');
    assert.equal(headers['x-banyan-signature'], `sha256=${digest}`);
  }
  assert.equal(calls[0].headers['x-banyan-event'], 'set');
  const deliveries = calls.map(({ headers }) => headers['x-banyan-delivery']);
  assert.ok(deliveries[0] === deliveries[2] && deliveries[2] !== deliveries[3], String(deliveries));
  await banyan.said(/webhook: event \d+ \(abort\) delivered/);
  await banyan.said(/attempt 1 of 5: answered 500/);
});

test('a hook that never answers holds nobody up', async (scope) => {
  const { calls, url } = await receiver(scope, 0);
  const command = '["/bin/sh", "-c", "cat > /dev/null; exit 3"]';
  const hook = `{ url = "${url}", command = ${command}, timeout = "300ms", attempts = 2 }`;
  const banyan = await start(scope, tables(hook));
  for (const percent of [20, 30, 100]) {
    const began = performance.now();
    assert.equal((await banyan.ctl('rollout', 'set', 'r', String(percent))).code, 0);
    assert.ok(performance.now() - began < 2000);
  }
  await until(async () => (await fetch(banyan.url)).text === 'native', 'the new share');
  await banyan.said(/webhook: event \d+ \(set\) is given up after 2 attempts: \S/);
  await banyan.said(/command: event \d+ \(set\) is given up after 2 attempts: exit status 3/);
  await until(() => calls.length >= 4, 'further events all the same');
  assert.equal((await banyan.order('reload')).code, 0);
  const began = performance.now();
  await banyan.stop();
  assert.ok(performance.now() - began < 3000);
});

test('a command gets the event on its standard input and in its environment', async (scope) => {
  const script = `#!/bin/sh
{ echo "$1 $BANYAN_VERB $BANYAN_OLD $BANYAN_NEW $BANYAN_WHY"; cat; } > "$2"
echo told
`;
  const banyan = await start(
    scope,
    (self) => {
      const file = path.join(self.folder, 'hook');
      fs.writeFileSync(file, script, { mode: 0o755 });
      return tables(`{ command = ["${file}", "an argument", "${self.folder}/out"] }`);
    },
  );
  assert.equal((await banyan.ctl('rollout', 'promote', 'r', '--why', 'it is; $(time)')).code, 0);
  const out = path.join(banyan.folder, 'out');
  await banyan.said(/command: event \d+ \(promote\) delivered/);
  const [first, second] = fs.readFileSync(out, 'utf8').split('\n');
  assert.equal(first, 'an argument promote 10 100 it is; $(time)');
  assert.deepEqual([JSON.parse(second).verb, JSON.parse(second).new], ['promote', 100]);
  await banyan.said(/command: told/);
});

test('a command that hangs is killed when Banyan stops', async (scope) => {
  const banyan = await start(scope, (self) =>
    tables(`{ command = ["/bin/sh", "-c", "echo $$ > ${self.folder}/pid; sleep 300"], timeout = "5m" }`),
  );
  await banyan.ctl('rollout', 'set', 'r', '11');
  const file = path.join(banyan.folder, 'pid');
  const pid = await until(() => fs.existsSync(file) && Number(fs.readFileSync(file, 'utf8')), 'the command');
  const began = performance.now();
  await banyan.stop();
  assert.ok(performance.now() - began < 3000);
  await until(() => !fs.existsSync(`/proc/${pid}`), 'the command to be gone');
});
