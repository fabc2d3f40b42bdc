// event_dispatch tells subscribers who comes and goes.

import assert from 'node:assert/strict';
import { begin, eventSource, listen, live, publish } from './lib/events.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

const presence = 'presence = ["room-*"]';

// What a banyan.v1 client was told of presence: [{event, id, …}].
const told = (client) =>
  client.messages.map((text) => JSON.parse(text)).filter(({ type }) => type === 'presence').map(({ data }) => data);

const talker = (scope, banyan, path) => listen(scope, banyan, path, { protocols: ['banyan.v1'] });

test('one join and one leave for each subscriber, over all workers and transports', async (scope) => {
  const banyan = await begin(scope, presence, { workers: 3 });
  const watcher = await talker(scope, banyan, 'room-1');
  const others = await Promise.all(Array.from({ length: 6 }, () => listen(scope, banyan, 'room-1')));
  const source = await eventSource(scope, banyan, 'room-1');
  await until(() => told(watcher).length === 8, 'all joins, its own among them');
  const joins = told(watcher);
  assert.ok(joins.every(({ event, id }) => event === 'join' && /^[0-9a-f]{12}-[1-9][0-9]*$/.test(id)));
  assert.equal(new Set(joins.map(({ id }) => id)).size, 8);
  for (const { socket } of others.slice(1)) socket.close();
  source.stopped = true;
  source.request.destroy();
  await until(() => told(watcher).length === 14, 'the leaves');
  const leaves = told(watcher).slice(8);
  assert.ok(leaves.every(({ event, id }) => event === 'leave' && joins.some((join) => join.id === id)));
  assert.equal(new Set(leaves.map(({ id }) => id)).size, 6);
  // Events among the others, in one order; a plain WebSocket gets nothing but what is published.
  await publish(banyan, 'room-1', 'hello');
  await until(() => others[0].messages.length > 0, 'the event');
  assert.deepEqual(others[0].messages, ['hello']);
  const offsets = watcher.messages.map((text) => JSON.parse(text)).filter(({ data }) => data);
  await until(() => watcher.messages.some((text) => JSON.parse(text).data === 'hello'), 'the event');
  assert.deepEqual(offsets.slice(0, 14).map(({ offset }) => offset), Array.from({ length: 14 }, (_, i) => i + 1));
});

test('only channels that are named; subscribe and unsubscribe count; history has them', async (scope) => {
  const banyan = await begin(scope, presence, { workers: 2 });
  const watcher = await talker(scope, banyan, 'room-2');
  const client = await talker(scope, banyan, 'lobby');
  client.socket.send(JSON.stringify({ type: 'subscribe', channel: 'room-2' }));
  await until(() => told(watcher).length === 2, 'the join');
  client.socket.send(JSON.stringify({ type: 'unsubscribe', channel: 'room-2' }));
  await until(() => told(watcher).length === 3, 'the leave');
  const [, join, leave] = told(watcher);
  assert.deepEqual(leave, { event: 'leave', id: join.id });
  client.socket.close();
  const late = await eventSource(scope, banyan, 'room-2?since=first');
  await until(() => late.events.length === 4, 'history and its own join');
  assert.ok(late.events.every(({ type }) => type === 'presence'));
  assert.deepEqual(late.events.slice(0, 3).map(({ data }) => JSON.parse(data)), told(watcher).slice(0, 3));
  assert.ok(client.messages.every((text) => JSON.parse(text).channel !== 'lobby' || !/"presence"/.test(text)));
});

test('the subscribers of a killed worker leave; those who come back join', async (scope) => {
  const banyan = await begin(scope, presence, { workers: 2 });
  const sources = await Promise.all(Array.from({ length: 10 }, () => eventSource(scope, banyan, 'room-3')));
  await until(() => sources.every(({ events }) => events.length > 0), 'the joins');
  const { processes } = (await banyan.admin('/status')).json;
  const workers = processes.filter(({ connections }) => connections !== undefined);
  const victim = workers.sort((a, b) => b.connections - a.connections)[0].pid;
  process.kill(victim, 'SIGKILL');
  await until(() => banyan.workers().length === 2 && !banyan.workers().includes(victim), 'a new worker');
  const watcher = await talker(scope, banyan, 'room-3?since=first');
  // Who is there, as a client would know it.
  const present = () => {
    const ids = new Set();
    for (const { event, id, id_prefix: prefix } of told(watcher)) {
      if (event === 'join') ids.add(id);
      else if (id) ids.delete(id);
      else for (const one of [...ids].filter((known) => known.startsWith(prefix))) ids.delete(one);
    }
    return ids.size;
  };
  const groups = () => told(watcher).filter(({ id_prefix: prefix }) => prefix).length;
  await until(() => groups() === 1 && present() === 11, 'the ten and the watcher, and nobody who is gone');
  // The hub tells of a client before that hears it.
  const joins = () => told(watcher).filter(({ event }) => event === 'join').length;
  const back = () => sources.filter(({ opened }) => opened === 2).length;
  await until(() => back() > 0 && joins() === 11 + back(), 'a join for each that has come back');
});

test('a reload that takes it away tells nobody any more', async (scope) => {
  const banyan = await begin(scope, presence);
  const watcher = await talker(scope, banyan, 'room-4');
  await until(() => told(watcher).length === 1, 'its own join');
  await banyan.reconfigure(live(''));
  await listen(scope, banyan, 'room-4');
  await publish(banyan, 'room-4', 'last');
  await until(() => watcher.messages.some((text) => /last/.test(text)), 'the event');
  assert.equal(told(watcher).length, 1);
});
