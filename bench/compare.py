"""Banyan beside its peers: see bench/README.md; bench/run.sh installs what is needed and calls this."""
import argparse
import pathlib
import sys

import cases
import contenders
import measuring
import outcome
import picture
import report
import targets
from house import House, versions
from machine import ROOT


def measure(house, loads, case, name, rate, arguments):
    """One contender in one case: CPU in a closed loop and, when there is a rate, latency in an open one."""
    def loaded():
        warm_up = max(case.warm_up, arguments.warm_up)
        return measuring.closed_loop(loads, case, contender, arguments.seconds, warm_up)

    if case.idle:
        contender = house.make(name, case.setup)  # memory that was given back once would not grow again
        try:
            return measuring.idle_growth(loads, case, contender, loaded)
        finally:
            contender.stop()
    contender = house.find(name, case.setup)
    seen = loaded()
    if case.latency:
        # Half of what nginx can do, so the same for all; who cannot do that shows it.
        rate = rate or float(f"{seen['rate'] / 2:.2g}")
        seen.update(measuring.open_loop(loads, case, contender, rate, arguments.seconds, arguments.warm_up))
        seen["open_rate"] = rate
        # What it could not do in time it may go on with, at the expense of who comes next.
        contender.wait_until_idle()
        house.backend.wait_until_idle()
    return seen


def run_round(house, loads, results, chosen, names, arguments):
    for case in chosen:
        entry = results["cases"].setdefault(case.name, {"rate": None, "rounds": []})
        seen = {}
        for name in names:
            if name in case.without or (name, case.setup) not in contenders.CONFIGURATIONS:
                continue
            try:
                seen[name] = measure(house, loads, case, name, entry["rate"], arguments)
                entry["rate"] = entry["rate"] or seen[name].get("open_rate")
            except (measuring.Broken, RuntimeError) as why:
                seen[name] = None
                print(f"bench: {name}, {case.name}: {why}", file=sys.stderr)
        entry["rounds"].append(seen)
        print(f"bench: {case.name} done", file=sys.stderr)


def run(arguments, folder):
    tools = {"banyan": arguments.banyan, "relay": str(arguments.tools / "bench_relay")}
    names = [name for name in contenders.NAMES if contenders.is_there(name, tools)]
    if arguments.who:
        names = [name for name in names if name in ("nginx", *arguments.who)]
    chosen = [case for case in cases.CASES if not arguments.only or arguments.only in case.name]
    if not chosen:
        raise SystemExit("bench: no such case: " + ", ".join(case.name for case in cases.CASES))
    results = {"machine": report.describe_machine(arguments, versions(names)), "cases": {}}
    loads = measuring.Loads(str(arguments.tools / "bench_load"))
    house = House(folder, tools)
    try:
        for _ in range(arguments.rounds):
            run_round(house, loads, results, chosen, names, arguments)
    except KeyboardInterrupt:
        print("bench: interrupted; reporting what there is", file=sys.stderr)
    finally:
        house.stop()
    return results


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round of half a second: to see that all works")
    parser.add_argument("--only", help="cases whose names contain this")
    parser.add_argument("--who", nargs="+", choices=contenders.NAMES, help="these, and nginx")
    parser.add_argument("--banyan", default=str(ROOT / "build/banyan"))
    parser.add_argument("--tools", type=pathlib.Path, default=ROOT / "build", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / ".cache/bench", help="where results.json and results.svg go")
    parser.add_argument("--markdown", action="store_true", help="print the tables for bench/README.md")
    parser.add_argument("--again", type=pathlib.Path, metavar="JSON", help="measure nothing, report these results")
    arguments = parser.parse_args()
    arguments.warm_up = min(1.0, arguments.seconds)
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.warm_up = 1, 0.5, 0.3
    return arguments


def main():
    arguments = read_arguments()
    results = outcome.of(arguments, run)
    outcome.keep(results, picture.as_svg(results), arguments.out, "results")
    if arguments.markdown:
        print(report.as_markdown(results), targets.as_markdown(results), sep="\n\n")
    else:
        print(report.as_text(results))


if __name__ == "__main__":
    sys.exit(main())
