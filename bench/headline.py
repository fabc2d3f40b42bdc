#!/usr/bin/env python3
"""The event service and the batch service in Node, Go and Banyan, in one run on this machine: the figures that are
given when such a service has moved.

usage: bench/headline.py [--clients N ...] [--rate N] [--held N] [--batches N ...] [--rounds N] [--seconds N]
                         [--banyan FILE]

events   --clients WebSockets on one channel, --rate events a second for all of them; a process with one worker on the
         first core (events.py)
held     --held WebSockets on six workers of Banyan: more than one process may have descriptors (crowd.py)
batch    --batches requests of 100 keys a second: what Go can do, what Banyan can, and what the store cannot (batch.py)

Needs what these three need. Prints tables for bench/README.md and writes .cache/bench/headline.json.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile

import batch
import crowd
import events
import report
from house import versions
from machine import ROOT

EVENT_COLUMNS = (("share", "delivered", "{:.1f}%"), ("p50_ms", "p50 ms", "{:,.1f}"), ("p99_ms", "p99 ms", "{:,.1f}"),
                 ("empty_mb", "empty MB", "{:.1f}"), ("idle_mb", "idle MB", "{:.1f}"),
                 ("loaded_mb", "loaded MB", "{:.1f}"),
                 ("cpu_per_million", "CPU s per million deliveries", "{:.2f}"))
BATCH_COLUMNS = (("load on time", "on time", "{:.1f}%"), ("load p50", "p50 ms", "{:,.0f}"),
                 ("load p99", "p99 ms", "{:,.0f}"), ("delivered", "keys delivered", "{:.1f}%"),
                 ("cpu", "CPU ms per 1,000 keys", "{:,.1f}"), ("MB", "peak MB", "{:.0f}"))


def measure_events(options, folder):
    """{clients: rounds of {hub: measurement, or None}}"""
    load, hubs = events.build_load(folder), events.hubs(folder, options.banyan)
    results = {}
    for clients in options.clients:
        rounds = results[clients] = []
        for _ in range(options.rounds):
            rounds.append({})
            for name, start in hubs.items():
                try:
                    rounds[-1][name] = events.measure(start, load, clients, options.rate, options.seconds)
                except RuntimeError as why:
                    rounds[-1][name] = None
                    print(f"bench: {name}, {clients} clients: {why}", file=sys.stderr)
        print(f"bench: {clients} clients done", file=sys.stderr)
    return results


def measure_held(options, folder):
    wanted = argparse.Namespace(banyan=options.banyan, clients=options.held, workers=6)
    grown, cpu, seconds = crowd.hold(wanted, events.build_load(folder), each=False)
    return {"connections": options.held, "workers": wanted.workers, "mb": grown / 2**20, "cpu_seconds": cpu,
            "seconds": seconds}


def measure_batch(options, folder):
    """{requests a second: rounds of {service: measurement}}"""
    tool, results = batch.build_tool(folder), {}
    for rate in options.batches:
        wanted = argparse.Namespace(**{**vars(options), "rate": rate}, only=None)
        results[rate] = batch.run_scenario("calm", wanted, tool)
        print(f"bench: {rate} batches a second done", file=sys.stderr)
    return results


def cell(seen, key, form):
    if not seen:
        return "failed"
    if key == "cpu" and any(one["delivered"] < 0.05 for one in seen):
        return "no keys"
    return form.format(statistics.median(one[key] for one in seen))


def rows(rounds, first, columns):
    for name in rounds[0]:
        seen = [one[name] for one in rounds if one[name]]
        cells = [cell(seen, key, form) for key, _, form in columns]
        yield f"| {first} | {name} | " + " | ".join(cells) + " |"


def table(what, columns, results):
    head = f"| {what} | who | " + " | ".join(title for _, title, _ in columns) + " |"
    lines = [head, "|---|---|" + "---:|" * len(columns)]
    for key, rounds in results.items():
        lines += rows(rounds, f"{int(key):,}", columns)
    return lines


def as_markdown(results):
    machine, held = results["machine"], results["held"]
    return "\n".join([
        f"{machine['date']}, {machine['cores']} cores ({machine['processor']}), Linux {machine['kernel']}, load "
        f"{machine['load_before']:.2f} before; medians of {machine['rounds']} rounds of {machine['seconds']:g} s. "
        + ", ".join(machine["versions"].values()) + ".", "",
        *table(f"WebSockets held, {results['rate']:g} events/s to all", EVENT_COLUMNS, results["events"]), "",
        f"{held['connections']:,} WebSockets held by Banyan with {held['workers']} workers: {held['mb']:.1f} MB above "
        f"idle, connected in {held['seconds']:.1f} s with {held['cpu_seconds']:.1f} s of CPU.", "",
        *table("batches of 100 keys a second", BATCH_COLUMNS, results["batch"])])


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[8_000, 17_000], help="of the event service")
    parser.add_argument("--rate", type=float, default=2, help="events a second")
    parser.add_argument("--held", type=int, default=100_000)
    parser.add_argument("--batches", type=int, nargs="+", default=[30, 120, 600], help="requests a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--banyan", default=str(ROOT / "build/banyan"))
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / ".cache/bench", help="where headline.json goes")
    parser.add_argument("--again", type=pathlib.Path, metavar="JSON", help="measure nothing, report these results")
    return parser.parse_args()


def run(options):
    results = {"machine": report.describe_machine(options, versions(["nginx", "go", "node"])), "rate": options.rate}
    with tempfile.TemporaryDirectory(prefix="banyan-bench-") as folder:
        folder = pathlib.Path(folder)
        results["events"] = measure_events(options, folder)
        results["held"] = measure_held(options, folder)
        results["batch"] = measure_batch(options, folder)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "headline.json").write_text(json.dumps(results, indent=1) + "\n")
    return json.loads(json.dumps(results))  # as it is read again: keys are text


def main():
    options = read_options()
    results = json.loads(options.again.read_text()) if options.again else run(options)
    print(as_markdown(results))


if __name__ == "__main__":
    sys.exit(main())
