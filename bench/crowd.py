#!/usr/bin/env python3
"""What very many connections cost event_dispatch: memory, set-up, stalled readers, silent channels.

usage: bench/crowd.py [held] [channels] [stalled] [silent] [--clients N] [--workers N] [--readers N] [--banyan FILE]

held      N WebSockets on one channel: memory of all processes above the idle hub, CPU time of setting them up
channels  N WebSockets, each on a channel of its own: the same, and what a channel adds to it
stalled   readers alone and beside 1,000 clients that never read, in turns: latency of the readers
silent    an event for nobody on other workers, which have no channel or N/2 silent ones: CPU time of all processes

Memory is the proportional set size, so that shared memory counts once. Nothing is pinned to a core but the readers'
hub and their clients (stalled).
"""
import argparse
import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from events import build_load
from machine import LOAD_CORE, PROXY_CORE, ROOT, children, cpu_seconds, free_port, memory, start

AT_ONCE = 16_000  # connections of one load program, which has 20,000 descriptors

CONFIGURATION = """
workers = {workers}
run_dir = "{dir}/run"
state_dir = "{dir}/state"
[log]
access = {{ path = "off" }}
error = {{ path = "{dir}/error.log" }}
[client]
limits = {{ keepalive_requests = 0 }}
[[listener]]
address = "127.0.0.1:{port}"
[handler.live]
type = "event_dispatch"
channels = 262144
[[route]]
path = "/live/*"
target = "handler.live"
stream = true
"""


class Hub:
    def __init__(self, program, workers, cores=f"{PROXY_CORE},{LOAD_CORE}"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="banyan-bench-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        file = self.folder / "banyan.toml"
        file.write_text(CONFIGURATION.format(dir=self.folder, port=self.port, workers=workers))
        self.process = start([program, "-c", str(file)], cores, self.port, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(0.5)  # all processes have started; what they need of memory is there
        self.pids = children(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def memory(self):
        return memory(self.pids, "Pss")


class Crowd:
    """Clients that are connected when this was made. `each`: to channels of their own."""

    def __init__(self, load, hub, clients, each=False):
        self.programs = []
        for first in range(0, clients, AT_ONCE):
            words = [load, "127.0.0.1", hub.port, "/live/crowd", min(AT_ONCE, clients - first), 0, 0, 200, "/", 0,
                     first, *(["each"] if each else [])]
            self.programs.append(subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE,
                                                  stdout=subprocess.PIPE, text=True))
        for program in self.programs:
            if program.stdout.readline() != "connected\n":
                raise RuntimeError("the clients could not connect")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.kill()
            program.wait()


def hold(options, load, each):
    with Hub(options.banyan, options.workers) as hub:
        idle, cpu, began = hub.memory(), cpu_seconds(hub.pids), time.monotonic()
        with Crowd(load, hub, options.clients, each):
            seconds, cpu = time.monotonic() - began, cpu_seconds(hub.pids) - cpu
            grown = hub.memory() - idle
    return grown, cpu, seconds


def held(options, load):
    grown, cpu, seconds = hold(options, load, each=False)
    print(f"held: {options.clients} connections, {options.workers} workers: {grown / 1e6:.1f} MB above idle, "
          f"{grown / options.clients:.0f} bytes each; {options.clients / seconds:.0f} connections/s, "
          f"{cpu / options.clients * 1e6:.1f} us of CPU each, so {options.clients / cpu:.0f}/s for a core")


def channels(options, load):
    one, _, _ = hold(options, load, each=False)
    grown, cpu, seconds = hold(options, load, each=True)
    print(f"channels: {options.clients}, one subscriber each: {grown / 1e6:.1f} MB above idle, "
          f"{(grown - one) / options.clients:.0f} bytes a channel; {options.clients / seconds:.0f} connections/s, "
          f"{cpu / options.clients * 1e6:.1f} us of CPU each")


def read(options, load, stalled):
    with Hub(options.banyan, 1, PROXY_CORE) as hub:
        words = ["taskset", "-c", LOAD_CORE, load, "127.0.0.1", hub.port, "/live/x", options.readers, options.rate,
                 options.seconds, 200, "/live/x", stalled]
        client = subprocess.run([str(word) for word in words], input="\n\n", capture_output=True, text=True, check=True)
    return json.loads(client.stdout.splitlines()[-1])


def stalled(options, load):
    rounds = [(read(options, load, 0), read(options, load, 1000)) for _ in range(options.rounds)]
    for place, name in enumerate(("alone", "beside 1,000 stalled")):
        p50, p99 = ([one[place][key] for one in rounds] for key in ("p50_ms", "p99_ms"))
        missing = sum(one[place]["expected"] - one[place]["delivered"] for one in rounds)
        print(f"stalled: {options.readers} readers {name}: p50 {statistics.median(p50):.1f}, p99 "
              f"{statistics.median(p99):.1f} ms (best round {min(p50):.1f}, {min(p99):.1f}); {missing} missing")


def publish(port, channel, events):
    """One connection, so one worker; waits for each answer. The subscribers of others have channels of their own."""
    body = b"." * 200
    request = (f"POST /live/{channel} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(events):
            connection.sendall(request)
            answer = b""
            while not answer.rstrip().endswith(b"}"):
                answer += connection.recv(4096) or sys.exit("the hub has closed the connection")


def silent(options, load):
    events = 20_000
    for clients in (0, options.clients // 2):
        with Hub(options.banyan, options.workers) as hub, Crowd(load, hub, clients, each=True):
            publish(hub.port, "nobody", 1000)
            before = {pid: cpu_seconds([pid]) for pid in hub.pids}
            publish(hub.port, "nobody", events)
            used = sorted((cpu_seconds([pid]) - before[pid] for pid in hub.pids), reverse=True)
            print(f"silent: {clients} silent channels: {used[0] / events * 1e6:.1f} us of CPU for a publish in its "
                  f"worker, {sum(used[1:]) / events * 1e6:.2f} in all others")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=["held", "channels", "stalled", "silent", []])
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=6)
    parser.add_argument("--readers", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--banyan", default=str(ROOT / "build/banyan"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="banyan-bench-") as folder:
        load = build_load(folder)
        for part in options.parts or ["held", "channels", "stalled", "silent"]:
            {"held": held, "channels": channels, "stalled": stalled, "silent": silent}[part](options, load)
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
