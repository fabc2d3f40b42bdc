#!/usr/bin/env python3
"""Compares batch_fetch with the same service in Go and in Node: who answers by the deadline, with how many keys,
at what cost. Open-loop load, the same store, one after the other.

usage: bench/batch.py [--base N] [--spike N] [--seconds N] [--banyan FILE] [--only NAME]

Needs build/banyan, Go, Node and the packages of conf/quickstart/legacy. Everything listens on 127.0.0.1, on ports the
kernel gives, and is stopped at the end.
"""
import argparse
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICK = 1000 / os.sysconf("SC_CLK_TCK")


class Process:
    """A program that says "listening ADDRESS"."""

    def __init__(self, *command, **environment):
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                      env={**os.environ, **environment})
        words = self.child.stdout.readline().split()
        if not words or words[0] != "listening":
            raise SystemExit(f"batch.py: {command[0]} does not listen")
        self.address = words[1]
        self.pid = self.child.pid

    def stop(self):
        self.child.terminate()
        self.child.wait()


class Banyan:
    """One worker with a batch_fetch handler, with or without a cache."""

    def __init__(self, program, store, cache):
        self.folder = tempfile.TemporaryDirectory()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        folder = self.folder.name
        file = pathlib.Path(folder, "banyan.toml")
        file.write_text(f"""workers = 1
run_dir = "{folder}"
state_dir = "{folder}"
[log]
access = {{ path = "off" }}
error = {{ path = "{folder}/error.log" }}
[[listener]]
address = "{self.address}"
[handler.content]
type = "batch_fetch"
origin = "http://{store}/content"
{'cache = { size = "256m" }' if cache else ''}
[[route]]
path = "/batch"
target = "handler.content"
""")
        self.child = subprocess.Popen([program, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            time.sleep(0.05)
            workers = [pid for pid in children(self.child.pid) if "worker" in command_line(pid)]
            if workers and reachable(self.address):
                self.pid = workers[0]
                return
        raise SystemExit("batch.py: banyan does not start: " + pathlib.Path(folder, "error.log").read_text())

    def stop(self):
        self.child.terminate()
        self.child.wait()
        self.folder.cleanup()


def children(pid):
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_text()


def reachable(address):
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def cpu_ms(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def peak_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0


def run_load(tool, address, rate, seconds, objects):
    out = subprocess.run([tool, "load", "-url", f"http://{address}/batch", "-rate", str(rate), "-seconds", str(seconds),
                          "-objects", str(objects)], stdout=subprocess.PIPE, check=True)
    return json.loads(out.stdout)


def measure(name, service, arguments, tool, objects):
    run_load(tool, service.address, arguments.base * 5, 2, objects)  # connections, code, caches
    for phase, rate in (("base", arguments.base), (f"x{arguments.spike}", arguments.base * arguments.spike)):
        before = cpu_ms(service.pid)
        seen = run_load(tool, service.address, rate, arguments.seconds, objects)
        cpu = (cpu_ms(service.pid) - before) / (seen["requests"] * 100) * 1000
        print(f"{name:<16} {phase:<5} {seen['on_time']:>8.1%} {seen['delivered']:>10.1%} {seen['median_ms']:>10.1f} "
              f"{seen['over_p99_ms']:>12.1f} {seen['over_max_ms']:>12.1f} {cpu:>9.1f} {peak_mb(service.pid):>7.0f}",
              flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", type=float, default=3, help="requests of 100 keys a second")
    parser.add_argument("--spike", type=int, default=40, help="times as many")
    parser.add_argument("--seconds", type=float, default=8, help="for each load")
    parser.add_argument("--banyan", default=str(ROOT / "build/banyan"))
    parser.add_argument("--only", help="banyan, cached, go or node")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tool = f"{folder}/batch"
        subprocess.run(["go", "build", "-o", tool, "main.go"], cwd=ROOT / "bench/batch", check=True,
                       env={**os.environ, "GO111MODULE": "off"})
        for title, stall in (("a calm store", 0), ("1% of objects take 5 s", 0.01)):
            print(f"\n{title}\n{'service':<16} {'load':<5} {'on time':>8} {'delivered':>10} {'median ms':>10} "
                  f"{'p99 over ms':>12} {'max over ms':>12} {'ms/1000':>9} {'MB':>7}")
            store = Process(tool, "store", "-stall", str(stall))
            services = {
                "banyan": (lambda: Banyan(arguments.banyan, store.address, False), 1_000_000),
                "cached": (lambda: Banyan(arguments.banyan, store.address, True), 5_000),
                "go": (lambda: Process(tool, "twin", "-store", f"http://{store.address}/content"), 1_000_000),
                "node": (lambda: Process("node", str(ROOT / "conf/quickstart/legacy/server.js"), PORT="0",
                                         STORE=f"http://{store.address}/content"), 1_000_000),
            }
            for name, (start, objects) in services.items():
                if arguments.only in (None, name):
                    service = start()
                    measure(name, service, arguments, tool, objects)
                    service.stop()
            store.stop()


if __name__ == "__main__":
    main()
