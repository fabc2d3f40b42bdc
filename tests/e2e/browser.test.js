// The page of the quickstart in a browser: events by EventSource and WebSocket, and what becomes of them when all
// workers are killed. Needs Chromium (apt-get install chromium), and is left out without.

import assert from 'node:assert/strict';
import { start } from './lib/banyan.js';
import { chromium, openPage } from './lib/browser.js';
import { fetch } from './lib/client.js';
import { live, publish } from './lib/events.js';
import { startLegacy } from './lib/legacy.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const skip = chromium ? false : 'there is no Chromium';
const orders = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

// As a page would do it that wants to lose nothing: envelopes, and `since` when it comes back.
const resuming = `
  window.got = [];
  window.closes = 0;
  (function listen(since) {
    const socket = new WebSocket(location.origin.replace('http', 'ws') + '/live/orders' + since, ['banyan.v1']);
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.offset !== undefined) since = '?since=' + message.epoch + ':' + message.offset;
      if (message.type === 'gap') got.push('gap');
      if (message.type === undefined) got.push(message.data.order);
      window.listening = true;
    };
    socket.onclose = () => {
      closes += 1;
      setTimeout(() => listen(since), 50);
    };
  })('');`;

test('a browser: EventSource and WebSocket, resumed after kill -9', { skip, timeout: 120_000 }, async (scope) => {
  const legacy = await startLegacy(scope);
  const page = `[upstream.node]
servers = ["${legacy.host}"]
[[route]]
path = "/live.html"
target = "upstream.node"`;
  const banyan = await start(scope, live('', page), { workers: 2 });
  const evaluate = await openPage(scope, `${banyan.url}/live.html`);
  await evaluate(resuming);
  await until(() => evaluate('window.listening === true'), 'the WebSocket');
  const subscribers = () =>
    fetch(`${banyan.url}/live/_channels/orders`, { agent: false })
      .then(({ text }) => JSON.parse(text).subscribers)
      .catch(() => 0);
  await until(async () => (await subscribers()) === 3, 'all three to be connected');

  const send = async (number) => {
    const body = JSON.stringify({ hub: 'native', order: number, item: 'tea' });
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': `order-${number}`, Connection: 'close' };
    await until(() => publish(banyan, 'orders', body, headers).catch(() => undefined), `order ${number} to be taken`);
  };
  // Newest first; lines about closed connections are left out.
  const shown = async (list) => {
    const text = `[...document.querySelectorAll('#${list} .native')].map((line) => line.textContent)`;
    return (await evaluate(text)).map((line) => Number(/order (\d+): tea/.exec(line)[1])).reverse();
  };
  for (const number of orders(1, 5)) await send(number);
  await until(async () => (await shown('events')).length === 5, 'the events in the page');
  await until(async () => (await shown('websocket')).length === 5, 'the messages in the page');

  for (const pid of banyan.workers()) process.kill(pid, 'SIGKILL');
  for (const number of orders(6, 10)) await send(number);
  await until(() => evaluate('got.length >= 10'), 'the WebSocket to have caught up', 20_000);
  await until(async () => (await shown('events')).length >= 10, 'the event stream to have caught up', 20_000);
  // A plain WebSocket that says nothing about where it was goes on with the present.
  await until(async () => (await subscribers()) === 3, 'all to be back');
  await send(11);
  await until(async () => (await shown('websocket')).includes(11), 'the plain WebSocket to go on');
  await until(() => evaluate('got.length >= 11'), 'the last one');
  await until(async () => (await shown('events')).includes(11), 'the last one');
  assert.deepEqual(await evaluate('got'), orders(1, 11));
  assert.deepEqual(await shown('events'), orders(1, 11));
  assert.ok((await evaluate('closes')) >= 1);
});
