// The legacy service of the quickstart, started as its own process.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { repository } from './banyan.js';
import { run } from './client.js';
import { until } from './wait.js';

const folder = path.join(repository, 'conf/quickstart/legacy');

// Installs the service's packages if they are not there.
async function install() {
  if (fs.existsSync(path.join(folder, 'node_modules/.package-lock.json'))) return;
  const { code, stdout, stderr } = await run('npm', ['ci'], { cwd: folder });
  if (code !== 0) throw new Error(`npm ci failed in ${folder}: ${stdout}${stderr}`);
}

// Resolves to {url, port, host}.
export async function startLegacy(scope, store) {
  await install();
  const env = { ...process.env, PORT: '0', STORE: store ?? 'http://127.0.0.1:1/content' };
  const child = spawn(process.execPath, [path.join(folder, 'server.js')], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  scope.onFailure(() => `--- the legacy service\n${output}`);
  scope.after(() => {
    child.kill('SIGKILL');
  });
  const [, host] = await until(() => /^listening (.*)$/m.exec(output), 'the legacy service');
  return { url: `http://${host}`, port: Number(host.split(':')[1]), host };
}
