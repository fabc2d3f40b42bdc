// The real daemon on a generated configuration, in a folder of its own.
//
//   const banyan = await start(scope, `
//     [upstream.app]
//     servers = ["${backend.address}"]
//     [[route]]
//     path = "/*"
//     target = "upstream.app"`);
//
// The program is $BANYAN_BIN or build/banyan, the client $BANYANCTL_BIN or banyanctl beside it.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './client.js';
import { freePort } from './servers.js';
import { deferred, until, within } from './wait.js';

export const repository = fileURLToPath(new URL('../../../', import.meta.url));
export const program = path.resolve(process.env.BANYAN_BIN ?? path.join(repository, 'build/banyan'));
export const client = path.resolve(
  process.env.BANYANCTL_BIN ?? path.join(path.dirname(program), 'banyanctl'),
);

// Options of start(): a program that may have so few descriptors.
export const poor = (limit) => ({
  program: 'poor',
  prepare: (folder) =>
    fs.writeFileSync(path.join(folder, 'poor'), `#!/bin/sh\nulimit -n ${limit}\nexec ${program} "$@"\n`, {
      mode: 0o755,
    }),
});

// A new folder, removed at the end of the test.
export function makeFolder(scope) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'banyan-e2e-'));
  fs.chmodSync(folder, 0o755);
  scope.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

// Resident memory of a process in MiB.
export function memory(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(status)[1]) / 1024;
}

function readIfThere(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
}

class Banyan {
  constructor(folder, options) {
    this.folder = folder;
    this.options = options;
    this.program = options.program ? path.join(folder, options.program) : program;
    this.file = path.join(folder, 'banyan.toml');
    this.socket = path.join(folder, 'run/admin.sock');
    this.output = '';
    this.exit = undefined; // {code, signal} once it has ended
  }

  // The whole configuration: what every test has, then the test's own text.
  whole(text) {
    const { workers = 2, top = '', format = 'json', listener = '', admin = '' } = this.options;
    return `workers = ${workers}
run_dir = "${this.folder}/run"
state_dir = "${this.folder}/state"
shutdown_timeout = "5s"
${top}
[log]
access = { path = "${this.folder}/access.log", format = "${format}" }
error = { path = "${this.folder}/error.log", level = "info" }
[admin]
${admin}
[[listener]]
address = "127.0.0.1:${this.port}"
${listener}
${text}
`;
  }

  configure(text) {
    fs.writeFileSync(this.file, this.whole(text));
  }

  spawn() {
    const { args = [], env = {} } = this.options;
    this.exit = undefined;
    this.ended = deferred();
    this.child = spawn(this.program, ['-c', this.file, ...args], {
      env: { ...process.env, ...env },
      stdio: 'pipe',
    });
    this.child.stdin.end();
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (chunk) => {
        this.output += chunk;
      });
    }
    this.child.on('error', (error) => {
      this.output += `${error.message}\n`;
      this.exit = { code: -1 };
      this.ended.resolve(this.exit);
    });
    this.child.on('exit', (code, signal) => {
      this.exit = { code, signal };
      this.ended.resolve(this.exit);
    });
  }

  async ready() {
    const readyz = async () => this.exit || (await this.admin('/readyz')).status === 200;
    await until(readyz, 'Banyan to be ready', 30_000);
    if (this.exit) throw new Error(`banyan ended while starting: ${JSON.stringify(this.exit)}`);
  }

  // Chooses a port and starts; once more when somebody else took the port meanwhile.
  async launch(text) {
    for (let attempt = 1; ; attempt += 1) {
      this.port = await freePort();
      this.configure(typeof text === 'function' ? text(this) : text);
      this.spawn();
      try {
        return await this.ready();
      } catch (error) {
        this.child.kill('SIGKILL');
        if (attempt === 3 || !/address already in use/i.test(this.report())) throw error;
      }
    }
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid() {
    return this.child.pid;
  }

  signal(name) {
    process.kill(this.pid, `SIG${name}`);
  }

  // {code, signal} of the master.
  exited(limit = 15_000) {
    return within(this.ended.promise, 'the master to end', limit);
  }

  // A request to the admin socket; body is sent as JSON. Resolves to {status, headers, text, json}.
  admin(target, { method = 'GET', body } = {}) {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
      const options = { socketPath: this.socket, path: target, method, headers, agent: false, timeout: 5000 };
      const request = http.request(options, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const isJson = /json/.test(response.headers['content-type'] ?? '');
          const json = isJson ? JSON.parse(text) : undefined;
          resolve({ status: response.statusCode, headers: response.headers, text, json });
        });
      });
      request.on('timeout', () => request.destroy(new Error(`no answer from the admin socket to ${target}`)));
      request.on('error', reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  // What a series of /metrics counts, 0 when there is none yet: "banyan_name" or "banyan_name{label=\"x\"}".
  async metric(series) {
    const lines = (await this.admin('/metrics')).text.split('\n');
    return Number(lines.find((line) => line.startsWith(`${series} `))?.split(' ')[1] ?? 0);
  }

  // banyanctl with this instance's socket.
  ctl(...args) {
    return run(client, ['--socket', this.socket, ...args]);
  }

  // `banyan -s ORDER`, as an operator says it.
  order(name) {
    return run(this.program, ['-c', this.file, '-s', name]);
  }

  // `banyan -t` with the configuration as it stands.
  check() {
    return run(program, ['-c', this.file, '-t']);
  }

  // Writes a new configuration and reloads; fails unless it was applied.
  async reconfigure(text) {
    this.configure(text);
    const { code, stdout, stderr } = await this.order('reload');
    if (code !== 0) throw new Error(`reload was refused (${code}): ${stdout}${stderr}`);
  }

  // Pids of the master's children, from the process table.
  children() {
    const text = readIfThere(`/proc/${this.pid}/task/${this.pid}/children`);
    return text.trim().split(' ').filter(Boolean).map(Number);
  }

  // Those of them that live and are workers, and the one that is the controller.
  workers() {
    return this.children().filter((pid) => /worker/.test(readIfThere(`/proc/${pid}/cmdline`)));
  }

  controller() {
    return this.children().find((pid) => /controller/.test(readIfThere(`/proc/${pid}/cmdline`)));
  }

  // All processes at once, as when the power fails; and up again.
  async killEverything() {
    const children = this.children();
    for (const pid of [this.pid, ...children]) process.kill(pid, 'SIGKILL');
    await this.exited();
    await until(() => children.every((pid) => !fs.existsSync(`/proc/${pid}`)), 'the children to end');
    this.spawn();
    await this.ready();
  }

  accessLog() {
    const lines = readIfThere(path.join(this.folder, 'access.log')).split('\n').filter(Boolean);
    return (this.options.format ?? 'json') === 'json' ? lines.map((line) => JSON.parse(line)) : lines;
  }

  // The first line of the access log for which the test holds (in a JSON log an object), once it is there.
  logged(test, limit) {
    return until(() => this.accessLog().find(test), 'a line in the access log', limit);
  }

  // Once the error log, or the terminal, matches: another thread writes it.
  said(pattern, limit) {
    return until(() => pattern.test(this.errorLog() + this.output), `${pattern} to be logged`, limit);
  }

  errorLog() {
    return readIfThere(path.join(this.folder, 'error.log'));
  }

  // For a failed test: what the daemon said.
  report() {
    const last = (text) => text.split('\n').slice(-40).join('\n');
    return `--- output of banyan (${this.folder})\n${last(this.output)}\n--- error.log\n${last(this.errorLog())}`;
  }

  // No process of it may have been ended by a fault of its own.
  checkHealth() {
    const text = this.output + this.errorLog();
    const faults = text.match(
      /^.*(AddressSanitizer|LeakSanitizer|runtime error:|CHECK failed|SIGSEGV|signal 11|signal 6).*$/gm,
    );
    if (faults) throw new Error(`Banyan is not well:\n${faults.join('\n')}`);
  }

  async stop() {
    if (this.exit === undefined) {
      this.signal('TERM');
      const { code } = await this.exited().catch(() => {
        this.child.kill('SIGKILL');
        return { code: 'none: TERM did not end it' };
      });
      if (code !== 0) throw new Error(`the master ended with code ${code} after TERM`);
    }
    this.checkHealth();
  }
}

// Starts Banyan and waits until it is ready; it is stopped at the end of the test. text: the configuration's
// tables after log, admin and listener, or a function of the instance (which knows its port and folder) that
// gives it. options: workers, top (top-level keys), listener (keys of the listener), admin (keys of [admin]),
// format (of the access log), args, env, files ({name: content} put beside the configuration), prepare(folder),
// which makes what it takes time to make, program (a name in the folder, for another one than $BANYAN_BIN).
export async function start(scope, text, options = {}) {
  if (!fs.existsSync(program)) throw new Error(`there is no ${program}: build it, or set BANYAN_BIN`);
  const folder = makeFolder(scope);
  for (const [name, content] of Object.entries(options.files ?? {})) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
  for (const name of ['run', 'state']) fs.mkdirSync(path.join(folder, name));
  await options.prepare?.(folder);
  const banyan = new Banyan(folder, options);
  scope.after(() => banyan.stop());
  scope.onFailure(() => banyan.report());
  await banyan.launch(text);
  return banyan;
}

// The most frequent case: everything goes to one upstream.
export function startInFrontOf(scope, address, options = {}) {
  return start(scope, forward(address, options.upstream, options.route), options);
}

// Tables for one upstream "app" and one route to it; further keys as text.
export function forward(address, upstreamKeys = '', routeKeys = '') {
  return `[upstream.app]
servers = ["${address}"]
${upstreamKeys}
[[route]]
path = "/*"
target = "upstream.app"
${routeKeys}`;
}
