"""What Banyan has to be, beside what was measured: ratios of its figure to the best of some peers, round by round."""
import statistics

from cases import IDLE_CASE

BETTER = ("nginx", "haproxy")
# Case, figure, peers of which the best counts, most.
TARGETS = (
    ("GET 1 KiB", "cpu_us", ("nginx",), 0.82),
    ("GET 1 KiB", "cpu_us", ("relay",), 1.05),
    ("POST 10 KiB", "cpu_us", BETTER, 0.85),
    ("GET 64 KiB", "cpu_us", ("nginx",), 0.50),
    ("GET 64 KiB", "cpu_us", ("haproxy",), 0.80),
    ("GET 10 MiB", "cpu_us", BETTER, 0.80),
    ("new connection", "cpu_us", BETTER, 0.90),
    ("TLS keep-alive", "cpu_us", BETTER, 0.92),
    ("everything on", "cpu_us", ("nginx",), 1.00),
    (IDLE_CASE, "idle_bytes", ("nginx",), 0.50),
    *((case, "p99_ms", ("nginx", "haproxy", "h2o", "caddy", "node"), 1.00)
      for case in ("GET 1 KiB", "GET 64 KiB", "POST 10 KiB", "TLS keep-alive", "everything on")),
)
FIGURES = {"cpu_us": "CPU", "idle_bytes": "memory for an idle connection", "p99_ms": "p99"}


def ratios(case, figure, peers):
    for one in case["rounds"]:
        others = [one[peer][figure] for peer in peers if one.get(peer) and figure in one[peer]]
        if others and figure in (one.get("banyan") or {}):
            yield one["banyan"][figure] / min(others)


def as_markdown(results):
    lines = ["| Banyan's | to | target | measured | |", "|---|---|---:|---:|---|"]
    for name, figure, peers, most in TARGETS:
        found = list(ratios(results["cases"].get(name, {"rounds": []}), figure, peers))
        if not found:
            continue
        middle = statistics.median(found)
        best = peers[0] if len(peers) == 1 else "the better of nginx and HAProxy" if peers == BETTER else "the best peer"
        lines.append(f"| {FIGURES[figure]}, {name} | {best} | ≤ {most:.2f} | {middle:.2f} ({min(found):.2f}-"
                     f"{max(found):.2f}) | {'met' if middle <= most else 'missed'} |")
    return "\n".join(lines)
