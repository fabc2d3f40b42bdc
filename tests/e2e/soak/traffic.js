// Kinds of traffic for the soak: each a function that does one round of it and resolves when it is over. A round that
// rejects has failed, which some may while workers are killed and backends restart.

import http from 'node:http';
import net from 'node:net';
import { WebSocket } from 'ws';
import { pause } from '../lib/wait.js';

const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });

// The whole answer of a request; rejects unless its status is 2xx.
function ask(port, path, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, headers, agent, timeout: 10_000 };
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('close', () => (response.complete ? undefined : reject(new Error('cut off'))));
      response.on('end', () => {
        if (response.statusCode > 299) reject(new Error(`${path}: ${response.statusCode}`));
        else resolve(Buffer.concat(chunks));
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer to ${path}`)));
    request.on('error', reject);
    request.end(body);
  });
}

// A raw connection that is over when it closes, or after `limit` ms.
function raw(port, limit, talk) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    const timer = setTimeout(() => socket.destroy(), limit);
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.on('connect', () => Promise.resolve(talk(socket)).catch(reject));
  });
}

// The time of a GET in milliseconds.
export async function timedGet(port) {
  const began = performance.now();
  await ask(port, '/small');
  return performance.now() - began;
}

export const kinds = {
  get: (port) => ask(port, '/small'),
  large: async (port) => {
    const body = await ask(port, '/large');
    if (body.length !== 300_000) throw new Error(`large: ${body.length} bytes`);
  },
  post: async (port) => {
    const body = Buffer.alloc(70_000, 'p');
    if (String(await ask(port, '/count', { method: 'POST', body })) !== '70000') throw new Error('post: wrong size');
  },
  rollout: (port) => ask(port, '/split', { headers: { 'X-User': `user-${Math.trunc(Math.random() * 1e6)}` } }),
  batch: (port) =>
    ask(port, '/batch', { method: 'POST', body: JSON.stringify({ keys: ['a', 'b', 'slow', 'none'], timeout_ms: 200 }) }),
  publish: (port) => ask(port, `/live/${Math.trunc(Math.random() * 4)}`, { method: 'POST', body: 'x'.repeat(300) }),

  // An event stream for a while.
  stream: (port) =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path: '/live/1', headers: { Accept: 'text/event-stream' }, agent: false };
      const request = http.get(options, (response) => {
        if (response.statusCode !== 200) reject(new Error(`stream: ${response.statusCode}`));
        response.resume();
        response.on('error', reject);
        setTimeout(() => resolve(request.destroy()), 700);
      });
      request.on('error', reject);
    }),

  // A WebSocket that comes back for what it missed.
  socket: (port) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/live/2?since=first`, ['banyan.v1']);
      socket.on('error', reject);
      socket.on('open', () => {
        socket.send('{"type":"subscribe","channel":"3"}');
        setTimeout(() => socket.close(), 500);
      });
      socket.on('close', (code) => (code === 1005 || code === 1000 ? resolve() : reject(new Error(`closed: ${code}`))));
    }),

  // A head that comes byte by byte.
  slow: (port) =>
    raw(port, 5000, async (socket) => {
      socket.on('data', () => socket.end());
      for (const char of 'GET /small HTTP/1.1\r\nHost: slow\r\nConnection: close\r\n\r\n') {
        if (socket.destroyed) return;
        socket.write(char);
        await pause(5);
      }
    }),

  // Somebody who reads nothing of a large answer, and goes.
  stalled: (port) =>
    raw(port, 400, (socket) => {
      socket.pause();
      socket.write('GET /large HTTP/1.1\r\nHost: stalled\r\n\r\n'.repeat(4));
    }),

  // Gone in the middle of a body, or of the answer.
  aborted: (port) =>
    raw(port, 5000, async (socket) => {
      const head = 'POST /count HTTP/1.1\r\nHost: aborted\r\nContent-Length: 100000\r\n\r\n';
      socket.write(Math.random() < 0.5 ? head + 'p'.repeat(2000) : 'GET /large HTTP/1.1\r\nHost: aborted\r\n\r\n');
      await pause(Math.random() * 30);
      socket.resetAndDestroy();
    }),

  // No HTTP at all.
  nonsense: (port) => raw(port, 5000, (socket) => socket.resume().write('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 GET')),
};

export function closeAll() {
  agent.destroy();
}
