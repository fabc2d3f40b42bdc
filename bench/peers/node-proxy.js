// A proxy as one writes it with node:http: an agent that keeps connections, streams piped both ways.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');

const { PORT, TLS_PORT, BACKEND, CERTIFICATE, KEY } = process.env;
const agent = new http.Agent({ keepAlive: true, maxSockets: 128 });

function forward(request, response) {
  const headers = { ...request.headers, 'x-forwarded-for': request.socket.remoteAddress };
  delete headers.connection;
  const { method, url: path } = request;
  const onward = http.request({ host: '127.0.0.1', port: BACKEND, agent, method, path, headers }, (answer) => {
    const { connection, 'keep-alive': _, ...rest } = answer.headers;
    response.writeHead(answer.statusCode, rest);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  request.pipe(onward);
}

const options = { keepAliveTimeout: 3_600_000, requestTimeout: 0 };
http.createServer(options, forward).listen(PORT, '127.0.0.1', 4096);
const files = { cert: fs.readFileSync(CERTIFICATE), key: fs.readFileSync(KEY) };
https.createServer({ ...options, ...files }, forward).listen(TLS_PORT, '127.0.0.1', 4096);
