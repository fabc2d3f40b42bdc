#!/usr/bin/env python3
"""Instructions of the small pieces of requests and events, counted by callgrind and compared with bench/micro/expected.json.

usage: bench/micro/count.py [--refresh] [--build DIR]

Counted is what Banyan's own code executes, inlined parts of libraries included, of a thousand runs. What shared
libraries do is left out: libc chooses its memcpy by the processor, and callgrind cannot know how the kernel answers.
So the figures are the same on every machine with the same compiler and flags. Fails when one differs by more than 3%;
--refresh writes what was counted. Another compiler than the one that expected.json was made with is not judged.

Needs valgrind, and build/banyan_count (cmake --build --preset release --target banyan_count).
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

FILE = pathlib.Path(__file__).with_name("expected.json")
ROOT = FILE.parent.parent.parent
TOLERANCE = 0.03
RUNS = 1000


def own_instructions(dump, program):
    """The sum of self costs of functions in `program`, from a file in callgrind's format."""
    names, own, total, call = {}, False, 0, False
    for line in dump.read_text().splitlines():
        if match := re.match(r"ob=\((\d+)\)(?: (.*))?", line):
            number, name = match.groups()
            if name:
                names[number] = name
            own = names[number] == program
        elif match := re.match(r"cob=\((\d+)\) (.*)", line):
            names[match.group(1)] = match.group(2)
        elif line.startswith("calls="):
            call = True  # the next line is the cost of what was called
        elif re.match(r"[+\-*\d]", line):
            if own and not call:
                total += int(line.split()[1])
            call = False
    return total


def count(build):
    program = str((build / "banyan_count").resolve())
    counted = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={folder}/out", program],
                       check=True)
        for dump in pathlib.Path(folder).glob("out.*"):
            name = re.search(r"^desc: Trigger: Client Request: (.*)$", dump.read_text(), re.MULTILINE)
            if name:
                counted[name.group(1)] = round(own_instructions(dump, program) / RUNS, 1)
    return counted


def compiler(build):
    cache = (build / "CMakeCache.txt").read_text()
    program = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, re.MULTILINE).group(1)
    version = subprocess.run([program, "-dumpfullversion", "-dumpversion"], capture_output=True, text=True, check=True)
    machine = subprocess.run([program, "-dumpmachine"], capture_output=True, text=True, check=True)
    return f"{pathlib.Path(program).name} {version.stdout.strip()} {machine.stdout.strip()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refresh", action="store_true", help="write expected.json")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    arguments = parser.parse_args()
    counted = count(arguments.build)
    if arguments.refresh:
        FILE.write_text(json.dumps({"compiler": compiler(arguments.build), "instructions": counted}, indent=1) + "\n")
        return 0
    expected = json.loads(FILE.read_text())
    if compiler(arguments.build) != expected["compiler"]:
        print(f"instructions: not judged, the figures are of {expected['compiler']}")
        return 0
    wrong = 0
    for name in sorted(set(counted) | set(expected["instructions"])):
        now, then = counted.get(name), expected["instructions"].get(name)
        good = now is not None and then is not None and abs(now - then) <= TOLERANCE * then
        wrong += not good
        change = f"{now / then - 1:+.1%}" if now and then else "not in both"
        print(f"{'' if good else 'CHANGED '}{name}: {now} instructions, expected {then} ({change})")
    if wrong:
        print("instructions: dearer means a mistake or a price; if it is meant: bench/micro/count.py --refresh")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
