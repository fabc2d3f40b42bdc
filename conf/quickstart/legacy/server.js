// A legacy service as Banyan meets them: Node, Express, a batch API in front of an object store, a REST
// resource, server-sent events, a WebSocket, a hub for events and Socket.IO, all on one port.
//
// Environment: PORT (3000; 0 = the kernel gives one), STORE (http://HOST:PORT/BUCKET of an S3-compatible
// store), STORE_ACCESS_KEY and STORE_SECRET_KEY (both S3RVER). Prints "listening 127.0.0.1:PORT" when it is
// ready.

import http from 'node:http';
import { fileURLToPath } from 'node:url';
import express from 'express';
import { batch } from './batch.js';
import { hub } from './hub.js';
import { events, sockets } from './live.js';
import { orders } from './orders.js';
import { session } from './session.js';

const store = {
  origin: process.env.STORE ?? 'http://127.0.0.1:4568/content',
  accessKeyId: process.env.STORE_ACCESS_KEY ?? 'S3RVER',
  secretAccessKey: process.env.STORE_SECRET_KEY ?? 'S3RVER',
};

const live = hub();
const app = express();
app.set('etag', 'strong');
app.set('trust proxy', 'loopback');
app.use(session());
app.get('/healthz', (request, response) => response.type('text/plain').send('ok\n'));
app.get('/', (request, response) => {
  response.set('Cache-Control', 'public, max-age=60');
  response.json({ service: 'legacy', host: request.hostname, client: request.ip, node: process.version });
});
app.use('/batch', batch(store));
app.use('/api/orders', orders());
app.get('/api/events', events());
app.get('/live.html', (request, response) => response.sendFile(fileURLToPath(new URL('live.html', import.meta.url))));
app.use('/live', live.router);
app.use((request, response) => response.status(404).json({ error: 'not found', path: request.path }));
app.use((error, request, response, next) => {
  if (response.headersSent) return next(error);
  const status = error.status ?? 500;
  return response.status(status).json({ error: status < 500 ? error.message : 'internal error' });
});

const server = http.createServer(app);
sockets(server, live.sockets);
server.on('error', (error) => {
  console.error(`legacy: ${error.message}`);
  process.exit(1);
});
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening 127.0.0.1:${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
