// Ordinary Node servers as backends, and free ports.

import http from 'node:http';
import net from 'node:net';

// Listens on any port of 127.0.0.1; resolves to the server with `address` "127.0.0.1:PORT" as a property.
export async function serve(scope, server) {
  const sockets = new Set();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve); // a thousand clients may come at once
  });
  scope.after(() => {
    const closed = new Promise((resolve) => {
      server.close(() => resolve());
    });
    for (const socket of sockets) socket.destroy();
    return closed;
  });
  return Object.assign(server, { sockets, host: `127.0.0.1:${server.address().port}` });
}

// A Node HTTP server; its `host` is "127.0.0.1:PORT".
export function serveHttp(scope, listener, options = {}) {
  return serve(scope, http.createServer(options, listener));
}

// A port of 127.0.0.1 where nobody listens at this moment.
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
