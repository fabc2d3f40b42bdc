// TLS to clients: certificates by name, sessions at all workers, certificates of clients, files that change.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { makeFolder, start } from './lib/banyan.js';
import { makeAuthority } from './lib/certificates.js';
import { fetch, run } from './lib/client.js';
import { freePort, serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until, within } from './lib/wait.js';

const echo = `[handler.echo]
type = "echo"
[[route]]
path = "/*"
target = "handler.echo"
`;

// Banyan with a TLS listener on `tlsPort`; keys: of tls.
async function startTls(scope, keys, { rest = echo, ...options } = {}) {
  const port = await freePort();
  const text = (tlsKeys, more = rest) =>
    `${more}[[listener]]\naddress = "127.0.0.2:${port}"\ntls = { ${tlsKeys} }\n`;
  const banyan = await start(scope, text(keys), options);
  return Object.assign(banyan, { tlsPort: port, text });
}

async function authority(scope, name = 'ca') {
  const folder = makeFolder(scope);
  return makeAuthority(folder, name);
}

// One connection: {names, session, reused, protocol, cipher, text}, or the error.
function connect(port, options = {}) {
  const attempt = new Promise((resolve, reject) => {
    const result = { text: '' };
    const socket = tls.connect({ host: '127.0.0.2', port, rejectUnauthorized: false, ...options });
    socket.on('error', reject);
    socket.on('session', (session) => {
      result.session = session;
    });
    socket.on('secureConnect', () => {
      result.names = socket.getPeerCertificate().subjectaltname;
      result.reused = socket.isSessionReused();
      result.protocol = socket.getProtocol();
      result.cipher = socket.getCipher().standardName;
      socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    });
    socket.on('data', (chunk) => {
      result.text += chunk;
    });
    // Without a handshake, Node ends with ECONNRESET, whether the server reset or closed: 'error' is yet to come.
    socket.on('end', () => result.protocol && resolve(result));
  });
  return within(attempt, 'a TLS connection');
}

const pair = ({ cert, key }) => `certificate = "${cert}", key = "${key}"`;

test('the certificate goes by the name that the client asks for', async (scope) => {
  const ca = await authority(scope);
  const first = await ca.issue('first', { names: ['first.test'] });
  const exact = await ca.issue('exact', { names: ['a.wild.test'] });
  const wild = await ca.issue('wild', { names: ['*.wild.test', 'wild.test'] });
  const more = `certificates = [{ ${pair(wild)} }, { ${pair(exact)} }]`;
  const banyan = await startTls(scope, `${pair(first)}, ${more}`);
  const shown = async (servername) => (await connect(banyan.tlsPort, { servername })).names;
  assert.equal(await shown('first.test'), 'DNS:first.test');
  assert.equal(await shown('a.wild.test'), 'DNS:a.wild.test');
  assert.equal(await shown('b.wild.test'), 'DNS:*.wild.test, DNS:wild.test');
  assert.equal(await shown('WILD.test'), 'DNS:*.wild.test, DNS:wild.test');
  assert.equal(await shown('x.y.wild.test'), 'DNS:first.test');
  assert.equal(await shown(''), 'DNS:first.test');
  await banyan.reconfigure(banyan.text(`${pair(first)}, ${more}, unknown_names = "refuse"`));
  assert.equal(await shown('b.wild.test'), 'DNS:*.wild.test, DNS:wild.test');
  await assert.rejects(shown('else.test'), /unrecognized name|alert number 112/);
  await assert.rejects(shown(''), /unrecognized name|alert number 112/);
});

test('the cheapest strong cipher, but ChaCha20 for who asks for it first', async (scope) => {
  const ca = await authority(scope);
  const banyan = await startTls(scope, pair(await ca.issue('app', { names: ['app.test'] })));
  const chosen = async (maxVersion, ciphers) => (await connect(banyan.tlsPort, { maxVersion, ciphers })).cipher;
  assert.equal(await chosen('TLSv1.3'), 'TLS_AES_128_GCM_SHA256');
  assert.equal(await chosen('TLSv1.3', 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'), 'TLS_AES_256_GCM_SHA384');
  const phone = 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';
  assert.equal(await chosen('TLSv1.3', phone), 'TLS_CHACHA20_POLY1305_SHA256');
  const old = ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'];
  assert.equal(await chosen('TLSv1.2', old.join(':')), 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256');
  assert.equal(await chosen('TLSv1.2', old.reverse().join(':')), 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256');
});

test('sessions are resumed at all workers and after reloads', async (scope) => {
  const ca = await authority(scope);
  const banyan = await startTls(scope, pair(await ca.issue('app', { names: ['app.test'] })), { workers: 4 });
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
    const options = { maxVersion, servername: 'app.test' };
    let { session } = await connect(banyan.tlsPort, options);
    for (let i = 0; i < 16; i += 1) {
      if (i === 8) assert.equal((await banyan.order('reload')).code, 0);
      const next = await connect(banyan.tlsPort, { ...options, session });
      assert.equal(next.reused, true, `${maxVersion}, ${i}`);
      assert.equal(next.protocol, maxVersion);
      session = next.session ?? session;
    }
  }
});

test('certificates of clients', async (scope) => {
  const ca = await authority(scope);
  const strangers = await authority(scope, 'strangers');
  const backend = await serveHttp(scope, (request, response) => {
    response.end(JSON.stringify(request.headers['x-client-subject'] ?? null));
  });
  const server = pair(await ca.issue('app', { names: ['app.test'] }));
  const rest = `[upstream.app]
servers = ["${backend.host}"]
[lua]
routes = "rules.lua"
[[route]]
path = "/*"
target = "upstream.app"
`;
  const files = {
    'rules.lua': `local M = {}
function M.route(req)
  if req.path == "/lua" then return { status = 200, body = req.client_subject } end
end
return M`,
  };
  const banyan = await startTls(scope, `${server}, verify = "optional", ca = "${ca.cert}"`, { rest, files });
  const alice = await ca.issue('alice', { subject: '/O=Example/CN=alice' });
  const mallory = await strangers.issue('mallory');
  const own = ({ cert, key }) => ({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) });
  const ask = (options, target = '/', headers = {}) =>
    fetch(`https://127.0.0.2:${banyan.tlsPort}${target}`, {
      rejectUnauthorized: false,
      agent: false,
      headers,
      ...options,
    });
  assert.equal((await ask(own(alice))).text, '"CN=alice,O=Example"');
  assert.equal((await ask(own(alice), '/lua')).text, 'CN=alice,O=Example');
  const line = await banyan.logged(({ uri }) => uri === '/lua');
  assert.equal(line.ssl_client_s_dn, 'CN=alice,O=Example');
  assert.equal((await ask({}, '/', { 'X-Client-Subject': 'CN=root' })).text, 'null', 'only we say this');
  assert.equal((await ask({}, '/lua')).text, '');
  await assert.rejects(ask(own(mallory)));
  await banyan.reconfigure(banyan.text(`${server}, verify = "required", ca = "${ca.cert}"`));
  assert.equal((await ask(own(alice))).text, '"CN=alice,O=Example"');
  await assert.rejects(ask({}));
  await assert.rejects(ask(own(mallory)));
  const list = await ca.revoke('list', alice);
  const listed = `${server}, verify = "required", ca = "${ca.cert}", crl = "${list}"`;
  await banyan.reconfigure(banyan.text(listed));
  assert.equal((await ask(own(await ca.issue('bob')))).text, '"CN=bob"');
  await assert.rejects(ask(own(alice)), /alert|revoked/);
  // The plain listener, where anybody could claim to be anybody.
  const plain = await fetch(banyan.url, { headers: { 'X-Client-Subject': 'CN=root' } });
  assert.equal(plain.text, 'null');
});

test('handshakes are limited, of an address and in all, over all workers', async (scope) => {
  const ca = await authority(scope);
  const limits = '[client]\nlimits = { handshakes = "3/h", handshakes_total = "5/h" }';
  const banyan = await startTls(scope, pair(await ca.issue('a.test')), { top: limits, workers: 3 });
  const attempts = [];
  for (const last of [1, 1, 1, 1, 2, 2, 2]) {
    const options = { localAddress: `127.0.0.${last}` };
    attempts.push(await connect(banyan.tlsPort, options).then(({ protocol }) => protocol, ({ code }) => code));
  }
  const ok = 'TLSv1.3';
  const no = 'ECONNRESET';
  assert.deepEqual(attempts, [ok, ok, ok, no, ok, ok, no]);
  assert.match((await banyan.admin('/metrics')).text, /^banyan_tls_handshakes_refused_total 2$/m);
  for (let i = 0; i < 6; i += 1) assert.equal((await fetch(banyan.url, { agent: false })).status, 200, 'plain');
});

test('certificates that change on the disk are taken without a reload being asked for', async (scope) => {
  const ca = await authority(scope);
  const old = await ca.issue('old', { names: ['old.test'] });
  const next = await ca.issue('next', { names: ['next.test'] });
  const files = { cert: path.join(ca.folder, 'live.pem'), key: path.join(ca.folder, 'live.key') };
  const put = (from, what) => {
    fs.copyFileSync(from[what], `${files[what]}.new`);
    fs.renameSync(`${files[what]}.new`, files[what]);
  };
  put(old, 'cert');
  put(old, 'key');
  const banyan = await startTls(scope, pair(files));
  const shown = async () => (await connect(banyan.tlsPort)).names;
  assert.equal(await shown(), 'DNS:old.test');
  fs.appendFileSync(banyan.file, 'this = "is not to be read now"\n');
  put(next, 'cert');
  await banyan.said(/does not belong to the certificate/);
  assert.equal(await shown(), 'DNS:old.test');
  put(next, 'key');
  await until(async () => (await shown()) === 'DNS:next.test', 'the new certificate');
});

test('an OCSP response from a file is handed out', async (scope) => {
  const ca = await authority(scope);
  const app = await ca.issue('app', { names: ['app.test'] });
  const other = await ca.issue('other', { names: ['other.test'] });
  const file = path.join(ca.folder, 'app.ocsp');
  const serial = (await run('openssl', ['x509', '-in', app.cert, '-noout', '-serial'])).stdout.trim().slice(7);
  const index = path.join(ca.folder, 'index.txt');
  fs.writeFileSync(index, `V\t350101000000Z\t\t${serial}\tunknown\t/CN=app\n`);
  const made = await run('openssl', [
    ...['ocsp', '-index', index, '-CA', ca.cert, '-rsigner', ca.cert, '-rkey', ca.key],
    ...['-issuer', ca.cert, '-cert', app.cert, '-ndays', '2', '-respout', file],
  ]);
  assert.ok(fs.existsSync(file), made.stderr);
  const banyan = await startTls(scope, `${pair(app)}, ocsp = "${file}"`);
  const asked = await run('sh', [
    '-c',
    `openssl s_client -connect 127.0.0.2:${banyan.tlsPort} -status </dev/null 2>&1`,
  ]);
  assert.match(asked.stdout, /OCSP Response Status: successful/);
  assert.match(asked.stdout, /Cert Status: good/);
  banyan.configure(banyan.text(`${pair(other)}, ocsp = "${file}"`));
  assert.match((await banyan.check()).stderr, /ocsp .*app\.ocsp: is not about the certificate/);
  banyan.configure(banyan.text(`${pair(other)}, ocsp = "${app.cert}"`));
  assert.match((await banyan.check()).stderr, /ocsp .*app\.pem: is no OCSP response in DER form/);
});

test('the end of certificates is a metric, and is warned of three weeks ahead', async (scope) => {
  const ca = await authority(scope);
  const long = await ca.issue('long', { names: ['long.test'], days: 60 });
  const short = await ca.issue('short', { names: ['short.test'], days: 20 });
  const banyan = await startTls(scope, `${pair(long)}, certificates = [{ ${pair(short)} }]`);
  const { text } = await banyan.admin('/metrics');
  for (const [{ cert }, days] of [
    [long, 60],
    [short, 20],
  ]) {
    const found = text.match(new RegExp(`banyan_tls_certificate_expiry_timestamp_seconds{certificate="${cert}"} (\\S+)`));
    const left = (Number(found[1]) - Date.now() / 1000) / 86_400;
    assert.ok(Math.abs(left - days) < 0.1, `${left}`);
  }
  await banyan.said(/certificate .*short\.pem: expires on .*, in 19 days/);
  assert.doesNotMatch(banyan.errorLog(), /long\.pem: expires/);
  const { code, stderr } = await banyan.check();
  assert.equal(code, 0);
  assert.match(stderr, /warning: .*short\.pem: expires on/);
});

test('what is wrong with files is said by -t, with the file', async (scope) => {
  const ca = await authority(scope);
  const good = await ca.issue('good', { names: ['good.test'] });
  const other = await ca.issue('other', { names: ['other.test'] });
  const banyan = await startTls(scope, pair(good));
  const wrong = async (keys, message) => {
    banyan.configure(banyan.text(keys));
    const { code, stderr } = await banyan.check();
    assert.equal(code, 1);
    assert.match(stderr, message);
  };
  const mixed = `certificate = "${other.cert}", key = "${good.key}"`;
  await wrong(`${pair(good)}, certificates = [{ ${mixed} }]`, /key .*good\.key: does not belong to .*other\.pem/);
  await wrong(`${pair(good)}, verify = "required"`, /needs ca/);
  await wrong(`${pair(good)}, verify = "required", ca = "${good.key}"`, /good\.key has no certificate in PEM form/);
  await wrong(`${pair(good)}, verify = "required", ca = "${ca.folder}/none.pem"`, /none\.pem: No such file/);
});
