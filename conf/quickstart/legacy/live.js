// The long-lived connections of the service: server-sent events, a WebSocket echo at /echo, Socket.IO at
// /socket.io.

import { Server as SocketIo } from 'socket.io';
import { WebSocketServer } from 'ws';
import { channelName } from './hub.js';

// GET: one event at once, then one every `?interval=` ms (1000), numbered by `id:`; Last-Event-ID goes on
// from there. `?count=N` ends the stream after N events.
export function events() {
  return (request, response) => {
    const interval = Math.max(10, Number(request.query.interval) || 1000);
    const count = Number(request.query.count) || Infinity;
    let id = Number(request.get('Last-Event-ID')) || 0;
    let sent = 0;
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    const send = () => {
      id += 1;
      sent += 1;
      response.write(`id: ${id}\nevent: tick\ndata: {"time":"${new Date().toISOString()}"}\n\n`);
      if (sent >= count) response.end();
    };
    const timer = setInterval(send, interval);
    response.on('close', () => clearInterval(timer));
    response.on('finish', () => clearInterval(timer));
    send();
  };
}

function refuse(socket, status) {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

// Attaches the WebSocket services to the HTTP server; `hubSockets` is the hub's (hub.js).
export function sockets(server, hubSockets) {
  const io = new SocketIo(server, { path: '/socket.io', destroyUpgrade: false });
  io.on('connection', (socket) => {
    socket.on('message', (text, reply) => {
      if (typeof reply === 'function') reply(text);
      else socket.emit('message', text);
    });
    socket.on('join', (room) => socket.join(room));
    socket.on('say', (room, text) => io.to(room).emit('said', text));
  });

  const echo = new WebSocketServer({ noServer: true });
  echo.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => socket.terminate());
  });
  server.on('upgrade', (request, socket, head) => {
    const [path] = request.url.split('?');
    if (path === '/echo') {
      echo.handleUpgrade(request, socket, head, (opened) => echo.emit('connection', opened));
    } else if (path.startsWith('/live/')) {
      const channel = channelName(path);
      if (channel === undefined) return refuse(socket, '400 Bad Request');
      hubSockets.handleUpgrade(request, socket, head, (opened) =>
        hubSockets.emit('connection', opened, request, channel),
      );
    } else if (!path.startsWith('/socket.io')) {
      refuse(socket, '404 Not Found');
    }
  });
}
