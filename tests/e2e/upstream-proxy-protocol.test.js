// The PROXY protocol towards upstreams: what servers are told of clients, each on connections of its own.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { makeFolder, start } from './lib/banyan.js';
import { makeAuthority } from './lib/certificates.js';
import { fetch } from './lib/client.js';
import { ask, connect } from './lib/raw.js';
import { freePort } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const get = 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n';
const local = { v1: 'PROXY UNKNOWN\r\n', v2: '0d0a0d0a000d0a515549540a20000000' };

const hex = (number, digits) => Number(number).toString(16).padStart(digits, '0');

// In hexadecimal digits; an IPv6 address with one "::".
function digitsOf(address) {
  const ipv4 = (text) => text.split('.').map((part) => hex(part, 2)).join('');
  if (!address.includes(':')) return ipv4(address);
  const group = (text) => (text.includes('.') ? ipv4(text) : text.padStart(4, '0'));
  const groups = (text) => text.split(':').filter(Boolean).map(group).join('');
  const [head, tail] = address.split('::').map(groups);
  return head + '0'.repeat(32 - head.length - tail.length) + tail;
}

// The exact bytes of a header: version 1 as text, version 2 in hexadecimal digits.
function expected(version, source, sourcePort, destination, destinationPort) {
  const isIpv6 = source.includes(':');
  if (version === 'v1') {
    return `PROXY TCP${isIpv6 ? 6 : 4} ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`;
  }
  const addresses = digitsOf(source) + digitsOf(destination);
  const ports = hex(sourcePort, 4) + hex(destinationPort, 4);
  return `0d0a0d0a000d0a515549540a21${isIpv6 ? '210024' : '11000c'}${addresses}${ports}`;
}

// What a client that reached `port` on this machine, both over IPv4, is told as.
const direct = (version, client, port) =>
  expected(version, '127.0.0.1', client.socket.localPort, '127.0.0.1', port);

async function takeExactly(socket, size) {
  for (;;) {
    const chunk = socket.read(size);
    if (chunk) return chunk;
    await new Promise((resolve, reject) => {
      socket.once('readable', resolve);
      socket.once('close', () => reject(new Error('closed')));
    });
  }
}

// Anything else is no connection for us.
async function takeHeader(socket) {
  const first = await takeExactly(socket, 6);
  if (first.toString() === 'PROXY ') {
    let line = 'PROXY ';
    while (!line.endsWith('\r\n')) line += (await takeExactly(socket, 1)).toString('latin1');
    return line;
  }
  const fixed = Buffer.concat([first, await takeExactly(socket, 10)]);
  if (!fixed.toString('hex').startsWith('0d0a0d0a000d0a515549540a')) throw new Error('no header');
  const size = fixed.readUInt16BE(14);
  return Buffer.concat(size > 0 ? [fixed, await takeExactly(socket, size)] : [fixed]).toString('hex');
}

// An HTTP server, over TLS with `secure`, that wants a header on each connection and answers with it.
// connections: the header of each; requests: [header, path] of each.
async function serveBehindHeader(scope, { secure, answer } = {}) {
  const server = { connections: [], requests: [], refused: 0, sockets: new Set() };
  server.http = http.createServer((request, response) => {
    const { header } = request.socket;
    server.requests.push([header, request.url]);
    if (!answer?.(request, response)) response.end(header);
  });
  const front = net.createServer(async (socket) => {
    server.sockets.add(socket);
    socket.on('error', () => {});
    try {
      const header = await takeHeader(socket);
      server.connections.push(header);
      const stream = secure ? new tls.TLSSocket(socket, { ...secure, isServer: true }) : socket;
      stream.on('error', () => {});
      stream.header = header;
      server.http.emit('connection', stream);
    } catch {
      server.refused += 1;
      socket.destroy();
    }
  });
  await new Promise((resolve) => front.listen(0, '127.0.0.1', resolve));
  server.host = `127.0.0.1:${front.address().port}`;
  scope.after(() => {
    for (const socket of server.sockets) socket.destroy();
    front.close();
  });
  return server;
}

const toApp = '[[route]]\npath = "/*"\ntarget = "upstream.app"\n';
const app = (server, keys) => `[upstream.app]\nservers = ["${server.host}"]\n${keys}\n${toApp}`;
const one = { workers: 1 };

async function secured(scope) {
  const ca = await makeAuthority(makeFolder(scope), 'ca');
  const { cert, key } = await ca.issue('app', { names: ['127.0.0.1'] });
  return { ca, secure: { cert: fs.readFileSync(cert), key: fs.readFileSync(key) } };
}

for (const version of ['v1', 'v2']) {
  const key = `proxy_protocol = "${version}"`;

  test(`${version}: the client's address and where it came to, IPv4 and IPv6`, async (scope) => {
    const server = await serveBehindHeader(scope);
    const port = await freePort();
    const listener = `[[listener]]\naddress = "[::1]:${port}"\n`;
    const banyan = await start(scope, listener + app(server, key), {
      top: 'trusted_proxies = ["127.0.0.1", "::1"]',
    });
    const four = await ask(scope, banyan.port, get);
    assert.equal(four.body.toString(), direct(version, four.client, banyan.port));
    const six = await ask(scope, { host: '::1', port }, get);
    assert.equal(six.body.toString(), expected(version, '::1', six.client.socket.localPort, '::1', port));
    const behind = (address) => get.replace('Host', `X-Forwarded-For: ${address}\r\nHost`);
    for (const [to, from, source, destination] of [
      [banyan.port, '192.0.2.7', '192.0.2.7', '127.0.0.1'],
      [banyan.port, '2001:db8::7', '2001:db8::7', '::ffff:127.0.0.1'],
      [{ host: '::1', port }, '192.0.2.7', '::ffff:192.0.2.7', '::1'],
    ]) {
      const { body } = await ask(scope, to, behind(from));
      assert.equal(body.toString(), expected(version, source, 0, destination, to.port ?? to));
    }
    assert.equal(server.refused, 0);
  });

  test(`${version}: a connection is kept for one client alone`, async (scope) => {
    const server = await serveBehindHeader(scope);
    const banyan = await start(scope, app(server, `${key}\nkeepalive = { idle = "1m" }`), one);
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect(scope, banyan.port)));
    for (let round = 0; round < 5; round += 1) {
      for (const client of clients) {
        await client.write(get);
        const { body } = await client.response();
        assert.equal(body.toString(), direct(version, client, banyan.port));
      }
    }
    assert.equal(server.connections.length, clients.length, 'and used again for it');
  });

  test(`${version}: header first, then TLS`, async (scope) => {
    const { ca, secure } = await secured(scope);
    const server = await serveBehindHeader(scope, { secure });
    const health = 'health = { path = "/health", interval = "100ms", timeout = "90ms" }';
    const keys = `${key}\ntls = { ca = "${ca.cert}" }\n${health}`;
    const banyan = await start(scope, app(server, keys), one);
    const { status, body, client } = await ask(scope, banyan.port, get);
    assert.equal(status, 200);
    assert.equal(body.toString(), direct(version, client, banyan.port));
    const isProbe = ([header, url]) => header === local[version] && url === '/health';
    await until(() => server.requests.some(isProbe), 'a probe');
    await banyan.said(/is healthy: answers 200/);
  });

  for (const [type, health] of [
    ['http', 'path = "/health"'],
    ['tcp', 'type = "tcp"'],
  ]) {
    test(`${version}: probes (${type}) speak for themselves`, async (scope) => {
      const server = await serveBehindHeader(scope);
      const keys = `${key}\nhealth = { ${health}, interval = "100ms", timeout = "90ms" }`;
      const named = { host: server.host.replace('127.0.0.1', 'localhost') };
      const banyan = await start(scope, app(named, keys), one);
      await until(() => server.connections.length >= 3, 'three probes');
      assert.deepEqual([...new Set(server.connections)], [local[version]]);
      if (type === 'http') {
        await until(() => server.requests.length >= 3, 'their requests');
        assert.deepEqual(server.requests[0], [local[version], '/health']);
      }
      await banyan.said(/is healthy/);
      assert.equal(server.refused, 0);
    });
  }

  test(`${version}: a client on a unix socket has no address`, async (scope) => {
    const server = await serveBehindHeader(scope);
    const socket = path.join(makeFolder(scope), 'in.sock');
    await start(scope, `[[listener]]\naddress = "unix:${socket}"\n${app(server, key)}`);
    assert.equal((await ask(scope, { path: socket }, get)).body.toString(), local[version]);
  });

  test(`${version}: a WebSocket`, async (scope) => {
    const server = await serveBehindHeader(scope);
    const sockets = new WebSocketServer({ server: server.http });
    sockets.on('connection', (socket, request) => {
      socket.on('message', () => socket.send(request.socket.header));
    });
    const banyan = await start(scope, app(server, key));
    const client = new WebSocket(`ws://127.0.0.1:${banyan.port}/`);
    scope.after(() => client.terminate());
    await new Promise((resolve) => client.once('open', resolve));
    const told = new Promise((resolve) => client.once('message', (data) => resolve(data.toString())));
    client.send('who am I?');
    assert.equal(await told, direct(version, { socket: client._socket }, banyan.port));
  });
}

test('what an inbound PROXY header said goes on', async (scope) => {
  const server = await serveBehindHeader(scope);
  const banyan = await start(scope, app(server, 'proxy_protocol = "v2"'), {
    listener: 'proxy_protocol = true',
  });
  const { body } = await ask(scope, banyan.port, `PROXY TCP4 192.0.2.7 203.0.113.5 5555 80\r\n${get}`);
  assert.equal(body.toString(), expected('v2', '192.0.2.7', 5555, '127.0.0.1', banyan.port));
});

test('the next server and a new connection after a stale one are told the same', async (scope) => {
  let cut = false;
  const server = await serveBehindHeader(scope, {
    answer: (request) => {
      if (!cut) return false;
      cut = false;
      request.socket.destroy();
      return true;
    },
  });
  const dead = { host: `127.0.0.1:${await freePort()}", "${server.host}` };
  const keys = 'proxy_protocol = "v1"\nejection = { failures = 0 }\nretry = { budget = 100, attempts = 2 }';
  const banyan = await start(scope, app(dead, keys), one);
  const client = await connect(scope, banyan.port);
  const header = direct('v1', client, banyan.port);
  for (let round = 0; round < 4; round += 1) {
    cut = round === 3;
    await client.write(get);
    const { status, body } = await client.response();
    assert.equal(status, 200);
    assert.equal(body.toString(), header);
  }
  assert.equal(server.connections.length, 2);
});

test('when more clients come than connections are kept, the oldest goes', async (scope) => {
  const server = await serveBehindHeader(scope);
  const kept = 'keepalive = { idle = "1m", connections = 2 }\nlimits = { connections = 2 }';
  const banyan = await start(scope, app(server, `proxy_protocol = "v1"\n${kept}`), one);
  const clients = await Promise.all(Array.from({ length: 3 }, () => connect(scope, banyan.port)));
  const turn = async (client) => {
    await client.write(get);
    const { body } = await client.response();
    assert.equal(body.toString(), direct('v1', client, banyan.port));
  };
  for (const client of clients) await turn(client);
  assert.equal(server.connections.length, 3);
  await turn(clients[2]);
  await turn(clients[1]);
  assert.equal(server.connections.length, 3, 'the last two are kept');
  await turn(clients[0]);
  assert.equal(server.connections.length, 4);
});

test('off: no header', async (scope) => {
  const server = await serveBehindHeader(scope);
  const banyan = await start(scope, app(server, 'proxy_protocol = "off"'));
  assert.equal((await fetch(banyan.url)).status, 502);
  assert.equal(server.connections.length, 0);
});
