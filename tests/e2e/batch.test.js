// batch_fetch: many keys of an object store in one request, answered at the deadline with what is there.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import { makeFolder, memory } from './lib/banyan.js';
import { batch, begin, sigv4 } from './lib/batch.js';
import { fetch, run } from './lib/client.js';
import { connect } from './lib/raw.js';
import { serveHttp } from './lib/servers.js';
import { oddStore, plainStore, s3Store } from './lib/store.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const objects = {
  a: { body: 'alpha', type: 'text/plain' },
  'b/c': { body: '{"deep":true}', type: 'application/json' },
  'bytes.bin': { body: Buffer.from([0xff, 0x00, 0xfe]), type: 'application/octet-stream' },
  'päth/with space+plus&and=more?#%.txt': { body: 'odd', type: 'text/plain; charset=utf-8' },
  empty: { body: '', type: 'text/plain' },
  large: { body: 'x'.repeat(300_000), type: 'text/plain' },
};

test('s3rver: all keys, signed, with their types, tags and bytes', async (scope) => {
  const store = await s3Store(scope, objects);
  const banyan = await begin(scope, store.origin, sigv4);
  const response = await batch(banyan, [...Object.keys(objects), 'nowhere'], 5000);
  assert.equal(response.status, 200);
  assert.match(response.headers['content-type'], /^application\/json/);
  assert.equal(response.headers['banyan-complete'], 'true');
  const { complete, results, missing, errors } = JSON.parse(response.text);
  assert.deepEqual(
    { complete, missing: missing ?? [], errors: errors ?? {} },
    { complete: true, missing: [], errors: {} },
  );
  for (const [key, { body, type }] of Object.entries(objects)) {
    const result = results[key];
    assert.equal(result.status, 200, key);
    assert.equal(result.content_type, type);
    assert.match(result.etag, /^"[0-9a-f]{32}"$/);
    const bytes = 'body' in result ? Buffer.from(result.body) : Buffer.from(result.body_base64, 'base64');
    assert.ok(bytes.equals(Buffer.from(body)), key);
  }
  assert.ok('body_base64' in results['bytes.bin'] && !('body' in results['bytes.bin']));
  assert.deepEqual(results.nowhere, { status: 404 });
  assert.ok(store.requests.every(({ headers }) => /^AWS4-HMAC-SHA256 /.test(headers.authorization)));
});

// s3rver does not calculate version 4 signatures; it knows who may sign.
test('s3rver: an unknown key is seen in the results', async (scope) => {
  const store = await s3Store(scope, { a: objects.a });
  const banyan = await begin(
    scope,
    store.origin,
    sigv4.replace('access_key = "S3RVER"', 'access_key = "nobody"'),
  );
  const { results } = JSON.parse((await batch(banyan, ['a'], 5000)).text);
  assert.equal(results.a.status, 403);
});

test('the deadline: what is there is sent, the rest is "timeout"', async (scope) => {
  const store = await oddStore(scope);
  const banyan = await begin(scope, store.origin);
  const times = [];
  for (let round = 0; round < 3; round += 1) {
    const response = await batch(banyan, ['quick', 'none', 'stall', 'half', 'slow-100', 'slow-3000'], 500);
    times.push(response.took);
    assert.equal(response.headers['banyan-complete'], 'false');
    const { complete, results, missing, errors } = JSON.parse(response.text);
    assert.equal(complete, false);
    assert.deepEqual(Object.keys(results).sort(), ['none', 'quick', 'slow-100']);
    assert.deepEqual([...missing].sort(), ['half', 'slow-3000', 'stall']);
    assert.deepEqual(errors, { half: 'timeout', 'slow-3000': 'timeout', stall: 'timeout' });
  }
  // The machine may be taken away from one of them; how late answers are under load is measured in bench/.
  assert.ok(Math.min(...times) >= 450 && Math.min(...times) < 650, `${times} ms`);
  await until(() => store.open === 0, 'the transfers to be closed');
});

test('the memory of a burst is given back when it is over', async (scope) => {
  const body = 'x'.repeat(16_000);
  const store = await serveHttp(scope, (request, response) => response.end(body));
  const banyan = await begin(scope, `http://${store.host}/bucket`, '', { workers: 1 });
  const [worker] = banyan.workers();
  const before = memory(worker);
  const burst = Array.from({ length: 20 }, (_, n) => Array.from({ length: 200 }, (__, k) => `${n}-${k}`));
  for (const { text } of await Promise.all(burst.map((keys) => batch(banyan, keys, 10_000)))) {
    assert.ok(text.length > 200 * body.length, text.slice(0, 200));
  }
  await until(() => memory(worker) < before + 20, 'memory to be given back');
});

test('keys are fetched at the same time', async (scope) => {
  const store = await oddStore(scope);
  const banyan = await begin(scope, store.origin);
  const keys = Array.from({ length: 30 }, (_, number) => `slow-200-${number}`);
  const response = await batch(banyan, keys, 5000);
  assert.equal(JSON.parse(response.text).complete, true);
  assert.ok(response.took < 1000, `${response.took} ms for 30 keys of 200 ms each`);
});

test('a stalling batch does not delay another', async (scope) => {
  const store = await oddStore(scope);
  const banyan = await begin(scope, store.origin, '', { workers: 1 });
  const greedy = Array.from({ length: 10 }, (_, n) =>
    batch(
      banyan,
      Array.from({ length: 100 }, (__, k) => `stall-${n}-${k}`),
      3000,
    ),
  );
  for (const response of greedy) response.catch(() => {}); // looked at below
  await until(() => store.open >= 20, 'stalling transfers');
  const quick = await batch(banyan, ['one', 'two'], 2000);
  assert.equal(JSON.parse(quick.text).complete, true);
  assert.ok(quick.took < 1000, `${quick.took} ms beside stalling batches`);
  for (const response of await Promise.all(greedy)) assert.ok(response.took < 3300, `${response.took} ms`);
});

test('a dead store: errors, not a failure', async (scope) => {
  const banyan = await begin(scope, 'http://127.0.0.1:1/bucket');
  const response = await batch(banyan, ['a', 'b'], 2000);
  assert.equal(response.status, 200);
  const { complete, missing, errors } = JSON.parse(response.text);
  assert.equal(complete, false);
  assert.deepEqual([...missing].sort(), ['a', 'b']);
  assert.ok(errors.a && errors.b);
});

test('a client that leaves ends its transfers', async (scope) => {
  const store = await oddStore(scope);
  const banyan = await begin(scope, store.origin);
  const body = JSON.stringify({ keys: ['stall-1', 'stall-2'], timeout_ms: 9000 });
  const client = await connect(scope, banyan.port);
  await client.write(`POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await until(() => store.open === 2, 'the transfers');
  client.reset();
  await until(() => store.open === 0, 'the transfers to end', 3000);
});

test('requests that cannot be understood', async (scope) => {
  const store = await oddStore(scope);
  const banyan = await begin(scope, store.origin, 'max_keys = 5');
  const post = (body) => fetch(`${banyan.url}/batch`, { method: 'POST', body, agent: false });
  for (const body of ['', 'nonsense', '{"keys":', '{"keys":["a"]} x']) {
    const response = await post(body);
    assert.equal(response.status, 400, body);
    assert.match(response.headers['content-type'], /problem\+json/);
  }
  const wrong = [
    '[]',
    '{}',
    '7',
    '{"keys":[]}',
    '{"keys":"a"}',
    '{"keys":[1]}',
    '{"keys":[""]}',
    '{"keys":["a"],"timeout_ms":"x"}',
    '{"keys":["a"],"timeout_ms":-1}',
    '{"keys":["a"],"timeout_ms":1e9}',
  ];
  for (const body of wrong) {
    const response = await post(body);
    assert.equal(response.status, 422, body);
    assert.match(response.headers['content-type'], /problem\+json/);
  }
  assert.ok([400, 413, 422].includes((await post('['.repeat(100_000))).status));
  const many = await post(JSON.stringify({ keys: ['1', '2', '3', '4', '5', '6'] }));
  assert.equal(many.status, 422);
  const get = await fetch(`${banyan.url}/batch`, { agent: false });
  assert.deepEqual([get.status, get.headers.allow], [405, 'POST']);
  assert.deepEqual(store.requests, []);
});

test('a key cannot leave its bucket', async (scope) => {
  const store = await s3Store(scope, { a: objects.a });
  const banyan = await begin(scope, store.origin, sigv4);
  await batch(banyan, ['../secret', '/../../x', 'a/../../b', 'http://127.0.0.1:1/x', 'a\r\nX-Evil: 1'], 3000);
  for (const { url, headers } of store.requests) {
    assert.ok(url.startsWith('/content/'), url);
    assert.equal(headers['x-evil'], undefined);
  }
});

test('application/x-ndjson: one object a line, as they arrive', async (scope) => {
  const store = await oddStore(scope);
  const banyan = await begin(scope, store.origin);
  const body = JSON.stringify({ keys: ['quick', 'slow-1000'], timeout_ms: 3000 });
  const client = await connect(scope, banyan.port);
  const head = 'POST /batch HTTP/1.1\r\nHost: a\r\nAccept: application/x-ndjson\r\n';
  const began = performance.now();
  await client.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  const { raw } = await client.head();
  assert.match(raw, /application\/x-ndjson/);
  await client.until(/quick.*\n/);
  assert.ok(performance.now() - began < 900, 'before the slow one is there');
  await client.until(/slow-1000.*\n/);
});

test('the cache: all workers share it, and an order empties it', async (scope) => {
  const store = await plainStore(scope);
  const banyan = await begin(scope, store.origin, 'cache = { size = "4m" }', { workers: 2 });
  const keys = ['a-1', 'a-2', 'b-1', 'none-1'];
  for (let round = 0; round < 30; round += 1) {
    const { results } = JSON.parse((await batch(banyan, keys, 5000)).text);
    assert.equal(results['none-1'].status, 404);
  }
  assert.equal(store.count, 4);
  const order = (body) => banyan.admin('/handlers/content/purge', { method: 'POST', body });
  assert.equal((await order({ prefix: 'a-' })).status, 200);
  await batch(banyan, keys, 5000);
  assert.equal(store.count, 6);
  const { code, stdout } = await banyan.ctl('handler', 'purge', 'content', '--key', 'b-1', '--why', 'a test');
  assert.deepEqual([code, stdout], [0, 'content: purged: key b-1\n']);
  await batch(banyan, keys, 5000);
  assert.equal(store.count, 7);
  assert.equal((await banyan.ctl('handler', 'purge', 'content')).code, 0);
  await batch(banyan, keys, 5000);
  assert.equal(store.count, 11);
  assert.equal((await banyan.admin('/handlers/nobody/purge', { method: 'POST' })).status, 404);
  // It outlives workers that are killed, and a reload.
  for (const pid of banyan.workers()) process.kill(pid, 'SIGKILL');
  await until(async () => (await banyan.admin('/readyz')).status === 200, 'the workers to be back');
  assert.equal((await banyan.order('reload')).code, 0);
  const again = JSON.parse((await until(() => batch(banyan, keys, 5000).catch(() => undefined), 'an answer')).text);
  assert.equal(again.complete, true);
  assert.equal(store.count, 11);
  const { text } = await banyan.admin('/metrics');
  assert.match(text, /banyan_batch_cache_lookups_total\{handler="content",result="hit"\} [1-9]/);
});

test('a store over TLS: whoever signed its certificate must be known', async (scope) => {
  const folder = makeFolder(scope);
  const made = await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=store', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', `${folder}/key.pem`, '-out', `${folder}/cert.pem`],
  ]);
  assert.equal(made.code, 0, made.stderr);
  const pair = { cert: fs.readFileSync(`${folder}/cert.pem`), key: fs.readFileSync(`${folder}/key.pem`) };
  const store = await plainStore(scope, (listener) => https.createServer(pair, listener));
  const origin = `https://${store.host}/content`;
  const known = await begin(scope, origin, `ca = "${folder}/cert.pem"`);
  const keys = Array.from({ length: 100 }, (_, n) => `a-${n}`);
  assert.equal(JSON.parse((await batch(known, keys, 5000)).text).complete, true);
  const unknown = await begin(scope, origin);
  assert.deepEqual(JSON.parse((await batch(unknown, ['a'], 5000)).text).errors, { a: 'tls' });
  const elsewhere = await begin(scope, origin.replace('127.0.0.1', 'localhost'), `ca = "${folder}/cert.pem"`);
  assert.deepEqual(JSON.parse((await batch(elsewhere, ['a'], 5000)).text).errors, { a: 'tls' });
});
