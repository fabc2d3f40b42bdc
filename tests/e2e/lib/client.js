// Requests by Node's http client, by curl, and load.

import { execFile } from 'node:child_process';
import http from 'node:http';
import https from 'node:https';

// Resolves to {status, reason, headers, rawHeaders, body (Buffer), text, trailers}. options: method, headers,
// body (string, Buffer or stream), agent, and those of http.request.
export function fetch(url, { body, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const module = url.startsWith('https:') ? https : http;
    const request = module.request(url, options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('aborted', () => reject(new Error('the response was cut off')));
      response.on('end', () => {
        const whole = Buffer.concat(chunks);
        resolve({
          status: response.statusCode,
          reason: response.statusMessage,
          headers: response.headers,
          rawHeaders: response.rawHeaders,
          trailers: response.trailers,
          body: whole,
          text: whole.toString(),
        });
      });
    });
    request.on('error', reject);
    if (typeof body?.pipe === 'function') body.pipe(request);
    else {
      // Node sends a body of DELETE without framing unless it is told the length.
      if (body !== undefined) request.setHeader('Content-Length', Buffer.byteLength(body));
      request.end(body);
    }
  });
}

// Runs a program; resolves to {code, stdout, stderr} whatever the code is.
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const limits = { maxBuffer: 64 << 20, timeout: 60_000, ...options };
    execFile(program, args, limits, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') {
        reject(new Error(`${program} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
      } else {
        resolve({ code: error ? error.code : 0, stdout, stderr });
      }
    });
  });
}

export const curl = (...args) => run('curl', ['-sS', '--max-time', '30', ...args]);

// Requests in a loop on that many keep-alive connections, until stop() or the end of the test. stop() resolves to
// {sent, failures}: every answer for which accept(response) is false, and every error.
export function load(scope, url, { connections = 4, accept = ({ status }) => status === 200, ...options } = {}) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections, maxFreeSockets: connections });
  const result = { sent: 0, failures: [] };
  let stopping = false;
  const loop = async () => {
    while (!stopping) {
      result.sent += 1;
      try {
        const response = await fetch(url, { agent, ...options });
        if (!accept(response)) result.failures.push(`${response.status} ${response.text}`);
      } catch (error) {
        result.failures.push(`${error.code ?? ''} ${error.message}`);
      }
    }
  };
  const loops = Array.from({ length: connections }, loop);
  const stop = async () => {
    stopping = true;
    await Promise.all(loops);
    agent.destroy();
    return result;
  };
  scope.after(stop);
  return { result, stop };
}
