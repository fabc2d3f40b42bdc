// RFC 6455 and RFC 7692 frame by frame, over sockets of our own: what a conformance suite asks of a server that echoes,
// asked of event_dispatch (one channel for each connection, whose client publishes) and, through the proxy, of Node's
// ws. A case says what is sent, which messages come back, and how it ends.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import zlib from 'node:zlib';
import { WebSocketServer } from 'ws';
import { startInFrontOf } from './lib/banyan.js';
import { begin } from './lib/events.js';
import { connect } from './lib/raw.js';
import { serve } from './lib/servers.js';
import { test } from './lib/test.js';
import { within } from './lib/wait.js';

const [more, text, binary, close, ping, pong] = [0, 1, 2, 8, 9, 10];
const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

// ---- what a client sends

function frame(opcode, payload = '', { fin = true, rsv = 0, masked = true, size } = {}) {
  const body = Buffer.from(payload);
  const length = size ?? body.length;
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const bit = masked ? 0x80 : 0;
  if (length < 126) head.push(bit | length);
  else if (length < 65536) head.push(bit | 126, length >> 8, length & 255);
  else {
    const long = Buffer.alloc(8);
    long.writeBigUInt64BE(BigInt(length));
    head.push(bit | 127, ...long);
  }
  if (!masked) return Buffer.concat([Buffer.from(head), body]);
  return Buffer.concat([Buffer.from(head), mask, body.map((byte, i) => byte ^ mask[i % 4])]);
}
const part = (opcode, payload, options) => frame(opcode, payload, { fin: false, ...options });
const end = (payload, options) => frame(more, payload, options);
const goodbye = (code = 1000, reason = '') => frame(close, closing(code, reason));
function closing(code, reason = '') {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return Buffer.concat([head, Buffer.from(reason)]);
}
const deflated = (payload, bits = 15) =>
  zlib
    .deflateRawSync(payload, { windowBits: bits, finishFlush: zlib.constants.Z_SYNC_FLUSH })
    .subarray(0, -4);
const inflated = (payload) =>
  zlib.inflateRawSync(Buffer.concat([payload, Buffer.from([0, 0, 255, 255])]), {
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  });
const pieces = (payload, size) => {
  const all = Buffer.from(payload);
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.subarray(i * size, (i + 1) * size));
};
// One message in frames of so many bytes.
const fragments = (opcode, payload, size, { rsv = 0 } = {}) =>
  pieces(payload, size).map((piece, i, all) =>
    frame(i === 0 ? opcode : more, piece, { fin: i === all.length - 1, rsv: i === 0 ? rsv : 0 }),
  );

// ---- what a server sends

async function readFrame(source) {
  const [first, second] = await source.take(2);
  assert.equal(second & 0x80, 0, 'a server never masks');
  let size = second & 127;
  if (size === 126) size = (await source.take(2)).readUInt16BE();
  else if (size === 127) size = Number((await source.take(8)).readBigUInt64BE());
  const payload = await source.take(size);
  return { fin: first >= 0x80, rsv: (first >> 4) & 7, opcode: first & 15, payload };
}

// Messages and pongs up to the close frame, then the end of the connection.
async function hear(client) {
  const heard = { messages: [], code: undefined, compressed: 0 };
  let message;
  while (heard.code === undefined) {
    const got = await readFrame(client.source);
    if (got.opcode === close) {
      heard.code = got.payload.length === 0 ? 1005 : got.payload.readUInt16BE();
      assert.ok(got.payload.length <= 125);
    } else if (got.opcode === pong) {
      heard.messages.push([pong, got.payload]);
    } else {
      message = got.opcode === more ? { ...message, payload: Buffer.concat([message.payload, got.payload]) } : got;
      if (!got.fin) continue;
      if (message.rsv === 4) heard.compressed += 1;
      heard.messages.push([message.opcode, message.rsv === 4 ? inflated(message.payload) : message.payload]);
    }
  }
  assert.equal((await client.source.toEnd()).length, 0, 'nothing comes after a close frame');
  return heard;
}

// ---- the cases: [name, what is sent, what comes back, with which code it ends]
// What is sent is a list of buffers; a number among them sends the rest in pieces of so many bytes.

const hello = 'Hello-µ@ßöäüàá-UTF-8!!';
const bytes = (...all) => Buffer.from(all);
const echo = (opcode, payload) => [`echo ${opcode} ${payload.length}`, [frame(opcode, payload), goodbye()], [[opcode, payload]], 1000];
const fails = (name, sent, code, before = []) => [name, sent, before, code];
const ends = (name, sent, before = []) => [name, [...sent, goodbye()], before, 1000];

const sizes = [0, 1, 125, 126, 127, 128, 65535, 65536];
const section1 = sizes.flatMap((size) => [echo(text, '*'.repeat(size)), echo(binary, Buffer.alloc(size, 0xfe))]);
section1.push([
  'in pieces of 997 bytes',
  [997, frame(text, '*'.repeat(65536)), goodbye()],
  [[text, '*'.repeat(65536)]],
  1000,
]);
const section2 = [
  ends('a ping without payload', [frame(ping)], [[pong, '']]),
  ends('a ping with text', [frame(ping, 'Hello, world!')], [[pong, 'Hello, world!']]),
  ends(
    'a ping with bytes',
    [frame(ping, bytes(0, 255, 254, 253, 252, 251, 0, 255))],
    [[pong, bytes(0, 255, 254, 253, 252, 251, 0, 255)]],
  ),
  ends('a ping of 125 bytes', [frame(ping, Buffer.alloc(125, 0xfe))], [[pong, Buffer.alloc(125, 0xfe)]]),
  fails('a ping of 126 bytes', [frame(ping, Buffer.alloc(126, 0xfe))], 1002),
  ends('a ping byte by byte', [1, frame(ping, Buffer.alloc(125, 0xfe))], [[pong, Buffer.alloc(125, 0xfe)]]),
  ends('pongs that nobody asked for', [frame(pong), frame(pong, 'x'), frame(ping, 'y')], [[pong, 'y']]),
  ends(
    'ten pings',
    Array.from({ length: 10 }, (_, i) => frame(ping, `ping ${i}`)),
    Array.from({ length: 10 }, (_, i) => [pong, `ping ${i}`]),
  ),
  ends(
    'ten pings byte by byte',
    [1, ...Array.from({ length: 10 }, (_, i) => frame(ping, `ping ${i}`))],
    Array.from({ length: 10 }, (_, i) => [pong, `ping ${i}`]),
  ),
];
const section3 = [
  fails('RSV = 1', [frame(text, 'x', { rsv: 1 })], 1002),
  fails(
    'RSV = 2 behind a message',
    [frame(text, hello), frame(text, 'x', { rsv: 2 }), frame(ping)],
    1002,
    [[text, hello]],
  ),
  fails(
    'RSV = 3, byte by byte',
    [1, frame(text, hello), frame(text, 'x', { rsv: 3 }), frame(ping)],
    1002,
    [[text, hello]],
  ),
  fails(
    'RSV = 4 without compression',
    [frame(text, hello), frame(text, 'x', { rsv: 4 }), frame(ping)],
    1002,
    [[text, hello]],
  ),
  fails('RSV = 5, binary', [frame(binary, 'x', { rsv: 5 })], 1002),
  fails('RSV = 6, ping', [frame(ping, 'x', { rsv: 6 })], 1002),
  fails('RSV = 7, close', [frame(close, '', { rsv: 7 })], 1002),
];
const section4 = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => [
  fails(`opcode ${opcode}`, [frame(opcode)], 1002),
  fails(
    `opcode ${opcode} behind a message`,
    [frame(text, hello), frame(opcode, 'x'), frame(ping)],
    1002,
    [[text, hello]],
  ),
]);
const section5 = [
  fails('a ping in fragments', [part(ping, 'a'), end('b')], 1002),
  fails('a pong in fragments', [part(pong, 'a'), end('b')], 1002),
  ends('a text in two fragments', [part(text, 'frag'), end('ment')], [[text, 'fragment']]),
  ends('a text in two fragments, byte by byte', [1, part(text, 'frag'), end('ment')], [[text, 'fragment']]),
  ends(
    'a ping between fragments',
    [part(text, 'frag'), frame(ping, 'p'), end('ment')],
    [[pong, 'p'], [text, 'fragment']],
  ),
  ends(
    'a ping between fragments, byte by byte',
    [1, part(text, 'frag'), frame(ping, 'p'), end('ment')],
    [[pong, 'p'], [text, 'fragment']],
  ),
  fails('a continuation of nothing', [end('x'), frame(text, hello)], 1002),
  fails('a continuation of nothing that is not the last', [part(more, 'x'), frame(text, hello)], 1002),
  fails(
    'a continuation behind a whole message',
    [part(text, 'frag'), end('ment'), part(more, 'x'), frame(text, 'y')],
    1002,
    [[text, 'fragment']],
  ),
  fails('a new message inside of one', [part(text, 'frag'), frame(text, 'ment')], 1002),
  fails('a new binary message inside of one', [part(text, 'frag'), frame(binary, 'ment')], 1002),
  ends(
    'five fragments, pings between them',
    [part(text, 'a'), part(more, 'b'), frame(ping, '1'), part(more, 'c'), part(more, 'd'), frame(ping, '2'), end('e')],
    [[pong, '1'], [pong, '2'], [text, 'abcde']],
  ),
  ends('fragments without payload', [part(text, ''), part(more, ''), end('')], [[text, '']]),
  ends('payload in the middle only', [part(text, ''), part(more, 'middle'), end('')], [[text, 'middle']]),
  ends('a binary message in fragments', [part(binary, bytes(0xff)), end(bytes(0xfe))], [[binary, bytes(0xff, 0xfe)]]),
];
const good = ['κόσμε', hello, '', '\u{10ffff}', '\u{ffff}', '\u{d7ff}\u{e000}\u{fffd}', '\u{7f}\u{80}\u{7ff}\u{800}\u{10000}', '\u0000', '\u{fffe}\u{1fffe}'];
const bad = [
  [0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xcf, 0x83, 0xce, 0xbc, 0xce, 0xb5, 0xed, 0xa0, 0x80, 0x65],
  [0x80], [0xbf], [0x80, 0xbf], [0xc0, 0x20], [0xe0, 0x20], [0xf0, 0x20], [0xf8, 0x20], [0xfc, 0x20], [0xfe], [0xff],
  [0xc3], [0xe1, 0xbd], [0xf0, 0x9d, 0x84], [0xc0, 0xaf], [0xe0, 0x80, 0xaf], [0xf0, 0x80, 0x80, 0xaf], [0xc1, 0xbf],
  [0xe0, 0x9f, 0xbf], [0xf0, 0x8f, 0xbf, 0xbf], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf],
  [0xed, 0xad, 0xbf, 0xed, 0xb0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf7, 0xbf, 0xbf, 0xbf],
].map((all) => Buffer.from(all));
const section6 = [
  ...good.map((one) => echo(text, one)),
  ...good.map((one) => ends(`UTF-8 in fragments of one byte: ${JSON.stringify(one)}`, fragments(text, `${one}.`, 1), [[text, `${one}.`]])),
  ...bad.map((one) => fails(`not UTF-8: ${one.toString('hex')}`, [frame(text, one)], 1007)),
  ...bad.map((one) => fails(`not UTF-8, in fragments of one byte: ${one.toString('hex')}`, fragments(text, one, 1), 1007)),
  ends('what is not UTF-8 may be binary', [frame(binary, bad[0])], [[binary, bad[0]]]),
];
// The message is never completed: the answer comes at the byte that is wrong. (ws looks at whole messages.)
const failFast = [
  fails('a wrong fragment', [part(text, 'κόσμε'), part(more, bytes(0xf4, 0x90, 0x80, 0x80))], 1007),
  fails(
    'a wrong byte of a fragment',
    [part(text, bytes(0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xf4)), part(more, bytes(0x90))],
    1007,
  ),
  fails('a wrong byte of a frame', [frame(text, bytes(0xce, 0xba, 0xf4, 0x90), { size: 1000 })], 1007),
];
const legal = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
const illegal = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535];
const section7 = [
  [ 'a message, then goodbye', [frame(text, 'Hello'), goodbye()], [[text, 'Hello']], 1000],
  ['two close frames', [goodbye(), goodbye()], [], 1000],
  ['a ping behind the close frame', [goodbye(), frame(ping)], [], 1000],
  ['a message behind the close frame', [goodbye(), frame(text, 'x')], [], 1000],
  ['a close frame between fragments', [part(text, 'frag'), goodbye(), end('ment')], [], 1000],
  ['256 KB, the close frame, a ping', [frame(text, 'BAsd7&jh23'.repeat(26214)), goodbye(), frame(ping)], [[text, 'BAsd7&jh23'.repeat(26214)]], 1000],
  ['a close frame without payload', [frame(close)], [], 1005],
  fails('a close frame of one byte', [frame(close, 'a')], 1002),
  ['a reason', [goodbye(1000, 'Hello World!')], [], 1000],
  ['the longest reason', [goodbye(1000, '*'.repeat(123))], [], 1000],
  fails('a reason that is too long', [goodbye(1000, '*'.repeat(124))], 1002),
  fails('a reason that is not UTF-8', [frame(close, Buffer.concat([closing(1000), bad[0]]))], 1007),
  ...legal.map((code) => [`code ${code}`, [goodbye(code)], [], code]),
  ...illegal.map((code) => fails(`code ${code}`, [goodbye(code)], 1002)),
];
const big = 'The quick brown fox. '.repeat(12484);
const section9 = [
  echo(text, big),
  echo(binary, Buffer.from(big)),
  ...[64, 1024, 65536].map((size) => ends(`fragments of ${size}`, fragments(text, big, size), [[text, big]])),
  ...[64, 4096].map((size) => [`in pieces of ${size}`, [size, frame(binary, big), goodbye()], [[binary, big]], 1000]),
  ends(
    'a hundred messages at once',
    Array.from({ length: 100 }, (_, i) => frame(text, `${i}`)),
    Array.from({ length: 100 }, (_, i) => [text, `${i}`]),
  ),
  ends('fragments of 1300 bytes', fragments(text, '*'.repeat(65536), 1300), [[text, '*'.repeat(65536)]]),
];
const masking = [
  fails('a frame without mask', [frame(text, 'x', { masked: false })], 1002),
  fails(
    'a length whose first bit is set',
    [Buffer.concat([bytes(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0), mask])],
    [1002, 1009],
  ),
  fails('a message that is too long, before it has come', [frame(binary, '', { size: 8 << 20 })], 1009),
  fails(
    'fragments that are too long together',
    fragments(binary, Buffer.alloc(1 << 20), 1 << 18).slice(0, 3).concat(part(more, Buffer.alloc(1 << 18)), part(more, 'x')),
    1009,
  ),
];
const compressed = (opcode, payload, options) => frame(opcode, deflated(payload), { rsv: 4, ...options });
const random = crypto.createHash('shake256', { outputLength: 20_000 }).update('x').digest();
const section12 = [
  ...[0, 16, 64, 256, 1024, 4096, 8192, 32768, 131072].map((size) =>
    ends(`${size} bytes`, [compressed(text, big.slice(0, size))], [[text, big.slice(0, size)]])),
  ends('what cannot be compressed', [compressed(binary, random)], [[binary, random]]),
  ends('not compressed, though it might be', [frame(text, big)], [[text, big]]),
  ends('in fragments', fragments(text, deflated(big), 200, { rsv: 4 }), [[text, big]]),
  ends(
    'in fragments with a ping between them',
    [part(text, deflated(big).subarray(0, 100), { rsv: 4 }), frame(ping, 'p'), end(deflated(big).subarray(100))],
    [[pong, 'p'], [text, big]],
  ),
  ends('byte by byte', [1, compressed(text, big.slice(0, 2000))], [[text, big.slice(0, 2000)]]),
  ends(
    'twenty in a row',
    Array.from({ length: 20 }, (_, i) => compressed(text, `${i} ${big.slice(0, 1000)}`)),
    Array.from({ length: 20 }, (_, i) => [text, `${i} ${big.slice(0, 1000)}`]),
  ),
  fails('RSV1 on a continuation', [part(text, deflated(hello), { rsv: 4 }), end('', { rsv: 4 })], 1002),
  fails('RSV1 on a ping', [frame(ping, 'x', { rsv: 4 })], 1002),
  fails('RSV2', [frame(text, 'x', { rsv: 2 })], 1002),
  fails('nonsense', [frame(text, bytes(0xff, 0xff, 0xff), { rsv: 4 })], 1007),
  fails('what it unfolds to is not UTF-8', [compressed(text, bad[0])], 1007),
  // (ws says 1007)
  fails('what it unfolds to is too long', [compressed(binary, Buffer.alloc(2 << 20))], [1009, 1007]),
];

const plain = { section1, section2, section3, section4, section5, section6, section7, section9, masking };
const offers = [
  'permessage-deflate',
  'permessage-deflate; client_no_context_takeover; client_max_window_bits',
  'permessage-deflate; client_max_window_bits=15; server_no_context_takeover',
  'permessage-deflate; server_max_window_bits=9',
  'permessage-deflate; server_max_window_bits=15; server_no_context_takeover',
  'permessage-deflate; server_max_window_bits=8, permessage-deflate; nonsense, permessage-deflate',
];

// ---- running them

async function open(scope, banyan, number, offer) {
  const client = await connect(scope, banyan.port);
  const extension = offer ? `Sec-WebSocket-Extensions: ${offer}\r\n` : '';
  const head = `GET /live/case${number} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`;
  await client.write(`${head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${extension}\r\n`);
  const answer = await client.head();
  assert.match(answer.line, /^HTTP\/1\.1 101 /);
  return { client, extensions: answer.get('Sec-WebSocket-Extensions') ?? '' };
}

async function send(client, sent) {
  const size = typeof sent[0] === 'number' ? sent[0] : 0;
  const all = Buffer.concat(sent.slice(size ? 1 : 0));
  if (size === 0) return client.write(all);
  for (const piece of pieces(all, Math.max(size, Math.ceil(all.length / 400)))) await client.write(piece);
}

let cases = 0;
async function run(scope, banyan, [name, sent, expected, code], offer = '') {
  const { client, extensions } = await open(scope, banyan, (cases += 1), offer);
  const heard = await within(Promise.all([hear(client), send(client, sent)]), name).then(([first]) => first);
  const show = (all) => all.map(([opcode, payload]) => [opcode, Buffer.from(payload).toString('latin1')]);
  assert.deepEqual(show(heard.messages), show(expected), name);
  assert.ok([code].flat().includes(heard.code), `${name}: ${heard.code} instead of ${code}`);
  client.close();
  return { ...heard, extensions };
}

// So many at the same time.
async function runAll(scope, banyan, all, offer) {
  const rest = [...all];
  const worker = async () => {
    for (let one = rest.shift(); one; one = rest.shift()) await run(scope, banyan, one, offer);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

const keys = `websocket_publish = true
receive_rate = "off"
max_message = "1m"
queue = { bytes = "4m" }`;
const native = (scope) => begin(scope, keys, { workers: 2 });

async function proxied(scope) {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server, maxPayload: 1 << 20, perMessageDeflate: { threshold: 0, serverNoContextTakeover: true } });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => {});
  });
  await serve(scope, server);
  return startInFrontOf(scope, server.host);
}

for (const [who, make] of [['event_dispatch', native], ['ws behind the proxy', proxied]]) {
  test(`${who}: frames, pings, reserved bits, opcodes, fragments, UTF-8, closing, sizes`, async (scope) => {
    const banyan = await make(scope);
    for (const all of Object.values(plain)) await runAll(scope, banyan, all);
  });
  test(`${who}: permessage-deflate`, async (scope) => {
    const banyan = await make(scope);
    // (ws refuses what it does not know.)
    const known = make === native ? offers : offers.slice(0, -1);
    for (const offer of known) await runAll(scope, banyan, section12, offer);
  });
}

test('event_dispatch: what is wrong is answered where it stands', async (scope) => {
  const banyan = await native(scope);
  await runAll(scope, banyan, failFast);
});

test('event_dispatch: what it agrees to, and keeps', async (scope) => {
  const banyan = await native(scope);
  const message = [frame(text, big), goodbye()];
  for (const offer of offers) {
    const { extensions, compressed: count } = await run(scope, banyan, [offer, message, [[text, big]], 1000], offer);
    assert.match(extensions, /^permessage-deflate; server_no_context_takeover; client_no_context_takeover/, offer);
    assert.equal(extensions.includes('server_max_window_bits=9'), offer.includes('server_max_window_bits=9'));
    assert.equal(count, 1);
  }
  for (const offer of ['', 'x-webkit-deflate-frame', 'permessage-deflate; server_max_window_bits=8', 'permessage-deflate; nonsense']) {
    const { extensions, compressed: count } = await run(scope, banyan, [offer, message, [[text, big]], 1000], offer);
    assert.deepEqual([extensions, count], ['', 0]);
  }
});
