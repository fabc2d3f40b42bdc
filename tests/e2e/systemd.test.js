// The unit of conf/systemd, as systemd itself judges it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { repository } from './lib/banyan.js';
import { run } from './lib/client.js';
import { test } from './lib/test.js';

const unit = path.join(repository, 'conf/systemd/banyan.service');
const tool = ['/usr/bin', '/bin'].map((folder) => `${folder}/systemd-analyze`).find(fs.existsSync);

async function version() {
  const { stdout } = await run(tool, ['--version']);
  return Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? 0);
}

test('the unit leaves little to attack', { skip: tool ? false : 'no systemd-analyze here' }, async () => {
  const major = await version();
  if (major < 250) return console.log(`systemd-analyze ${major} cannot judge a file`);
  const { code, stdout, stderr } = await run(tool, [
    'security',
    '--offline=true',
    '--no-pager',
    '--threshold=29',
    unit,
  ]);
  assert.equal(code, 0, stdout + stderr);
  const [, level] = /Overall exposure level for banyan.service: ([\d.]+)/.exec(stdout);
  assert.ok(Number(level) < 3, level);
  // What it does not know it says, and that is nothing but the type of newer versions.
  const complaints = stderr.split('\n').filter((line) => line && !/notify-reload/.test(line));
  assert.deepEqual(complaints, []);
});
