"""Processes on this machine: starting them on a core, what they and their children cost."""
import contextlib
import pathlib
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROXY_CORE, LOAD_CORE = "0", "1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[3]} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on {port}")


def start(command, core, port, **options):
    process = subprocess.Popen(["taskset", "-c", core, *command], **options)
    wait_for(port, process)
    return process


def children(pid):
    """The process and all below it, now: a master that listens may not have forked its workers yet."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def cpu_seconds(pids):
    """Time on a processor, of all their threads. schedstat counts nanoseconds, where stat has ticks of 10 ms."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def wait_until_idle(process):
    """It and its children: what they do once, after they listen, must not count."""
    limit, last = time.monotonic() + 60, None
    while time.monotonic() < limit:
        now = cpu_seconds(children(process.pid))
        if last is not None and now - last < 0.002:
            return
        last = now
        time.sleep(0.2)
    raise RuntimeError(f"{process.args[3]} does not come to rest")


def memory(pids, key):
    """Bytes that smaps_rollup counts under this key: "Pss", "Pss_Anon"."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(key + ":"):
                    total += int(line.split()[1]) * 1024
    return total
