// Requests that could be read in two ways: the exact answer, the connection closed, nothing forwarded.
// Each group is a class of attacks; the RFC section says why.

import assert from 'node:assert/strict';
import { start, startInFrontOf, forward } from './lib/banyan.js';
import { ask, connect } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

// A whole head with these fields (each ending in CRLF) after Host.
const post = (fields, body = '') => `POST /x HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`;
const get = (fields) => `GET /x HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const chunked = 'Transfer-Encoding: chunked\r\n';

// {class: {case: bytes or [bytes, status or statuses]}}; the status is 400 if it is not said.
const heads = {
  'Content-Length beside Transfer-Encoding (RFC 9112 6.1, 6.3)': {
    'CL.TE': post(`Content-Length: 4\r\n${chunked}`, `0\r\n\r\n${smuggled}`),
    'TE.CL': post(`${chunked}Content-Length: 4\r\n`, `5c\r\n${smuggled}\r\n0\r\n\r\n`),
    'in lower case': post('content-length: 4\r\ntransfer-encoding: chunked\r\n', '0\r\n\r\n'),
    'Content-Length: 0': post(`Content-Length: 0\r\n${chunked}`, '0\r\n\r\n'),
    'twice the length': post(`Content-Length: 4\r\nContent-Length: 4\r\n${chunked}`, '0\r\n\r\n'),
  },
  'Transfer-Encoding that is not exactly chunked at the end (RFC 9112 6.1)': {
    identity: post('Transfer-Encoding: identity\r\n', 'x'),
    'chunked, identity': post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
    'chunked twice': post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n'),
    'chunked in two fields': post(chunked + chunked, '0\r\n\r\n'),
    xchunked: post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'),
    'chunked with a letter behind': post('Transfer-Encoding: chunked x\r\n', '0\r\n\r\n'),
    'quoted chunked': post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n'),
    empty: post('Transfer-Encoding:\r\n', '0\r\n\r\n'),
    'vertical tab before chunked': post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'),
    'a coding before chunked': [post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), [400, 501]],
    'space before the colon': post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'),
    'folded value': post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n'),
  },
  'Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)': {
    chunked: `POST /x HTTP/1.0\r\nHost: a\r\n${chunked}\r\n0\r\n\r\n`,
    'with keep-alive': `POST /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n${chunked}\r\n0\r\n\r\n${smuggled}`,
  },
  'Content-Length that is not a number (RFC 9110 8.6)': {
    empty: post('Content-Length:\r\n'),
    plus: post('Content-Length: +5\r\n', 'hello'),
    minus: post('Content-Length: -5\r\n', 'hello'),
    hexadecimal: post('Content-Length: 0x5\r\n', 'hello'),
    'two numbers': post('Content-Length: 5 5\r\n', 'hello'),
    'a letter behind': post('Content-Length: 5a\r\n', 'hello'),
    fraction: post('Content-Length: 5.0\r\n', 'hello'),
    'a list of different': post('Content-Length: 5, 6\r\n', 'hello'),
    'different fields': post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello'),
    'one empty of two': post('Content-Length: 5\r\nContent-Length:\r\n', 'hello'),
    'a comma': post('Content-Length: 5,\r\n', 'hello'),
    'more than 64 bits': post('Content-Length: 18446744073709551621\r\n', 'hello'),
    'more than 63 bits': [post('Content-Length: 9223372036854775808\r\n', 'hello'), [400, 413]],
    'thirty digits': post(`Content-Length: ${'9'.repeat(30)}\r\n`, 'hello'),
    quoted: post('Content-Length: "5"\r\n', 'hello'),
  },
  'line ends, folding, control characters (RFC 9112 2.2, 5.1, 5.2; RFC 9110 5.5)': {
    'bare CR in a value': get('X-A: b\rc\r\n'),
    'bare CR that hides a field': get('X-A: b\rTransfer-Encoding: chunked\r\n'),
    'NUL in a value': get('X-A: b\0c\r\n'),
    'NUL in a name': get('X-\0A: b\r\n'),
    'DEL in a value': get('X-A: b\x7fc\r\n'),
    'BEL in a value': get('X-A: b\x07c\r\n'),
    'bare LF after a field': 'GET /x HTTP/1.1\r\nHost: a\nX-B: c\r\n\r\n',
    'bare LF after the request line': 'GET /x HTTP/1.1\nHost: a\r\n\r\n',
    'bare LF at the end': 'GET /x HTTP/1.1\r\nHost: a\r\n\n',
    'only LF': 'GET /x HTTP/1.1\nHost: a\n\n',
    'obs-fold with a space': get('X-A: b\r\n c\r\n'),
    'obs-fold with a tab': get('X-A: b\r\n\tc\r\n'),
    'a space before the first field': 'GET /x HTTP/1.1\r\n Host: a\r\n\r\n',
    'a space before the colon': get('X-A : b\r\n'),
    'a tab before the colon': get('X-A\t: b\r\n'),
    'no colon': get('X-A\r\n'),
    'CR CR LF': get('X-A: b\r\r\n'),
  },
  'field names that are no tokens (RFC 9110 5.1, 5.6.2)': {
    'empty name': get(': b\r\n'),
    'space inside': get('X A: b\r\n'),
    parenthesis: get('X(A): b\r\n'),
    slash: get('X/A: b\r\n'),
    'outside of ASCII': get('X-\xe4: b\r\n'),
    quote: get('"X": b\r\n'),
  },
  'request lines (RFC 9112 3)': {
    'two spaces': 'GET  /x HTTP/1.1\r\nHost: a\r\n\r\n',
    'a space in the target': 'GET /x y HTTP/1.1\r\nHost: a\r\n\r\n',
    'tabs for spaces': 'GET\t/x\tHTTP/1.1\r\nHost: a\r\n\r\n',
    'a space at the end': 'GET /x HTTP/1.1 \r\nHost: a\r\n\r\n',
    'a space in front': ' GET /x HTTP/1.1\r\nHost: a\r\n\r\n',
    'no version': 'GET /x\r\nHost: a\r\n\r\n',
    'no target': 'GET HTTP/1.1\r\nHost: a\r\n\r\n',
    'version in small letters': 'GET /x http/1.1\r\nHost: a\r\n\r\n',
    'version of one digit': 'GET /x HTTP/1\r\nHost: a\r\n\r\n',
    'version with more digits': 'GET /x HTTP/1.10\r\nHost: a\r\n\r\n',
    'letters for a version': 'GET /x HTTP/1.x\r\nHost: a\r\n\r\n',
    'another protocol': 'GET /x ICY/1.1\r\nHost: a\r\n\r\n',
    'HTTP/2.0': ['GET /x HTTP/2.0\r\nHost: a\r\n\r\n', 505],
    'HTTP/3.1': ['GET /x HTTP/3.1\r\nHost: a\r\n\r\n', 505],
    'the preface of HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400, 505]],
    'a method that is no token': 'G(T /x HTTP/1.1\r\nHost: a\r\n\r\n',
    'no method': ' /x HTTP/1.1\r\nHost: a\r\n\r\n',
    'TLS to a plain port': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
    garbage: '\x00\x01\x02\x03\r\n\r\n',
  },
  'targets (RFC 9112 3.2, 3.3; RFC 3986)': {
    'no slash': 'GET x HTTP/1.1\r\nHost: a\r\n\r\n',
    fragment: 'GET /x#y HTTP/1.1\r\nHost: a\r\n\r\n',
    backslash: 'GET /x\\y HTTP/1.1\r\nHost: a\r\n\r\n',
    NUL: 'GET /x\0 HTTP/1.1\r\nHost: a\r\n\r\n',
    'encoded NUL': 'GET /x%00 HTTP/1.1\r\nHost: a\r\n\r\n',
    'bad percent': 'GET /x%zz HTTP/1.1\r\nHost: a\r\n\r\n',
    'half a percent': 'GET /x% HTTP/1.1\r\nHost: a\r\n\r\n',
    'above the root': 'GET /../x HTTP/1.1\r\nHost: a\r\n\r\n',
    'above the root, encoded': 'GET /%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n',
    'a star for GET': 'GET * HTTP/1.1\r\nHost: a\r\n\r\n',
    'authority form for GET': 'GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n',
    'another scheme': 'GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n',
    userinfo: 'GET http://user@a/x HTTP/1.1\r\nHost: a\r\n\r\n',
    'no host in the absolute form': 'GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n',
    CONNECT: ['CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', [400, 405, 501]],
  },
  'Host (RFC 9112 3.2; RFC 9110 7.2)': {
    none: 'GET /x HTTP/1.1\r\n\r\n',
    two: 'GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'twice the same': 'GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n',
    'with a space': 'GET /x HTTP/1.1\r\nHost: a b\r\n\r\n',
    'with userinfo': 'GET /x HTTP/1.1\r\nHost: user@a\r\n\r\n',
    'with a path': 'GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n',
    'a list': 'GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n',
    'bad port': 'GET /x HTTP/1.1\r\nHost: a:b\r\n\r\n',
    'too large a port': 'GET /x HTTP/1.1\r\nHost: a:65536\r\n\r\n',
    'half an IPv6 address': 'GET /x HTTP/1.1\r\nHost: [::1\r\n\r\n',
    'outside of ASCII': 'GET /x HTTP/1.1\r\nHost: \xe4\r\n\r\n',
    'two in HTTP/1.0': 'GET /x HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n',
  },
  'sizes (RFC 9112 3, RFC 6585 5)': {
    'a request line of 9 KiB': [`GET /${'x'.repeat(9 << 10)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    'a request line without an end': [`GET /${'x'.repeat(200 << 10)}`, 414],
    'a field of 9 KiB': [get(`X-A: ${'x'.repeat(9 << 10)}\r\n`), 431],
    'a name of 9 KiB': [get(`${'x'.repeat(9 << 10)}: a\r\n`), 431],
    'a field without an end': [get(`X-A: ${'x'.repeat(200 << 10)}`).slice(0, -2), 431],
    '101 fields': [get('X-A: b\r\n'.repeat(100)), 431],
    'more than 32 KiB together': [get(`X-A: ${'x'.repeat(7000)}\r\n`.repeat(5)), 431],
  },
};

// Sends the bytes on a connection of their own; resolves to what is wrong with the answer: the status, a missing
// "Connection: close" or Date, an open connection, bytes after the answer.
async function faults(scope, port, title, bytes, expected) {
  const client = await connect(scope, port);
  const wrong = [];
  client.write(bytes);
  try {
    const response = await client.response({ limit: 5000 });
    if (!expected.includes(response.status)) wrong.push(`${response.status} instead of ${expected}`);
    if (!/close/i.test(response.get('connection') ?? '')) wrong.push('no "Connection: close"');
    if (!(Math.abs(new Date(response.get('date')) - Date.now()) < 60_000)) wrong.push('no Date of now');
    const rest = String(await client.rest(2000));
    if (rest !== '') wrong.push(`more bytes after the answer: ${JSON.stringify(rest.slice(0, 80))}`);
  } catch (error) {
    wrong.push(error.message);
  }
  client.close();
  return wrong.map((text) => `${title}: ${text}`);
}

for (const [name, cases] of Object.entries(heads)) {
  test(`refused: ${name}`, async (scope) => {
    const backend = await record(scope);
    const { port } = await startInFrontOf(scope, backend.address);
    const all = Object.entries(cases).map(([title, entry]) => {
      const [bytes, expected] = Array.isArray(entry) ? entry : [entry, 400];
      return faults(scope, port, title, bytes, [expected].flat());
    });
    assert.deepEqual((await Promise.all(all)).flat(), []);
    assert.equal(backend.bytes, '', 'nothing was forwarded');
  });
}

// The head was good and has gone, the body is not: 400, closed, and the upstream never sees a whole request.
const bodies = {
  'a bare LF after the size': '5\nhello\r\n0\r\n\r\n',
  'a bare LF after the data': '5\r\nhello\n0\r\n\r\n',
  'a bare CR after the size': '5\rhello\r\n0\r\n\r\n',
  'bare LFs at the end': '5\r\nhello\r\n0\n\n',
  '0x5': '0x5\r\nhello\r\n0\r\n\r\n',
  'a plus': '+5\r\nhello\r\n0\r\n\r\n',
  'a minus': '-5\r\nhello\r\n0\r\n\r\n',
  'a space before the size': ' 5\r\nhello\r\n0\r\n\r\n',
  'a space after the size': '5 \r\nhello\r\n0\r\n\r\n',
  'a tab after the size': '5\t\r\nhello\r\n0\r\n\r\n',
  'no size': '\r\nhello\r\n0\r\n\r\n',
  'letters for a size': 'xyz\r\nhello\r\n0\r\n\r\n',
  '17 digits': '00000000000000005\r\nhello\r\n0\r\n\r\n',
  'more than 64 bits': '10000000000000005\r\nhello\r\n0\r\n\r\n',
  'as much as 64 bits hold': 'ffffffffffffffff\r\nhello\r\n0\r\n\r\n',
  'data longer than the size': '5\r\nhello!\r\n0\r\n\r\n',
  'NUL in an extension': '5;a=\0\r\nhello\r\n0\r\n\r\n',
  'a bare LF in an extension': '5;a\n0\r\n\r\nhello\r\n0\r\n\r\n',
  'a bare CR in an extension': '5;a\rb\r\nhello\r\n0\r\n\r\n',
  'an extension of 300 bytes': `5;a=${'x'.repeat(300)}\r\nhello\r\n0\r\n\r\n`,
  'many small extensions': `${`1;a=${'x'.repeat(20)}\r\na\r\n`.repeat(50)}0\r\n\r\n`,
  'an extension without an end': `5;${'x'.repeat(100_000)}`,
  'a trailer without a colon': '0\r\nX-A\r\n\r\n',
  'a trailer with a space before the colon': '0\r\nX-A : b\r\n\r\n',
  'a folded trailer': '0\r\nX-A: b\r\n c\r\n\r\n',
  'NUL in a trailer': '0\r\nX-A: \0\r\n\r\n',
};

test('refused: chunks (RFC 9112 7.1)', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const all = Object.entries(bodies).map(([title, body]) =>
    faults(scope, port, title, post(chunked, body), [400]),
  );
  assert.deepEqual((await Promise.all(all)).flat(), []);
  await until(() => backend.connections.every(({ open }) => !open), 'the upstream connections to close');
  assert.deepEqual(
    backend.requests.map(({ body }) => String(body)),
    [],
    'no request was complete for the upstream',
  );
});

test('refused: too many and too long trailers', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  for (const trailers of [
    'X-A: b\r\n'.repeat(200),
    `X-A: ${'x'.repeat(9 << 10)}\r\n`,
    `X-A: ${'x'.repeat(100_000)}`,
  ]) {
    const client = await connect(scope, port);
    client.write(post(chunked, `1\r\na\r\n0\r\n${trailers}\r\n`));
    assert.ok([400, 431].includes((await client.response()).status));
    await client.rest();
  }
  assert.equal(backend.requests.length, 0);
});

test('what looks odd but is allowed passes', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  const good = [
    'GET /x HTTP/1.0\r\n\r\n',
    'GET /x HTTP/1.1\r\nHost:\t a \t\r\n\r\n',
    'GET /x HTTP/1.1\r\nhOsT: [::1]:8080\r\n\r\n',
    get("!#$%&'*+-.^`|~09az: b\r\n"),
    get('X-A:\r\n'),
    get('X-A: a\tb \x80\xff\r\n'),
    get('X-A: b\r\n'.repeat(98)),
    post('Content-Length: 00005\r\n', 'hello'),
    post(chunked, `5;a=b;c="d e"\r\nhello\r\n0\r\n\r\n`),
    post(chunked, '0000000000000005\r\nhello\r\n000\r\n\r\n'),
    post('Transfer-Encoding:chunked\r\n', '0\r\n\r\n'),
    'M-SEARCH /x HTTP/1.1\r\nHost: a\r\n\r\n',
    'get /x HTTP/1.1\r\nHost: a\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
    "GET /a-b.c_d~e!$&'()*+,;=:@%41/?q=/?:@!$'()*+,;=%20 HTTP/1.1\r\nHost: a\r\n\r\n",
    `GET /${'x'.repeat(8000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ];
  for (const bytes of good) {
    const { status, client } = await ask(scope, port, bytes);
    assert.equal(status, 200, JSON.stringify(bytes.slice(0, 80)));
    client.close();
  }
  assert.equal(backend.requests.length, good.length);
  const identical = await ask(scope, port, post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'));
  assert.ok([200, 400].includes(identical.status), 'identical lengths are collapsed or refused');
  if (identical.status === 200) assert.deepEqual(backend.last.all('content-length'), ['5']);
});

test('a smuggled request is not found behind a body either', async (scope) => {
  const backend = await record(scope);
  const { port } = await startInFrontOf(scope, backend.address);
  // GET with a body: the body belongs to it and is forwarded with framing, or the request is refused.
  const { status } = await ask(
    scope,
    port,
    `GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
  );
  assert.ok([200, 400].includes(status));
  assert.ok(!backend.heads.some(({ target }) => target === '/smuggled'));
});

test('a body above max_body: 413, at once when its length is said', async (scope) => {
  const backend = await record(scope);
  const { port } = await start(scope, forward(backend.address, '', 'max_body = "1k"'));
  const said = await ask(scope, port, post('Content-Length: 1025\r\n'));
  assert.equal(said.status, 413);
  assert.equal(backend.bytes, '');
  const asked = await ask(scope, port, post('Content-Length: 1025\r\nExpect: 100-continue\r\n'));
  assert.deepEqual([asked.status, asked.informational.length], [413, 0]);
  const client = await connect(scope, port);
  client.write(post(chunked, `400\r\n${'x'.repeat(1024)}\r\n1\r\nx\r\n0\r\n\r\n`));
  assert.equal((await client.response()).status, 413);
  await client.closed();
  assert.equal(backend.requests.length, 0);
  assert.equal((await ask(scope, port, post('Content-Length: 1024\r\n', 'x'.repeat(1024)))).status, 200);
});

test('clients that take their time: 408, closed', async (scope) => {
  const backend = await record(scope);
  const text = `[client]\ntimeouts = { header = "400ms", body = "300ms" }\n${forward(backend.address)}`;
  const { port } = await start(scope, text);
  const slowHead = await connect(scope, port);
  const began = performance.now();
  const trickle = setInterval(() => slowHead.write('X'), 50);
  slowHead.write('GET / HTTP/1.1\r\nHost: a\r\n');
  try {
    assert.equal((await slowHead.response()).status, 408);
    assert.equal(String(await slowHead.rest()), '');
  } finally {
    clearInterval(trickle);
  }
  const took = performance.now() - began;
  assert.ok(took > 350 && took < 3000, `after the time for a whole head, not ${took} ms`);
  assert.equal(backend.bytes, '');
  const slowBody = await connect(scope, port);
  await slowBody.write(post('Content-Length: 5\r\n', 'he'));
  assert.equal((await slowBody.response()).status, 408);
  await slowBody.closed();
  assert.equal(backend.requests.length, 0);
});

test('a body that stops after much of it was forwarded: 408, whether it was spliced or copied', async (scope) => {
  const backend = await record(scope);
  const client = '[client]\ntimeouts = { body = "300ms" }\n';
  for (const top of ['', 'splice = false']) {
    const text = `${client}${forward(backend.address)}max_body = 0\n`;
    const { port } = await start(scope, text, { workers: 1, top });
    for (const sent of [20_000, 60_000, 400_000]) {
      const slow = await connect(scope, port);
      await slow.write(post('Content-Length: 10000000\r\n', 'x'.repeat(sent)));
      assert.equal((await slow.response()).status, 408, `after ${sent} bytes, ${top}`);
      await slow.closed();
    }
  }
});

test('a connection that says nothing is closed in the end', async (scope) => {
  const backend = await record(scope);
  const text = `[client]\ntimeouts = { header = "400ms", keepalive = "400ms" }\n${forward(backend.address)}`;
  const { port } = await start(scope, text);
  const silent = await connect(scope, port);
  await silent.closed(5000);
});

test('refused requests are in the access log with their status', async (scope) => {
  const backend = await record(scope);
  const banyan = await startInFrontOf(scope, backend.address);
  await ask(scope, banyan.port, 'GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n');
  await banyan.logged(({ status }) => Number(status) === 400);
});
