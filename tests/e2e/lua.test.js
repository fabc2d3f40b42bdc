// Routing rules in Lua: what they may say, and what they can never do to anybody else.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { program, start } from './lib/banyan.js';
import { fetch, load, run } from './lib/client.js';
import { record } from './lib/recorder.js';
import { test } from './lib/test.js';
import { until } from './lib/wait.js';

// A rule script with this body of route(request); everything else goes to the backend.
async function begin(scope, body, { limits = '', workers = 1, whole } = {}) {
  const backend = await record(scope);
  const script = whole ?? `local M = {}\nfunction M.route(request)\n${body}\nend\nreturn M\n`;
  const banyan = await start(
    scope,
    `[upstream.app]
servers = ["${backend.address}"]
[handler.hello]
type = "static_reply"
body = "hello"
[lua]
routes = "rules/routes.lua"
${limits}
[[route]]
path = "/*"
target = "upstream.app"
`,
    { files: { 'rules/routes.lua': script }, workers },
  );
  return { banyan, backend };
}

test('the request as a script sees it', async (scope) => {
  const { banyan } = await begin(
    scope,
    `return { status = 200, body = table.concat({ request.method, request.path, request.query, request.host,
      request.headers["x-one"], request.headers["X-ONE"] or "-", request.cookies.uid, request.client_ip,
      tostring(request.route ~= nil), tostring(request.tls) }, " ") }`,
  );
  const headers = { 'X-One': '1', Cookie: 'a=b; uid=u7', Host: 'Shop.Example.org:80' };
  const { text } = await fetch(`${banyan.url}/a/b?x=1&y`, { method: 'PUT', headers, body: 'x' });
  assert.match(text, /^PUT \/a\/b x=1&y shop\.example\.org(:80)? 1 (1|-) u7 127\.0\.0\.1 true (false|nil)$/i);
});

test('answers: target, status and body, set_headers', async (scope) => {
  const { banyan, backend } = await begin(
    scope,
    `if request.path == "/hello" then return { target = "handler.hello" } end
     if request.path == "/teapot" then return { status = 418, body = "short" } end
     if request.path == "/headers" then return { set_headers = { ["X-From-Lua"] = "yes" } } end`,
  );
  assert.equal((await fetch(`${banyan.url}/hello`)).text, 'hello');
  const teapot = await fetch(`${banyan.url}/teapot`);
  assert.deepEqual([teapot.status, teapot.text], [418, 'short']);
  await fetch(`${banyan.url}/headers`);
  assert.equal(backend.last.get('x-from-lua'), 'yes');
  await fetch(`${banyan.url}/other`);
  assert.equal(backend.last.get('x-from-lua'), undefined);
});

test('the request is read-only, and nothing dangerous is there', async (scope) => {
  const { banyan } = await begin(
    scope,
    `local found = {}
     for _, name in ipairs({ "io", "os", "package", "debug", "require", "dofile", "loadfile", "collectgarbage" }) do
       if _G[name] ~= nil then found[#found + 1] = name end
     end
     local ok = pcall(function() request.path = "/other" end)
     local bytecode = load and load(string.dump and string.dump(function() end) or "\\27Lua", "b", "b")
     return { status = 200, body = table.concat(found, ",") .. "|" .. tostring(ok) .. "|" .. tostring(bytecode) }`,
  );
  assert.equal((await fetch(banyan.url)).text, '|false|nil');
});

const hostile = {
  'an endless loop': 'while true do end',
  'an endless loop inside pcall': 'while true do pcall(function() while true do end end) end',
  'an endless loop in a coroutine': 'coroutine.wrap(function() while true do end end)()',
  'a string of a gigabyte': 'local s = ("x"):rep(1e9) return { status = 200, body = s }',
  'strings without an end': 'local s = "x" while true do s = s .. s end',
  'memory without an end, in pcall':
    'local t = {} while true do pcall(function() for i = 1, 1e6 do t[#t + 1] = {} end end) end',
  'a pathological pattern':
    'return { status = 200, body = tostring((("a"):rep(60000)):find((".-"):rep(40) .. "b")) }',
  'a pattern in pcall': 'while true do pcall(string.find, ("a"):rep(60000), (".-"):rep(40) .. "b") end',
  'endless recursion': 'local function f() return 1 + f() end return f()',
  'a metamethod that loops': 'return setmetatable({}, { __index = function() while true do end end })',
  'sorting with a bad order':
    'local t = {} for i = 1, 1e5 do t[i] = i end table.sort(t, function() return true end)',
  'an error': 'error("no")',
  'a wrong type': 'return 42',
  'an unknown target': 'return { target = "upstream." .. req.method }',
  'a bad status': 'return { status = 1e9 }',
  'a header that splits': 'return { set_headers = { ["X-A"] = "b\\r\\nX-Evil: 1" } }',
};

for (const [name, body] of Object.entries(hostile)) {
  test(`a script cannot hurt: ${name}`, async (scope) => {
    const { banyan, backend } = await begin(scope, `if request.path == "/bad" then ${body} end`, {
      workers: 1,
    });
    // Requests beside it, on the same worker, are all answered; the quickest of three shows what a call may cost.
    await fetch(`${banyan.url}/warm`);
    const times = [];
    const running = load(scope, `${banyan.url}/good`, {
      connections: 1,
      accept: ({ status }) => status === 200,
    });
    for (let round = 0; round < 3; round += 1) {
      const began = performance.now();
      const bad = await fetch(`${banyan.url}/bad`, { agent: false });
      times.push(performance.now() - began);
      assert.equal(bad.status, 200, 'the static decision stands');
    }
    assert.deepEqual((await running.stop()).failures, []);
    assert.ok(Math.min(...times) < 500, `${times} ms`);
    assert.ok(backend.requests.filter(({ target }) => target === '/bad').length === 3);
    assert.ok(!backend.bytes.includes('X-Evil'));
    assert.match((await banyan.admin('/metrics')).text, /^banyan_lua_\w+\{.*\} [1-9]/m);
  });
}

test('a script that keeps failing is set aside until it changes', async (scope) => {
  const { banyan } = await begin(
    scope,
    'if request.path == "/bad" then error("broken") end return { status = 418 }',
  );
  assert.equal((await fetch(`${banyan.url}/x`)).status, 418);
  await until(async () => {
    for (let i = 0; i < 5; i += 1) await fetch(`${banyan.url}/bad`); // in a row, whichever worker gets them
    return (await fetch(`${banyan.url}/x`)).status === 200;
  }, 'the script to be set aside');
  await banyan.said(/routes\.lua/);
  const file = path.join(banyan.folder, 'rules/routes.lua');
  fs.writeFileSync(file, 'return { route = function() return { status = 202 } end }\n');
  assert.equal((await banyan.order('reload')).code, 0);
  assert.equal((await fetch(`${banyan.url}/x`)).status, 202);
});

test('-t compiles the script, knows its targets and runs its tests', async (scope) => {
  const { banyan } = await begin(scope, 'return nil');
  const file = path.join(banyan.folder, 'rules/routes.lua');
  const check = async (script) => {
    fs.writeFileSync(file, script);
    const { code, stdout, stderr } = await run(program, ['-t', '-c', banyan.file]);
    return { code, text: stdout + stderr };
  };
  assert.equal((await check('return { route = function() end }')).code, 0);
  for (const bad of ['return {', 'x = 1', 'return {}', 'return 7', 'error("at load")', 'while true do end']) {
    const { code, text } = await check(bad);
    assert.equal(code, 1, bad);
    assert.match(text, /routes\.lua/, bad);
  }
  const tested = (side) => `return {
    route = function(request) if request.headers["x-beta"] then return { side = "native" } end end,
    tests = { { name = "beta", request = { headers = { ["X-Beta"] = "1" } }, expect = { side = "${side}" } } },
  }`;
  assert.equal((await check(tested('native'))).code, 0);
  const failed = await check(tested('legacy'));
  assert.equal(failed.code, 1);
  assert.match(failed.text, /beta/);
});
