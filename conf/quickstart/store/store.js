// The object store of the tour: s3rver (an S3-compatible server that checks signatures) with one bucket,
// filled at start.
//
// Environment: PORT (4568; 0 = the kernel gives one), DIRECTORY (where objects are kept), OBJECTS (how many
// articles, 200). Prints "listening 127.0.0.1:PORT" when every object is there. Clients sign with access key
// S3RVER, secret key S3RVER.

import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import S3rver from 's3rver';
import { S3Client } from '@aws-sdk/client-s3';
import { fill } from './fill.js';

const bucket = 'content';
const directory = process.env.DIRECTORY ?? path.join(os.tmpdir(), `banyan-quickstart-store.${process.pid}`);

const s3 = new S3rver({ directory, silent: true, configureBuckets: [{ name: bucket, configs: [] }] });
await s3.configureBuckets();
const answer = s3.callback();

// s3rver lets unsigned requests read; a private bucket would not, and the tour should show that Banyan signs.
function isSigned(request) {
  return 'authorization' in request.headers || /[?&](X-Amz-Signature|Signature)=/.test(request.url);
}

const server = http.createServer((request, response) => {
  if (isSigned(request)) return answer(request, response);
  response.writeHead(403, { 'content-type': 'application/xml' });
  response.end('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>');
});

// Longer than any client keeps an idle connection: no request runs into a closing one.
server.keepAliveTimeout = 120_000;

server.on('error', (error) => {
  console.error(`store: ${error.message}`);
  process.exit(1);
});

server.listen(Number(process.env.PORT ?? 4568), '127.0.0.1', async () => {
  const { port } = server.address();
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
  });
  try {
    await fill(client, bucket, Number(process.env.OBJECTS ?? 200));
    console.log(`listening 127.0.0.1:${port}`);
  } catch (error) {
    console.error(`store: filling the bucket failed: ${error.message}`);
    process.exit(1);
  }
});

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
