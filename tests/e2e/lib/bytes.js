// Reading HTTP/1 from a stream of bytes, strictly: what does not fit is an error, nothing is repaired.

import { deferred, within } from './wait.js';

const CRLF = Buffer.from('\r\n');

// Bytes as they arrive, taken by whoever awaits them.
export class ByteSource {
  constructor() {
    this.buffer = Buffer.alloc(0);
    this.ended = undefined; // 'end' or 'reset' once the other side is done
    this.waiting = [];
  }

  push(chunk) {
    this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk]);
    this.wake();
  }

  finish(how) {
    this.ended ??= how;
    this.wake();
  }

  wake() {
    for (const waiter of this.waiting.splice(0)) waiter.resolve();
  }

  async more(what) {
    if (this.ended) throw new Error(`connection ended (${this.ended}) while reading ${what}`);
    const waiter = deferred();
    this.waiting.push(waiter);
    await waiter.promise;
  }

  // Up to and with the delimiter.
  async through(delimiter, what) {
    while (true) {
      const at = this.buffer.indexOf(delimiter);
      if (at >= 0) return this.takeNow(at + delimiter.length);
      await this.more(what);
    }
  }

  async take(count, what) {
    while (this.buffer.length < count) await this.more(what);
    return this.takeNow(count);
  }

  takeNow(count) {
    const taken = this.buffer.subarray(0, count);
    this.buffer = this.buffer.subarray(count);
    return taken;
  }

  async toEnd() {
    while (!this.ended) await this.more('the end').catch(() => {});
    return this.takeNow(this.buffer.length);
  }
}

// {line, headers: [[name, value]], get(name), all(name), raw}; rejects unless it is well formed.
export async function readHead(source, what) {
  const raw = (await source.through(Buffer.from('\r\n\r\n'), what)).toString('latin1');
  const [line, ...rest] = raw.slice(0, -4).split('\r\n');
  const headers = rest.map((field) => {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(field);
    if (!match || /[\0\r\n]/.test(field)) throw new Error(`bad field ${JSON.stringify(field)} in ${what}`);
    return [match[1], match[2]];
  });
  const all = (name) =>
    headers.filter(([n]) => n.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return { raw, line, headers, all, get: (name) => all(name)[0] };
}

async function readChunked(source, what) {
  const chunks = [];
  const sizes = [];
  while (true) {
    const line = (await source.through(CRLF, `a chunk of ${what}`)).toString('latin1').slice(0, -2);
    if (!/^[0-9a-fA-F]{1,16}$/.test(line))
      throw new Error(`bad chunk size ${JSON.stringify(line)} in ${what}`);
    const size = parseInt(line, 16);
    if (size === 0) break;
    sizes.push(size);
    chunks.push(await source.take(size, `a chunk of ${what}`));
    const end = (await source.take(2, `a chunk of ${what}`)).toString('latin1');
    if (end !== '\r\n') throw new Error(`chunk of ${what} ends with ${JSON.stringify(end)}`);
  }
  const trailers = [];
  while (true) {
    const line = (await source.through(CRLF, `trailers of ${what}`)).toString('latin1').slice(0, -2);
    if (line === '') return { body: Buffer.concat(chunks), trailers, sizes };
    const colon = line.indexOf(':');
    trailers.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
  }
}

// How a message says where its body ends: 'none', 'chunked', 'length', 'close'.
export function framingOf(head, { isResponse, method, status }) {
  const coding = head.all('transfer-encoding');
  const lengths = head.all('content-length');
  if (coding.length > 1 || lengths.length > 1 || (coding.length && lengths.length)) {
    throw new Error(`ambiguous framing:\n${head.raw}`);
  }
  if (isResponse && (method === 'HEAD' || status < 200 || status === 204 || status === 304)) return 'none';
  if (coding.length) {
    if (coding[0].toLowerCase() !== 'chunked') throw new Error(`unexpected coding ${coding[0]}`);
    return 'chunked';
  }
  if (lengths.length) {
    if (!/^[0-9]+$/.test(lengths[0])) throw new Error(`bad Content-Length ${lengths[0]}`);
    return 'length';
  }
  return isResponse ? 'close' : 'none';
}

export async function readBody(source, head, framing, what) {
  if (framing === 'none') return { body: Buffer.alloc(0), trailers: [] };
  if (framing === 'chunked') return readChunked(source, what);
  if (framing === 'close') {
    const body = await source.toEnd();
    if (source.ended === 'reset') throw new Error(`reset in the body of ${what}`);
    return { body, trailers: [] };
  }
  return { body: await source.take(Number(head.get('content-length')), `the body of ${what}`), trailers: [] };
}

// One response, after any 1xx (in `informational`); 101 is final.
export async function readResponse(source, { method = 'GET', limit = 10_000 } = {}) {
  const what = 'a response';
  const read = async () => {
    const informational = [];
    while (true) {
      const head = await readHead(source, what);
      const match = /^HTTP\/(1\.[01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)$/.exec(head.line);
      if (!match) throw new Error(`bad status line ${JSON.stringify(head.line)}`);
      const response = {
        ...head,
        version: match[1],
        status: Number(match[2]),
        reason: match[3],
        informational,
      };
      if (response.status < 200 && response.status !== 101) {
        informational.push(response);
        continue;
      }
      const framing = framingOf(head, { isResponse: true, method, status: response.status });
      return { ...response, framing, ...(await readBody(source, head, framing, what)) };
    }
  };
  return within(read(), what, limit);
}
