// What an idle TLS connection costs. OpenSSL 3.0 keeps 14 KiB of its own for one, 7.6 of them its SSL object; what
// is above that is ours: no buffer may stay. BANYAN_E2E_HUGE=1 opens 2,000 and says the figures.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import tls from 'node:tls';
import { makeFolder, start } from './lib/banyan.js';
import { makeAuthority } from './lib/certificates.js';
import { freePort } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const count = process.env.BANYAN_E2E_HUGE ? 2000 : 500;
const most = 17 * 1024;

const body = 48 * 1024;

const anonymous = (pid) =>
  Number(/^Pss_Anon:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) * 1024;

// A connection that has asked once and stays.
function settle(scope, port, version) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, rejectUnauthorized: false, maxVersion: version };
    const socket = tls.connect(options, () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
    scope.after(() => socket.destroy());
    socket.on('error', reject);
    let size = 0;
    socket.on('data', (chunk) => {
      size += chunk.length;
      if (size > body) resolve();
    });
  });
}

async function settleMany(scope, port, version, number) {
  let left = number;
  const line = async () => {
    for (; left > 0; ) {
      left -= 1;
      await settle(scope, port, version);
    }
  };
  await Promise.all(Array.from({ length: 20 }, line));
}

for (const version of ['TLSv1.3', 'TLSv1.2']) {
  test(`an idle connection of ${version} keeps no buffer`, async (scope) => {
    const { cert, key } = await (await makeAuthority(makeFolder(scope), 'ca')).issue('a', { names: ['a.test'] });
    const port = await freePort();
    const banyan = await start(
      scope,
      `[[listener]]
address = "127.0.0.1:${port}"
tls = { certificate = "${cert}", key = "${key}" }
[[route]]
path = "/*"
reply = { status = 200, body = "${'x'.repeat(body)}" }
`,
      { workers: 1 },
    );
    const [pid] = banyan.workers();
    await settleMany(scope, port, version, 100); // what is made once
    const before = anonymous(pid);
    await settleMany(scope, port, version, count);
    await until(async () => (await banyan.admin('/status')).json.connections === count + 100, 'all of them');
    const each = (anonymous(pid) - before) / count;
    if (process.env.BANYAN_E2E_HUGE) console.log(`${version}: ${(each / 1024).toFixed(1)} KiB`);
    assert.ok(each <= most, `${(each / 1024).toFixed(1)} KiB for each of ${count}`);
  });
}
