// Object stores: s3rver with signatures checked, and one that stalls.

import http from 'node:http';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import S3rver from 's3rver';
import { makeFolder } from './banyan.js';
import { serve } from './servers.js';

// s3rver with a bucket "content" holding these objects ({key: {body, type}}); unsigned requests are refused.
// Resolves to {origin, requests}: requests counts what came, signed or not.
export async function s3Store(scope, objects) {
  const s3 = new S3rver({
    directory: makeFolder(scope),
    silent: true,
    configureBuckets: [{ name: 'content', configs: [] }],
  });
  await s3.configureBuckets();
  const answer = s3.callback();
  const store = { requests: [] };
  const server = await serve(
    scope,
    http.createServer((request, response) => {
      store.requests.push({ method: request.method, url: request.url, headers: request.headers });
      if ('authorization' in request.headers) answer(request, response);
      else response.writeHead(403).end();
    }),
  );
  const client = new S3Client({
    endpoint: `http://${server.host}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
  });
  for (const [key, { body, type }] of Object.entries(objects)) {
    await client.send(new PutObjectCommand({ Bucket: 'content', Key: key, Body: body, ContentType: type }));
  }
  client.destroy();
  store.requests.length = 0;
  return Object.assign(store, { host: server.host, origin: `http://${server.host}/content` });
}

// An unsigned store whose objects are their own names; keys that contain "stall" never answer, "half" stop in
// the body, "slow-N" answer after N ms, "none" are not there, "broken" are 500.
export async function oddStore(scope) {
  const store = { requests: [], open: 0, mostOpen: 0 };
  const server = await serve(
    scope,
    http.createServer((request, response) => {
      const key = decodeURIComponent(request.url.split('/').slice(2).join('/'));
      store.requests.push(key);
      store.open += 1;
      store.mostOpen = Math.max(store.mostOpen, store.open);
      response.on('close', () => {
        store.open -= 1;
      });
      if (key.includes('stall')) return;
      if (key.includes('none')) response.writeHead(404).end('<Error/>');
      else if (key.includes('broken')) response.writeHead(500).end('<Error/>');
      else if (key.includes('half')) response.writeHead(200, { 'Content-Length': 100 }).write('half');
      else {
        const wait = Number(/slow-([0-9]+)/.exec(key)?.[1] ?? 0);
        const send = () => response.writeHead(200, { 'Content-Type': 'text/plain', ETag: '"e"' }).end(key);
        if (wait) setTimeout(send, wait);
        else send();
      }
    }),
  );
  return Object.assign(store, { origin: `http://${server.host}/bucket` });
}

// A private store whose answers hang on the key alone: the word before its first "-".
export async function plainStore(scope, serverFor = http.createServer) {
  const store = { count: 0 };
  const server = await serve(
    scope,
    serverFor((request, response) => {
      store.count += 1;
      const key = decodeURIComponent(new URL(request.url, 'http://store').pathname.split('/').slice(2).join('/'));
      const kind = key.split('-')[0];
      if (kind === 'none') response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
      else if (kind === 'denied') {
        response.writeHead(403, { 'Content-Type': 'application/xml' });
        response.end('<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>');
      } else if (kind === 'bytes') {
        response.writeHead(200, { 'Content-Type': 'image/gif', ETag: '"b"' });
        response.end(Buffer.from([0xff, 0, 0xfe, key.length]));
      } else if (kind === 'bare') response.writeHead(200).end(`"${key}"\\\u0001\u2028 é 🌳`);
      else {
        response.writeHead(200, { 'Content-Type': 'text/plain', ETag: `"${key.length}"` });
        response.end(`${key} ${'x'.repeat((key.length * 131) % 3000)}`);
      }
    }),
  );
  return Object.assign(store, { host: server.host, origin: `http://${server.host}/content` });
}
