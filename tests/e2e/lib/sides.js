// Two recording backends and a rollout between them.

import assert from 'node:assert/strict';
import { start } from './banyan.js';
import { fetch } from './client.js';
import { record } from './recorder.js';

// Starts Banyan with the rollout "r" between two recorders; keys, route, upstream: further lines of
// [rollout.r], of the route and of native's upstream.
export async function begin(
  scope,
  keys = '',
  { route = '', workers = 2, more = '', native, legacy, upstream = '', files, top, env } = {},
) {
  const sides = { legacy: await record(scope, legacy), native: await record(scope, native) };
  const text = `[upstream.old]
servers = ["${sides.legacy.address}"]
[upstream.new]
servers = ["${sides.native.address}"]
${upstream}
[rollout.r]
legacy = "upstream.old"
native = "upstream.new"
sticky = ["cookie:uid", "header:X-User-Id"]
${keys}
[[route]]
path = "/*"
target = "rollout.r"
${route}
${more}`;
  const banyan = await start(scope, text, { workers, files, top, env });
  // Sends one request of the user; resolves to the side that got it.
  const send = async (user, { headers = {}, target = '/', ...options } = {}) => {
    const before = sides.native.heads.length;
    const all = { ...(user === undefined ? {} : { Cookie: `a=b; uid=${user}; c=d` }), ...headers };
    const response = await fetch(banyan.url + target, { headers: all, agent: false, ...options });
    assert.equal(response.status, 200);
    return sides.native.heads.length > before ? 'native' : 'legacy';
  };
  const shareOf = async (users) => {
    const natives = new Set();
    for (const user of users) if ((await send(user)) === 'native') natives.add(user);
    return natives;
  };
  return { banyan, ...sides, send, shareOf, text };
}

export const users = Array.from({ length: 300 }, (_, number) => `user-${number}`);
