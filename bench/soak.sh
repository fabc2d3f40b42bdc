#!/usr/bin/env bash
# Mixed traffic with faults: GET, POST, event streams, WebSockets, batch_fetch, published events, slow, stalled and aborted
# clients; workers are killed, the backend restarts, the configuration is reloaded. Fails when memory or descriptors
# of the master, the controller or a worker grow after the warm-up, when requests become slow, or when anything is left
# over at the end.
#
# usage: bench/soak.sh [SECONDS]        (30; a quarter of it, at most 30 s, is warm-up)
#
# Needs the release build, Node, and `npm ci --prefix tests/e2e`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../tests/e2e"
export BANYAN_BIN=${BANYAN_BIN:-$PWD/../../build/banyan} SOAK_SECONDS=${1:-30}
exec node --test soak/soak.test.js
