// Subscribers and publishers of event_dispatch.

import http from 'node:http';
import { WebSocket } from 'ws';
import { fetch } from './client.js';
import { start } from './banyan.js';
import { until } from './wait.js';

export const live = (keys = '', more = '') => `[handler.live]
type = "event_dispatch"
${keys}
[[route]]
path = "/live/*"
target = "handler.live"
${more}`;

export const begin = (scope, keys, options) => start(scope, live(keys), options);

// {channel, offset, epoch}
export async function publish(banyan, channel, body, headers = {}) {
  const response = await fetch(`${banyan.url}/live/${channel}`, { method: 'POST', body, headers });
  if (response.status !== 202) throw new Error(`publish: ${response.status} ${response.text}`);
  return JSON.parse(response.text);
}

// A WebSocket that is open: {socket, messages, closed: undefined or {code, reason}}.
export async function listen(scope, banyan, path, { protocols = [], ...options } = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${banyan.port}/live/${path}`, protocols, options);
  const client = { socket, messages: [], closed: undefined };
  socket.on('message', (data, isBinary) => client.messages.push(isBinary ? data : String(data)));
  socket.on('error', (error) => {
    client.error = error;
  });
  socket.on('unexpected-response', (_, response) => {
    client.status = response.statusCode;
    socket.terminate();
  });
  socket.on('close', (code, reason) => {
    client.closed = { code, reason: String(reason) };
  });
  scope.after(() => socket.terminate());
  await until(() => socket.readyState === WebSocket.OPEN || client.closed, 'the WebSocket to open');
  return client;
}

// As a browser's EventSource: comes back by itself with Last-Event-ID, after `retry` (cut to 50 ms here).
// {events: [{id, type, data}], opened, lastId}
export async function eventSource(scope, banyan, path, headers = {}) {
  const source = { events: [], opened: 0, lastId: '', retries: [], stopped: false };
  const connect = () => {
    if (source.stopped) return;
    const all = { Accept: 'text/event-stream', ...headers };
    if (source.lastId) all['Last-Event-ID'] = source.lastId;
    const request = http.get(`${banyan.url}/live/${path}`, { headers: all, agent: false }, (response) => {
      source.status = response.statusCode;
      source.opened += 1;
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        const blocks = (rest + chunk).split('\n\n');
        rest = blocks.pop();
        blocks.forEach((block) => take(source, block));
      });
      response.on('error', () => {});
      response.on('close', again);
    });
    request.on('error', again);
    source.request = request;
    let over = false;
    function again() {
      if (!over && !source.stopped) setTimeout(connect, 50).unref();
      over = true;
    }
  };
  scope.after(() => {
    source.stopped = true;
    source.request.destroy();
  });
  connect();
  await until(() => source.opened > 0, 'the event stream to open');
  return source;
}

function take(source, block) {
  const event = { type: 'message', data: undefined };
  for (const line of block.split('\n')) {
    const [, name, value] = /^([a-z]*): ?(.*)$/.exec(line) ?? [];
    if (name === 'id') source.lastId = value;
    if (name === 'retry') source.retries.push(Number(value));
    if (name === 'event') event.type = value;
    if (name === 'data') event.data = event.data === undefined ? value : `${event.data}\n${value}`;
  }
  if (event.data !== undefined) source.events.push({ ...event, id: source.lastId });
}
