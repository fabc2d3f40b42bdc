#!/usr/bin/env bash
# What two well-known tools find: testssl.sh looks for weak TLS, slowhttptest holds a thousand connections by slow
# heads, slow bodies and slow reading while others have to be served. Takes two minutes, so it is not a part of
# ./test.sh.
#
# usage: tests/attacks.sh
#
# Needs the release build, Node, `npm ci --prefix tests/e2e`, and the Debian packages testssl.sh and slowhttptest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/e2e"
for tool in testssl slowhttptest; do
  command -v "$tool" >/dev/null || { echo "attacks.sh: $tool is missing: apt-get install testssl.sh slowhttptest" >&2; exit 1; }
done
export BANYAN_BIN=${BANYAN_BIN:-$PWD/../../build/banyan}
exec node --test attacks/attacks.test.js
