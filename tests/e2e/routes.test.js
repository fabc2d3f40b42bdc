// Which request goes where, and what its path looks like on arrival.

import assert from 'node:assert/strict';
import { start } from './lib/banyan.js';
import { fetch } from './lib/client.js';
import { ask } from './lib/raw.js';
import { record } from './lib/recorder.js';
import { test } from './lib/test.js';

const get = (target, fields = 'Host: a\r\n') => `GET ${target} HTTP/1.1\r\n${fields}\r\n`;

// Routes that answer with their number: [[keys…], …] as text.
function replies(...routes) {
  return routes
    .map((keys, number) => `[[route]]\n${keys}\nreply = { status = 200, body = "${number}" }\n`)
    .join('');
}

// The number of the route that answered, or the status.
async function chosen(scope, port, bytes) {
  const { status, body, client } = await ask(scope, port, bytes);
  client.close();
  return status === 200 ? Number(body) : status;
}

test('exact, longest prefix, regular expression, methods, in this order', async (scope) => {
  const text = replies(
    'path = "/*"',
    'path = "/a/*"',
    'path = "/a/b"',
    'path = "/a/b/*"',
    'path = "~ ^/r/[0-9]+$"',
    'path = "~ ^/r/"',
    'path = "/m"\nmethods = ["POST"]',
    'path = "/m"',
    'path = "/h"\nheaders = { X-Beta = "1" }',
    'path = "/h"',
  );
  const { port } = await start(scope, text);
  const expected = [
    [get('/'), 0],
    [get('/zzz'), 0],
    [get('/a/'), 1],
    [get('/a/x'), 1],
    [get('/a/b'), 2],
    [get('/a/b?x=/y'), 2],
    [get('/a/b/'), 3],
    [get('/a/b/c/d'), 3],
    [get('/a/bc'), 1],
    [get('/m').replace('GET', 'POST'), 6],
    [get('/m'), 7],
    [get('/h', 'Host: a\r\nX-Beta: 1\r\n'), 8],
    [get('/h'), 9],
    [get('/A/b'), 0],
  ];
  for (const [bytes, number] of expected) assert.equal(await chosen(scope, port, bytes), number, bytes);
});

test('regular expressions count after prefixes, in the order of the file', async (scope) => {
  const text = replies('path = "~ ^/r/[0-9]+$"', 'path = "~ ^/r/"', 'path = "/p/*"', 'path = "~ ^/p/x$"');
  const { port } = await start(scope, text);
  assert.equal(await chosen(scope, port, get('/r/12')), 0);
  assert.equal(await chosen(scope, port, get('/r/x')), 1);
  assert.equal(await chosen(scope, port, get('/p/x')), 2);
  assert.equal(await chosen(scope, port, get('/none')), 404);
});

test('hosts: exact, wildcard, any', async (scope) => {
  const text = replies(
    'path = "/*"',
    'path = "/*"\nhost = "api.example.org"',
    'path = "/*"\nhost = "*.example.org"',
    'path = "/*"\nhost = "*.deep.example.org"',
    'path = "/only"\nhost = "api.example.org"',
  );
  const { port } = await start(scope, text);
  const at = (host, target = '/x') => chosen(scope, port, get(target, `Host: ${host}\r\n`));
  assert.equal(await at('other.test'), 0);
  assert.equal(await at('api.example.org'), 1);
  assert.equal(await at('API.Example.ORG:8080'), 1);
  assert.equal(await at('api.example.org.'), 1);
  assert.equal(await at('www.example.org'), 2);
  assert.equal(await at('a.b.example.org'), 2);
  assert.equal(await at('x.deep.example.org'), 3);
  assert.equal(await at('example.org'), 0);
  assert.equal(await at('api.example.org', '/only'), 4);
});

test('no route: 404; a route that only lacks the method: 405 with Allow', async (scope) => {
  const { port } = await start(scope, replies('path = "/m"\nmethods = ["POST", "PUT"]'));
  assert.equal(await chosen(scope, port, get('/none')), 404);
  const response = await ask(scope, port, get('/m'));
  assert.equal(response.status, 405);
  assert.match(response.get('allow'), /POST/);
  assert.match(response.get('allow'), /PUT/);
});

// One form for routing and for forwarding: whatever reaches a server has been routed by the same path.
test('a path cannot be routed as one thing and forwarded as another', async (scope) => {
  const open = await record(scope);
  const inner = await record(scope);
  const { port } = await start(
    scope,
    `[upstream.open]
servers = ["${open.address}"]
[upstream.inner]
servers = ["${inner.address}"]
[[route]]
path = "/*"
target = "upstream.open"
[[route]]
path = "/admin/*"
target = "upstream.inner"
`,
  );
  const tries = [
    '/admin/x',
    '//admin/x',
    '/./admin/x',
    '/a/../admin/x',
    '/a/%2e%2e/admin/x',
    '/a/%2E%2e/admin/x',
    '/a/.%2e/admin/x',
    '/a/..%2fadmin/x',
    '/%61dmin/x',
    '/%61%64min/x',
    '/admin%2fx',
    '/admin%2Fx',
    '/a/..;/admin/x',
    '/a;b/../admin/x',
    '/a\\..\\admin/x',
    '/a/%5c../admin/x',
    '/a/%252e%252e/admin/x',
    '/a//../admin/x',
    '/admin/../x',
    '/admin/./../x',
    'http://a/b/../admin/x',
  ];
  // What a server may make of a path: decoded once, slashes and dots resolved.
  const meaning = (target) => {
    const path = decodeURIComponent(target.split('?')[0])
      .replace(/\\/g, '/')
      .replace(/;[^/]*/g, '');
    return new URL(path.replace(/\/+/g, '/'), 'http://a').pathname;
  };
  for (const target of tries) {
    const { status, client } = await ask(scope, port, get(target));
    client.close();
    assert.ok([200, 400].includes(status), `${target}: ${status}`);
  }
  for (const { target } of open.requests) {
    assert.ok(!/(^|\/)\.\.?(\/|$)/.test(target), `no dots are forwarded: ${target}`);
    assert.ok(!meaning(target).startsWith('/admin/'), `${target} went to the open server`);
  }
  for (const { target } of inner.requests) {
    assert.ok(meaning(target).startsWith('/admin/'), `${target} went to the inner server`);
  }
  assert.ok(inner.requests.length >= 2);
});

test('rewrites of prefixes and by regular expressions keep the query', async (scope) => {
  const backend = await record(scope);
  const { port } = await start(
    scope,
    `[upstream.app]
servers = ["${backend.address}"]
[[route]]
path = "/shop/*"
target = "upstream.app"
rewrite = { prefix = "/new/" }
[[route]]
path = "/strip/*"
target = "upstream.app"
rewrite = { prefix = "/" }
[[route]]
path = "~ ^/user/"
target = "upstream.app"
rewrite = { regex = "^/user/([0-9]+)/(.*)$", to = "/u/$2/$1" }
`,
  );
  const expected = {
    '/shop/cart?x=1': '/new/cart?x=1',
    '/shop/a%20b': '/new/a%20b',
    '/strip/': '/',
    '/strip/x/y?': '/x/y?',
    '/user/17/orders?p=2': '/u/orders/17?p=2',
    '/user/none': '/user/none',
  };
  for (const [target, arrived] of Object.entries(expected)) {
    await ask(scope, port, get(target));
    assert.equal(backend.last.target, arrived, target);
  }
});

test('redirects and fixed answers', async (scope) => {
  const { url } = await start(
    scope,
    `[[route]]
path = "/old/*"
redirect = { to = "https://www.example.org/new$path", status = 301 }
[[route]]
path = "/found"
redirect = { to = "/there" }
[[route]]
path = "/teapot"
reply = { status = 418, body = "short and stout\\n" }
`,
  );
  const moved = await fetch(`${url}/old/a?b=c`);
  assert.equal(moved.status, 301);
  assert.match(moved.headers.location, /^https:\/\/www\.example\.org\/new\/old\/a/);
  const found = await fetch(`${url}/found`);
  assert.deepEqual([found.status, found.headers.location], [302, '/there']);
  const teapot = await fetch(`${url}/teapot`);
  assert.deepEqual([teapot.status, teapot.text], [418, 'short and stout\n']);
  const head = await fetch(`${url}/teapot`, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length'], head.text], [418, '16', '']);
  const posted = await fetch(`${url}/teapot`, { method: 'POST', body: 'x'.repeat(100_000) });
  assert.equal(posted.status, 418);
});

test('a redirect cannot be bent by the path', async (scope) => {
  const { port } = await start(scope, '[[route]]\npath = "/*"\nredirect = { to = "$path", status = 302 }\n');
  for (const target of ['//evil.example/', '/%0d%0aSet-Cookie:%20a=b', '/\\evil.example']) {
    const response = await ask(scope, port, get(target));
    assert.equal(response.get('set-cookie'), undefined);
    if (response.status === 302) assert.doesNotMatch(response.get('location'), /^\/\/|^\/\\|[\r\n]/);
  }
});

test('allow and deny', async (scope) => {
  const text = replies(
    'path = "/inside"\nallow = ["127.0.0.0/8"]',
    'path = "/outside"\nallow = ["10.0.0.0/8"]',
    'path = "/denied"\ndeny = ["127.0.0.1"]',
  );
  const { port } = await start(scope, text);
  assert.equal(await chosen(scope, port, get('/inside')), 0);
  assert.equal(await chosen(scope, port, get('/outside')), 403);
  assert.equal(await chosen(scope, port, get('/denied')), 403);
});

test('limits: rate with Retry-After, over all workers; concurrency', async (scope) => {
  const held = [];
  const backend = await record(scope, { onRequest: (request, connection) => held.push(connection) });
  const { port } = await start(
    scope,
    `[upstream.app]
servers = ["${backend.address}"]
[[route]]
path = "/rate"
reply = { status = 200, body = "0" }
limit = { rate = "1/m", burst = 4, key = "header:X-Key" }
[[route]]
path = "/one"
target = "upstream.app"
limit = { concurrency = 1, key = "client_ip" }
`,
  );
  const statuses = [];
  for (let round = 0; round < 20; round += 1) {
    const response = await ask(scope, port, get('/rate', 'Host: a\r\nX-Key: k\r\n'));
    statuses.push(response.status);
    if (response.status === 429) assert.match(response.get('retry-after'), /^[0-9]+$/);
    response.client.close();
  }
  const passed = statuses.filter((status) => status === 200).length;
  assert.ok(passed >= 4 && passed <= 5, `${passed} of a burst of 4 passed`);
  assert.ok(statuses.every((status) => [200, 429].includes(status)));
  assert.equal(await chosen(scope, port, get('/rate', 'Host: a\r\nX-Key: other\r\n')), 0, 'another key');

  const first = ask(scope, port, get('/one'));
  await backend.received(1);
  assert.equal(await chosen(scope, port, get('/one')), 429);
  held[0].write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7');
  assert.equal((await first).status, 200);
});

test('ten thousand routes', async (scope) => {
  const routes = Array.from({ length: 5000 }, (_, n) => [
    `path = "/exact/${n}"`,
    `path = "/prefix/${n}/*"`,
  ]).flat();
  const { port } = await start(scope, replies(...routes));
  for (const number of [0, 17, 4999]) {
    assert.equal(await chosen(scope, port, get(`/exact/${number}`)), 2 * number);
    assert.equal(await chosen(scope, port, get(`/prefix/${number}/x`)), 2 * number + 1);
  }
  assert.equal(await chosen(scope, port, get('/exact/5000')), 404);
});

test('balancing: round robin by weight, least connections, p2c, hash', async (scope) => {
  const backends = [await record(scope), await record(scope), await record(scope)];
  const [a, b, c] = backends.map(({ address }) => address);
  const { port } = await start(
    scope,
    `[upstream.turn]
servers = [{ address = "${a}", weight = 2 }, "${b}", { address = "${c}", backup = true }]
[upstream.least]
servers = ["${a}", "${b}"]
balance = "least_conn"
[upstream.two]
servers = ["${a}", "${b}", "${c}"]
balance = "p2c"
[upstream.same]
servers = ["${a}", "${b}", "${c}"]
balance = "hash"
hash = "header:X-User"
${['turn', 'least', 'two', 'same'].map((name) => `[[route]]\npath = "/${name}"\ntarget = "upstream.${name}"\n`).join('')}`,
    { workers: 1 },
  );
  const counts = async (target, count, fields = () => '') => {
    const before = backends.map(({ requests }) => requests.length);
    for (let n = 0; n < count; n += 1) {
      const { status, client } = await ask(scope, port, get(target, `Host: a\r\n${fields(n)}`));
      client.close();
      assert.equal(status, 200);
    }
    return backends.map(({ requests }, at) => requests.length - before[at]);
  };
  assert.deepEqual(await counts('/turn', 30), [20, 10, 0]);
  assert.equal(
    (await counts('/least', 20)).slice(0, 2).reduce((x, y) => x + y),
    20,
  );
  assert.ok((await counts('/two', 60)).every((count) => count > 5));
  const users = await counts('/same', 60, (n) => `X-User: ${n}\r\n`);
  assert.ok(
    users.every((count) => count > 5),
    `spread over all: ${users}`,
  );
  const one = await counts('/same', 20, () => 'X-User: 7\r\n');
  assert.deepEqual(
    one.filter((count) => count > 0),
    [20],
  );
});
