// WebSockets and event streams: the Node service behind, and clients that note what happens to them.

import http from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { serveHttp } from './servers.js';
import { until } from './wait.js';

// A real Node service: WebSocket echo at any path with Upgrade, server-sent events else.
export async function service(scope, name) {
  const state = { name, sockets: new Set(), closes: [], streams: new Set(), opened: 0 };
  const server = await serveHttp(scope, (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.write(`data: ${name}\n\n`);
    state.streams.add(response);
    response.on('close', () => state.streams.delete(response));
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    state.opened += 1;
    state.sockets.add(socket);
    socket.send(name);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => {});
    socket.on('close', (code, reason) => {
      state.sockets.delete(socket);
      state.closes.push([code, String(reason)]);
    });
  });
  scope.after(() => {
    for (const socket of sockets.clients) socket.terminate();
  });
  return { host: server.host, state };
}

// A client that has been greeted: {side, closed: undefined or {code, reason, at}, messages}.
export async function dial(scope, banyan, user, headers = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${banyan.port}/`, { headers: { 'X-User': user, ...headers } });
  const client = { socket, user, side: undefined, closed: undefined, messages: [] };
  socket.on('message', (data) => {
    if (client.side === undefined) client.side = String(data);
    else client.messages.push(data);
  });
  socket.on('error', (error) => {
    client.error = error;
  });
  socket.on('close', (code, reason) => {
    client.closed = { code, reason: String(reason), at: performance.now() };
  });
  scope.after(() => socket.terminate());
  await until(() => client.side, `a greeting for ${user}`);
  return client;
}

// An event source as browsers have it: comes back when its stream has ended, a tenth of `retry` milliseconds
// later. `agent`: as of http.get.
export function listen(scope, port, user, agent = false) {
  const source = { user, sides: [], ends: 0, retries: [], texts: '', stopped: false };
  const open = () => {
    const where = { port, host: '127.0.0.1', headers: { 'X-User': user }, agent };
    const request = http.get(where, (response) => {
      response.setEncoding('utf8');
      response.on('data', (text) => {
        source.texts += text;
        for (const [, side] of text.matchAll(/^data: (legacy|native|app)$/gm)) source.sides.push(side);
        for (const [, millis] of text.matchAll(/^retry: (\d+)$/gm)) source.retries.push(Number(millis));
      });
      response.on('error', () => {});
      response.on('end', () => {
        source.ends += 1;
        if (!source.stopped) source.timer = setTimeout(open, (source.retries.at(-1) ?? 0) / 10);
      });
    });
    request.on('error', () => {
      // The connection was closed while it waited in the agent, who had not noticed yet.
      if (request.reusedSocket && !source.stopped) open();
    });
    source.request = request;
  };
  open();
  scope.after(() => {
    source.stopped = true;
    clearTimeout(source.timer);
    source.request.destroy();
  });
  return source;
}
