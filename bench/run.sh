#!/usr/bin/env bash
# Compares Banyan with nginx, HAProxy, h2o, Caddy, a proxy in Node and a relay that parses nothing, on this machine.
# Prints a table; results.json and results.svg go to .cache/bench/. See bench/README.md.
#
# usage: bench/run.sh [--rounds N] [--seconds N] [--quick] [--only CASE] [--who NAME ...] [--markdown] [--banyan FILE]
#        bench/run.sh scaling [--rounds N] [--seconds N] [--only AXIS] [--banyan FILE]
#
# With the word scaling: what a request costs in Banyan and in nginx when there are more connections, routes, rollouts,
# servers, fields or workers; scaling.json and scaling.svg.
#
# Needs the release build (build/banyan), python3 and Node. Debian packages that are not installed are unpacked into
# .cache/bench/peers, without root and without starting their services. Everything listens on 127.0.0.1, on ports the
# kernel gives, and is stopped at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
packages=(nginx-light haproxy h2o caddy libnginx-mod-http-lua)
peers=$PWD/.cache/bench/peers

# The packages that are missing, with what they need.
if [[ ! -e $peers/complete ]]; then
  mkdir -p "$peers/packages"
  mapfile -t missing < <(apt-get install -s --no-install-recommends "${packages[@]}" | awk '/^Inst/ { print $2 }')
  if [[ ${#missing[@]} -gt 0 ]]; then
    echo "bench: unpacking ${missing[*]}" >&2
    (cd "$peers/packages" && apt-get download -q "${missing[@]}" >&2) || {
      echo "bench: apt-get download failed; is 'apt-get update' needed?" >&2
      exit 1
    }
    for package in "$peers"/packages/*.deb; do dpkg-deb -x "$package" "$peers"; done
  fi
  touch "$peers/complete"
fi
export PATH=$peers/usr/sbin:$peers/usr/bin:$PATH:/usr/sbin
export LD_LIBRARY_PATH=$peers/usr/lib/x86_64-linux-gnu
export BENCH_PEER_ROOT=$peers
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"

[[ -e build/build.ninja ]] || { echo "bench: no release build: cmake --preset release && cmake --build --preset release" >&2; exit 1; }
cmake --build build --target bench_load bench_relay >&2
program=compare
if [[ ${1:-} == scaling ]]; then
  program=scaling
  shift
fi
exec python3 "bench/$program.py" "$@"
