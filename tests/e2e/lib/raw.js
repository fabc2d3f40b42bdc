// A client that sends exact bytes and sees exact bytes.

import net from 'node:net';
import { ByteSource, readHead, readResponse } from './bytes.js';
import { deferred, until, within } from './wait.js';

class RawClient {
  constructor(socket) {
    this.socket = socket;
    this.source = new ByteSource();
    this.received = 0;
    this.discarding = false;
    this.end = deferred();
    socket.on('data', (chunk) => {
      this.received += chunk.length;
      if (!this.discarding) this.source.push(chunk);
    });
    socket.on('end', () => this.finish('end'));
    socket.on('error', () => this.finish('reset'));
    socket.on('close', () => this.finish('end'));
  }

  finish(how) {
    this.source.finish(how);
    this.end.resolve(how);
  }

  // Strings are latin1. Resolves when the kernel has taken the bytes.
  write(bytes) {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    return new Promise((resolve) => {
      this.socket.write(data, () => resolve());
    });
  }

  // From now on bytes are counted and forgotten.
  discard() {
    this.discarding = true;
  }

  halfClose() {
    this.socket.end();
  }

  reset() {
    this.socket.resetAndDestroy();
  }

  close() {
    this.socket.destroy();
  }

  // The next response (see readResponse in bytes.js).
  response(options) {
    return readResponse(this.source, options);
  }

  // The next head alone; the body stays unread.
  head(limit = 10_000) {
    return within(readHead(this.source, 'a response head'), 'a response head', limit);
  }

  // All bytes until the other side ends.
  rest(limit = 10_000) {
    return within(this.source.toEnd(), 'the end of the connection', limit);
  }

  // Resolves to 'end' or 'reset' when the other side has closed.
  closed(limit = 10_000) {
    return within(this.end.promise, 'the other side to close', limit);
  }

  // Waits until the bytes that have come and are not read match.
  until(pattern, limit) {
    return until(
      () => pattern.exec(this.source.buffer.toString('latin1')),
      `bytes matching ${pattern}`,
      limit,
    );
  }
}

// to: a port on 127.0.0.1 or {path} of a unix socket.
export async function connect(scope, to) {
  const options = typeof to === 'number' ? { host: '127.0.0.1', port: to } : to;
  const socket = net.connect({ ...options, allowHalfOpen: true, noDelay: true });
  const client = new RawClient(socket);
  scope.after(() => client.close());
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return client;
}

// Sends the bytes on a connection of their own; resolves to the response.
export async function ask(scope, to, bytes, options) {
  const client = await connect(scope, to);
  await client.write(bytes);
  const response = await client.response(options);
  return { ...response, client };
}
