// batch_fetch with a store.

import { start } from './banyan.js';
import { fetch } from './client.js';

// Banyan with a batch_fetch handler at /batch; `keys`: more of its TOML.
export function begin(scope, origin, keys = '', options = {}) {
  const text = `[handler.content]
type = "batch_fetch"
origin = "${origin}"
${keys}
[[route]]
path = "/batch"
target = "handler.content"
`;
  return start(scope, text, options);
}

// Resolves to {status, headers, text, took}, took in milliseconds.
export async function batch(banyan, keys, timeout, headers = {}) {
  const began = performance.now();
  const body = JSON.stringify(timeout === undefined ? { keys } : { keys, timeout_ms: timeout });
  const response = await fetch(`${banyan.url}/batch`, { method: 'POST', body, headers, agent: false });
  return { ...response, took: performance.now() - began };
}

export const sigv4 = 'auth = "sigv4"\nregion = "us-east-1"\naccess_key = "S3RVER"\nsecret_key = "S3RVER"';
