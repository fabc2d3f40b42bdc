// Large bodies that go from socket to socket within the kernel (the key `splice`).

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { forward, makeFolder, poor, start, startInFrontOf } from './lib/banyan.js';
import { makeAuthority } from './lib/certificates.js';
import { curl } from './lib/client.js';
import { connect } from './lib/raw.js';
import { freePort, serve, serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const size = 8 << 20;
const large = randomBytes(size);
const digest = (bytes) => createHash('sha1').update(bytes).digest('hex');

async function bytesOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

// Gives `large` for GET, the digest of what it got for anything else.
const store = (scope) =>
  serveHttp(scope, async (request, response) => {
    const body = request.method === 'GET' ? large : digest(await bytesOf(request));
    response.setHeader('Content-Length', String(body.length));
    response.end(body);
  });

// The answer, of which nothing is read before somebody does.
function ask(url) {
  return new Promise((resolve, reject) => {
    http.get(url, { agent: false }, resolve).on('error', reject);
  });
}

const get = async (url) => bytesOf(await ask(url));

async function post(url, body) {
  const response = await new Promise((resolve, reject) => {
    const headers = { 'Content-Length': String(body.length) };
    http
      .request(url, { method: 'POST', headers, agent: false }, resolve)
      .on('error', reject)
      .end(body);
  });
  return (await bytesOf(response)).toString();
}

const spliced = (banyan) => banyan.metric('banyan_spliced_bytes_total');
const noLimit = 'max_body = 0';

test('large bodies are spliced both ways, unless splice = false', async (scope) => {
  const server = await store(scope);
  const banyan = await startInFrontOf(scope, server.host, { workers: 1, route: noLimit, top: 'splice = false' });
  assert.equal(digest(await get(banyan.url)), digest(large));
  assert.equal(await post(banyan.url, large), digest(large));

  banyan.options.top = '';
  await banyan.reconfigure(forward(server.host, '', noLimit));
  assert.equal(digest(await get(banyan.url)), digest(large));
  // Bytes are counted once a second; some of the body came with the head, or was read with it.
  const most = (from) => async () => (await spliced(banyan)) > from + size - 256 * 1024;
  await until(most(0), 'the download to be counted');
  const download = await spliced(banyan);
  assert.ok(download <= size, 'what came before the reload was copied');
  assert.equal(await post(banyan.url, large), digest(large));
  await until(most(download), 'the upload to be counted');
  assert.ok((await spliced(banyan)) <= 2 * size);
  for (const method of ['GET', 'POST']) {
    const lines = () => banyan.accessLog().filter((line) => line.request_method === method);
    await until(() => lines().length === 2, `both lines of ${method}`);
    const [copied, moved] = lines();
    assert.equal(moved.body_bytes_sent, copied.body_bytes_sent);
    assert.equal(moved.request_length, copied.request_length);
    assert.ok(moved.body_bytes_sent + moved.request_length > size);
  }

  banyan.options.top = 'splice = false';
  await banyan.reconfigure(forward(server.host, '', noLimit));
  const last = await spliced(banyan);
  assert.equal(digest(await get(banyan.url)), digest(large));
  banyan.options.top = '';
  await banyan.reconfigure(forward(server.host, '', noLimit));
  assert.equal(digest(await get(banyan.url)), digest(large));
  await until(async () => (await spliced(banyan)) > last, 'the last one to be counted');
  assert.ok((await spliced(banyan)) <= 3 * size, 'and not the one before it');
});

test('what a client gets over TLS is encrypted, not spliced', async (scope) => {
  const server = await store(scope);
  const ca = await makeAuthority(makeFolder(scope), 'ca');
  const { cert, key } = await ca.issue('app', { names: ['app.test'] });
  const port = await freePort();
  const listener = `[[listener]]\naddress = "127.0.0.1:${port}"\ntls = { certificate = "${cert}", key = "${key}" }`;
  const banyan = await start(scope, `${forward(server.host, '', noLimit)}\n${listener}`, { workers: 1 });
  const file = path.join(banyan.folder, 'got');
  const { code } = await curl('-k', '-o', file, `https://127.0.0.1:${port}/`);
  assert.equal(code, 0);
  assert.equal(digest(fs.readFileSync(file)), digest(large));
  fs.writeFileSync(file, large);
  const { stdout } = await curl('-k', '--data-binary', `@${file}`, `https://127.0.0.1:${port}/`);
  assert.equal(stdout, digest(large));
  // The plain listener beside it: all that has been spliced by then is this.
  assert.equal(digest(await get(banyan.url)), digest(large));
  await until(async () => (await spliced(banyan)) > 0, 'the plain one to be counted');
  assert.ok((await spliced(banyan)) <= size);
});

for (const how of ['end', 'resetAndDestroy']) {
  test(`a server that breaks off (${how}): what came arrives, and that it is not all is seen`, async (scope) => {
    let server;
    const listening = await serve(
      scope,
      net.createServer((socket) => {
        server = socket;
        socket.on('error', () => {});
        socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`));
      }),
    );
    const banyan = await startInFrontOf(scope, listening.host, { workers: 1 });
    const client = await connect(scope, banyan.port);
    await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.head();
    const before = client.received;
    server.write(large.subarray(0, size / 2));
    await until(() => client.received === before + size / 2, 'the first half');
    server[how]();
    assert.equal(digest(await client.rest()), digest(large.subarray(0, size / 2)));
    const line = await banyan.logged(({ status }) => status === 200);
    assert.equal(line.body_bytes_sent, size / 2);
    await until(async () => (await spliced(banyan)) === size / 2, 'all of it to be counted');
  });
}

const pipeEnds = (pid) =>
  fs
    .readdirSync(`/proc/${pid}/fd`)
    .map((fd) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`))
    .filter((what) => what.startsWith('pipe:')).length;

test('a client that goes away in the middle leaves nothing behind', async (scope) => {
  let connections = 0;
  const server = await serveHttp(scope, (request, response) => {
    connections += 1;
    response.on('close', () => {
      connections -= 1;
    });
    response.setHeader('Content-Length', String(size * 8));
    for (let i = 0; i < 8; i += 1) response.write(large);
    response.end();
  });
  const banyan = await startInFrontOf(scope, server.host, { workers: 1 });
  const [worker] = banyan.workers();
  const before = pipeEnds(worker);
  for (let i = 0; i < 30; i += 1) {
    const client = await connect(scope, banyan.port);
    await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.head();
    client.socket.pause();
    await until(async () => connections > 0, 'the answer');
    if (i % 2) client.reset();
    else client.close();
  }
  await until(() => connections === 0, 'the server to be let go');
  // Empty pipes are kept for a second.
  await until(() => pipeEnds(worker) === before, 'the pipes to be closed');
  assert.equal((await get(`${banyan.url}/`)).length, size * 8);
});

test('more slow clients than pipes: who gets none is served by copying', async (scope) => {
  const server = await serveHttp(scope, (request, response) => {
    response.setHeader('Content-Length', String(size * 4));
    for (let i = 0; i < 4; i += 1) response.write(large);
    response.end();
  });
  // One pipe for each 64 descriptors.
  const banyan = await startInFrontOf(scope, server.host, {
    workers: 1,
    ...poor(256),
  });
  const answers = [];
  for (let i = 0; i < 12; i += 1) answers.push(await ask(banyan.url));
  const [worker] = banyan.workers();
  await until(() => pipeEnds(worker) >= 8, 'all pipes to be in use');
  const most = pipeEnds(worker);
  const fast = await get(banyan.url);
  assert.equal(fast.length, size * 4);
  assert.ok(pipeEnds(worker) <= most, 'not one more');
  const whole = digest(Buffer.concat(Array(4).fill(large)));
  for (const got of await Promise.all(answers.map(bytesOf))) assert.equal(digest(got), whole);
});
