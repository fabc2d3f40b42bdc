// Authorities and certificates for a test, made by openssl: P-256, short-lived.
//
//   const authority = await makeAuthority(folder, 'ca');
//   const { cert, key } = await authority.issue('app', { names: ['app.test', '*.app.test'] });
//
// Both have `cert` and `key`: paths in the folder.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { run } from './client.js';

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

async function openssl(...args) {
  const { code, stderr } = await run('openssl', args);
  assert.equal(code, 0, stderr);
}

class Authority {
  constructor(folder, name) {
    this.folder = folder;
    this.name = name;
    this.cert = path.join(folder, `${name}.pem`);
    this.key = path.join(folder, `${name}.key`);
  }

  async make() {
    const subject = ['-subj', `/CN=${this.name}`, '-days', '30'];
    await openssl('req', '-x509', ...newKey, ...subject, '-keyout', this.key, '-out', this.cert);
    return this;
  }

  // A certificate and its key in files of that name. names: of the server (none: a client's); days: how long
  // it is valid from now on.
  async issue(name, { names = [], days = 30, subject = `/CN=${name}` } = {}) {
    const file = (end) => path.join(this.folder, `${name}.${end}`);
    const [cert, key, request, extensions] = ['pem', 'key', 'csr', 'ext'].map(file);
    await openssl('req', '-new', ...newKey, '-subj', subject, '-keyout', key, '-out', request);
    const words = names.map((each) => (/^[0-9.]+$/.test(each) ? `IP:${each}` : `DNS:${each}`));
    fs.writeFileSync(
      extensions,
      `basicConstraints=CA:FALSE\n${words.length ? `subjectAltName=${words.join()}\n` : ''}`,
    );
    const signer = ['-CA', this.cert, '-CAkey', this.key, '-CAcreateserial', '-days', String(days)];
    await openssl('x509', '-req', '-in', request, ...signer, '-extfile', extensions, '-out', cert);
    return { cert, key, name };
  }

  // A list, in the file of that name, that revokes these certificates.
  async revoke(name, ...certificates) {
    const file = (end) => path.join(this.folder, `${name}.${end}`);
    const [settings, index, list] = ['cnf', 'index', 'crl'].map(file);
    const keys = `database = ${index}\ndefault_md = sha256\ndefault_crl_days = 30\n`;
    fs.writeFileSync(settings, `[ca]\ndefault_ca = own\n[own]\n${keys}`);
    fs.writeFileSync(index, '');
    const as = ['-config', settings, '-keyfile', this.key, '-cert', this.cert];
    for (const { cert } of certificates) await openssl('ca', ...as, '-revoke', cert);
    await openssl('ca', ...as, '-gencrl', '-out', list);
    return list;
  }
}

export function makeAuthority(folder, name) {
  return new Authority(folder, name).make();
}
