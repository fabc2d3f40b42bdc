// TLS to upstreams: verified unless it is said that it shall not be.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import tls from 'node:tls';
import { makeFolder, start } from './lib/banyan.js';
import { makeAuthority } from './lib/certificates.js';
import { fetch } from './lib/client.js';
import { serve } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

// An HTTPS server that tells of the connection; `sessions` has, for each, whether it was resumed.
async function serveHttps(scope, { cert, key }, options = {}) {
  const sessions = [];
  const server = https.createServer(
    { cert: fs.readFileSync(cert), key: fs.readFileSync(key), ...options },
    (request, response) => {
      const { socket } = request;
      response.end(
        JSON.stringify({
          sni: socket.servername || null,
          client: socket.getPeerCertificate()?.subject?.CN ?? null,
          protocol: socket.getProtocol(),
          host: request.headers.host,
        }),
      );
    },
  );
  server.on('secureConnection', (socket) => sessions.push(socket.isSessionReused()));
  return Object.assign(await serve(scope, server), { sessions });
}

const toApp = '[[route]]\npath = "/*"\ntarget = "upstream.app"\n';
const app = (server, keys) => `[upstream.app]\nservers = ["${server.host}"]\n${keys}\n${toApp}`;

async function authority(scope) {
  const folder = makeFolder(scope);
  return { folder, ca: await makeAuthority(folder, 'ca') };
}

test('a server is verified by chain and name', async (scope) => {
  const { folder, ca } = await authority(scope);
  const server = await serveHttps(scope, await ca.issue('app', { names: ['127.0.0.1', 'app.test'] }));
  const other = await makeAuthority(folder, 'other');
  const banyan = await start(scope, app(server, `tls = { ca = "${ca.cert}" }`));
  const answer = await fetch(banyan.url);
  assert.equal(answer.status, 200);
  assert.equal(JSON.parse(answer.text).protocol, 'TLSv1.3');
  assert.equal(JSON.parse(answer.text).sni, null, 'an address is no name');

  await banyan.reconfigure(app(server, `tls = { ca = "${ca.cert}", name = "app.test" }`));
  assert.equal(JSON.parse((await fetch(banyan.url)).text).sni, 'app.test');

  const refused = async (keys, why) => {
    await banyan.reconfigure(app(server, keys));
    const { status, headers } = await fetch(banyan.url);
    assert.equal(status, 502);
    assert.match(headers['proxy-status'], /error=tls_certificate_error/);
    await banyan.said(why);
  };
  await refused(`tls = { ca = "${ca.cert}", name = "else.test" }`, /hostname mismatch/i);
  await refused(`tls = { ca = "${other.cert}" }`, /certificate verify failed: /);
  await refused('tls = {}', /certificate verify failed: /);

  await banyan.reconfigure(app(server, 'tls = { insecure = true }'));
  assert.equal((await fetch(banyan.url)).status, 200);
  assert.match(
    (await banyan.admin('/metrics')).text,
    new RegExp(`banyan_upstream_connects_total{upstream="app",server="${server.host}",result="tls"} [1-9]`),
  );
});

test('our own certificate is shown to servers that ask for one', async (scope) => {
  const { ca } = await authority(scope);
  const mutual = { requestCert: true, rejectUnauthorized: true, ca: fs.readFileSync(ca.cert) };
  const server = await serveHttps(scope, await ca.issue('app', { names: ['127.0.0.1'] }), mutual);
  const gateway = await ca.issue('gateway');
  const keys = `tls = { ca = "${ca.cert}", certificate = "${gateway.cert}", key = "${gateway.key}" }`;
  const banyan = await start(scope, app(server, keys));
  assert.equal(JSON.parse((await fetch(banyan.url)).text).client, 'gateway');
  await banyan.reconfigure(app(server, `tls = { ca = "${ca.cert}" }`));
  assert.equal((await fetch(banyan.url)).status, 502);
});

test('sessions are resumed', async (scope) => {
  const { ca } = await authority(scope);
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const server = await serveHttps(scope, await ca.issue('app', { names: ['127.0.0.1'] }), {
      maxVersion: version,
    });
    const keys = `tls = { ca = "${ca.cert}" }\nkeepalive = { connections = 0 }`;
    const banyan = await start(scope, app(server, keys), { workers: 1 });
    for (let i = 0; i < 4; i += 1) {
      assert.equal(JSON.parse((await fetch(banyan.url)).text).protocol, version);
    }
    assert.deepEqual(server.sessions, [false, true, true, true], version);
  }
});

test('probes speak the same TLS', async (scope) => {
  const { ca } = await authority(scope);
  const mutual = { requestCert: true, rejectUnauthorized: true, ca: fs.readFileSync(ca.cert) };
  const certificate = await ca.issue('app', { names: ['app.test'] });
  const server = await serveHttps(scope, certificate, mutual);
  const gateway = await ca.issue('gateway');
  const health = 'health = { path = "/", interval = "100ms", timeout = "100ms", fall = 1, rise = 1 }';
  const own = `certificate = "${gateway.cert}", key = "${gateway.key}"`;
  const keys = (more) => `tls = { ca = "${ca.cert}", name = "app.test"${more} }\n${health}`;
  const banyan = await start(scope, app(server, keys(`, ${own}`)));
  const state = async () => (await banyan.admin('/upstreams')).json.upstreams[0].servers[0].health;
  await until(async () => (await state()) === 'healthy', 'a good probe');
  await banyan.reconfigure(app(server, keys('')));
  await until(async () => (await state()) === 'unhealthy', 'a probe without the certificate');
  const others = await ca.revoke('others', gateway);
  await banyan.reconfigure(app(server, keys(`, ${own}, crl = "${others}"`)));
  await until(async () => (await state()) === 'healthy', 'a list on which the server is not');
  const list = await ca.revoke('list', certificate);
  await banyan.reconfigure(app(server, keys(`, ${own}, crl = "${list}"`)));
  await until(async () => (await state()) === 'unhealthy', 'a server whose certificate is revoked');
  await banyan.said(/is unhealthy: .*revoked/);
});

test('a server that does not speak TLS, and one that does not speak at all', async (scope) => {
  const garbage = await serve(
    scope,
    tls.createServer().on('connection', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  );
  const banyan = await start(scope, app(garbage, 'tls = { insecure = true }'));
  const answer = await fetch(banyan.url, { method: 'POST', body: 'x' });
  assert.equal(answer.status, 502);
  assert.match(answer.headers['proxy-status'], /error=(tls_protocol_error|connection_terminated)/);
  const { createServer } = await import('node:net');
  const silent = await serve(scope, createServer());
  await banyan.reconfigure(app(silent, 'tls = { insecure = true }\ntimeouts = { connect = "200ms" }'));
  const late = await fetch(banyan.url);
  assert.equal(late.status, 504);
  assert.match(late.headers['proxy-status'], /error=connection_timeout/);
});

test('what is wrong with files is said by -t, with the file', async (scope) => {
  const { folder, ca } = await authority(scope);
  const banyan = await start(scope, app({ host: '127.0.0.1:1' }, 'tls = {}'));
  const one = await ca.issue('one');
  const two = await ca.issue('two');
  const wrong = async (keys, message) => {
    banyan.configure(app({ host: '127.0.0.1:1' }, `tls = { ${keys} }`));
    const { code, stderr } = await banyan.check();
    assert.equal(code, 1);
    assert.match(stderr, message);
  };
  await wrong(`ca = "${one.key}"`, /one\.key has no certificate in PEM form/);
  await wrong(`ca = "${folder}/none"`, /none: No such file/);
  await wrong(`certificate = "${one.cert}"`, /needs its key/);
  await wrong(`certificate = "${one.cert}", key = "${two.key}"`, /key .*two\.key: does not belong/);
  await wrong(`ca = "${ca.cert}", crl = "${one.cert}"`, /one\.pem has no revocation list in PEM form/);
  fs.writeFileSync(`${folder}/cut.pem`, fs.readFileSync(ca.cert, 'utf8').replace(/\n[^-]{20}/, '\n'));
  await wrong(`ca = "${folder}/cut.pem"`, /ca .*cut\.pem: certificate 1: /);
});
