// The service's hub for real-time events, as such hubs are written in Node: channels below /live, subscribers by
// WebSocket and server-sent events, the last 300 events of each channel in memory.
//
//   POST /live/CHANNEL        publish; 202 {"channel", "offset", "epoch"}
//   GET  /live/CHANNEL        subscribe: WebSocket, or Accept: text/event-stream (Last-Event-ID resumes)

import express from 'express';
import { WebSocketServer } from 'ws';

const kept = 300;
const largest = 64 * 1024;
const epoch = `node${Date.now().toString(36)}`;

// The channel of a path below /live; undefined if it is encoded wrongly.
export function channelName(path) {
  try {
    return decodeURIComponent(path.slice('/live/'.length));
  } catch {
    return undefined;
  }
}

export function hub() {
  const channels = new Map();
  const channelOf = (name) => {
    if (!channels.has(name)) channels.set(name, { offset: 0, history: [], listeners: new Set() });
    return channels.get(name);
  };

  const router = express.Router();
  router.post('/:channel', express.text({ type: () => true, limit: largest }), (request, response) => {
    const channel = channelOf(request.params.channel);
    channel.offset += 1;
    const event = { offset: channel.offset, data: String(request.body) };
    channel.history.push(event);
    if (channel.history.length > kept) channel.history.shift();
    for (const listener of channel.listeners) listener(event);
    response.status(202).json({ channel: request.params.channel, offset: event.offset, epoch });
  });

  router.get('/:channel', (request, response) => {
    const channel = channelOf(request.params.channel);
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.flushHeaders();
    const send = ({ offset, data }) => {
      const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
      response.write(`id: ${epoch}:${offset}\n${lines.join('')}\n`);
    };
    const [since, offset] = (request.get('Last-Event-ID') ?? '').split(':');
    if (since === epoch) channel.history.filter((event) => event.offset > Number(offset)).forEach(send);
    channel.listeners.add(send);
    response.on('close', () => channel.listeners.delete(send));
  });

  const sockets = new WebSocketServer({ noServer: true, maxPayload: largest });
  sockets.on('connection', (socket, request, name) => {
    const channel = channelOf(name);
    const send = ({ data }) => socket.send(data);
    channel.listeners.add(send);
    socket.on('close', () => channel.listeners.delete(send));
    socket.on('error', () => socket.terminate());
  });
  return { router, sockets };
}
