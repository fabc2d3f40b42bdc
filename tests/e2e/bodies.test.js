// Bodies of any size in constant memory: back-pressure from end to end. BANYAN_E2E_HUGE=1 sends 10 GB each
// way.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { memory, startInFrontOf } from './lib/banyan.js';
import { connect } from './lib/raw.js';
import { serve, serveHttp } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const total = process.env.BANYAN_E2E_HUGE ? 10e9 : 300e6;
const limit = { timeout: process.env.BANYAN_E2E_HUGE ? 1_200_000 : 60_000 };
const piece = Buffer.alloc(1 << 20, 'The quick brown fox jumps over the lazy dog. ');

// A stream of `size` bytes, and the digest of what has gone through it in `digest`.
function source(size) {
  const hash = createHash('sha1');
  let left = size;
  const stream = Readable.from(
    (function* pieces() {
      while (left > 0) {
        const next = piece.subarray(0, Math.min(left, piece.length));
        left -= next.length;
        hash.update(next);
        yield next;
      }
    })(),
    { objectMode: false },
  );
  return Object.assign(stream, { digest: () => hash.digest('hex') });
}

async function digestOf(stream) {
  const hash = createHash('sha1');
  let size = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, digest: hash.digest('hex') };
}

async function textOf(response) {
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

// The largest growth of any worker's memory while the promise is under way, in MiB. A sanitizer keeps freed
// memory.
async function growth(banyan, promise) {
  const before = new Map(banyan.workers().map((pid) => [pid, memory(pid)]));
  assert.ok(before.size > 0);
  let most = 0;
  let done = false;
  const watch = async () => {
    await until(
      () => {
        for (const [pid, start] of before) most = Math.max(most, memory(pid) - start);
        return done;
      },
      'the transfer',
      limit.timeout,
    );
  };
  const watching = watch();
  const result = await promise.finally(() => {
    done = true;
  });
  await watching;
  return { result, most };
}

const allowed = 16;

test(
  'a large upload, sent faster than it is read, arrives whole in constant memory',
  limit,
  async (scope) => {
    const server = await serveHttp(scope, async (request, response) =>
      response.end(JSON.stringify(await digestOf(request))),
    );
    const banyan = await startInFrontOf(scope, server.host, { route: 'max_body = 0\ndeadline = "0s"' });
    for (const headers of [{ 'Content-Length': String(total) }, {}]) {
      const body = source(total);
      const upload = new Promise((resolve, reject) => {
        const request = http.request(banyan.url, { method: 'POST', headers, agent: false }, (response) => {
          textOf(response).then(resolve, reject);
        });
        request.on('error', reject);
        pipeline(body, request).catch(reject);
      });
      const { result, most } = await growth(banyan, upload);
      assert.deepEqual(JSON.parse(result), { size: total, digest: body.digest() });
      assert.ok(most < allowed, `a worker grew by ${most} MiB`);
    }
  },
);

test('a large download arrives whole in constant memory', limit, async (scope) => {
  let sent;
  const server = await serveHttp(scope, (request, response) => {
    sent = source(total);
    if (request.url === '/length') response.setHeader('Content-Length', String(total));
    pipeline(sent, response).catch(() => {});
  });
  const banyan = await startInFrontOf(scope, server.host, { route: 'deadline = "0s"' });
  for (const path of ['/length', '/chunked']) {
    const download = new Promise((resolve, reject) => {
      const request = http.get(banyan.url + path, { agent: false }, (response) => {
        digestOf(response).then(resolve, reject);
      });
      request.on('error', reject);
    });
    const { result, most } = await growth(banyan, download);
    assert.deepEqual(result, { size: total, digest: sent.digest() });
    assert.ok(most < allowed, `a worker grew by ${most} MiB`);
  }
});

// The most that may be between a client and a server: the kernel's buffers of both connections (tcp(7)), which
// it makes as large when their owners are slow, and some blocks of the programs.
const bufferMax = (name) =>
  Number(fs.readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/)[2]);
const underWay = 2 * (bufferMax('tcp_rmem') + bufferMax('tcp_wmem')) + 4e6;

test('a client that does not read stops the server; then it gets everything', async (scope) => {
  let produced = 0;
  const size = 2 * underWay;
  const server = await serveHttp(scope, (request, response) => {
    response.setHeader('Content-Length', String(size));
    const body = source(size);
    body.on('data', (chunk) => {
      produced += chunk.length;
    });
    pipeline(body, response).catch(() => {});
  });
  const banyan = await startInFrontOf(scope, server.host);
  const client = await connect(scope, banyan.port);
  await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.head();
  client.socket.pause();
  const settled = await settle(() => produced);
  assert.ok(settled < underWay, `the server could send ${settled} bytes to a client that does not read`);
  for (const pid of banyan.workers()) assert.ok(memory(pid) < 200, 'memory of a worker');
  client.discard();
  client.socket.resume();
  await until(() => client.received > size, 'the rest', 20_000);
});

test('a server that does not read stops the client; then it gets everything', async (scope) => {
  const size = 2 * underWay;
  let paused;
  let seen = 0;
  const server = await serve(
    scope,
    net.createServer((socket) => {
      paused = socket;
      socket.once('data', (chunk) => {
        seen += chunk.length;
        socket.pause();
        socket.on('data', (more) => {
          seen += more.length;
          if (seen >= size) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        });
      });
      socket.on('error', () => {});
    }),
  );
  const banyan = await startInFrontOf(scope, server.host, { route: 'max_body = 0' });
  let produced = 0;
  const body = source(size);
  body.on('data', (chunk) => {
    produced += chunk.length;
  });
  const answer = new Promise((resolve, reject) => {
    const headers = { 'Content-Length': String(size) };
    const request = http.request(banyan.url, { method: 'POST', headers, agent: false }, resolve);
    request.on('error', reject);
    pipeline(body, request).catch(reject);
  });
  await until(() => paused, 'the request');
  const settled = await settle(() => produced);
  assert.ok(settled < underWay, `the client could send ${settled} bytes to a server that does not read`);
  paused.resume();
  assert.equal((await answer).statusCode, 200);
});

// The counter's value once it has not moved for half a second.
async function settle(counter) {
  let value = counter();
  let since = performance.now();
  await until(
    () => {
      if (counter() !== value) {
        value = counter();
        since = performance.now();
      }
      return value > 0 && performance.now() - since > 500;
    },
    'the flow to stop',
    20_000,
  );
  return value;
}
