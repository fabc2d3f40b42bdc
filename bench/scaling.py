"""What a request costs when there is more of something: see bench/README.md; `bench/run.sh scaling` calls this."""
import argparse
import dataclasses
import json
import os
import pathlib
import sys

import curves
import measuring
import outcome
import report
from cases import IDLE, Case
from house import House, versions
from machine import LOAD_CORE, PROXY_CORE, ROOT

NAMES = ("nginx", "banyan")
SERVERS = (1, 4, 16, 64, 256)
ROUTES = (1, 10, 100, 1_000, 10_000)
# The same choice in both; by the user where it is a hash.
BALANCES = {"round_robin": "", "least_conn": "least_conn;", "p2c": "random two least_conn;",
            "hash": "hash $http_x_user consistent;"}
USERS = ("--header", "X-User: user-@", "--variants", "1000")


@dataclasses.dataclass(frozen=True)
class Point:
    """Of an axis: how the contenders are configured, what is asked for."""
    number: int
    case: Case
    values: dict = dataclasses.field(default_factory=dict)
    balance: str = "round_robin"
    cores: str = PROXY_CORE


def connections(number):
    """64 requests at a time, which go round: it is having the connections that counts."""
    return Point(number, Case("", connections=number, options=("--under-way", "64")))


def routes(kind, path):
    def point(number):
        case = Case("", path, options=("--variants", str(number)), warm_up=number / 5_000)  # each once
        return Point(number, case, {kind: number})
    return point


def rollouts(number):
    """As many users as rollouts: '@' is the same number in both."""
    options = ("--header", "X-User: user-@", "--variants", str(number))
    return Point(number, Case("", "/r/rollout/@/item", options=options), {"ROLLOUTS": number})


def servers(balance):
    return lambda number: Point(number, Case("", options=USERS), {"SERVERS": number}, balance)


def fields(number):
    lines = [word for i in range(number - 1) for word in ("--header", f"X-Field-{i}: value of field {i}")]
    return Point(number, Case("", options=tuple(lines)))


def workers(number):
    """Connections that come one after the other, so that both workers get some."""
    cores = PROXY_CORE if number == 1 else f"{PROXY_CORE},{LOAD_CORE}"
    case = Case("", connections=1_000, options=("--under-way", "64"))
    return Point(number, case, {"WORKERS": number}, cores=cores)


AXES = {
    "client connections": [connections(n) for n in (64, 250, 1_000, 4_000, IDLE)],
    "exact routes": [routes("EXACT", "/r/exact/@/item")(n) for n in ROUTES],
    "prefix routes": [routes("PREFIXES", "/r/prefix/@/item")(n) for n in ROUTES],
    "rollouts": [rollouts(n) for n in (1, 10, 100, 1_000)],
    **{f"servers, {balance}": [servers(balance)(n) for n in SERVERS] for balance in BALANCES},
    "fields of a request": [fields(n) for n in (5, 15, 30, 60, 90)],
    "workers": [workers(n) for n in (1, 2)],
}


def balance_line(name, balance):
    if name == "nginx":
        return BALANCES[balance]
    return f'balance = "{balance}"' + ('\nhash = "header:X-User"' if balance == "hash" else "")


def measure(house, loads, point, name, arguments):
    """In a fresh process: what others have left behind must not count."""
    values = {"WORKERS": 1, **point.values, "BALANCE": balance_line(name, point.balance)}
    contender = house.make(name, "scaling", cores=point.cores, values=values)
    try:
        contender.wait_until_idle()
        warm_up = max(point.case.warm_up, arguments.warm_up)
        return measuring.closed_loop(loads, point.case, contender, arguments.seconds, warm_up)
    finally:
        contender.stop()


def run_axis(house, loads, axis, points, arguments):
    """Results: {number: {contender: measurement, or None}}."""
    results = {}
    for point in points:
        results[point.number] = seen = {}
        for name in NAMES:
            try:
                seen[name] = measure(house, loads, point, name, arguments)
            except (measuring.Broken, RuntimeError) as why:
                seen[name] = None
                print(f"bench: {name}, {point.number} {axis}: {why}", file=sys.stderr)
    print(f"bench: {axis} done", file=sys.stderr)
    return results


def run(arguments, folder):
    axes = {axis: points for axis, points in AXES.items() if not arguments.only or arguments.only in axis}
    if not axes:
        raise SystemExit("bench: no such axis: " + ", ".join(AXES))
    tools = {"banyan": arguments.banyan}
    results = {"machine": report.describe_machine(arguments, versions(NAMES)), "axes": {axis: [] for axis in axes}}
    loads = measuring.Loads(str(arguments.tools / "bench_load"))
    house = House(folder, tools, servers=max(SERVERS))
    try:
        for _ in range(arguments.rounds):
            for axis, points in axes.items():
                results["axes"][axis].append(run_axis(house, loads, axis, points, arguments))
    finally:
        house.stop()
    results["machine"]["load_after"] = os.getloadavg()[0]
    return json.loads(json.dumps(results))  # as it is read again: keys are text


def read_arguments():
    parser = argparse.ArgumentParser(prog="bench/run.sh scaling", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=float, default=0.5)
    parser.add_argument("--only", help="axes whose names contain this")
    parser.add_argument("--banyan", default=str(ROOT / "build/banyan"))
    parser.add_argument("--tools", type=pathlib.Path, default=ROOT / "build", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / ".cache/bench",
                        help="where scaling.json and scaling.svg go")
    parser.add_argument("--again", type=pathlib.Path, metavar="JSON", help="measure nothing, report these results")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    results = outcome.of(arguments, run)
    outcome.keep(results, curves.as_svg(results), arguments.out, "scaling")
    print(curves.as_markdown(results))


if __name__ == "__main__":
    sys.exit(main())
