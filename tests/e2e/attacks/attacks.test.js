// testssl.sh and slowhttptest against a running Banyan; tests/attacks.sh runs it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { makeFolder, start } from '../lib/banyan.js';
import { makeAuthority } from '../lib/certificates.js';
import { fetch, run } from '../lib/client.js';
import { freePort, serveHttp } from '../lib/servers.js';
import { test } from '../lib/test.js';
import { pause } from '../lib/wait.js';

// What is said of the certificate, of the answer, and of the tool itself says nothing of ours.
const notOurs = /^(cert_|DNS_|OCSP|HSTS|HPKP|banner_|cookie_|security_headers|engine_problem|scanTime|sessionresumption_ticket)/;

test('testssl.sh finds nothing weak', { timeout: 600_000 }, async (scope) => {
  const folder = makeFolder(scope);
  const ca = await makeAuthority(folder, 'ca');
  const app = await ca.issue('app', { names: ['localhost', '127.0.0.1'], days: 200 });
  const port = await freePort();
  await start(
    scope,
    `[handler.echo]
type = "echo"
[[route]]
path = "/*"
target = "handler.echo"
[[listener]]
address = "127.0.0.1:${port}"
tls = { certificate = "${app.cert}", key = "${app.key}" }
`,
  );
  const found = path.join(folder, 'found.json');
  const quiet = ['--quiet', '--color', '0', '--warnings', 'off', '--nodns', 'none', '--ip', '127.0.0.1'];
  const { stdout } = await run('testssl', [...quiet, '--add-ca', ca.cert, '--jsonfile', found, `localhost:${port}`], {
    timeout: 580_000,
  });
  const findings = JSON.parse(fs.readFileSync(found, 'utf8'));
  assert.ok(findings.length > 100, stdout);
  const weak = findings.filter(({ id, severity }) => !/^(OK|INFO)$/.test(severity) && !notOurs.test(id));
  assert.deepEqual(weak, []);
  const offered = findings.filter(({ id, finding }) => /^(SSL|TLS)/.test(id) && /^offered/.test(finding));
  assert.deepEqual(offered.map(({ id }) => id).sort(), ['TLS1_2', 'TLS1_3']);
});

const connections = 1000;
// held: its connections are cut by a time-out. Else they end by themselves.
const modes = {
  'slow heads': { mode: ['-H', '-i', '1', '-x', '24'], held: true },
  'slow bodies': { mode: ['-B', '-i', '1', '-x', '10', '-s', '8192'], held: true },
  'slow bodies for a handler': { mode: ['-B', '-i', '1', '-x', '10', '-s', '8192'], target: '/echo', held: true },
  'slow reading': { mode: ['-X', '-n', '1', '-w', '512', '-y', '1024', '-z', '32', '-k', '3'], target: '/large', held: true },
  'many ranges': { mode: ['-R', '-a', '10', '-b', '3000', '-t', 'HEAD'], held: false },
};

async function connectionsOf(banyan) {
  const { processes } = JSON.parse((await banyan.admin('/status')).text);
  return processes.reduce((sum, each) => sum + (each.connections ?? 0), 0);
}

for (const [name, { mode, target = '/', held }] of Object.entries(modes)) {
  test(`slowhttptest: ${name} of ${connections} connections`, { timeout: 120_000 }, async (scope) => {
    const large = Buffer.alloc(4 << 20, 'l');
    const backend = await serveHttp(scope, (request, response) => {
      request.resume().on('end', () => response.end(request.url === '/large' ? large : 'ok'));
    });
    const limits = 'body_rate_after = "5s", response_rate_after = "5s"';
    const banyan = await start(
      scope,
      `[client]
timeouts = { header = "4s", body = "4s", write = "4s", keepalive = "4s" }
limits = { ${limits} }
[handler.echo]
type = "echo"
[upstream.node]
servers = ["${backend.host}"]
[[route]]
path = "/echo"
target = "handler.echo"
[[route]]
path = "/*"
target = "upstream.node"
`,
      { workers: 2 },
    );
    const attack = run(
      'slowhttptest',
      [...mode, '-c', connections, '-r', '500', '-l', '25', '-p', '3', '-u', `${banyan.url}${target}`]
        .map(String),
      { timeout: 60_000 },
    );
    let over = false;
    attack.finally(() => {
      over = true;
    });
    const times = [];
    let [most, left] = [0, 0];
    while (!over) {
      const began = performance.now();
      const { status, text } = await fetch(`${banyan.url}/quick`, { agent: false });
      times.push(performance.now() - began);
      assert.deepEqual([status, text], [200, 'ok']);
      left = await connectionsOf(banyan);
      most = Math.max(most, left);
      await pause(50);
    }
    const { stdout, stderr } = await attack;
    times.sort((a, b) => a - b);
    assert.ok(times[Math.trunc(times.length * 0.9)] < 500, `answers beside it took ${times.slice(-20).map(Math.round)} ms`);
    const report = stdout.replace(/\x1b\[[0-9;]*[A-Za-z]/g, '');
    const told = `at most ${most} connections, ${left} at the end; ${report}${stderr}`;
    const available = [...report.matchAll(/^service available: *(\w+)/gm)].map(([, word]) => word);
    assert.ok(available.length > 0 && available.every((word) => word === 'YES'), told);
    if (held) assert.ok(most > connections * 0.9, told);
    assert.ok(left < 20 || /no open connections left/i.test(report), told);
  });
}
