// A backend that records what it received, byte by byte, and answers as a test says.
//
//   const backend = await record(scope, { onRequest: (request, connection) => connection.write('HTTP/1.1 …')
// });
//
// onHead(request, connection)     when a head is there, before its body; return true to answer here (the body
// is
//                                 still read and recorded)
// onRequest(request, connection)  when a request is complete; the default answers 200 with "ok"

import net from 'node:net';
import { ByteSource, framingOf, readBody, readHead } from './bytes.js';
import { until } from './wait.js';

export const ok = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n';

class Connection {
  constructor(socket) {
    this.socket = socket;
    this.source = new ByteSource();
    this.chunks = [];
    this.open = true;
    this.error = undefined; // why the bytes could not be read as requests
    socket.on('data', (chunk) => {
      this.chunks.push(chunk);
      this.source.push(chunk);
    });
    socket.on('end', () => this.source.finish('end'));
    socket.on('error', () => this.source.finish('reset'));
    socket.on('close', () => {
      this.open = false;
      this.source.finish('end');
    });
  }

  get bytes() {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  write(bytes) {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    return new Promise((resolve) => {
      this.socket.write(data, () => resolve());
    });
  }

  end(bytes = '') {
    this.socket.end(Buffer.from(bytes, 'latin1'));
  }

  reset() {
    this.socket.resetAndDestroy();
  }
}

class Recorder {
  constructor({ onHead, onRequest, onConnection }) {
    this.onHead = onHead ?? (() => false);
    this.onRequest = onRequest ?? ((request, connection) => connection.write(ok));
    this.onConnection = onConnection ?? (() => {});
    this.connections = [];
    this.heads = []; // every request whose head has come
    this.requests = []; // every complete one
    this.server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.accept(socket));
  }

  accept(socket) {
    const connection = new Connection(socket);
    this.connections.push(connection);
    this.onConnection(connection);
    this.serve(connection).catch((error) => {
      connection.error = error.message;
      socket.end();
    });
  }

  async serve(connection) {
    while (true) {
      const head = await readHead(connection.source, 'a forwarded request');
      const [method, target, version] = head.line.split(' ');
      const request = { ...head, method, target, version, connection, body: undefined, trailers: undefined };
      this.heads.push(request);
      const answered = this.onHead(request, connection) === true;
      const framing = framingOf(head, { isResponse: false });
      request.framing = framing;
      Object.assign(request, await readBody(connection.source, head, framing, 'a forwarded request'));
      this.requests.push(request);
      if (!answered) await this.onRequest(request, connection);
      if (answered && head.get('upgrade')) return; // what follows is no HTTP
    }
  }

  get address() {
    const address = this.server.address();
    return typeof address === 'string' ? `unix:${address}` : `127.0.0.1:${address.port}`;
  }

  get last() {
    return this.requests.at(-1);
  }

  // Everything that came, on all connections.
  get bytes() {
    return this.connections.map(({ bytes }) => bytes).join('');
  }

  // Waits for that many complete requests.
  received(count, limit) {
    return until(() => this.requests.length >= count, `${count} requests at the backend`, limit);
  }

  close() {
    for (const { socket } of this.connections) socket.destroy();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
    });
  }
}

// options: the callbacks above; path for a unix socket; port to listen on (any).
export async function record(scope, options = {}) {
  const recorder = new Recorder(options);
  const where = options.path ? { path: options.path } : { host: '127.0.0.1', port: options.port ?? 0 };
  await new Promise((resolve, reject) => {
    recorder.server.once('error', reject);
    recorder.server.listen(where, resolve);
  });
  scope.after(() => recorder.close());
  return recorder;
}
