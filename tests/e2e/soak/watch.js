// What is measured in a soak, once a second: memory and descriptors of each role, and the time of a request.

import fs from 'node:fs';

// Private memory in KiB.
function memoryOf(pid) {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss_Anon:\s+(\d+)/m.exec(text)[1]);
}

// Descriptors that are no sockets of clients count little; all of them are looked at.
export function descriptorsOf(pid) {
  return fs.readdirSync(`/proc/${pid}/fd`).length;
}

export function sample(roles) {
  const seen = {};
  for (const [role, pid] of Object.entries(roles)) seen[role] = { memory: memoryOf(pid), descriptors: descriptorsOf(pid) };
  return seen;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.trunc(sorted.length / 2)];
}

// The least of a part of the samples: what traffic needs comes and goes, what leaks stays.
function least(samples, role, what) {
  return Math.min(...samples.map((one) => one[role][what]));
}

// Compares the first quarter of the samples with the last; returns what has grown, as lines.
export function growth(samples, roles) {
  const quarter = Math.max(2, Math.trunc(samples.length / 4));
  const [first, last] = [samples.slice(0, quarter), samples.slice(-quarter)];
  const grown = [];
  for (const role of Object.keys(roles)) {
    // Slack for what is made when it is needed first: blocks of pools, tables that double.
    const allowed = { memory: 1024, descriptors: 8 };
    for (const what of ['memory', 'descriptors']) {
      const [before, after] = [least(first, role, what), least(last, role, what)];
      const most = before * 1.1 + allowed[what];
      if (after > most) grown.push(`${what} of the ${role} grew from ${before} to ${after}, at most ${Math.trunc(most)}`);
    }
  }
  return grown;
}
