// -t, -T, -g, usage, exit codes, and the configurations that are shipped.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { client, makeFolder, program, repository } from './lib/banyan.js';
import { run } from './lib/client.js';
import { test } from './lib/test.js';

const good = `[[listener]]
address = "127.0.0.1:8080"
[[route]]
path = "/*"
reply = { status = 200, body = "hi" }
`;

function write(scope, text) {
  const folder = makeFolder(scope);
  const file = path.join(folder, 'banyan.toml');
  fs.writeFileSync(file, text);
  return file;
}

test('-t: 0 for a good one, with a word; -q without', async (scope) => {
  const file = write(scope, good);
  const spoken = await run(program, ['-t', '-c', file]);
  assert.equal(spoken.code, 0);
  assert.match(spoken.stdout + spoken.stderr, /ok|successful/i);
  const quiet = await run(program, ['-t', '-q', '-c', file]);
  assert.deepEqual(quiet, { code: 0, stdout: '', stderr: '' });
});

test('-t: a log file that cannot be opened is told, which the start would refuse', async (scope) => {
  const folder = makeFolder(scope);
  const check = (log) => {
    const file = path.join(folder, 'banyan.toml');
    fs.writeFileSync(file, `${good}\n[log]\naccess = { path = "${folder}/${log}" }\n`);
    return run(program, ['-t', '-c', file]);
  };
  assert.doesNotMatch((await check('access.log')).stderr, /warning/);
  const missing = await check('nowhere/access.log');
  assert.equal(missing.code, 0, 'it may be for another machine');
  assert.match(missing.stderr, /warning: .*open .*\/nowhere\/access\.log: No such file or directory/);
  assert.match((await check('')).stderr, /warning: .*open .*\/: Is a directory/);
});

test('-t: all errors at once, with file:line:column and "did you mean"', async (scope) => {
  const text = `${good}
[upstream.node]
servrs = ["127.0.0.1:1"]
timeouts = { connect = "3 parsecs" }
[rollout.r]
legacy = "upstream.nod"
native = "handler.none"
percent = 101
[handler.h]
type = "static_replay"
[[route]]
path = "~ ["
target = "rollout.r"
[lua]
routes = "missing.lua"
`;
  const file = write(scope, text);
  const { code, stdout, stderr } = await run(program, ['-t', '-c', file]);
  assert.equal(code, 1);
  const said = stdout + stderr;
  const lineOf = (part) => text.slice(0, text.indexOf(part)).split('\n').length;
  for (const [part, pattern] of [
    ['servrs', 'did you mean.*servers'],
    ['"3 parsecs"', '.'],
    ['"upstream.nod"', 'did you mean.*upstream\\.node'],
    ['"handler.none"', 'handler\\.none'],
    ['101', '0 to 100'],
    ['"static_replay"', 'did you mean.*static_reply'],
    ['"~ ["', '.'],
    ['"missing.lua"', 'missing\\.lua'],
  ]) {
    assert.match(said, new RegExp(`banyan\\.toml:${lineOf(part)}:\\d+: .*${pattern}`), part);
  }
});

test('-t: TOML that is none, a file that is not there, a folder', async (scope) => {
  const file = write(scope, '[[listener]\n');
  assert.equal((await run(program, ['-t', '-c', file])).code, 1);
  const missing = await run(program, ['-t', '-c', `${file}.none`]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /banyan\.toml\.none/);
  assert.equal((await run(program, ['-t', '-c', path.dirname(file)])).code, 1);
});

test('-T prints what would run, secrets redacted, and reads its own output', async (scope) => {
  const secret = 'correct-horse-battery';
  const text = `${good}
[admin]
listen = "127.0.0.1:9901"
token = "\${E2E_TOKEN}"
[handler.c]
type = "batch_fetch"
origin = "http://127.0.0.1:1/b"
auth = "sigv4"
access_key = "AKIA"
secret_key = "${secret}"
[[route]]
path = "/c"
target = "handler.c"
`;
  const env = { ...process.env, E2E_TOKEN: secret };
  const file = write(scope, text);
  const { code, stdout } = await run(program, ['-T', '-c', file], { env });
  assert.equal(code, 0);
  assert.ok(!stdout.includes(secret));
  assert.match(stdout, /address = "127\.0\.0\.1:8080"/);
  assert.match(stdout, /type = "batch_fetch"/);
  const again = write(scope, stdout.slice(stdout.search(/^(#|[a-z_]+ = )/m)));
  assert.equal((await run(program, ['-t', '-c', again], { env })).code, 0);
});

test('-g wins over the file; environment and secret files', async (scope) => {
  const file = write(scope, `${good}[admin]\nlisten = "\${E2E_LISTEN}"\ntoken = { file = "token" }\n`);
  fs.writeFileSync(path.join(path.dirname(file), 'token'), 'abc\n');
  const env = { ...process.env, E2E_LISTEN: '127.0.0.1:9999' };
  const { code, stdout } = await run(program, ['-T', '-c', file, '-g', 'workers = 7'], { env });
  assert.equal(code, 0);
  assert.match(stdout, /^workers = 7$/m);
  assert.match(stdout, /127\.0\.0\.1:9999/);
  const bare = { ...process.env };
  delete bare.E2E_LISTEN;
  const unset = await run(program, ['-t', '-c', file], { env: bare });
  assert.equal(unset.code, 1);
  assert.match(unset.stdout + unset.stderr, /E2E_LISTEN/);
});

test('include joins files', async (scope) => {
  const file = write(scope, `include = ["conf.d/*.toml"]\n${good}`);
  const folder = path.join(path.dirname(file), 'conf.d');
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'a.toml'), '[[route]]\npath = "/a"\nreply = { status = 204 }\n');
  fs.writeFileSync(
    path.join(folder, 'b.toml'),
    '[[route]]\npath = "/b"\ncolour = 1\nreply = { status = 204 }\n',
  );
  const { code, stdout, stderr } = await run(program, ['-t', '-c', file]);
  assert.equal(code, 1);
  assert.match(stdout + stderr, /conf\.d\/b\.toml:3:1: /);
});

test('usage: 2; versions: 0', async (scope) => {
  for (const args of [['--bogus'], ['-s', 'dance'], ['-t', '-T'], ['-c'], ['extra']]) {
    const { code, stderr } = await run(program, args);
    assert.equal(code, 2, args.join(' '));
    assert.notEqual(stderr, '');
  }
  for (const option of ['-v', '-V']) {
    const { code, stdout, stderr } = await run(program, [option]);
    assert.equal(code, 0);
    assert.match(stdout + stderr, /banyan.*[0-9]+\.[0-9]+/i);
  }
  for (const args of [['--bogus'], ['rollout', 'fly'], []])
    assert.equal((await run(client, args)).code, 2, args.join(' '));
  assert.ok(scope);
});

test('banyanctl without a daemon: 1, with a reason', async (scope) => {
  const { code, stderr } = await run(client, [
    '--socket',
    path.join(makeFolder(scope), 'none.sock'),
    'status',
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /none\.sock/);
});

test('every shipped configuration passes -t, laid out as it is installed', async (scope) => {
  const folder = makeFolder(scope);
  const install = (from) =>
    fs.cpSync(path.join(repository, from), path.join(folder, path.basename(from)), { recursive: true });
  install('scripts');
  for (const name of fs.readdirSync(path.join(repository, 'conf')).filter((entry) => entry.endsWith('.toml')))
    install(`conf/${name}`);
  for (const name of fs.readdirSync(path.join(repository, 'conf/examples'))) install(`conf/examples/${name}`);
  fs.mkdirSync(path.join(folder, 'log'));
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '60', '-subj', '/CN=localhost'];
  await run('openssl', [
    ...request,
    '-keyout',
    path.join(folder, 'key.pem'),
    '-out',
    path.join(folder, 'cert.pem'),
  ]);
  const copies = { 'internal-ca.pem': 'cert.pem', 'gateway.pem': 'cert.pem', 'gateway.key': 'key.pem' };
  for (const [to, from] of Object.entries(copies)) {
    fs.copyFileSync(path.join(folder, from), path.join(folder, to));
  }
  const files = fs.readdirSync(folder).filter((name) => name.endsWith('.toml'));
  assert.ok(files.length >= 6, String(files));
  for (const name of files) {
    const { code, stdout, stderr } = await run(program, ['-t', '-c', path.join(folder, name)]);
    assert.equal(code, 0, `${name}: ${stdout}${stderr}`);
    assert.doesNotMatch(stdout + stderr, /warn/i, name);
  }
});
