"""One measurement: a contender, a case, a load."""
import contextlib
import json
import subprocess

from machine import LOAD_CORE, cpu_seconds, memory


class Broken(Exception):
    """The contender did not answer as it should."""


class Loads:
    """The load generator (bench/load/)."""

    def __init__(self, tool):
        self.tool = tool

    def start(self, case, contender, *options, connections=None):
        port = contender.ports["TLS_PORT" if case.tls else "PORT"]
        command = ["taskset", "-c", LOAD_CORE, self.tool, "--connections", str(connections or case.connections),
                   *options, *(["--tls"] if case.tls else []), f"127.0.0.1:{port}", case.path]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        if process.stdout.readline() != "begin\n":
            raise Broken(process.stderr.read().strip())
        return process

    @contextlib.contextmanager
    def idle(self, case, contender):
        """Connections that have had one answer each and are idle, for as long as the context lasts."""
        process = self.start(case, contender, "--hold", connections=case.idle)
        try:
            yield
        finally:
            process.stdin.close()
            process.wait()


def seen_by(process):
    text, complaints = process.communicate()
    if process.returncode != 0:
        raise Broken(complaints.strip())
    return json.loads(text)


def closed_loop(loads, case, contender, seconds, warm_up):
    """CPU microseconds for each request while as many are under way as there are connections."""
    load = loads.start(case, contender, *case.options, "--seconds", str(seconds), "--warm-up", str(warm_up))
    pids = contender.pids()
    before = cpu_seconds(pids)
    line = load.stdout.readline()
    cpu = cpu_seconds(pids) - before
    pss = memory(pids, "Pss")
    load.communicate()
    if load.returncode != 0 or not line:
        raise Broken("the load ended early")
    seen = json.loads(line)
    if seen["requests"] == 0 or seen["errors"] + seen["broken"] > seen["requests"] / 1000:
        raise Broken(line.strip())
    if cpu == 0:  # seen once in an hour on a virtual machine
        raise Broken("the kernel accounted no CPU time")
    if "--resume" in case.options and seen["resumed"] < seen["requests"] * 0.9:
        raise Broken(f"resumed only {seen['resumed']} of {seen['requests']} sessions")
    return {"cpu_us": cpu / seen["requests"] * 1e6, "rate": seen["requests"] / seen["seconds"], "pss_mb": pss / 2**20}


def open_loop(loads, case, contender, rate, seconds, warm_up):
    """Latencies in milliseconds at a fixed rate, from the planned time of each request."""
    seen = seen_by(loads.start(case, contender, *case.options, "--seconds", str(seconds), "--warm-up", str(warm_up),
                               "--rate", str(rate), connections=128))
    if seen["requests"] == 0:  # far more than it can do
        return {"unanswered": seen["broken"]}
    return {**{f"{key}_ms": seen[key] / 1000 for key in ("p50", "p99", "p999", "max")}, "unanswered": seen["broken"]}


def idle_growth(loads, case, contender, body):
    """Runs `body` beside the idle connections; returns what it returns and the bytes for each of them."""
    seen_by(loads.start(case, contender, "--seconds", "1", connections=200))  # what is there once, not for each
    before = memory(contender.pids(), "Pss_Anon")
    with loads.idle(case, contender):
        each = (memory(contender.pids(), "Pss_Anon") - before) / case.idle
        return {**body(), "idle_bytes": each}
