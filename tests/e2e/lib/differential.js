// The same bytes to three who read HTTP/1: Node's own server, Banyan (its handler echo says what it understood), and a
// Node server behind Banyan. What must hold:
//
//   - what the Node behind reads is what Banyan understood: as many requests, the same methods, targets, hosts, bodies
//     (but for methods that Node does not know, which it refuses)
//   - where Node alone reads a request, Banyan reads the same one, or refuses it, or has closed; it never waits for more
//
// That Banyan reads what Node alone refuses is allowed: it writes every request anew, so the first rule covers it.

import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { ByteSource, framingOf, readBody, readHead } from './bytes.js';
import { repository, start } from './banyan.js';
import { within } from './wait.js';

const patience = '1s'; // how long a side waits for the rest of a request; all of a case's bytes are sent at once

// ---------------------------------------------------------------- cases

// A generator of numbers that is the same everywhere (mulberry32).
export function randomFrom(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function corpus(folder) {
  const place = path.join(repository, 'tests/fuzz/corpus', folder);
  return fs.readdirSync(place).sort().map((name) => fs.readFileSync(path.join(place, name), 'latin1'));
}

const whole = [
  'POST /a HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nhello',
  'POST /b?c=d HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'PUT /c HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n',
  'GET /d HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\nCookie: a=b\r\n\r\n',
  'POST /e HTTP/1.1\r\nHost: example.org\r\nContent-Length: 0\r\n\r\n',
  'DELETE /f HTTP/1.1\r\nHost: example.org\r\nConnection: keep-alive\r\n\r\n',
];
const pieces = [
  'Content-Length: 5\r\n', 'Content-Length: 0\r\n', 'Content-Length: +5\r\n', 'Content-Length: 5, 5\r\n',
  'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: identity\r\n', 'Transfer-Encoding: chunked, chunked\r\n',
  'Transfer-Encoding : chunked\r\n', 'Transfer-Encoding:\x0bchunked\r\n', 'Transfer-Encoding: xchunked\r\n',
  'Content-Length:\r\n', 'Content-Length: 5 5\r\n', 'Content_Length: 5\r\n', 'Host: other.example\r\n',
  'Connection: close\r\n', 'Connection: Content-Length\r\n', 'Connection: upgrade\r\nUpgrade: h2c\r\n',
  'Expect: 100-continue\r\n', 'Upgrade: websocket\r\n', 'X:\r\n y\r\n', ' ', '\t', '\0', '\r', '\n', '\r\n', ':', ';', ',', '"', '\x80',
  '\xff', '0\r\n\r\n', '0x5', '-1', '00', '5;a="\r\n"\r\n', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', '//', '/../', '%2e%2e/', '%00',
  '#x', '?', '@', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'http://a.example/', '*',
];

function mutate(text, random) {
  const at = random(text.length + 1);
  switch (random(7)) {
    case 0: return text.slice(0, at) + pieces[random(pieces.length)] + text.slice(at);
    case 1: return text.slice(0, at) + text.slice(at + 1 + random(4));
    case 2: return text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1);
    case 3: {
      // A field more, behind a line's end.
      const line = text.indexOf('\r\n', at);
      if (line < 0) return text + pieces[random(pieces.length)];
      return text.slice(0, line + 2) + pieces[random(pieces.length)] + text.slice(line + 2);
    }
    case 4: {
      const lines = text.split('\r\n');
      lines.splice(random(lines.length), 0, lines[random(lines.length)]);
      return lines.join('\r\n');
    }
    case 5: return text.slice(0, at) + text.slice(at, at + 8).toUpperCase() + text.slice(at + 8);
    default: {
      const lines = text.split('\r\n');
      const [one, other] = [random(lines.length), random(lines.length)];
      [lines[one], lines[other]] = [lines[other], lines[one]];
      return lines.join('\r\n');
    }
  }
}

// One to three requests, then up to four changes.
export function makeCases(count, seed) {
  const random = randomFrom(seed);
  const heads = corpus('request_head');
  const chunked = corpus('chunked').map((body) => `POST /g HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
  const seeds = [...heads, ...chunked, ...whole, ...whole, ...whole];
  return Array.from({ length: count }, () => {
    let text = '';
    for (let left = 1 + random(3); left > 0; --left) text += seeds[random(seeds.length)];
    for (let left = random(5); left > 0; --left) text = mutate(text, random);
    return text;
  });
}

// ---------------------------------------------------------------- the three readers

// A Node server that remembers what it read; `who` tells the client of a request.
class NodeReader {
  constructor(who, options) {
    this.who = who;
    this.seen = new Map(); // client → requests that were complete
    this.server = http.createServer({ insecureHTTPParser: false, ...options }, (request, response) => {
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url, headers } = request;
        const client = this.who(request);
        const body = Buffer.concat(chunks).toString('latin1');
        if (!this.seen.has(client)) this.seen.set(client, []);
        this.seen.get(client).push({ method, url, host: headers.host ?? '', body });
        response.end('ok');
      });
      request.on('error', () => {});
    });
  }

  async listen(scope) {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', 4096, resolve));
    scope.after(() => {
      this.server.closeAllConnections();
      return new Promise((resolve) => this.server.close(resolve));
    });
    return this.server.address().port;
  }

  requests(client) {
    return this.seen.get(client) ?? [];
  }
}

// Sends the bytes from that address and resolves to all that came back, when the other side has closed.
function send(bytes, port, localAddress) {
  return within(
    new Promise((resolve, reject) => {
      const socket = net.connect({ host: '127.0.0.1', port, localAddress, noDelay: true });
      const chunks = [];
      socket.on('connect', () => socket.write(Buffer.from(bytes, 'latin1')));
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('error', (error) => (error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error)));
      socket.on('close', () => resolve(Buffer.concat(chunks)));
    }),
    `answers to ${JSON.stringify(bytes)} and the end`,
    30_000,
  );
}

// What echo answered: the requests it was given, and how it ended: 'closed', 'waited', or the status of a refusal.
// An answer that breaks off does not say why: what the client got who was `answered` by the Node behind does.
async function readEchoes(bytes, answered) {
  const source = new ByteSource();
  source.push(bytes);
  source.finish('end');
  const requests = [];
  while (source.buffer.length > 0) {
    const head = await readHead(source, 'an answer');
    const status = Number(head.line.split(' ')[1]);
    if (status < 200) continue;
    const method = head.get('X-Echo-Method');
    const framing = framingOf(head, { isResponse: true, method, status });
    let body;
    try {
      ({ body } = await readBody(source, head, framing, 'an answer'));
    } catch {
      const [, last] = [...answered.toString('latin1').matchAll(/^HTTP\/1\.1 (\d+)/gm)].at(-1) ?? [];
      return { requests, end: last === undefined || last === '408' ? 'waited' : Number(last) };
    }
    if (method === undefined) return { requests, end: status === 408 ? 'waited' : status };
    const query = head.get('X-Echo-Query');
    const path = head.get('X-Echo-Path');
    requests.push({
      method,
      url: query === undefined ? path : `${path}?${query}`,
      host: head.get('X-Echo-Host') ?? '',
      body: describesHead(head) ? '' : body.toString('latin1'),
    });
  }
  return { requests, end: 'closed' };
}

// echo describes a request without a body, in plain text of its own; others get their own type back, if any.
function describesHead(head) {
  return head.get('Content-Type') === 'text/plain; charset=utf-8';
}

// ---------------------------------------------------------------- comparing

const plainTarget = /^(?!.*(?:\/\/|\/\.))\/[A-Za-z0-9._~!$&'()*+,;=:@/?-]*$/;

// Whether two read the same request; Banyan normalises targets and takes the host of an absolute one.
function same(node, echo) {
  if (node.method !== echo.method || node.body !== echo.body) return false;
  if (!plainTarget.test(node.url)) return true;
  return node.url === echo.url && node.host.toLowerCase() === echo.host.toLowerCase();
}

// What is wrong with this case ('' if nothing), and a word for what happened.
export function judge({ bytes, alone, behind: all, echoes }) {
  const { requests, end } = echoes;
  // echo answers before it reads; then, with Expect, the body need not come, and Banyan closes behind it.
  const early = end === 'closed' && /expect/i.test(bytes);
  const told = (request) => JSON.stringify([request.method, request.url, request.host.toLowerCase(), request.body]);
  // Node refuses methods that it does not know, and Banyan may have to close behind that answer.
  const known = requests.filter(({ method }) => http.METHODS.includes(method));
  const behind = early ? all.slice(0, known.length) : all;
  const expected = known.length < requests.length ? known.slice(0, behind.length) : known;
  if (expected.map(told).join() !== behind.map(told).join()) return ['Node behind read something else than Banyan', ''];
  let word = 'same';
  for (let i = 0; i < Math.max(alone.length, requests.length); ++i) {
    if (i >= alone.length) return ['', 'Node alone refused or waited'];
    if (i >= requests.length) {
      if (end === 'waited') return [`Banyan waits where Node read request ${i + 1}`, ''];
      return ['', end === 'closed' ? 'Banyan had closed' : 'Banyan refused'];
    }
    if (!same(alone[i], requests[i])) return [`request ${i + 1} is not the same`, ''];
    if (alone[i].url !== requests[i].url) word = 'same, target normalised';
  }
  if (typeof end === 'number') word = alone.length > 0 ? 'same, then refused' : 'refused by both';
  return ['', word];
}

// The readers, and a function that runs one case on all of them.
export async function startReaders(scope) {
  const times = { keepAliveTimeout: 300, headersTimeout: 600, requestTimeout: 600, connectionsCheckingInterval: 200 };
  const alone = new NodeReader((request) => request.socket.remoteAddress, times);
  const behind = new NodeReader((request) => request.headers['x-real-ip'], { keepAliveTimeout: 60_000, requestTimeout: 0 });
  const alonePort = await alone.listen(scope);
  const behindPort = await behind.listen(scope);
  const timeouts = `timeouts = { header = "${patience}", body = "${patience}", keepalive = "300ms" }`;
  const options = { workers: 1, top: `[client]\n${timeouts}` };
  const routes = (target) => `
    [upstream.node]
    servers = ["127.0.0.1:${behindPort}"]
    timeouts = { response = "3s" } # once in ten thousand times Node says nothing at all to an unknown method
    [handler.echo]
    type = "echo"
    [[route]]
    path = "/*"
    target = "${target}"`;
  const front = await start(scope, routes('upstream.node'), options);
  const echo = await start(scope, routes('handler.echo'), options);
  let count = 0;
  return async (bytes) => {
    const number = count++;
    const client = `127.${16 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
    const [echoed, answered] = await Promise.all([
      send(bytes, echo.port, client),
      send(bytes, front.port, client),
      send(bytes, alonePort, client),
    ]);
    const echoes = await readEchoes(echoed, answered);
    return { bytes, alone: alone.requests(client), behind: behind.requests(client), echoes };
  };
}
