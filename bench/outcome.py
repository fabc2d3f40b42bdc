"""Where results come from, and where they go."""
import json
import pathlib
import sys
import tempfile


def of(arguments, run):
    """What run(arguments, folder) measures, the folder being its own; or what an earlier run did (--again)."""
    if arguments.again:
        return json.loads(arguments.again.read_text())
    with tempfile.TemporaryDirectory(prefix="banyan-bench-", ignore_cleanup_errors=True) as folder:
        pathlib.Path(folder).chmod(0o755)  # for workers that give up root
        return run(arguments, pathlib.Path(folder))


def keep(results, svg, out, name):
    """Writes NAME.json and NAME.svg."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / f"{name}.svg").write_text(svg)
    print(f"bench: {out}/{name}.json and {name}.svg", file=sys.stderr)
