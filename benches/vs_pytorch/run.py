#!/usr/bin/env python3
"""Training speed and memory against FiBiNET by hand in PyTorch (hand.py), turn by turn.

    python3 benches/vs_pytorch/run.py [--rounds 3] [--steps 7] [--venv DIR]

Every round runs each program once as a process of its own, on the same ids and as many threads; a figure is the median over the rounds of a process's median step. PyTorch runs
as Python has it, and again with glibc told to keep its large buffers ("tuned"), each with fused Adam
over whole tables and with sparse gradients; the faster of the two counts. It needs PyTorch, which it
installs into a virtual environment of its own (several gigabytes), and Rust.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KINDS = ["field_all", "field_each", "field_interaction"]
BATCH = 2048
TUNED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 33), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}


def run(command, environment=None):
    """The command's standard output and its peak memory in MiB."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **(environment or {})},
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command} failed with status {status}")
    return output, usage.ru_maxrss / 1024


def ours_binary():
    build = ["cargo", "bench", "--locked", "--bench", "training", "--no-run", "--message-format=json"]
    messages = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in messages.splitlines() if line.startswith("{")]
    return next(a["executable"] for a in artifacts if a.get("target", {}).get("name") == "training" and a.get("executable"))


def peer_python(directory):
    python, installed = directory / "bin" / "python", directory / "installed"
    if not installed.exists():
        venv.create(directory, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch", "numpy"], check=True)
        installed.touch()
    return str(python)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=7)
    arguments.add_argument("--venv", type=pathlib.Path, default=ROOT / "target" / "vs_pytorch")
    arguments = arguments.parse_args()
    steps = str(arguments.steps)
    binary, python = ours_binary(), peer_python(arguments.venv)

    times, memory = {}, {}

    def note(name, ms, mib):
        times.setdefault(name, []).append(ms)
        memory.setdefault(name, []).append(mib)

    for _ in range(arguments.rounds):
        for kind in KINDS:
            output, mib = run([binary, "--steps", steps, "--kind", kind])
            for line in output.splitlines():
                found = re.match(r"(matmul floor|field_\w+) +(\d+)", line)
                if found:
                    name = "floor" if found[1] == "matmul floor" else kind
                    note(("ours", name), BATCH / float(found[2]) * 1e3, mib)
            for mode in ["dense", "sparse"]:
                for label, environment in [("default", None), ("tuned", TUNED)]:
                    peer = [python, str(HERE / "hand.py"), kind, mode, steps]
                    output, mib = run(peer, environment)
                    note((label, mode, kind), json.loads(output)["ms"], mib)
        peer = [python, str(HERE / "hand.py"), "-", "floor", steps]
        note(("torch", "floor"), json.loads(run(peer, TUNED)[0])["ms"], 0)

    median = {name: statistics.median(values) for name, values in times.items()}
    peak = {name: statistics.median(values) for name, values in memory.items()}
    speed = lambda name: BATCH / median[name] * 1e3
    floor = min(median["ours", "floor"], median["torch", "floor"])
    print(f"{os.cpu_count()} CPUs, medians of {arguments.rounds} rounds of {steps} steps; rows/s")
    print(f"matmul floor: ours {speed(('ours', 'floor')):.0f}, torch {speed(('torch', 'floor')):.0f}")
    header = ["kind", "ours", "of floor", "dense", "sparse", "ratio", "tuned d.", "tuned s.", "ratio", "memory"]
    print(("{:<18}" + "{:>9}" * (len(header) - 1)).format(*header))
    for kind in KINDS:
        ours = ("ours", kind)
        best = {
            label: min(median[label, mode, kind] for mode in ["dense", "sparse"])
            for label in ["default", "tuned"]
        }
        mib = min(peak[label, mode, kind] for label in ["default", "tuned"] for mode in ["dense", "sparse"])
        print(
            f"{kind:<18}{speed(ours):>9.0f}{floor / median[ours]:>9.0%}"
            f"{speed(('default', 'dense', kind)):>9.0f}{speed(('default', 'sparse', kind)):>9.0f}"
            f"{best['default'] / median[ours]:>9.2f}"
            f"{speed(('tuned', 'dense', kind)):>9.0f}{speed(('tuned', 'sparse', kind)):>9.0f}"
            f"{best['tuned'] / median[ours]:>9.2f}{peak[ours] / mib:>9.2f}"
        )
    print("ratio: the faster of PyTorch's two over ours; memory: ours over the least of PyTorch's")


if __name__ == "__main__":
    main()
