// Unix sockets on both sides, TLS, the PROXY protocol.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { start, startInFrontOf, makeFolder } from './lib/banyan.js';
import { curl, fetch, run } from './lib/client.js';
import { ask, connect } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { freePort, serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const get = 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n';

// Makes NAME.cert.pem and NAME.key.pem for localhost in the folder.
async function makeCertificate(folder, name) {
  const [key, cert] = ['key', 'cert'].map((part) => path.join(folder, `${name}.${part}.pem`));
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
  ];
  const made = await run('openssl', [
    ...args,
    '-subj',
    `/CN=${name}`,
    '-addext',
    'subjectAltName=DNS:localhost',
    '-keyout',
    key,
    '-out',
    cert,
  ]);
  assert.equal(made.code, 0, made.stderr);
  return { key, cert };
}

test('an upstream on a unix socket', async (scope) => {
  const socket = path.join(makeFolder(scope), 'app.sock');
  const backend = await record(scope, { path: socket });
  const { port } = await startInFrontOf(scope, `unix:${socket}`);
  for (let round = 0; round < 3; round += 1) assert.equal((await ask(scope, port, get)).status, 200);
  assert.equal(backend.requests.length, 3);
  fs.rmSync(socket);
  await backend.close();
  const response = await ask(scope, port, get);
  assert.equal(response.status, 502);
});

test('a listener on a unix socket', async (scope) => {
  const backend = await record(scope);
  const socket = path.join(makeFolder(scope), 'front.sock');
  await startInFrontOf(scope, backend.address, { listener: `[[listener]]\naddress = "unix:${socket}"` });
  const response = await ask(scope, { path: socket }, get);
  assert.equal(response.status, 200);
  assert.equal((await curl('--unix-socket', socket, 'http://a/x')).stdout, 'ok\n');
});

test('TLS: requests, WebSocket, protocol versions, plain text refused', async (scope) => {
  const server = await serveHttp(scope, (request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () =>
      response.end(`${request.headers['x-forwarded-proto']} ${Buffer.concat(chunks).length}`),
    );
  });
  new WebSocketServer({ server }).on('connection', (socket) =>
    socket.on('message', (data) => socket.send(String(data))),
  );
  const { key, cert } = await makeCertificate(makeFolder(scope), 'first');
  const port = await freePort();
  const listener = `[[listener]]\naddress = "127.0.0.1:${port}"\ntls = { certificate = "${cert}", key = "${key}" }`;
  const banyan = await startInFrontOf(scope, server.host, { listener, route: 'max_body = 0' });
  const url = `https://localhost:${port}/`;
  const ca = fs.readFileSync(cert);
  const lookup = (name, options, done) =>
    done(null, options.all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4);
  const body = Buffer.alloc(10 << 20, 'x');
  assert.equal((await fetch(url, { ca, lookup, method: 'POST', body })).text, `https ${body.length}`);
  const resolve = `localhost:${port}:127.0.0.1`;
  assert.equal((await curl('--cacert', cert, '--resolve', resolve, url)).stdout, 'https 0');
  assert.equal(
    (await curl('--cacert', cert, '--resolve', resolve, '--tls-max', '1.2', url)).stdout,
    'https 0',
  );
  assert.notEqual((await curl('--cacert', cert, '--resolve', resolve, '--tls-max', '1.1', url)).code, 0);
  const socket = new WebSocket(url.replace('https', 'wss'), { ca, lookup });
  scope.after(() => socket.terminate());
  const echoed = new Promise((done, fail) => {
    socket.on('error', fail);
    socket.on('open', () => socket.send('secret'));
    socket.on('message', (data) => done(String(data)));
  });
  assert.equal(await echoed, 'secret');
  const plain = await connect(scope, port);
  await plain.write(get);
  assert.match(String(await plain.rest()), /^HTTP\/1\.1 400 [^]*plain HTTP request/);
  const garbage = await connect(scope, port);
  await garbage.write('\x16\x03\x01\x00\x05hello');
  await garbage.rest();
  const { text: metrics } = await banyan.admin('/metrics');
  assert.match(metrics, /^banyan_tls_handshakes_total\{result="failed"\} 3$/m, 'TLS 1.1, plain, garbage');
  assert.match(metrics, /^banyan_tls_handshakes_total\{result="ok"\} 4$/m);
});

test('TLS: a handshake that does not come to its end', async (scope) => {
  const backend = await record(scope);
  const { key, cert } = await makeCertificate(makeFolder(scope), 'slow');
  const port = await freePort();
  const listener = `[[listener]]\naddress = "127.0.0.1:${port}"\ntls = { certificate = "${cert}", key = "${key}" }`;
  const top = '[client]\ntimeouts = { tls_handshake = "200ms", header = "1h" }';
  const banyan = await startInFrontOf(scope, backend.address, { listener, top });
  const silent = await connect(scope, port);
  assert.equal((await silent.rest()).length, 0);
  const { stderr } = await curl('-sk', `https://127.0.0.1:${port}/x`);
  assert.equal(stderr, '');
  const { text: metrics } = await banyan.admin('/metrics');
  assert.match(metrics, /^banyan_tls_handshakes_total\{result="failed"\} 1$/m);
  assert.match(metrics, /^banyan_connections_failed_total 1$/m);
});

test('TLS: a reload changes the certificate, open connections stay', async (scope) => {
  const backend = await record(scope);
  const folder = makeFolder(scope);
  const [first, second] = [await makeCertificate(folder, 'first'), await makeCertificate(folder, 'second')];
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  const install = (pair) => {
    fs.copyFileSync(pair.key, key);
    fs.copyFileSync(pair.cert, cert);
  };
  install(first);
  const port = await freePort();
  const listener = `[[listener]]\naddress = "127.0.0.1:${port}"\ntls = { certificate = "${cert}", key = "${key}" }`;
  const banyan = await startInFrontOf(scope, backend.address, { listener });
  const shake = () =>
    new Promise((resolve, reject) => {
      const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () =>
        resolve(socket),
      );
      socket.on('error', reject);
      scope.after(() => socket.destroy());
    });
  const old = await shake();
  assert.equal(old.getPeerCertificate().subject.CN, 'first');
  install(second);
  assert.equal((await banyan.order('reload')).code, 0);
  assert.equal((await shake()).getPeerCertificate().subject.CN, 'second');
  let text = '';
  old.on('data', (chunk) => {
    text += chunk;
  });
  old.write(get);
  await until(() => text.endsWith('ok\n'), 'an answer on the old connection');
  fs.writeFileSync(cert, 'not a certificate');
  const refused = await banyan.order('reload');
  assert.equal(refused.code, 1);
  assert.equal((await shake()).getPeerCertificate().subject.CN, 'second', 'the good one stays');
});

test('the PROXY protocol tells the client address, versions 1 and 2', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address, { listener: 'proxy_protocol = true' });
  const first = await ask(scope, port, `PROXY TCP4 192.0.2.7 127.0.0.1 5555 80\r\n${get}`);
  assert.equal(first.status, 200);
  assert.deepEqual(backend.last.all('x-forwarded-for'), ['192.0.2.7']);
  const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  const addresses = Buffer.from('21110000c0000208' + '7f000001' + '15b30050', 'hex');
  addresses.writeUInt16BE(12, 2);
  const second = await ask(scope, port, Buffer.concat([signature, addresses, Buffer.from(get)]));
  assert.equal(second.status, 200);
  assert.deepEqual(backend.last.all('x-forwarded-for'), ['192.0.2.8']);
  const count = backend.requests.length;
  for (const bytes of [get, 'PROXY TCP4 nonsense\r\n', `PROXY ${'x'.repeat(200)}`]) {
    const client = await connect(scope, port);
    await client.write(bytes);
    await client.rest();
  }
  assert.equal(backend.requests.length, count, 'a connection without the header is refused');
});
