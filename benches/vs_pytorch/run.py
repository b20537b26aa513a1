#!/usr/bin/env python3
"""Compare training speed and memory with FiBiNET written by hand in PyTorch (hand.py). Programs take turns.

    python3 benches/vs_pytorch/run.py [--rounds 3] [--steps 7] [--venv DIR]

Every round runs each program once in its own process, on the same ids and with the same number of threads: one
per CPU that this process may run on. A figure is the median over the rounds of the median step of a process.
Each program runs with the default allocator, and again with glibc set to keep large buffers ("tuned"). PyTorch
runs with fused Adam over whole tables and with sparse gradients, and the faster of the two counts. The script
needs Rust. It installs PyTorch and NumPy into a virtual environment of its own (several gigabytes).
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
THREADS = len(os.sched_getaffinity(0))
ALLOCATORS = {
    "default": {},
    "tuned": {"MALLOC_MMAP_THRESHOLD_": str(1 << 33), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)},
}


def run(command, allocator):
    """Return the command's standard output and its peak memory in MiB."""
    # hand.py sets the same number of threads for PyTorch itself.
    threads = {"RAYON_NUM_THREADS": str(THREADS)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **threads, **ALLOCATORS[allocator]},
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command} failed with status {status}")
    return output, usage.ru_maxrss / 1024


def binary(bench):
    build = ["cargo", "bench", "--locked", "--bench", bench, "--no-run", "--message-format=json"]
    messages = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in messages.splitlines() if line.startswith("{")]
    return next(a["executable"] for a in artifacts if a.get("target", {}).get("name") == bench and a.get("executable"))


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
    trainer, python = binary("training"), peer_python(arguments.venv)

    times, memory = {}, {}

    def note(name, ms, mib):
        times.setdefault(name, []).append(ms)
        memory.setdefault(name, []).append(mib)

    for _ in range(arguments.rounds):
        for kind in KINDS:
            for allocator in ALLOCATORS:
                output, mib = run([trainer, "--steps", steps, "--kind", kind], allocator)
                for name, speed in re.findall(r"^(matmul floor|field_\w+) +(\d+)", output, re.MULTILINE):
                    note(("ours", allocator, name), BATCH / float(speed) * 1e3, mib)
                for mode in ["dense", "sparse"]:
                    output, mib = run([python, str(HERE / "hand.py"), kind, mode, steps], allocator)
                    note((mode, allocator, kind), json.loads(output)["ms"], mib)
        output, mib = run([python, str(HERE / "hand.py"), "-", "floor", steps], "tuned")
        note(("torch", "tuned", "matmul floor"), json.loads(output)["ms"], mib)

    median = {name: statistics.median(values) for name, values in times.items()}
    peak = {name: statistics.median(values) for name, values in memory.items()}
    floors = {name[:2]: ms for name, ms in median.items() if name[2] == "matmul floor"}
    best = {
        (allocator, kind): min(median[mode, allocator, kind] for mode in ["dense", "sparse"])
        for allocator in ALLOCATORS for kind in KINDS
    }
    least = {kind: min(peak[mode, a, kind] for mode in ["dense", "sparse"] for a in ALLOCATORS) for kind in KINDS}
    ours = {kind: median["ours", "default", kind] for kind in KINDS}
    print(f"{THREADS} threads, medians of {arguments.rounds} rounds of {steps} steps")
    print(f"{'rows/s':<32}" + "".join(f"{kind:>18}" for kind in KINDS))

    def line(name, figure, form):
        print(f"{name:<32}" + "".join(f"{figure(kind):>18{form}}" for kind in KINDS))

    for program, name in [("ours", "fibinet"), ("dense", "PyTorch, dense"), ("sparse", "PyTorch, sparse")]:
        for allocator in ALLOCATORS:
            line(f"{name}, allocator {allocator}", lambda kind: BATCH / median[program, allocator, kind] * 1e3, ".0f")
    for (program, allocator), ms in floors.items():
        line(f"products, {program}, {allocator}", lambda kind: BATCH / ms * 1e3, ".0f")
    for allocator in ALLOCATORS:
        line(f"of PyTorch's, {allocator}", lambda kind: best[allocator, kind] / ours[kind], ".2f")
    line("of the fastest products", lambda kind: min(floors.values()) / ours[kind], ".0%")
    line("peak memory, of PyTorch's", lambda kind: peak["ours", "default", kind] / least[kind], ".2f")
    print("the last four lines: fibinet, allocator default; PyTorch's faster of both, and its least memory of all")


if __name__ == "__main__":
    main()
