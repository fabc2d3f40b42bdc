// Waiting for conditions, never for time alone.

import { setTimeout as pause } from 'node:timers/promises';

export { pause };

// Resolves to the condition's first truthy value. The condition may throw: that is "not yet".
export async function until(condition, what, limit = 20_000) {
  const end = performance.now() + limit;
  let last;
  while (true) {
    try {
      const value = await condition();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`waited ${limit} ms for: ${what}${last ? ` (${last.message})` : ''}`);
    }
    await pause(5);
  }
}

// The promise's outcome, or a rejection after the limit.
export async function within(promise, what, limit = 20_000) {
  const controller = new AbortController();
  const late = pause(limit, undefined, { signal: controller.signal }).then(
    () => Promise.reject(new Error(`waited ${limit} ms for: ${what}`)),
    () => undefined,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    controller.abort();
  }
}

// A promise with its two ends outside.
export function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}
