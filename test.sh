#!/usr/bin/env bash
# Runs every test: installs what is needed, checks the sources, builds with g++ (release) and with clang and the
# sanitizers, runs unit tests, golden tests, fuzz targets and end-to-end tests against the real binary.
#
# usage: ./test.sh [STEP ...]        all steps, or only those named, in this order:
#   install    Debian packages, npm modules and promtool where they are missing
#   checks     layers, format, manual pages
#   release    build with g++, unit tests, instructions of the hot path
#   sanitizer  build with clang, address and undefined-behaviour sanitizers; unit tests, short fuzz runs
#   e2e        the release binary with real peers; 30 s of mixed traffic and faults
#
# FUZZ_SECONDS (4): how long each fuzz target runs. JOBS: build processes (all cores).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

steps=("$@")
[[ $# -gt 0 ]] || steps=(install checks release sanitizer e2e)
jobs=${JOBS:-$(nproc)}
fuzz_seconds=${FUZZ_SECONDS:-4}

# Objects are found again in another checkout and after a clean.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros

say() { printf '\n\033[1m== %s (%ds)\033[0m\n' "$*" "$SECONDS"; }

packages=(g++ cmake ninja-build pkg-config ccache python3 clang clang-format libclang-rt-14-dev llvm mandoc curl openssl
  libevent-dev libssl-dev zlib1g-dev liblua5.4-dev libcurl4-openssl-dev libtoml11-dev nlohmann-json3-dev libcli11-dev
  libhiredis-dev libcjose-dev redis-tools libre2-dev libxxhash-dev libfmt-dev libseccomp-dev libhowardhinnant-date-dev libgtest-dev libgmock-dev libbenchmark-dev valgrind
  faketime chromium nodejs npm)

# promtool alone out of its Debian package: to install that would start a Prometheus server on this machine.
get_promtool() {
  command -v promtool >/dev/null || [[ -x .cache/promtool ]] && return
  local folder
  folder=$(mktemp -d)
  (cd "$folder" && apt-get download -q prometheus)
  mkdir -p .cache
  dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar -x -C .cache --strip-components=3 ./usr/bin/promtool
  rm -rf "$folder"
}

step_install() {
  local missing=()
  for package in "${packages[@]}"; do
    # npm and node may come from elsewhere than Debian.
    if [[ $package == nodejs ]] && command -v node >/dev/null; then continue; fi
    if [[ $package == npm ]] && command -v npm >/dev/null; then continue; fi
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok' || missing+=("$package")
  done
  if [[ ${#missing[@]} -gt 0 ]]; then
    local as_root=()
    [[ $EUID -eq 0 ]] || as_root=(sudo)
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
  fi
  local folder
  for folder in tests/e2e conf/quickstart/legacy conf/quickstart/store; do
    [[ $folder/node_modules/.package-lock.json -nt $folder/package-lock.json ]] && continue
    npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error
    touch "$folder/node_modules/.package-lock.json"
  done
  get_promtool
}

step_checks() {
  python3 tests/layers.py
  git ls-files '*.cc' '*.h' '*.c' | xargs clang-format --dry-run --Werror
  mandoc -T lint -W warning man/*.[1578]
}

# build PRESET [TARGET ...]
build() {
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1" -j "$jobs" --target "${@:2}"
}

step_release() {
  build release all banyan_bench banyan_count bench_load bench_relay
  ctest --test-dir build --output-on-failure -j "$jobs"
  bench/micro/count.py
}

step_sanitizer() {
  build sanitizer unit_tests fuzz_targets banyan_manual
  ctest --test-dir build-sanitizer --output-on-failure -j "$jobs"
  local target name
  for target in build-sanitizer/fuzz_*; do
    [[ -x $target && -f $target ]] || continue
    name=${target##*/fuzz_}
    mkdir -p "build-sanitizer/corpus/$name"
    echo "fuzz $name"
    "$target" -max_total_time="$fuzz_seconds" -timeout=10 -verbosity=0 -print_final_stats=0 \
      "build-sanitizer/corpus/$name" "tests/fuzz/corpus/$name"
  done
}

step_e2e() {
  (cd tests/e2e && BANYAN_BIN=$PWD/../../build/banyan npm test --silent)
  bench/soak.sh 30
}

for step in "${steps[@]}"; do
  declare -F "step_$step" >/dev/null || { sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
  say "$step"
  "step_$step"
done
say "all passed: ${steps[*]}"
