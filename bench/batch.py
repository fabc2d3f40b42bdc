#!/usr/bin/env python3
"""Compares batch_fetch with the same service in Go and in Node: who answers by the deadline, with how many keys, at
what cost.

usage: bench/batch.py [--rate N] [--seconds N] [--rounds N] [--scenario NAME] [--only SERVICE] [--banyan FILE]

Each service has the first core, store and clients share the second. In each round all services take their turn with
every scenario. Two clients ask, both with open-loop arrivals: the load (--rate requests of 100 keys a second), and
one that has time of its own (40 requests of 20 keys a second, preferred by the kernel where that is allowed), which
is who tells how late answers are: one of its keys always takes five seconds, so each of its answers is given at the
deadline.

Needs build/banyan, Go, Node and the packages of conf/quickstart/legacy (npm ci). Everything listens on 127.0.0.1, on
ports the kernel gives, and is stopped at the end.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from machine import LOAD_CORE, PROXY_CORE, ROOT, children, cpu_seconds, free_port, wait_for

# Options of the store; how many times the rate.
SCENARIOS = {
    "calm": ([], 1),
    "stalls": (["-stall", "0.01"], 1),
    "faults": (["-busy", "200ms", "-cut", "0.01"], 1),
    "overload": ([], 5),
    "down": (None, 1),
}
SERVICES = ("banyan", "banyan, cached", "go", "node")

BANYAN = """
workers = 1
run_dir = "{dir}/run"
state_dir = "{dir}/state"
[log]
access = {{ path = "off" }}
error = {{ path = "{dir}/error.log" }}
[[listener]]
address = "127.0.0.1:{port}"
[handler.content]
type = "batch_fetch"
origin = "{store}"
{cache}
[[route]]
path = "/batch"
target = "handler.content"
"""


class Program:
    """A program that says "listening ADDRESS"."""

    def __init__(self, core, *command, **environment):
        self.process = subprocess.Popen(["taskset", "-c", core, *command], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment})
        words = self.process.stdout.readline().split()
        if not words or words[0] != "listening":
            raise RuntimeError(f"{command[0]} does not listen")
        self.address = words[1]
        self.pids = [self.process.pid]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Banyan:
    def __init__(self, program, store, cache):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="banyan-bench-"))
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        file = self.folder / "banyan.toml"
        file.write_text(BANYAN.format(dir=self.folder, port=port, store=store,
                                      cache='cache = { size = "256m" }' if cache else ""))
        self.process = subprocess.Popen(["taskset", "-c", PROXY_CORE, program, "-c", str(file)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(port, self.process)
        self.pids = []
        while len(self.pids) < 3:  # master, controller, worker
            time.sleep(0.05)
            self.pids = children(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


def start(name, store, tool, banyan):
    if name.startswith("banyan"):
        return Banyan(banyan, store, "cached" in name)
    if name == "go":
        return Program(PROXY_CORE, tool, "service", "-store", store, GOMAXPROCS="1")
    return Program(PROXY_CORE, "node", str(ROOT / "conf/quickstart/legacy/server.js"), PORT="0", STORE=store)


def peak_mb(pids):
    """The most they had at once, with the pages of files and of shared memory counted once, not for each of them."""
    private, files, shared = 0, 0, 0
    for pid in pids:
        sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
        of_files, of_shared = int(sizes["RssFile"]), int(sizes["RssShmem"])
        private += int(sizes["VmHWM"]) - of_files - of_shared
        files, shared = max(files, of_files), max(shared, of_shared)
    return (private + files + shared) / 1024


def prefer():
    with contextlib.suppress(OSError):
        os.nice(-20)


class Clients:
    def __init__(self, tool, address, objects):
        self.command = ["taskset", "-c", LOAD_CORE, tool, "load", "-url", f"http://{address}/batch",
                        "-objects", str(objects)]

    def load(self, rate, seconds):
        return subprocess.Popen([*self.command, "-rate", str(rate), "-seconds", str(seconds)], stdout=subprocess.PIPE)

    def probe(self, seconds):
        return subprocess.Popen([*self.command, "-rate", "40", "-keys", "20", "-stuck", "-seconds", str(seconds)],
                                stdout=subprocess.PIPE, preexec_fn=prefer)


def seen_by(client):
    text, _ = client.communicate()
    return json.loads(text)


def measure(service, clients, rate, seconds):
    seen_by(clients.load(min(rate, 50), 2))  # connections, code, caches
    before, began = cpu_seconds(service.pids), time.monotonic()
    load, probe = clients.load(rate, seconds), clients.probe(seconds)
    time.sleep(max(0, began + seconds + 1 - time.monotonic()))
    after = clients.probe(1)  # a second after the last arrival
    crowd, idle, later = seen_by(load), seen_by(probe), seen_by(after)
    delivered = crowd["delivered"] + idle["delivered"] + later["delivered"]
    return {
        "cpu": (cpu_seconds(service.pids) - before) * 1e6 / max(delivered, 1),
        "delivered": 100 * crowd["delivered"] / crowd["asked"],
        "load on time": 100 * crowd["on_time"] / crowd["requests"],
        "load p50": crowd["p50"],
        "load p99": crowd["p99"],
        "on time": 100 * idle["on_time"] / idle["requests"],
        "p99": idle["late_p99"],
        "max": idle["late_max"],
        "after": 100 * later["delivered"] / (later["asked"] - later["requests"]),
        "after on time": 100 * later["on_time"] / later["requests"],
        "MB": peak_mb(service.pids),
    }


COLUMNS = (("cpu", "ms/1000", "{:9.1f}"), ("delivered", "delivered", "{:9.1f}%"), ("load on time", "on time", "{:8.1f}%"),
           ("on time", "idle: on time", "{:13.1f}%"), ("p99", "late p99", "{:9.2f}"), ("max", "max", "{:8.2f}"),
           ("after", "1 s after", "{:9.1f}%"), ("after on time", "on time", "{:8.1f}%"), ("MB", "MB", "{:6.0f}"))


def print_table(scenario, rate, rounds):
    print(f"\n{scenario}, {rate:g} requests of 100 keys a second\n")
    width = [len(form.format(0)) for _, _, form in COLUMNS]
    print(" " * 16 + " ".join(f"{title:>{w}}" for (_, title, _), w in zip(COLUMNS, width)) + "  CPU and keys to Go's")
    for name in rounds[0]:
        middle = {key: statistics.median(r[name][key] for r in rounds) for key in rounds[0][name]}
        middle["max"] = max(r[name]["max"] for r in rounds)
        line = f"{name:16}" + " ".join(form.format(middle[key]) for key, _, form in COLUMNS)
        if "go" in rounds[0]:
            for key in ("cpu", "delivered"):
                line += f"  {statistics.median(r[name][key] / max(r['go'][key], 0.001) for r in rounds):8.2f}"
        print(line, flush=True)


def rate_of(scenario, arguments):
    return arguments.rate * SCENARIOS[scenario][1]


def run_scenario(scenario, arguments, tool):
    """Rounds of {service: measurement}."""
    options, names, rounds = SCENARIOS[scenario][0], [name for name in SERVICES if arguments.only in (None, name)], []
    for _ in range(arguments.rounds):
        rounds.append({})
        for name in names:
            store = Program(LOAD_CORE, tool, "store", *(options or []))
            service = start(name, f"http://{store.address}/content", tool, arguments.banyan)
            if options is None:
                store.stop()
            try:
                clients = Clients(tool, service.address, 2_000 if "cached" in name else 1_000_000)
                rounds[-1][name] = measure(service, clients, rate_of(scenario, arguments), arguments.seconds)
            finally:
                service.stop()
                store.stop()
    return rounds


def build_tool(folder):
    tool = f"{folder}/batch"
    subprocess.run(["go", "build", "-o", tool, "."], cwd=ROOT / "bench/batch", check=True,
                   env={**os.environ, "GO111MODULE": "off"})
    return tool


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=120)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenario", choices=SCENARIOS)
    parser.add_argument("--only", choices=SERVICES)
    parser.add_argument("--banyan", default=str(ROOT / "build/banyan"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tool = build_tool(folder)
        for scenario in SCENARIOS:
            if arguments.scenario in (None, scenario):
                print_table(scenario, rate_of(scenario, arguments), run_scenario(scenario, arguments, tool))


if __name__ == "__main__":
    sys.exit(main())
