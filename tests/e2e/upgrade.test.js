// Tunnels: WebSocket and Socket.IO to real Node servers, and what an upgrade must never do.

import assert from 'node:assert/strict';
import http from 'node:http';
import { Server as SocketIo } from 'socket.io';
import { io as connectSocketIo } from 'socket.io-client';
import { WebSocket, WebSocketServer } from 'ws';
import { start, startInFrontOf, forward } from './lib/banyan.js';
import { ask, connect } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { serve } from './lib/servers.js';
import { test } from './lib/test.js';
import { until, within } from './lib/wait.js';

async function echoServer(scope, options = {}) {
  const server = http.createServer((request, response) => response.end('plain'));
  const sockets = new WebSocketServer({ server, ...options });
  sockets.on('connection', (socket, request) => {
    socket.on('message', (data, binary) => {
      if (String(data) === 'close me') socket.close(4001, 'as you wish');
      else if (String(data) === 'headers') socket.send(JSON.stringify(request.headers));
      else socket.send(data, { binary });
    });
    socket.on('error', () => socket.terminate());
  });
  await serve(scope, server);
  return Object.assign(server, { clients: sockets.clients });
}

async function open(scope, url, ...rest) {
  const socket = new WebSocket(url.replace('http', 'ws'), ...rest);
  scope.after(() => socket.terminate());
  socket.messages = [];
  socket.on('message', (data, binary) => socket.messages.push(binary ? data : String(data)));
  await within(
    new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    }),
    'the WebSocket to open',
  );
  return socket;
}

function message(socket, count = 1) {
  return until(() => socket.messages.length >= count && socket.messages[count - 1], 'a message');
}

test('ws: text, binary, large, compressed, subprotocol, close codes', async (scope) => {
  const server = await echoServer(scope, { perMessageDeflate: true, handleProtocols: () => 'chat' });
  const { url } = await startInFrontOf(scope, server.host);
  const socket = await open(scope, `${url}/echo?x=1`, ['chat', 'other'], { perMessageDeflate: true });
  assert.equal(socket.protocol, 'chat');
  socket.send('hello');
  assert.equal(await message(socket, 1), 'hello');
  const large = Buffer.alloc(5 << 20, 'abcdefg');
  socket.send(large);
  assert.ok((await message(socket, 2)).equals(large));
  socket.send('headers');
  const headers = JSON.parse(await message(socket, 3));
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(headers.upgrade.toLowerCase(), 'websocket');
  const closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve([code, String(reason)]));
  });
  socket.send('close me');
  assert.deepEqual(await within(closed, 'the close'), [4001, 'as you wish']);
  await until(() => server.clients.size === 0, 'the server to see it');
});

test('ws: pings pass in both directions', async (scope) => {
  const server = await echoServer(scope);
  const { url } = await startInFrontOf(scope, server.host);
  const socket = await open(scope, url);
  const pong = new Promise((resolve) => {
    socket.once('pong', (data) => resolve(String(data)));
  });
  socket.ping('are you there');
  assert.equal(await within(pong, 'the pong'), 'are you there');
  const ping = new Promise((resolve) => {
    socket.once('ping', (data) => resolve(String(data)));
  });
  for (const client of server.clients) client.ping('and you');
  assert.equal(await within(ping, 'the ping'), 'and you');
});

test('ws: either end going away is seen by the other', async (scope) => {
  const server = await echoServer(scope);
  const banyan = await startInFrontOf(scope, server.host);
  const first = await open(scope, banyan.url);
  first.terminate();
  await until(() => server.clients.size === 0, 'the server to see the client go');
  const second = await open(scope, banyan.url);
  const closed = new Promise((resolve) => {
    second.on('close', resolve);
  });
  for (const client of server.clients) client.terminate();
  assert.equal(await within(closed, 'the client to see the server go'), 1006);
  const entry = await banyan.logged(({ status }) => Number(status) === 101);
  assert.equal(entry.request_method, 'GET');
});

test('ws: two hundred at once', async (scope) => {
  const server = await echoServer(scope);
  const { url } = await startInFrontOf(scope, server.host);
  const sockets = await Promise.all(Array.from({ length: 200 }, () => open(scope, url)));
  sockets.forEach((socket, number) => socket.send(`n${number}`));
  for (const [number, socket] of sockets.entries()) assert.equal(await message(socket), `n${number}`);
});

test('ws: an idle tunnel is closed after its time, a busy one is not', async (scope) => {
  const server = await echoServer(scope);
  const text = `[client]\ntimeouts = { tunnel = "500ms" }\n${forward(server.host, 'timeouts = { tunnel = "500ms" }')}`;
  const { url } = await start(scope, text);
  const idle = await open(scope, url);
  const busy = await open(scope, url);
  const closed = new Promise((resolve) => {
    idle.on('close', resolve);
  });
  const chatter = setInterval(() => busy.send('x'), 50);
  try {
    await within(closed, 'the idle one to be closed', 5000);
    const count = busy.messages.length;
    await message(busy, count + 5);
  } finally {
    clearInterval(chatter);
  }
});

test('ws: a server that refuses is heard', async (scope) => {
  const server = await echoServer(scope, { verifyClient: (info, done) => done(false, 401, 'Who are you?') });
  const { url } = await startInFrontOf(scope, server.host);
  await assert.rejects(open(scope, url), /401/);
});

test('Socket.IO: polling, upgrade, acknowledgements, rooms, binary', async (scope) => {
  const server = http.createServer();
  const io = new SocketIo(server);
  io.on('connection', (socket) => {
    socket.on('ask', (data, reply) => reply(data));
    socket.on('join', (room) => socket.join(room));
    socket.on('say', (room, text) => io.to(room).emit('said', text));
  });
  await serve(scope, server);
  scope.after(() => io.close());
  const { url } = await startInFrontOf(scope, server.host);
  for (const transports of [['polling', 'websocket'], ['polling'], ['websocket']]) {
    const socket = connectSocketIo(url, { transports, forceNew: true, reconnection: false });
    try {
      await within(
        new Promise((resolve, reject) => {
          socket.once('connect', resolve);
          socket.once('connect_error', reject);
        }),
        `Socket.IO over ${transports} to connect`,
      );
      const bytes = Buffer.alloc(100_000, 'z');
      assert.ok(bytes.equals(await socket.timeout(5000).emitWithAck('ask', bytes)));
      const said = new Promise((resolve) => {
        socket.once('said', resolve);
      });
      socket.emit('join', 'room');
      socket.emit('say', 'room', 'hi');
      assert.equal(await within(said, 'the room'), 'hi');
      if (transports.length === 2) {
        await until(() => socket.io.engine.transport.name === 'websocket', 'the upgrade to WebSocket');
      }
    } finally {
      socket.disconnect();
    }
  }
});

const upgrade = (fields = '') =>
  `GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n${fields}\r\n`;
const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

test('bytes behind an upgrade request wait for the 101', async (scope) => {
  let upstream;
  const backend = await record(scope, {
    onHead: (request, connection) => {
      if (!request.get('upgrade')) return false;
      upstream = connection;
      return true;
    },
  });
  const { port } = await startInFrontOf(scope, backend.address, { workers: 1 });
  const client = await connect(scope, port);
  await client.write(`${upgrade()}early bytes`);
  await until(() => upstream, 'the request');
  assert.match(upstream.bytes, /^connection: upgrade\r$/im);
  assert.match(upstream.bytes, /^upgrade: websocket\r$/im);
  // Once other requests have gone through the same worker, the bytes would have gone too.
  for (let round = 0; round < 3; round += 1) await ask(scope, port, 'GET / HTTP/1.1\r\nHost: b\r\n\r\n');
  assert.ok(!upstream.bytes.includes('early bytes'), 'nothing before the 101');
  await upstream.write(switching);
  assert.equal((await client.response()).status, 101);
  await until(() => upstream.bytes.endsWith('early bytes'), 'the bytes after the 101');
  await upstream.write('\x00\xffraw\r\n');
  await client.until(/\x00\xffraw\r\n/);
  upstream.end();
  await client.closed();
});

// RFC 9110 section 8.6: zero says that there is no content.
test('an upgrade request with Content-Length: 0 is one', async (scope) => {
  const server = await echoServer(scope);
  const { url } = await startInFrontOf(scope, server.host);
  const socket = await open(scope, url, { headers: { 'Content-Length': '0' } });
  socket.send('hello');
  assert.equal(await message(socket), 'hello');
});

test('a server that does not switch: a normal answer, and no smuggling behind it', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  await client.write(`${upgrade()}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
  assert.equal((await client.response()).status, 200);
  // Either closed, or read as the request of its own that it is: never sent raw on the first connection.
  await client.rest(3000).catch(() => undefined);
  assert.ok(!/^GET \/smuggled/m.test(backend.connections[0].bytes.split('\r\n\r\n')[0]));
  for (const { target, all } of backend.heads) if (target === '/smuggled') assert.ok(all('via').length > 0);
});

test('an upgrade in HTTP/1.0 is no upgrade', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const response = await ask(scope, port, upgrade().replace('HTTP/1.1', 'HTTP/1.0'));
  assert.equal(response.status, 200);
  assert.equal(backend.last.get('upgrade'), undefined);
});

test('an upgrade to another protocol than the one asked for: 502', async (scope) => {
  const backend = await record(scope, {
    onRequest: (request, connection) => connection.write(switching.replace('websocket', 'h2c')),
  });
  const { port } = await startInFrontOf(scope, backend.address);
  assert.equal((await ask(scope, port, upgrade())).status, 502);
});

test('half-close passes through a tunnel', async (scope) => {
  let upstream;
  const backend = await record(scope, {
    onHead: (request, connection) => {
      upstream = connection;
      connection.write(switching);
      return true;
    },
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  await client.write(upgrade());
  await client.response();
  await client.write('last words');
  client.halfClose();
  await until(() => upstream.source.ended === 'end', 'the FIN at the backend');
  assert.ok(upstream.bytes.endsWith('last words'));
  await upstream.write('still here');
  upstream.end();
  assert.equal(String(await client.rest()), 'still here');
});
