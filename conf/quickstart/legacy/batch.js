// The batch API (after Digg's Octo: S3 has no batch GET).
//
// POST {"keys": ["a", "b/c"], "timeout_ms": 1200} fetches all keys at the same time and answers at the
// deadline at the latest, with what it has:
//
//   {"complete": false,
//    "results": {"a": {"status": 200, "content_type": "text/plain", "etag": "\"…\"", "body": "…"},
//                "b/c": {"status": 404}},
//    "missing": ["d"], "errors": {"d": "timeout"}}
//
// Bodies that are not UTF-8 come as "body_base64". The header Banyan-Complete says the same as "complete".

import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import express from 'express';

const maxKeys = 1000;
const defaultTimeout = 1200;
const maxTimeout = 10_000;
const longestKey = 1024; // S3's limit, in bytes

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function content(bytes) {
  try {
    return { body: utf8.decode(bytes) };
  } catch {
    return { body_base64: Buffer.from(bytes).toString('base64') };
  }
}

// What is wrong with the request body, or undefined.
function complaint(body) {
  const isKey = (key) => typeof key === 'string' && key !== '' && Buffer.byteLength(key) <= longestKey;
  if (!Array.isArray(body?.keys) || !body.keys.every(isKey)) return 'keys: must be an array of strings';
  if (body.keys.length === 0) return 'keys: must have at least one key';
  if (body.keys.length > maxKeys) return `keys: must be at most ${maxKeys} keys`;
  const timeout = body.timeout_ms ?? defaultTimeout;
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > maxTimeout) {
    return `timeout_ms: must be a whole number from 1 to ${maxTimeout}`;
  }
  return undefined;
}

// {keys, timeout} of the request body, each key once; throws with status 400 or 422.
function read(bytes) {
  let body;
  try {
    body = JSON.parse(Buffer.isBuffer(bytes) ? bytes.toString() : '');
  } catch (error) {
    throw Object.assign(error, { status: 400 });
  }
  const wrong = complaint(body);
  if (wrong) throw Object.assign(new Error(wrong), { status: 422 });
  return { keys: [...new Set(body.keys)], timeout: body.timeout_ms ?? defaultTimeout };
}

class Batch {
  constructor(client, bucket) {
    this.client = client;
    this.bucket = bucket;
  }

  // Never rejects: {result} of the store's answer, or {error} in one word.
  async fetchOne(key, signal) {
    try {
      const command = new GetObjectCommand({ Bucket: this.bucket, Key: key });
      const object = await this.client.send(command, { abortSignal: signal });
      const bytes = await object.Body.transformToByteArray();
      const about = { content_type: object.ContentType, content_encoding: object.ContentEncoding, etag: object.ETag };
      return { result: { status: 200, ...about, ...content(bytes) } };
    } catch (error) {
      const status = error.$metadata?.httpStatusCode;
      if (status === undefined || signal.aborted) return { error: signal.aborted ? 'timeout' : 'unreachable' };
      if (status === 404 || status === 410 || status < 400 || status >= 500) return { result: { status } };
      return { result: { status, code: error.Code ?? error.name } };
    }
  }

  // All keys at once; resolves when all are there, or at the deadline with what is there.
  async fetch(keys, timeout) {
    const controller = new AbortController();
    const results = Object.create(null);
    const errors = Object.create(null);
    const deadline = new Promise((resolve) => {
      controller.timer = setTimeout(resolve, timeout);
    });
    const every = keys.map(async (key) => {
      const { result, error } = await this.fetchOne(key, controller.signal);
      if (controller.signal.aborted) return;
      if (result) results[key] = result;
      else errors[key] = error;
    });
    await Promise.race([Promise.all(every), deadline]);
    clearTimeout(controller.timer);
    controller.abort();
    const missing = keys.filter((key) => !(key in results));
    for (const key of missing) errors[key] ??= 'timeout';
    return { complete: missing.length === 0, results, missing, errors };
  }
}

function clientFor({ origin, accessKeyId, secretAccessKey }) {
  const url = new URL(origin);
  const client = new S3Client({
    endpoint: url.origin,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 3, // a kept connection may have gone
    credentials: { accessKeyId, secretAccessKey },
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: 64 } },
  });
  return new Batch(client, url.pathname.replace(/^\/+|\/+$/g, ''));
}

// A router for POST /; store = {origin: "http://HOST:PORT/BUCKET", accessKeyId, secretAccessKey}.
export function batch(store) {
  const fetcher = clientFor(store);
  const router = express.Router();
  router.post('/', express.raw({ type: () => true, limit: '8mb' }), async (request, response, next) => {
    try {
      const { keys, timeout } = read(request.body);
      const answer = await fetcher.fetch(keys, timeout);
      response.set('Banyan-Complete', String(answer.complete));
      return response.set('Cache-Control', 'no-store').json(answer);
    } catch (error) {
      return next(error);
    }
  });
  router.all('/', (request, response) => {
    response.set('Allow', 'POST').status(405).json({ error: 'use POST' });
  });
  router.use((error, request, response, next) => {
    if (!(error.status < 500)) return next(error);
    const problem = { status: error.status, title: 'bad batch request', detail: error.message };
    return response.status(error.status).type('application/problem+json').send(JSON.stringify(problem));
  });
  return router;
}
