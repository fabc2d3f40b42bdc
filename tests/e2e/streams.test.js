// Server-sent events and other answers that take their time: passed on at once.

import assert from 'node:assert/strict';
import { start, startInFrontOf, forward } from './lib/banyan.js';
import { connect } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const get = 'GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n';

test('each event arrives before the next one is sent', async (scope) => {
  let stream;
  const server = await serveHttp(scope, (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.flushHeaders();
    stream = response;
  });
  const { port } = await startInFrontOf(scope, server.host, { route: 'stream = true' });
  const client = await connect(scope, port);
  await client.write(get);
  const head = await client.head();
  assert.equal(head.get('content-type'), 'text/event-stream');
  for (let id = 1; id <= 20; id += 1) {
    stream.write(`id: ${id}\ndata: x\n\n`);
    await client.until(new RegExp(`id: ${id}\ndata: x\n\n`));
  }
  stream.end();
  await client.until(/\r\n0\r\n\r\n$/);
});

test('a client that leaves ends the stream at the server', async (scope) => {
  let gone = false;
  const server = await serveHttp(scope, (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('data: 1\n\n');
    response.on('close', () => {
      gone = true;
    });
  });
  const { port } = await startInFrontOf(scope, server.host, { route: 'stream = true' });
  const client = await connect(scope, port);
  await client.write(get);
  await client.until(/data: 1/);
  client.close();
  await until(() => gone, 'the server to see it');
});

test('a stream outlives the deadline that other routes have', async (scope) => {
  let stream;
  const server = await serveHttp(scope, (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('data: 1\n\n');
    stream = response;
  });
  const text = `${forward(server.host, '', 'deadline = "300ms"')}
[[route]]
path = "/events"
target = "upstream.app"
stream = true
`;
  const { port } = await start(scope, text);
  const [kept, cut] = [await connect(scope, port), await connect(scope, port)];
  await kept.write(get);
  await kept.until(/data: 1/);
  const keptStream = stream;
  await cut.write(get.replace('/events', '/other'));
  await cut.until(/data: 1/);
  await cut.closed(5000);
  keptStream.write('data: 2\n\n');
  await kept.until(/data: 2/);
});

test('a close-delimited stream is passed on at once, to HTTP/1.0 too', async (scope) => {
  const backend = await record(scope, {
    onRequest: (request, connection) =>
      connection.write('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\none '),
  });
  const { port } = await startInFrontOf(scope, backend.address);
  for (const version of ['1.1', '1.0']) {
    const client = await connect(scope, port);
    await client.write(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`);
    await client.until(/one /);
    const upstream = backend.connections.at(-1);
    await upstream.write('two');
    await client.until(/two/);
    upstream.end();
    await until(() => version === '1.1' || client.source.ended, 'the end');
  }
});
