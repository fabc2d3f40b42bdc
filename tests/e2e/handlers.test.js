// The handlers that live in the proxy, and one from a shared object.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { program, start } from './lib/banyan.js';
import { fetch, run } from './lib/client.js';
import { ask } from './lib/raw.js';
import { test } from './lib/test.js';

test('static_reply: status, body, headers; HEAD; bodies are read away', async (scope) => {
  const { url, port } = await start(
    scope,
    `[handler.hello]
type = "static_reply"
status = 203
body = "hello\\n"
headers = { X-One = "1", Content-Type = "text/x-greeting" }
[[route]]
path = "/*"
target = "handler.hello"
`,
  );
  const response = await fetch(url);
  assert.deepEqual([response.status, response.text, response.headers['x-one']], [203, 'hello\n', '1']);
  assert.equal(response.headers['content-type'], 'text/x-greeting');
  assert.equal(response.headers['content-length'], '6');
  const head = await fetch(url, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length'], head.text], [203, '6', '']);
  const { client } = await ask(
    scope,
    port,
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`,
  );
  await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await client.response()).status, 203);
});

test('echo answers with what it received', async (scope) => {
  const { url } = await start(
    scope,
    '[handler.mirror]\ntype = "echo"\n[[route]]\npath = "/*"\ntarget = "handler.mirror"\n',
  );
  const body = 'y'.repeat(3_000_000);
  const headers = { 'Content-Type': 'text/x-y' };
  const posted = await fetch(`${url}/a?b=c`, { method: 'POST', headers, body });
  assert.deepEqual([posted.status, posted.headers['content-type']], [200, 'text/x-y']);
  assert.equal(posted.headers['x-echo-method'], 'POST');
  assert.ok(posted.text === body);
  const read = await fetch(`${url}/a?b=c`, { headers: { 'X-One': 'eins' } });
  assert.match(read.text, /^GET \/a\?b=c\n/);
  assert.match(read.text, /^x-one: eins$/im);
});

// The sample in C that is built with Banyan: the first shared object of that name in the build folder.
function findSample() {
  const folder = path.dirname(program);
  const found = fs
    .readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => /sample[^/]*\.so$/.test(name));
  assert.ok(found.length > 0, `no shared object of the sample handler under ${folder}`);
  return path.join(folder, found[0]);
}

const shared = (file) =>
  `[handler.sample]\ntype = "shared_object"\npath = "${file}"\n[[route]]\npath = "/*"\ntarget = "handler.sample"\n`;

test('a handler from a shared object answers requests', async (scope) => {
  const { url } = await start(scope, shared(findSample()));
  for (let round = 0; round < 20; round += 1) {
    const response = await fetch(url, {
      method: round % 2 ? 'POST' : 'GET',
      body: round % 2 ? 'data' : undefined,
    });
    assert.equal(response.status, 200);
    assert.notEqual(response.text, '');
  }
});

test('a shared object that is none, or lacks the symbol, is refused by -t with a reason', async (scope) => {
  const banyan = await start(scope, '[[route]]\npath = "/*"\nreply = { status = 204 }\n', {
    files: { 'text.so': 'not an object', 'empty.c': 'int nothing;\n' },
  });
  const file = (name) => path.join(banyan.folder, name);
  await run('cc', ['-shared', '-o', file('empty.so'), file('empty.c')]);
  for (const name of ['text.so', 'empty.so', 'missing.so']) {
    banyan.configure(shared(file(name)));
    const { code, stdout, stderr } = await run(program, ['-t', '-c', banyan.file]);
    assert.equal(code, 1, name);
    assert.match(stdout + stderr, new RegExp(name.replace('.', '\\.')));
  }
});
