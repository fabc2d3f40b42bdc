// Headless Chromium, driven by its DevTools protocol over a WebSocket.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { WebSocket } from 'ws';
import { makeFolder } from './banyan.js';
import { until, within } from './wait.js';

export const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((file) => fs.existsSync(file));

async function connect(scope, url) {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  scope.after(() => socket.terminate());
  await within(new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject)), 'DevTools');
  const waiting = new Map();
  socket.on('message', (text) => {
    const { id, result, error } = JSON.parse(text);
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(new Error(error.message));
    else resolve?.(result);
  });
  let last = 0;
  return (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params, sessionId }));
    });
}

// A page that has loaded: (expression) => its value, promises awaited.
export async function openPage(scope, url) {
  const folder = makeFolder(scope);
  const switches = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'];
  const child = spawn(
    chromium,
    [...switches, '--disable-background-networking', '--remote-debugging-port=0', `--user-data-dir=${folder}`],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: folder } },
  );
  let output = '';
  child.stderr.on('data', (chunk) => {
    output += String(chunk).replace(/^.*:ERROR:dbus.*\n/gm, '');
  });
  scope.onFailure(() => `--- chromium\n${output}`);
  const ended = new Promise((resolve) => child.on('exit', resolve));
  scope.after(() => {
    child.kill('SIGKILL');
    return ended;
  });
  const file = path.join(folder, 'DevToolsActivePort');
  await until(() => fs.existsSync(file) && fs.readFileSync(file, 'utf8').includes('\n'), 'Chromium to be there', 30_000);
  const [port, place] = fs.readFileSync(file, 'utf8').trim().split('\n');
  const call = await connect(scope, `ws://127.0.0.1:${port}${place}`);
  const { targetId } = await call('Target.createTarget', { url });
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
  const evaluate = async (expression) => {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await call('Runtime.evaluate', params, sessionId);
    if (exceptionDetails) throw new Error(`in the page: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  };
  await until(() => evaluate('location.protocol === "http:" && document.readyState === "complete"'), 'the page to be loaded', 20_000);
  return evaluate;
}
