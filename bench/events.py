#!/usr/bin/env python3
"""Compares event_dispatch with hubs in Node (ws), Go (gorilla/websocket) and nginx (nchan): how fast an event is at
all its subscribers, at what cost in CPU time and memory. And with the floor (bench/events/floor.cc), which does nothing
but one send() for each delivery.

usage: bench/events.py [--clients N ...] [--rate N] [--seconds N] [--rounds N] [--only HUB ...] [--banyan FILE]

Each hub has the first core and one worker, the clients (bench/events/load.cc) and the publisher have the second. In
each round all hubs take their turn. An event of 200 bytes goes to one channel, --rate times a second; latency counts
from the moment it was planned for. CPU is what the kernel accounts to all processes and threads of the hub between the
first event and the last. Memory for each connection is private memory, idle (all are connected) less empty; for the
whole hub it is the proportional set size, so that shared memory counts once. A hub that is slower than the events come
has more and more of them to send at once, if it joins them, which is cheap: to see what one delivery costs, choose a
rate that all can bear.

Needs build/banyan, g++, Node with the packages of conf/quickstart/legacy (npm ci), Go with gorilla/websocket
(golang-go, golang-github-gorilla-websocket-dev) and nginx with nchan (libnginx-mod-nchan); who is not there is left
out. Everything listens on 127.0.0.1, on ports the kernel gives, and is stopped at the end.
"""
import argparse
import itertools
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from batch import Program
from machine import LOAD_CORE, PROXY_CORE, ROOT, children, cpu_seconds, free_port, memory, wait_for

EVENT_BYTES = 200
NCHAN = pathlib.Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

BANYAN = """
workers = 1
run_dir = "{dir}/run"
state_dir = "{dir}/state"
[log]
access = {{ path = "off" }}
error = {{ path = "{dir}/error.log" }}
[[listener]]
address = "127.0.0.1:{port}"
[handler.live]
type = "event_dispatch"
[[route]]
path = "/live/*"
target = "handler.live"
stream = true
"""
NGINX = """
load_module {module};
daemon off;
pid {dir}/pid;
error_log {dir}/error.log;
worker_processes 1;
worker_rlimit_nofile 20000;
events {{ worker_connections 19900; }}
http {{
  access_log off;
  client_body_temp_path {dir};
  proxy_temp_path {dir};
  fastcgi_temp_path {dir};
  uwsgi_temp_path {dir};
  scgi_temp_path {dir};
  nchan_message_buffer_length 300;
  server {{
    listen 127.0.0.1:{port};
    location ~ ^/live/(.+)$ {{ nchan_pubsub websocket http; nchan_publisher; nchan_channel_id $1;
      nchan_subscriber_first_message newest; }}
  }}
}}
"""


class Configured:
    """A program with a configuration file and a port of ours."""

    def __init__(self, template, command, **values):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="banyan-bench-"))
        self.folder.chmod(0o755)
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        file = self.folder / "configuration"
        file.write_text(template.format(dir=self.folder, port=port, **values))
        self.process = subprocess.Popen(["taskset", "-c", PROXY_CORE, *command, "-c", str(file)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(port, self.process)

    @property
    def pids(self):
        return children(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def hubs(folder, banyan):
    """What there is on this machine: name, how to start it."""
    found = {"banyan": lambda: Configured(BANYAN, [banyan])}
    if NCHAN.exists():
        found["nchan"] = lambda: Configured(NGINX, ["/usr/sbin/nginx"], module=NCHAN)
    if pathlib.Path("/usr/share/gocode/src/github.com/gorilla/websocket").exists() and shutil.which("go"):
        program = folder / "hub"
        subprocess.run(["go", "build", "-o", str(program), str(ROOT / "bench/events/hub.go")], check=True,
                       env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode"})
        found["go"] = lambda: Program(PROXY_CORE, str(program), GOMAXPROCS="1")
    if (ROOT / "conf/quickstart/legacy/node_modules").exists():
        found["node"] = lambda: Program(PROXY_CORE, "node", str(ROOT / "conf/quickstart/legacy/server.js"), PORT="0")
    return found


def build(folder, name):
    program = pathlib.Path(folder) / name
    subprocess.run(["g++", "-std=c++20", "-O2", "-o", str(program), str(ROOT / f"bench/events/{name}.cc")], check=True)
    return program


def build_load(folder):
    return build(folder, "load")


def floor(folder):
    """How to start it."""
    program = build(folder, "floor")
    return lambda: Program(PROXY_CORE, str(program))


def private_bytes(pids):
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty"):
                total += int(line.split()[1]) * 1024
    return total


def settled_bytes(hub):
    """Once it does not change any more: processes that were forked a moment ago share much with each other."""
    last, now = None, private_bytes(hub.pids)
    while now != last:
        time.sleep(0.3)
        last, now = now, private_bytes(hub.pids)
    return now


def measure(start, load, clients, rate, seconds):
    hub = start()
    try:
        empty, empty_pss = settled_bytes(hub), memory(hub.pids, "Pss")
        host, port = hub.address.split(":")
        client = subprocess.Popen(
            ["taskset", "-c", LOAD_CORE, str(load), host, port, "/live/bench", str(clients), str(rate), str(seconds),
             str(EVENT_BYTES), "/live/bench"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if client.stdout.readline() != "connected\n":
            raise RuntimeError("the clients could not connect")
        idle, idle_pss = private_bytes(hub.pids), memory(hub.pids, "Pss")
        before = cpu_seconds(hub.pids)
        print(file=client.stdin, flush=True)
        if client.stdout.readline() != "published\n":
            raise RuntimeError("the clients did not get through")
        cpu = cpu_seconds(hub.pids) - before
        loaded_pss = memory(hub.pids, "Pss")
        print(file=client.stdin, flush=True)
        seen = json.loads(client.stdout.read())
        client.wait()
    finally:
        hub.stop()
    return {**seen, "cpu_per_million": cpu / max(seen["delivered"], 1) * 1e6,
            "share": 100 * seen["delivered"] / seen["expected"], "idle_bytes": (idle - empty) / clients,
            "empty_mb": empty_pss / 2**20, "idle_mb": idle_pss / 2**20, "loaded_mb": loaded_pss / 2**20,
            "connects_per_second": clients / seen["setup_seconds"]}


COLUMNS = (("cpu_per_million", "CPU s/million", "{:.2f}"), ("of_floor", "of the floor's", "{:.2f}"),
           ("of_nchan", "of nchan's", "{:.2f}"), ("p50_ms", "p50 ms", "{:.1f}"), ("p99_ms", "p99 ms", "{:.1f}"),
           ("max_ms", "max ms", "{:.1f}"), ("idle_bytes", "bytes/idle", "{:.0f}"),
           ("loaded_mb", "loaded MB", "{:.1f}"), ("connects_per_second", "connects/s", "{:.0f}"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="floor, banyan, nchan, go, node")
    parser.add_argument("--banyan", default=str(ROOT / "build/banyan"))
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="banyan-bench-"))
    try:
        load = build_load(folder)
        contenders = {name: start
                      for name, start in {"floor": floor(folder), **hubs(folder, options.banyan)}.items()
                      if not options.only or name in options.only}
        for clients in options.clients:
            rounds = []
            for _ in range(options.rounds):
                rounds.append({name: measure(start, load, clients, options.rate, options.seconds)
                               for name, start in contenders.items()})
                for seen, peer in itertools.product(rounds[-1].values(), ("floor", "nchan")):
                    beside = rounds[-1].get(peer, {}).get("cpu_per_million", float("nan"))
                    seen[f"of_{peer}"] = seen["cpu_per_million"] / beside
            print(f"\n{clients} WebSockets, {options.rate:g} events/s of {EVENT_BYTES} bytes; medians of "
                  f"{options.rounds} rounds")
            print(f"{'':8}" + "".join(f"{title:>15}" for _, title, _ in COLUMNS) + f"{'missing':>10}")
            for name in contenders:
                values = [form.format(statistics.median(one[name][key] for one in rounds)) for key, _, form in COLUMNS]
                missing = sum(one[name]["expected"] - one[name]["delivered"] for one in rounds)
                print(f"{name:8}" + "".join(f"{value:>15}" for value in values) + f"{missing:>10}")
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
