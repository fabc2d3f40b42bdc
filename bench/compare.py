"""CPU time per request and memory of proxies in front of the same backend, in one run.

Every proxy has one worker on the first core; the backend (nginx) and the load (wrk) share the second. In each round
all proxies take their turn with every case, so a machine that drifts drifts for all. What counts is the CPU time
(user and system) that the kernel accounts to the proxy's worker, divided by the requests that wrk saw answered.
Quoted are medians over the rounds; the ratio is to nginx in the same round.
"""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROXY_CORE, LOAD_CORE = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on {port}")


def start(command, core, port, **options):
    process = subprocess.Popen(["taskset", "-c", core, *command], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, **options)
    wait_for(port, process)
    return process


def children(pid):
    """The process and all below it."""
    found = [pid]
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == pid:
                found += children(int(stat.parent.name))
    return found


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        # schedstat counts nanoseconds, where stat has ticks of 10 ms.
        total += int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    return total / 1e9


def smaps(pids, key):
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(key + ":"):
                total += int(line.split()[1])
    return total


NGINX_BACKEND = """
daemon off; master_process off; worker_processes 1; pid {dir}/backend.pid; error_log {dir}/backend.log;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; client_max_body_size 0;
  default_type application/octet-stream; sendfile on; client_body_temp_path {dir}/b1; proxy_temp_path {dir}/b2;
  fastcgi_temp_path {dir}/b3; uwsgi_temp_path {dir}/b4; scgi_temp_path {dir}/b5;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {dir}/www;
    location = /post {{ return 200 "ok"; }} }} }}
"""

NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx.log;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path {dir}/n1; proxy_temp_path {dir}/n2; fastcgi_temp_path {dir}/n3; uwsgi_temp_path {dir}/n4;
  scgi_temp_path {dir}/n5;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 128; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Request-ID $request_id; }} }} }}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 9500
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1m
  http-reuse always
  option forwardfor
frontend front
  bind 127.0.0.1:{port} backlog 4096
  default_backend back
backend back
  server one 127.0.0.1:{backend}
"""

BANYAN = """
workers = 1
run_dir = "{dir}/{name}-run"
state_dir = "{dir}/{name}-state"
[log]
access = {{ path = "off" }}
error = {{ path = "{dir}/{name}.log" }}
[client]
limits = {{ keepalive_requests = 0 }}
timeouts = {{ keepalive = "1h" }}
[[listener]]
address = "127.0.0.1:{port}"
backlog = 4096
[upstream.backend]
servers = ["127.0.0.1:{backend}"]
keepalive = {{ connections = 128, idle = "60s" }}
{extra}
[[route]]
path = "/*"
target = "{target}"
"""

ROLLOUT = """
[rollout.half]
legacy = "upstream.backend"
native = "upstream.second"
percent = 50
sticky = ["header:X-User", "client_ip"]
[upstream.second]
servers = ["127.0.0.1:{backend}"]
keepalive = {{ connections = 128, idle = "60s" }}
[lua]
routes = "{dir}/rules.lua"
"""

RULES = """
local M = {}
function M.route(req)
  if req.headers["x-beta"] == "1" then return { side = "native", reason = "beta" } end
end
return M
"""

CASES = {
    "GET 1 KiB": ("/1k", [], None),
    "POST 10 KiB": ("/post", [], "post.lua"),
    "GET 64 KiB": ("/64k", [], None),
    "new connection": ("/1k", ["-H", "Connection: close"], None),
}


class Proxies:
    def __init__(self, folder, banyan):
        self.folder, self.banyan = folder, banyan
        self.backend = free_port()
        (folder / "www").mkdir()
        (folder / "www/1k").write_bytes(b"k" * 1024)
        (folder / "www/64k").write_bytes(b"k" * 65536)
        (folder / "rules.lua").write_text(RULES)
        (folder / "post.lua").write_text('wrk.method = "POST"\nwrk.body = string.rep("p", 10240)\n')
        self.started = []
        self.ports, self.pids = {}, {}
        self._start("backend", NGINX_BACKEND, lambda f: ["/usr/sbin/nginx", "-c", f, "-p", str(folder)], LOAD_CORE,
                    port=self.backend)
        self._start("nginx", NGINX, lambda f: ["/usr/sbin/nginx", "-c", f, "-p", str(folder)], PROXY_CORE)
        self._start("haproxy", HAPROXY, lambda f: ["/usr/sbin/haproxy", "-f", f, "-db"], PROXY_CORE)
        self._start("banyan", BANYAN, lambda f: [banyan, "-c", f], PROXY_CORE, extra="", target="upstream.backend")
        self._start("banyan+rules", BANYAN, lambda f: [banyan, "-c", f], PROXY_CORE, target="rollout.half",
                    extra=ROLLOUT.format(dir=folder, backend=self.backend))

    def _start(self, name, template, command, core, port=None, **values):
        port = port or free_port()
        config = self.folder / f"{name}.conf"
        config.write_text(template.format(dir=self.folder, port=port, backend=self.backend, name=name, **values))
        process = start(command(str(config)), core, port)
        self.started.append(process)
        self.ports[name] = port
        # Who listens is not yet who works: masters fork their workers a moment later.
        load(f"http://127.0.0.1:{port}/1k", 1, 1, [], None, self.folder)
        self.pids[name] = children(process.pid)

    def stop(self):
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def load(url, seconds, connections, options, script, folder):
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *options]
    if script:
        command += ["-s", str(folder / script)]
    output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    errors = re.search(r"Socket errors: (.*)|Non-2xx or 3xx responses: (\d+)", output)
    if errors and ("Non-2xx" in errors.group(0) or re.search(r"(connect|write) [1-9]", errors.group(0))):
        raise RuntimeError(f"{url}: {errors.group(0)}")
    return int(re.search(r"(\d+) requests in", output).group(1)), float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))


def compare_cpu(proxies, arguments):
    names = [name for name in proxies.ports if name != "backend"]
    results = {case: {name: [] for name in names} for case in CASES}
    for _ in range(arguments.rounds):
        for case, (path, options, script) in CASES.items():
            if arguments.only and arguments.only not in case:
                continue
            for name in names:
                url = f"http://127.0.0.1:{proxies.ports[name]}{path}"
                load(url, 1, 32, options, script, proxies.folder)
                before = cpu_seconds(proxies.pids[name])
                requests, _ = load(url, arguments.seconds, 32, options, script, proxies.folder)
                results[case][name].append((cpu_seconds(proxies.pids[name]) - before) / requests * 1e6)
    print(f"\nCPU time of the proxy per request, median of {arguments.rounds} rounds of {arguments.seconds} s: "
          "microseconds, ratio to nginx\n")
    print(f"{'':16}" + "".join(f"{name:>22}" for name in names))
    for case, by_name in results.items():
        if not by_name["nginx"]:
            continue
        cells = []
        for name in names:
            ratio = statistics.median(a / b for a, b in zip(by_name[name], by_name["nginx"]))
            cells.append(f"{statistics.median(by_name[name]):14.1f} {ratio:7.2f}")
        print(f"{case:16}" + "".join(cells))


def idle_clients(port, count):
    request = b"GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n"
    clients = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(request)
        clients.append(client)
        got = 0
        while got < 1024:
            got += len(client.recv(65536))
    return clients


def compare_memory(proxies, count=8_000):
    names = [name for name in proxies.ports if name not in ("backend", "banyan+rules")]
    print("\nMemory\n")
    print(f"{'':16}{'at rest, PSS':>16}{f'per idle client':>18}")
    for name in names:
        pids = proxies.pids[name]
        for client in idle_clients(proxies.ports[name], 200):
            client.close()
        time.sleep(0.5)
        before = smaps(pids, "Pss_Anon")
        clients = idle_clients(proxies.ports[name], count)
        time.sleep(0.5)
        each = (smaps(pids, "Pss_Anon") - before) * 1024 / count
        for client in clients:
            client.close()
        print(f"{name:16}{proxies.rest[name] / 1024:13.1f} MB{each:16.0f} B")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only")
    parser.add_argument("--banyan", default=str(ROOT / "build/banyan"))
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="banyan-bench-"))
    proxies = None
    try:
        proxies = Proxies(folder, arguments.banyan)
        proxies.rest = {name: smaps(pids, "Pss") for name, pids in proxies.pids.items()}
        compare_cpu(proxies, arguments)
        if not arguments.only:
            compare_memory(proxies)
    finally:
        if proxies:
            proxies.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
