"""The results as a table, as JSON and as a picture.

Results are {"machine": …, "cases": {case: {"rate": open-loop rate, "rounds": [{contender: measurement}]}}}.
"""
import datetime
import os
import pathlib
import platform
import re
import statistics

COLUMNS = (("cpu_us", "CPU us", "{:.1f}"), ("ratio", "to nginx", None), ("rate", "requests/s", "{:,.0f}"),
           ("p50_ms", "p50 ms", "{:.2f}"), ("p99_ms", "p99 ms", "{:.2f}"), ("p999_ms", "p99.9 ms", "{:.2f}"),
           ("pss_mb", "MB", "{:.1f}"), ("idle_bytes", "B/idle", "{:,.0f}"))


def describe_machine(arguments, versions):
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"date": datetime.date.today().isoformat(), "processor": model.group(1) if model else platform.machine(),
            "cores": os.cpu_count(), "kernel": platform.release(), "load_before": os.getloadavg()[0],
            "rounds": arguments.rounds, "seconds": arguments.seconds, "versions": versions}


def ratios(case, name):
    """To nginx, in each round in which both were measured."""
    return [one[name]["cpu_us"] / one["nginx"]["cpu_us"] for one in case["rounds"]
            if one.get(name) and one.get("nginx")]


def spread(case, name):
    found = ratios(case, name)
    return (statistics.median(found), min(found), max(found)) if found else None


def cell(case, name, key, form):
    if key == "ratio":
        found = spread(case, name)
        return "{:.2f} ({:.2f}-{:.2f})".format(*found) if found else ""
    values = [one[name][key] for one in case["rounds"] if one.get(name) and key in one[name]]
    return form.format(statistics.median(values)) if values else ""


def rows(case):
    names = list(dict.fromkeys(name for one in case["rounds"] for name in one))
    for name in names:
        cells = [cell(case, name, key, form) for key, _, form in COLUMNS]
        yield [name, *cells] if any(cells) else [name, "failed", *[""] * (len(COLUMNS) - 1)]


def heading(name, case):
    return f"{name} (latency at {case['rate']:,.0f}/s)" if case.get("rate") else name


def as_text(results):
    lines = []
    for name, case in results["cases"].items():
        lines.append(f"\n{heading(name, case)}\n")
        lines.append(f"{'':10}" + "".join(f"{title:>{22 if key == 'ratio' else 11}}" for key, title, _ in COLUMNS))
        for contender, *cells in rows(case):
            lines.append(f"{contender:10}" + "".join(f"{text:>{22 if key == 'ratio' else 11}}"
                                                     for text, (key, _, _) in zip(cells, COLUMNS)))
    return "\n".join(lines)


def as_markdown(results):
    machine = results["machine"]
    lines = [f"{machine['date']}, {machine['cores']} cores ({machine['processor']}), Linux {machine['kernel']}, load "
             f"{machine['load_before']:.2f} before; medians of {machine['rounds']} rounds of {machine['seconds']:g} s, "
             "ratios as median (min-max). " + ", ".join(machine["versions"].values()) + ".", "",
             "| case | who | " + " | ".join(title for _, title, _ in COLUMNS) + " |",
             "|---|---|" + "---:|" * len(COLUMNS)]
    for name, case in results["cases"].items():
        for contender, *cells in rows(case):
            lines.append(f"| {heading(name, case)} | {contender} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
