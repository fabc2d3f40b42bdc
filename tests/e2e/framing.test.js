// Bodies and where they end: each side gets framing of its own, made by Banyan.

import assert from 'node:assert/strict';
import { startInFrontOf } from './lib/banyan.js';
import { ask, connect } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

function answering(scope, bytes, { end = false } = {}) {
  return record(scope, {
    onRequest: (request, connection) => (end ? connection.end(bytes) : connection.write(bytes)),
  });
}

test('chunked request bodies arrive whole, with trailers', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n';
  const { status } = await ask(
    scope,
    port,
    `${head}5;ext="v"\r\nhello\r\n00006\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n`,
  );
  assert.equal(status, 200);
  const { framing, body, trailers } = backend.last;
  assert.deepEqual([framing, String(body), trailers], ['chunked', 'hello world', [['X-Sum', '11']]]);
  assert.ok(!backend.bytes.includes('ext='), 'chunk extensions are hop by hop');
});

test('the name of the coding is compared without case', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const { status } = await ask(
    scope,
    port,
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
  );
  assert.equal(status, 200);
  assert.equal(String(backend.last.body), 'a');
});

test('a trailer never becomes a header', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  await ask(
    scope,
    port,
    `${head}1\r\na\r\n0\r\nAuthorization: evil\r\nContent-Length: 3\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n`,
  );
  const { headers, trailers } = backend.last;
  assert.ok(!headers.some(([name, value]) => /evil|6\.6\.6\.6/.test(name + value)));
  assert.ok(
    !trailers.some(([name]) => /content-length/i.test(name)),
    'framing fields are not allowed in trailers',
  );
});

test('chunked responses pass, with trailers', async (scope) => {
  const bytes =
    'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3;q\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n';
  const backend = await answering(scope, bytes);
  const { port } = await startInFrontOf(scope, backend.address);
  const response = await ask(scope, port, get.replace('\r\n\r\n', '\r\nTE: trailers\r\n\r\n'));
  assert.deepEqual(
    [response.framing, String(response.body), response.trailers],
    ['chunked', 'abc', [['X-Sum', '3']]],
  );
});

test('a response that ends with the connection becomes one the client can check', async (scope) => {
  for (const version of ['1.1', '1.0']) {
    const backend = await answering(
      scope,
      `HTTP/${version} 200 OK\r\nContent-Type: text/plain\r\n\r\nall there is`,
      { end: true },
    );
    const { port } = await startInFrontOf(scope, backend.address);
    const { client, ...response } = await ask(scope, port, get);
    assert.deepEqual(
      [response.framing, response.version, String(response.body)],
      ['chunked', '1.1', 'all there is'],
    );
    await client.write(get);
    assert.equal((await client.response()).status, 200, 'the client connection goes on');
    assert.equal(backend.connections.length, 2, 'the upstream connection does not');
  }
});

test('an empty close-delimited response', async (scope) => {
  const backend = await answering(scope, 'HTTP/1.0 200 OK\r\n\r\n', { end: true });
  const { port } = await startInFrontOf(scope, backend.address);
  assert.equal((await ask(scope, port, get)).body.length, 0);
});

test('a response that is cut off is cut off for the client too', async (scope) => {
  const cut = [
    'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc',
  ];
  for (const bytes of cut) {
    const backend = await answering(scope, bytes, { end: true });
    const { port } = await startInFrontOf(scope, backend.address);
    const client = await connect(scope, port);
    await client.write(get);
    const { line } = await client.head();
    assert.match(line, / 200 /);
    const rest = String(await client.rest());
    assert.match(rest, /abc/);
    assert.ok(!rest.endsWith('0\r\n\r\n'), 'no last chunk');
  }
});

test('an upstream that resets in the body', async (scope) => {
  const backend = await record(scope, {
    onRequest: async (request, connection) => {
      await connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    },
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  await client.write(get);
  await client.until(/abc/);
  backend.connections[0].reset();
  assert.ok(!String(await client.rest()).endsWith('0\r\n\r\n'));
});

test('bytes after a response spoil the connection and nothing else', async (scope) => {
  const backend = await answering(
    scope,
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
  );
  const { port } = await startInFrontOf(scope, backend.address, { workers: 1 });
  const { client, ...first } = await ask(scope, port, get);
  assert.equal(String(first.body), 'ok');
  await client.write(get);
  assert.equal(String((await client.response()).body), 'ok');
  assert.equal(backend.connections.length, 2, 'a new upstream connection');
});

// Also where a read took just what it asked for, so that nothing tells of the bytes behind it.
test('nor do bytes after a response that fills a buffer, or is spliced, become another answer', async (scope) => {
  const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
  const filled = (size) => {
    const head = (length) => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;
    const length = size - head(size).length;
    return head(length) + 'd'.repeat(size - head(length).length);
  };
  for (const top of ['', 'splice = false']) {
    for (const size of [4096, 8192, 16384, 32768, 65536, 100_000, 131_072]) {
      const backend = await answering(scope, filled(size) + evil);
      const { port } = await startInFrontOf(scope, backend.address, { workers: 1, top });
      for (let round = 1; round <= 3; round += 1) {
        const { client, body } = await ask(scope, port, get);
        assert.ok(!String(body).includes('evil') && body.length > size / 2, `${size} ${top}: ${body.length} bytes`);
        client.close?.();
        assert.equal(backend.connections.length, round, `${size} ${top}: a new upstream connection`);
      }
    }
  }
});

test('1xx without end are not collected for a client', async (scope) => {
  const backend = await answering(scope, 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(1000));
  const { port } = await startInFrontOf(scope, backend.address);
  const { status, informational } = await ask(scope, port, get);
  assert.equal(status, 502);
  assert.ok(informational.length <= 100);
});

test('1xx pass before the final answer', async (scope) => {
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';
  const backend = await answering(scope, `${hints}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`);
  const { port } = await startInFrontOf(scope, backend.address);
  const response = await ask(scope, port, get);
  assert.deepEqual(
    response.informational.map(({ status }) => status),
    [103],
  );
  const old = await ask(scope, port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n');
  assert.deepEqual([old.status, old.informational.length], [200, 0], 'HTTP/1.0 knows no 1xx');
});

test('an early answer reaches the client before its body has ended', async (scope) => {
  const backend = await record(scope, {
    onHead: (request, connection) => {
      connection.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n');
      return true;
    },
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const { client, ...response } = await ask(
    scope,
    port,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc',
  );
  assert.deepEqual([response.status, String(response.body)], [403, 'no\n']);
  await client.write(Buffer.alloc(99_997));
  await until(
    () => client.source.ended || backend.requests.length === 1,
    'the body, or the connection, to end',
  );
});

test('an early answer with close: the client gets all of it', async (scope) => {
  const backend = await record(scope, {
    onHead: (request, connection) => {
      connection.end('HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbig\n');
      return true;
    },
  });
  const { port } = await startInFrontOf(scope, backend.address, { route: 'max_body = 0' });
  for (let round = 0; round < 20; round += 1) {
    const client = await connect(scope, port);
    const body = client.write(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n${'x'.repeat(2_000_000)}`,
    );
    const response = await client.response();
    assert.deepEqual([response.status, String(response.body)], [413, 'big\n']);
    client.close();
    await body;
  }
});

test('a body is passed on as it comes, both ways', async (scope) => {
  const backend = await record(scope, {
    onHead: (request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      return true;
    },
  });
  const { port } = await startInFrontOf(scope, backend.address);
  const client = await connect(scope, port);
  await client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  await client.head();
  const [upstream] = backend.connections;
  for (const word of ['one', 'two', 'three']) {
    await client.write(`${word.length}\r\n${word}\r\n`);
    await until(() => upstream.bytes.includes(word), `"${word}" at the backend`);
    await upstream.write(`${word.length + 4}\r\nsaw ${word}\r\n`);
    await client.until(new RegExp(`saw ${word}`));
  }
  await client.write('0\r\n\r\n');
  await backend.received(1);
  await upstream.write('0\r\n\r\n');
  await client.until(/\r\n0\r\n\r\n$/);
});
