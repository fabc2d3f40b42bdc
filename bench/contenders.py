"""Who is compared, and how each is started: a configuration of bench/peers/ with ports and files filled in.

A setup is a way to be configured: "plain" (forwards all, with and without TLS), "routes" (10,000 of them),
"everything" (rollout, rules, access log, metrics), "native" (the answer is made in process, or by a Node service
behind), "scaling" (so many of everything as it is asked for). Not everybody has all of them.
"""
import os
import pathlib
import re
import resource
import shutil
import subprocess

from machine import LOAD_CORE, PROXY_CORE, ROOT, children, free_port, start, wait_for, wait_until_idle

PEERS = ROOT / "bench/peers"
# What a configuration may repeat, between two of these words as @ROUTES@, and how often if nothing else is said.
SIZES = {"ROUTES": 10_000, "EXACT": 0, "PREFIXES": 0, "ROLLOUTS": 0, "SERVERS": 1}
NAMES = ("nginx", "haproxy", "h2o", "caddy", "node", "relay", "banyan")

CONFIGURATIONS = {
    ("nginx", "plain"): "nginx.conf",
    ("nginx", "native"): "nginx.conf",
    ("nginx", "routes"): "nginx-routes.conf",
    ("nginx", "everything"): "nginx-everything.conf",
    ("nginx", "scaling"): "nginx-scaling.conf",
    ("haproxy", "plain"): "haproxy.cfg",
    ("haproxy", "routes"): "haproxy-routes.cfg",
    ("haproxy", "everything"): "haproxy-everything.cfg",
    ("h2o", "plain"): "h2o.yaml",
    ("caddy", "plain"): "Caddyfile",
    ("node", "plain"): "node-proxy.js",
    ("node", "native"): "node-proxy.js",
    ("relay", "plain"): None,
    ("banyan", "plain"): "banyan.toml",
    ("banyan", "native"): "banyan.toml",
    ("banyan", "routes"): "banyan-routes.toml",
    ("banyan", "everything"): "banyan-everything.toml",
    ("banyan", "scaling"): "banyan-scaling.toml",
}


def peer_root():
    """Where bench/run.sh has unpacked what Debian packages the machine did not have."""
    return pathlib.Path(os.environ.get("BENCH_PEER_ROOT", "/"))


def find_folder(*places):
    """The first that is there, here or among the unpacked packages."""
    for root in (peer_root(), pathlib.Path("/")):
        for place in places:
            if (root / place).exists():
                return root / place
    return None


def command_of(name, file, folder, ports, tools):
    if name == "relay":
        return [tools["relay"], str(ports["PORT"]), str(ports["BACKEND"])]
    return {
        "nginx": ["nginx", "-c", file, "-p", str(folder), "-e", str(folder / "start.log")],
        "haproxy": ["haproxy", "-f", file, "-db"],
        "h2o": ["h2o", "-m", "worker", "-c", file],
        "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", file],
        "node": ["node", file],
        "banyan": [tools["banyan"], "-c", file],
    }[name]


def fill(text, values):
    def repeat(match):
        return "".join(match.group(2).replace("@NUMBER@", str(i)) for i in range(values[match.group(1)]))

    text = re.sub(rf"@({'|'.join(SIZES)})@(.*?)@\1@", repeat, text, flags=re.DOTALL)
    return re.sub(r"@([A-Z_]+)@", lambda match: str(values[match.group(1)]), text)


class Backend:
    """The server behind everybody, on the core of the load."""

    def __init__(self, folder, servers=0):
        """`servers`: at so many addresses, 127.0.1.0 and on, beside 127.0.0.1."""
        self.folder = folder
        (folder / "www").mkdir(parents=True)
        for name, size in (("1k", 1 << 10), ("64k", 64 << 10), ("10m", 10 << 20)):
            (folder / "www" / name).write_bytes(b"k" * size)
        self.port = free_port()
        file = folder / "backend.conf"
        values = {"DIR": folder, "PORT": self.port, "SERVERS": servers}
        file.write_text(fill((PEERS / "backend.conf").read_text(), values))
        self.process = start(["nginx", "-c", str(file), "-p", str(folder), "-e", str(folder / "start.log")],
                             LOAD_CORE, self.port, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_until_idle(self):
        wait_until_idle(self.process)

    def stop(self):
        stop_all([self.process])


def stop_all(processes):
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Contender:
    """One that runs, in one setup. `values` are further ones of its configuration, as SIZES."""

    def __init__(self, name, setup, folder, backend, certificates, tools, cores=PROXY_CORE, values=None):
        self.name, self.setup, self.cores = name, setup, cores
        self.values = {**SIZES, **(values or {})}
        folder.mkdir(parents=True)
        self.processes = []
        self.ports = {"PORT": free_port(), "TLS_PORT": free_port(), "BACKEND": backend.port}
        self.output = (folder / "output").open("wb")
        if setup == "native" and name != "banyan":
            self._start_service()
        file = self._write_configuration(folder, certificates, tools)
        command = command_of(name, file, folder, self.ports, tools)
        environment = {"GOMAXPROCS": "1", "HOME": str(folder), **certificates,
                       **{key: str(value) for key, value in self.ports.items()}}
        self._start(command, self.ports["PORT"], environment)

    def _start(self, command, port, environment):
        process = subprocess.Popen(["taskset", "-c", self.cores, *command], stdin=subprocess.DEVNULL, stdout=self.output,
                                   stderr=self.output, env={**os.environ, **environment})
        self.processes.append(process)
        wait_for(port, process)

    def _start_service(self):
        """The legacy service, which is counted with the proxy in front of it."""
        self.ports["BACKEND"] = free_port()
        self._start(["node", str(PEERS / "node-service.js")], self.ports["BACKEND"],
                    {"PORT": str(self.ports["BACKEND"])})

    def _write_configuration(self, folder, certificates, tools):
        template = CONFIGURATIONS[(self.name, self.setup)]
        if template is None:
            return ""
        if self.name == "node":
            return str(PEERS / template)
        (folder / "routes.map").write_text("".join(f"/r/{i}/item back\n" for i in range(self.values["ROUTES"])))
        (folder / "beta.map").write_text("1 native\n")
        values = {**self.values, **self.ports, **certificates, "DIR": folder, "PEERS": PEERS, "REPLY": "k" * 1024,
                  "MAXCONN": resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 19 // 40,
                  "MODULES": find_folder("usr/lib/nginx/modules/ngx_http_lua_module.so", "usr").parent,
                  "LUA_PATH": find_folder("usr/share/lua/5.1/resty/core", "usr").parent.parent}
        file = folder / template
        file.write_text(fill((PEERS / template).read_text(), values))
        return str(file)

    def pids(self):
        return [pid for process in self.processes for pid in children(process.pid)]

    def wait_until_idle(self):
        for process in self.processes:
            wait_until_idle(process)

    def stop(self):
        stop_all(self.processes)
        self.output.close()


def is_there(name, tools):
    return name in tools or shutil.which(name) is not None
