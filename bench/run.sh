#!/usr/bin/env bash
# Compares Banyan with nginx and HAProxy on this machine: CPU time of the proxy per request, and memory.
#
# usage: bench/run.sh [--seconds N] [--rounds N] [--only CASE] [--banyan FILE]
#
# Needs the release build (build/banyan), nginx, haproxy, wrk and python3. All listen on 127.0.0.1, on ports the
# kernel gives; everything is stopped at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
for tool in nginx haproxy wrk python3; do
  command -v "$tool" >/dev/null || [[ -x /usr/sbin/$tool ]] || {
    echo "bench: $tool is missing: apt-get install nginx-light haproxy wrk python3" >&2
    exit 1
  }
done
exec python3 compare.py "$@"
