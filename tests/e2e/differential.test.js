// Requests with mutations, read by Node alone, by Banyan, and by a Node behind Banyan; see lib/differential.js. A few
// hundred of a fixed seed here; by hand as many as wanted, with another seed:
//
//   DIFFERENTIAL_COUNT=20000 DIFFERENTIAL_SEED=7 node --test differential.test.js

import assert from 'node:assert/strict';
import { judge, makeCases, startReaders } from './lib/differential.js';
import { test } from './lib/test.js';

const count = Number(process.env.DIFFERENTIAL_COUNT ?? 300);
const seed = Number(process.env.DIFFERENTIAL_SEED ?? 1);
const atOnce = 200;

test('what Node reads differently is refused or normalised', { timeout: 60_000 + count * 20 }, async (scope) => {
  const run = await startReaders(scope);
  const cases = makeCases(count, seed);
  const words = new Map();
  const wrong = [];
  let next = 0;
  const work = async () => {
    while (next < cases.length) {
      const number = next++;
      const seen = await run(cases[number]);
      const [problem, word] = judge(seen);
      words.set(word, (words.get(word) ?? 0) + 1);
      if (problem) wrong.push({ number, problem, ...seen });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  if (process.env.DIFFERENTIAL_COUNT) console.log(Object.fromEntries(words));
  assert.equal(wrong.length, 0, JSON.stringify(wrong.slice(0, 3), undefined, 1));
  assert.ok(words.get('same') > count / 20, 'hardly any request was read at all');
});
