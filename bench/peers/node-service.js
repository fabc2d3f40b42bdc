// The legacy service of the case "answered in process": 1 KiB of text, as Banyan's static_reply gives it.
'use strict';
const http = require('node:http');

const body = 'k'.repeat(1024);
http.createServer({ keepAliveTimeout: 3_600_000 }, (_, response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': body.length });
  response.end(body);
}).listen(process.env.PORT, '127.0.0.1', 4096);
