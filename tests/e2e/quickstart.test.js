// ./quickstart.sh --once on this machine, with what is installed and built.

import assert from 'node:assert/strict';
import path from 'node:path';
import { repository } from './lib/banyan.js';
import { run } from './lib/client.js';
import { test } from './lib/test.js';

const script = path.join(repository, 'quickstart.sh');

test('the tour goes through, and leaves nothing behind', { timeout: 1_200_000 }, async (scope) => {
  const { code, stdout, stderr } = await run(script, ['--once', '--port', '0'], { timeout: 1_100_000 });
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  for (const pattern of [/native\s+200/, /legacy\s+200/, /nobody|The same users again/, /Everything else/]) {
    assert.match(stdout, pattern);
  }
  const processes = await run('ps', ['-eo', 'args']);
  assert.doesNotMatch(processes.stdout, /build\/quickstart\/banyan\.toml/);
  assert.ok(scope);
});

test('wrong usage: 2', async () => {
  assert.equal((await run(script, ['--twice'])).code, 2);
  assert.equal((await run(script, ['--port'])).code, 2);
});
