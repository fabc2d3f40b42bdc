#!/usr/bin/env bash
# The tour: installs what is missing, builds Banyan, starts a real legacy Node service, an object store and
# Banyan with a 10% rollout in front of them, sends requests, prints what happened, and runs until Ctrl-C.
#
# usage: ./quickstart.sh [--once] [--port N]
#   --once    exit after the tour; 0 if all of it went well
#   --port N  where Banyan listens on 127.0.0.1 (8080, or any free port if that is taken; 0: any free port)
#
# Everything it writes is in build/ and in node_modules/ beside the two services. Several may run at once.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$root/build
services=$root/conf/quickstart
once=no
port=8080
port_given=no

usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() {
  printf 'quickstart: %s\n' "$1" >&2
  if [[ -n ${2:-} ]]; then
    [[ -s $2 ]] && { printf -- '--- the end of %s\n' "$2"; tail -n 15 "$2"; printf -- '---\n'; } >&2
    printf 'quickstart: the whole log is %s\n' "$2" >&2
  fi
  exit 1
}

while [[ $# -gt 0 ]]; do
  case $1 in
    --once) once=yes ;;
    --port)
      [[ ${2:-} =~ ^[0-9]{1,5}$ ]] || { echo "quickstart: --port needs a number" >&2; exit 2; }
      port=$2 port_given=yes
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

mkdir -p "$build"
log=$build/quickstart-setup.log
exec 8>"$build/quickstart-setup.lock"
flock -n 8 || { echo "Another quickstart is installing or building; waiting for it."; flock 8; }
: >"$log"

# ---------------------------------------------------------------- packages

have() { command -v "$1" >/dev/null 2>&1; }
have_header() {
  printf '#if !__has_include(<%s>)\n#error missing\n#endif\n' "$1" | g++ -std=c++20 -E -x c++ - >/dev/null 2>&1
}
node_is_new_enough() { have node && [[ $(node -p 'process.versions.node.split(".")[0]' 2>/dev/null) -ge 18 ]]; }

missing_packages() {
  local pair
  for pair in g++:g++ cmake:cmake ninja:ninja-build pkg-config:pkg-config curl:curl npm:npm; do
    have "${pair%%:*}" || echo "${pair#*:}"
  done
  have node || echo nodejs
  for pair in libevent:libevent-dev openssl:libssl-dev zlib:zlib1g-dev lua5.4:liblua5.4-dev libcurl:libcurl4-openssl-dev \
    hiredis:libhiredis-dev re2:libre2-dev libxxhash:libxxhash-dev fmt:libfmt-dev libseccomp:libseccomp-dev; do
    { have pkg-config && pkg-config --exists "${pair%%:*}"; } || echo "${pair#*:}"
  done
  # GoogleTest only because the build folder is the one of ./test.sh: both must configure it alike.
  for pair in nlohmann/json.hpp:nlohmann-json3-dev cjose/cjose.h:libcjose-dev CLI/CLI.hpp:libcli11-dev toml.hpp:libtoml11-dev \
    date/tz.h:libhowardhinnant-date-dev gtest/gtest.h:libgtest-dev gmock/gmock.h:libgmock-dev; do
    { have g++ && have_header "${pair%%:*}"; } || echo "${pair#*:}"
  done
}

install_packages() {
  local as_root=()
  have apt-get || fail "these packages are missing, and there is no apt-get to install them: $*"
  if [[ $EUID -ne 0 ]]; then
    have sudo || fail "these packages are missing: $*. Run as root: apt-get install $*"
    as_root=(sudo)
  fi
  say "Installing packages: $*"
  {
    "${as_root[@]}" apt-get update -q &&
      "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
  } >>"$log" 2>&1 || fail "apt-get could not install: $*" "$log"
}

mapfile -t packages < <(missing_packages)
[[ ${#packages[@]} -eq 0 ]] || install_packages "${packages[@]}"
node_is_new_enough || fail "node is $(node --version); the services need 18 or later"

# ---------------------------------------------------------------- build

install_modules() {  # FOLDER
  [[ $1/node_modules/.package-lock.json -nt $1/package-lock.json ]] && return
  say "Installing the npm packages of ${1#"$root"/}"
  (cd "$1" && npm ci) >>"$log" 2>&1 8>&- || fail "npm ci failed in $1" "$log"
  touch "$1/node_modules/.package-lock.json"
}

build_banyan() {
  say "Building Banyan in ${build#"$root"/}/ (the first time takes some minutes)"
  if [[ ! -f $build/CMakeCache.txt ]]; then
    (cd "$root" && cmake --preset release) >>"$log" 2>&1 8>&- ||
      fail "cmake could not configure the build" "$log"
  fi
  cmake --build "$build" --parallel "$(nproc)" --target banyan banyanctl >>"$log" 2>&1 8>&- ||
    fail "the build failed" "$log"
}

install_modules "$services/legacy"
install_modules "$services/store"
build_banyan
flock -u 8

# ---------------------------------------------------------------- processes

# Every instance has a folder of its own, kept by a lock, so that a second one may run beside the first.
folder=$build/quickstart
number=1
while mkdir -p "$folder" && exec 9>"$folder/lock" && ! flock -n 9; do
  number=$((number + 1))
  folder=$build/quickstart-$number
done
rm -rf "$folder"/{run,state,log,store,scripts,banyan.toml}
mkdir -p "$folder"/{run,state,log,store,scripts}

declare -A pids=()

stop() {  # NAME: asks to end, waits, insists
  local pid=${pids[$1]:-} patience=50
  [[ -n $pid ]] || return 0
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null && ((patience-- > 0)); do sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  unset "pids[$1]"
}
stop_all() { for name in publisher banyan legacy store; do stop "$name"; done; }
trap stop_all EXIT
trap 'echo; echo "Stopping."; exit 0' INT TERM

start() {  # NAME COMMAND...: its output goes to log/NAME.log
  local name=$1
  shift
  "$@" >"$folder/log/$name.log" 2>&1 </dev/null 7>&- 8>&- 9>&- &
  pids[$name]=$!
}

wait_for() {  # NAME COMMAND...: until the command succeeds; fails when NAME ends first or after a minute
  local name=$1 patience=600
  shift
  while true; do
    kill -0 "${pids[$name]}" 2>/dev/null || fail "$name ended while starting" "$folder/log/$name.log"
    if "$@" >/dev/null 2>&1; then return; fi
    ((patience-- > 0)) || fail "$name was not ready within a minute" "$folder/log/$name.log"
    sleep 0.1
  done
}

# The services print "listening 127.0.0.1:PORT" when they are ready.
address_of() { sed -n 's/^listening //p' "$folder/log/$1.log"; }

free_port() {  # the wanted port if nobody listens there, else any; with --port N no other than N
  node -e '
    const [wanted, strict] = [Number(process.argv[1]), process.argv[2] === "yes"];
    const attempt = (port) => require("net").createServer()
      .on("error", (error) => (strict ? (console.error(error.message), process.exit(1)) : attempt(0)))
      .listen(port, "127.0.0.1", function () { console.log(this.address().port); this.close(); });
    attempt(wanted);' "$1" "$2"
}

say "Starting the object store, the legacy service and Banyan in ${folder#"$root"/}/"
start store env PORT=0 DIRECTORY="$folder/store" node "$services/store/store.js"
wait_for store grep -q '^listening ' "$folder/log/store.log"
store=$(address_of store)

start legacy env PORT=0 STORE="http://$store/content" node "$services/legacy/server.js"
wait_for legacy grep -q '^listening ' "$folder/log/legacy.log"
legacy=$(address_of legacy)

# From the choice of the port until Banyan listens on it, no other instance chooses.
exec 7>"$build/quickstart-port.lock"
flock 7
chosen=$(free_port "$port" "$port_given" 2>"$folder/log/port.log") ||
  fail "127.0.0.1:$port cannot be used; choose another --port" "$folder/log/port.log"
address=127.0.0.1:$chosen
url=http://$address
config=$folder/banyan.toml
cp "$root"/scripts/*.lua "$folder/scripts/"
sed -e "s/127\.0\.0\.1:8080/$address/; s/127\.0\.0\.1:3000/$legacy/; s/127\.0\.0\.1:4568/$store/" \
  "$root/conf/banyan.toml" >"$config"
"$build/banyan" -t -c "$config" >"$folder/log/check.log" 2>&1 ||
  fail "banyan -t refused $config" "$folder/log/check.log"

start banyan "$build/banyan" -c "$config"
wait_for banyan test -S "$folder/run/admin.sock"
wait_for banyan curl -fsS "$url/healthz"
flock -u 7

# ---------------------------------------------------------------- the tour

ctl=("$build/banyanctl" --socket "$folder/run/admin.sock")
printf 'object store %-24s %s\nlegacy       %-24s %s\nBanyan       %-24s %s\n' \
  "http://$store" "(npm s3rver, checks signatures)" "http://$legacy" "(Node $(node --version), Express)" \
  "$url" "(pid ${pids[banyan]}, 2 workers)"

node "$services/tour.js" "$url" "$folder/log/access.log" -- "${ctl[@]}" 8>&- 9>&- ||
  fail "the tour found something wrong" "$folder/log/error.log"

[[ $once == no ]] || exit 0
start publisher node "$services/publisher.js" "$url"

relative=${folder#"$PWD"/}
ctl_line="${build#"$PWD"/}/banyanctl --socket $relative/run/admin.sock"
cat <<TEXT

Open      $url/                  the legacy service, through Banyan
          $url/api/orders        its REST resource
          $url/live.html         events arriving, by WebSocket and event stream
          $url/debug/hello       a request as Banyan has read it
Watch     tail -f $relative/log/access.log
          $ctl_line status
          curl --unix-socket $relative/run/admin.sock http://banyan/metrics

Try next
  a batch, once on each side:
    curl -d '{"keys": ["articles/0001.json", "thumbs/0004.gif"]}' -H 'X-Banyan-Side: legacy' $url/batch
    curl -d '{"keys": ["articles/0001.json", "thumbs/0004.gif"]}' -H 'X-Banyan-Side: native' $url/batch
  half of the clients on the native side, at once, without a reload; and all the way back:
    $ctl_line rollout set content 50 --why "looks good"
    $ctl_line rollout abort content
  all event connections to the native hub, 20 a second; look at $url/live.html meanwhile:
    $ctl_line rollout set live 100
  why does a request go where it goes?
    $ctl_line explain POST $url/batch -H 'Cookie: uid=user-7'
  change a rule (no connection is lost, and a mistake changes nothing):
    \$EDITOR $relative/scripts/routes.lua && ${build#"$PWD"/}/banyan -c $relative/banyan.toml -s reload
  kill a worker (its successor is there within 100 ms):
    kill -9 \$(pgrep -P ${pids[banyan]} | tail -n 1)

Running until Ctrl-C.
TEXT

wait -n "${pids[@]}" || true
for name in "${!pids[@]}"; do
  kill -0 "${pids[$name]}" 2>/dev/null || fail "$name has ended" "$folder/log/$name.log"
done
