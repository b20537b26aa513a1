#!/usr/bin/env python3
"""Compare the kernels' instructions under callgrind with the recorded ones, case by case.

    python3 benches/instructions/run.py [CASE ...] [--record]

The exit status is 1 if a count is more than 10% above its record, if a case has no record, or if a record has
no case. `--record` writes the counts to counts.csv instead, after an intended change or with a new compiler.
Counts, unlike times, are the same on a busy machine. They are those of the AVX2 path, because callgrind's
processor has no AVX-512 even if the machine's has. On a machine without AVX2 nothing is counted. The script
needs valgrind and Rust.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RECORDS = HERE / "counts.csv"
BOUND = 1.10
# Below this ratio the record is so high that a slower kernel would pass.
STALE = 0.90


def has_avx2():
    try:
        return "avx2" in pathlib.Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False


def binary():
    build = ["cargo", "bench", "--locked", "--bench", "instructions", "--no-run", "--message-format=json"]
    messages = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in messages.splitlines() if line.startswith("{")]
    return next(a["executable"] for a in artifacts if a.get("target", {}).get("name") == "instructions" and a.get("executable"))


def count(executable, case):
    """Return the instructions between the start and the end of the bench's function `counted`."""
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory) / "callgrind"
        command = [
            "valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}",
            "--toggle-collect=instructions::counted*", executable, case,
        ]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if run.returncode != 0:
            raise SystemExit(f"{case} failed under valgrind with status {run.returncode}:\n{run.stderr}")
        if run.stdout.strip() != "avx2 true fma true avx512f false":
            raise SystemExit(f"{case}: expected the processor of the records, got {run.stdout.strip()}")
        total = re.search(r"^totals: (\d+)$", out.read_text(), re.MULTILINE)
    if total is None or int(total[1]) == 0:
        raise SystemExit(f"{case}: callgrind found no function `instructions::counted`")
    return int(total[1])


def version(*command):
    return subprocess.run([*command, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def read_records():
    """Return the tools that counted, and the counts by case."""
    if not RECORDS.exists():
        return "", {}
    tools, *lines = RECORDS.read_text().splitlines()
    return tools.removeprefix("# "), {row["case"]: int(row["instructions"]) for row in csv.DictReader(lines)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("cases", nargs="*", metavar="CASE")
    arguments.add_argument("--record", action="store_true")
    arguments = arguments.parse_args()
    if platform.machine() != "x86_64" or not has_avx2():
        print("skipped: this machine has no AVX2, so callgrind's processor has none either")
        return
    executable = binary()
    every = subprocess.run([executable], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    if unknown := set(arguments.cases) - set(every):
        raise SystemExit(f"no such case: {', '.join(sorted(unknown))}")
    cases = arguments.cases or every
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        counts = dict(zip(cases, threads.map(lambda case: count(executable, case), cases)))
    tools = f"{version('rustc')}, {version('valgrind')}"
    recorded_by, records = read_records()

    print(f"{'':<36}{'instructions':>14}{'recorded':>14}{'ratio':>8}")
    failed, stale = [], []
    for case, instructions in counts.items():
        record = records.get(case)
        ratio = instructions / record if record else None
        if ratio is None or ratio > BOUND:
            failed.append(case)
        elif ratio < STALE:
            stale.append(case)
        mark = "" if case not in failed else "  above" if record else "  no record"
        shown = f"{record:>14,}{ratio:>8.3f}" if record else f"{'–':>14}{'–':>8}"
        print(f"{case:<36}{instructions:>14,}{shown}{mark}")
    gone = [] if arguments.cases else sorted(set(records) - set(every))

    if arguments.record:
        kept = {case: counts.get(case, records.get(case)) for case in every}
        with RECORDS.open("w", newline="") as file:
            file.write(f"# {tools}\n")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["case", "instructions"])
            writer.writerows((case, instructions) for case, instructions in kept.items() if instructions)
        return
    if stale:
        print(f"below {STALE:.2f} of the record, please record again (--record): {', '.join(stale)}")
    if gone:
        print(f"recorded, but no longer a case: {', '.join(gone)}")
    if failed:
        print(f"above {BOUND:.2f} of the record, or without a record: {', '.join(failed)}")
    if (failed or gone) and tools != recorded_by:
        print(f"counted by {tools}; recorded by {recorded_by}")
    if failed or gone:
        sys.exit(1)


if __name__ == "__main__":
    main()
