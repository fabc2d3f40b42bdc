// batch_fetch and the legacy service of the quickstart offer the same API: a rollout between the two can be
// compared answer by answer. BANYAN_E2E_HUGE=1 compares 10,000.

import assert from 'node:assert/strict';
import http from 'node:http';
import { batch, begin, sigv4 } from './lib/batch.js';
import { fetch } from './lib/client.js';
import { ask } from './lib/raw.js';
import { startLegacy } from './lib/legacy.js';
import { plainStore, s3Store } from './lib/store.js';
import { test } from './lib/test.js';

const objects = {
  a: { body: 'alpha', type: 'text/plain' },
  'b/c': { body: '{"deep":true}', type: 'application/json' },
  'bytes.bin': { body: Buffer.from([0xff, 0x00, 0xfe]), type: 'application/octet-stream' },
  'päth/with space+plus&and=more?#%.txt': { body: 'odd', type: 'text/plain; charset=utf-8' },
  empty: { body: '', type: 'text/plain' },
  large: { body: 'x'.repeat(300_000), type: 'text/plain' },
};

const comparisons = process.env.BANYAN_E2E_HUGE ? 10_000 : 1_000;

test(`${comparisons} requests get the same answers from legacy and native`, async (scope) => {
  const store = await plainStore(scope);
  const native = await begin(scope, store.origin, `${sigv4}\ncache = { size = "16m" }`);
  const legacy = await startLegacy(scope, store.origin);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  const ask = async (where, body) => {
    const response = await fetch(`${where.url}/batch`, { method: 'POST', body, agent });
    return [response.status, response.headers['banyan-complete'], response.text];
  };
  const kinds = ['none', 'denied', 'bytes', 'bare', 'text', 'ünï/cödé', 'a b+c%?', 'e//'];
  let next = 0;
  const worker = async () => {
    while (next < comparisons) {
      const number = next;
      next += 1;
      const key = (n) => `${kinds[(number + n) % kinds.length]}-${(number * 7 + n) % 300}`;
      const keys = number % 4 === 0 ? [key(0), key(3), key(0)] : [key(0)];
      const body = number % 50 === 0 ? `{"keys":[${number}]}` : JSON.stringify({ keys, timeout_ms: 10_000 });
      const [ours, theirs] = await Promise.all([ask(native, body), ask(legacy, body)]);
      assert.deepEqual(ours.slice(0, 2), theirs.slice(0, 2), body);
      if (ours[0] !== 200) continue;
      const [mine, other] = [JSON.parse(ours[2]), JSON.parse(theirs[2])];
      assert.deepEqual(mine, other, body);
      assert.deepEqual(Object.keys(mine.results), [...new Set(keys)], 'in the order of the keys');
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  agent.destroy();
});

test('legacy and native give the same answer', async (scope) => {
  const store = await s3Store(scope, objects);
  const native = await begin(scope, store.origin, sigv4);
  const legacy = await startLegacy(scope, store.origin);
  for (const keys of [Object.keys(objects), ['a', 'a', 'nowhere'], ['__proto__', 'toString']]) {
    const ours = await batch(native, keys, 5000);
    const theirs = await batch(legacy, keys, 5000);
    assert.deepEqual(JSON.parse(ours.text), JSON.parse(theirs.text));
    assert.equal(ours.headers['banyan-complete'], theirs.headers['banyan-complete']);
  }
  for (const body of ['x', '', '[]', '{"keys":[]}', '{"keys":["a"],"timeout_ms":0}']) {
    const bytes = `POST /batch HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const [ours, theirs] = [await ask(scope, native.port, bytes), await ask(scope, legacy.port, bytes)];
    assert.equal(ours.status, theirs.status, body);
  }
});
