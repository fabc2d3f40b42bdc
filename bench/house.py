"""What a run needs: certificates, the backend and the contenders, and which versions they are."""
import re
import subprocess

import contenders

VERSIONS = {"nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"], "h2o": ["h2o", "-v"], "caddy": ["caddy", "version"],
            "node": ["node", "--version"], "go": ["go", "version"]}


def versions(names):
    found = {}
    for name in names:
        if name in VERSIONS:
            seen = subprocess.run(VERSIONS[name], capture_output=True, text=True, check=True)
            found[name] = f"{name} " + re.search(r"\d+\.\d+(\.\d+)?", seen.stdout + seen.stderr).group(0)
    return found


def make_certificates(folder):
    """The same for all: ECDSA P-256."""
    files = {"CERTIFICATE": folder / "certificate.pem", "KEY": folder / "key.pem", "BOTH": folder / "both.pem"}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files["KEY"], "-out",
                    files["CERTIFICATE"]], check=True, capture_output=True)
    files["BOTH"].write_bytes(files["CERTIFICATE"].read_bytes() + files["KEY"].read_bytes())
    return {name: str(file) for name, file in files.items()}


class House:
    """The backend, and contenders as they are needed."""

    def __init__(self, folder, tools, servers=0):
        self.folder, self.tools = folder, tools
        self.certificates = make_certificates(folder)
        self.backend = contenders.Backend(folder / "backend", servers)
        self.running = {}
        self.count = 0

    def make(self, name, setup, **options):
        self.count += 1
        return contenders.Contender(name, setup, self.folder / f"{name}-{setup}-{self.count}", self.backend,
                                    self.certificates, self.tools, **options)

    def find(self, name, setup):
        if (name, setup) not in self.running:
            self.running[(name, setup)] = self.make(name, setup)
        return self.running[(name, setup)]

    def stop(self):
        for one in self.running.values():
            one.stop()
        self.backend.stop()
