// The access log in both formats, the error log.

import assert from 'node:assert/strict';
import { startInFrontOf, start } from './lib/banyan.js';
import { fetch } from './lib/client.js';
import { ask, connect } from './lib/raw.js';
import { ok, record } from './lib/recorder.js';
import { freePort } from './lib/servers.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

test('JSON: nginx names, one line for each request', async (scope) => {
  const backend = await record(scope);
  const banyan = await startInFrontOf(scope, backend.address, { route: 'name = "everything"' });
  const headers = { 'User-Agent': 'e2e/1 "quoted"\\', Referer: 'http://r.example/', Host: 'shop.example' };
  await fetch(`${banyan.url}/a?b=%20c`, { method: 'POST', headers, body: 'hello' });
  const entry = await banyan.logged(({ uri }) => uri.startsWith('/a'));
  assert.equal(entry.remote_addr, '127.0.0.1');
  assert.equal(entry.request_method, 'POST');
  assert.equal(entry.host, 'shop.example');
  assert.match(entry.uri, /^\/a\?b=%20c$/);
  assert.equal(Number(entry.status), 200);
  assert.equal(Number(entry.body_bytes_sent), 3);
  assert.ok(Number(entry.request_time) >= 0 && Number(entry.request_time) < 5);
  assert.ok(Number(entry.request_length) > 50);
  assert.equal(entry.http_user_agent, 'e2e/1 "quoted"\\');
  assert.equal(entry.http_referer, 'http://r.example/');
  assert.equal(entry.upstream_addr, backend.address);
  assert.equal(Number(entry.upstream_status), 200);
  assert.equal(entry.route, 'everything');
  assert.match(entry.time_iso8601, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/);
  assert.equal(entry.request_id, backend.last.get('x-request-id'));
  assert.ok('worker' in entry && 'term' in entry && 'trace_id' in entry);
});

test('nothing a client sends can break a line or leak a secret', async (scope) => {
  const backend = await record(scope);
  for (const format of ['json', 'combined']) {
    // One worker: its lines are in the order of the requests.
    const banyan = await startInFrontOf(scope, backend.address, { format, workers: 1 });
    const fields =
      'User-Agent: \x80\xff"\\\tx\r\nReferer: "}{?access_token=secret3#top\r\nCookie: secret=1\r\nAuthorization: Bearer secret2\r\n';
    await ask(scope, banyan.port, `GET /"%0a HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    await ask(scope, banyan.port, `GET /last?a=1&access_token=secret4&b=2 HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    await banyan.logged((entry) => JSON.stringify(entry).includes('/last'));
    const lines = banyan.accessLog();
    assert.equal(lines.length, 2);
    assert.ok(!JSON.stringify(lines).includes('secret'));
    const text = JSON.stringify(lines[1]);
    for (const part of ['/last?a=1&access_token=***&b=2', '{?access_token=***#top']) assert.ok(text.includes(part));
    if (format === 'combined') for (const line of lines) assert.match(line, /^[\x20-\x7e]+$/);
  }
});

test('combined: as nginx writes it', async (scope) => {
  const backend = await record(scope);
  const banyan = await startInFrontOf(scope, backend.address, { format: 'combined' });
  await fetch(`${banyan.url}/a?b`, { headers: { 'User-Agent': 'e2e/1' } });
  const line = await banyan.logged((text) => text.includes('/a?b'));
  const time = '\\d\\d/[A-Z][a-z]{2}/\\d{4}:\\d\\d:\\d\\d:\\d\\d [+-]\\d{4}';
  assert.match(
    line,
    new RegExp(`^127\\.0\\.0\\.1 - - \\[${time}\\] "GET /a\\?b HTTP/1\\.1" 200 3 "-" "e2e/1"$`),
  );
});

test('term says who ended a request', async (scope) => {
  const backend = await record(scope, {
    onRequest: ({ target }, connection) => {
      if (target === '/ok') connection.write(ok);
      else if (target === '/reset') connection.reset();
    },
  });
  const banyan = await startInFrontOf(scope, backend.address);
  const get = (target) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
  await ask(scope, banyan.port, get('/ok'));
  await ask(scope, banyan.port, get('/reset'));
  const leaving = await connect(scope, banyan.port);
  await leaving.write(get('/left'));
  await until(() => backend.requests.some(({ target }) => target === '/left'), 'it to be there');
  leaving.reset();
  const term = async (target) => (await banyan.logged(({ uri }) => uri === target)).term;
  const terms = [await term('/ok'), await term('/reset'), await term('/left')];
  assert.equal(new Set(terms).size, 3, String(terms));
  assert.match(terms[1], /^S/);
  assert.match(terms[2], /^C/);
});

test('access_log = false and path = "off"', async (scope) => {
  const text = `[[route]]
path = "/quiet"
reply = { status = 204 }
access_log = false
[[route]]
path = "/*"
reply = { status = 204 }
`;
  const banyan = await start(scope, text);
  await fetch(`${banyan.url}/quiet`);
  await fetch(`${banyan.url}/loud`);
  await banyan.logged(({ uri }) => uri === '/loud');
  assert.ok(!banyan.accessLog().some(({ uri }) => uri === '/quiet'));
});

test('the error log says what went wrong, with the request it belongs to', async (scope) => {
  const dead = `127.0.0.1:${await freePort()}`;
  const banyan = await startInFrontOf(scope, dead);
  await fetch(`${banyan.url}/broken`);
  await banyan.said(new RegExp(dead));
});
