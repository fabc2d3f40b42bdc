#!/usr/bin/env python3
"""Checks that includes and libraries point downward only, as proxy/README.md draws the house.

A file includes its own folder and folders of lower rank; a CMake library links lower ones; third-party headers stay
where they belong. Prints every violation as file:line: what is wrong; exit 1 if there is one.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RANKS = {
    "base": 0,
    "event": 1, "shm": 1, "config": 1,
    "net": 2,
    "http": 3,
    "handler": 4, "rollout": 4, "lua": 4,
    "route": 5, "upstream": 5, "handlers": 5,
    "exchange": 6, "control": 6,
    "admin": 7,
    "process": 8,
}
# Narrower than the ranks: what a folder must not know although it lies lower.
FORBIDDEN = {
    "http": {"shm", "config"},
    "exchange": {"upstream"},
    "rollout": {"event", "net"},
    "handlers": {"upstream", "route", "rollout", "lua"},
}
# header prefix -> where it may be included
CONFINED = {
    "toml.hpp": ["proxy/config/loader.cc", "proxy/config/"],
    "lua.hpp": ["proxy/lua/"],
    "curl/": ["proxy/net/fetch"],
    "openssl/": ["proxy/net/", "proxy/http/ws_handshake.cc", "handlers/sigv4", "handlers/batch_fetch", "handlers/event_dispatch/jws", "proxy/config/", "proxy/admin/", "proxy/process/"],
    "cjose/": ["handlers/event_dispatch/jws"],
    "event2/": ["proxy/event/"],
    "hiredis/": ["handlers/event_dispatch/redis_link.cc"],
    "re2/": ["proxy/route/", "proxy/config/"],
    "date/": ["proxy/rollout/time_zone.cc"],
    "zlib.h": ["proxy/http/ws_deflate.cc", "handlers/batch_fetch/gzip"],
    "xxhash.h": ["proxy/base/stable_hash"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def sources():
    for top in ("proxy", "handlers"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".cc", ".h", ".c"):
                yield path


def folder_of(path):
    parts = path.relative_to(ROOT).parts
    return "handlers" if parts[0] == "handlers" else parts[1]


def check_includes(problems):
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        own = folder_of(path)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, header = match.groups()
            where = f"{name}:{number}"
            if quote == '"':
                target = header.split("/")[0]
                if target == own or target not in RANKS:
                    continue
                if RANKS[target] >= RANKS[own]:
                    problems.append(f"{where}: {own} (rank {RANKS[own]}) includes {header} (rank {RANKS[target]})")
                elif target in FORBIDDEN.get(own, ()):
                    problems.append(f"{where}: {own} must not know {target}")
            else:
                for prefix, places in CONFINED.items():
                    if header.startswith(prefix) and not any(name.startswith(place) for place in places):
                        problems.append(f"{where}: <{header}> belongs to {', '.join(places)} only")


def check_libraries(problems):
    for path in sorted((ROOT / "proxy").glob("*/CMakeLists.txt")):
        match = re.search(r"banyan_library\((\w+)(.*?)\)", path.read_text(), re.S)
        if not match:
            problems.append(f"{path.relative_to(ROOT)}: no banyan_library()")
            continue
        own, body = match.groups()
        depends = re.search(r"DEPENDS([a-z0-9_\s]*)", body)
        for target in (depends.group(1).split() if depends else []):
            if RANKS.get(target, 99) >= RANKS[own]:
                problems.append(f"{path.relative_to(ROOT)}: {own} links {target}, which is not below it")


def main():
    problems = []
    check_includes(problems)
    check_libraries(problems)
    print("\n".join(problems) or "layers: all arrows point downward")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
