#!/usr/bin/env python3
"""Compare each layer used alone, forward and backward, with plain PyTorch. Programs take turns.

    python3 benches/vs_pytorch/layers.py [--rounds 3] [--steps 7] [--venv DIR]

Every round runs `benches/layers.rs` with the default allocator and with glibc set to keep large buffers ("tuned"),
and PyTorch with the latter, each in its own process and with one thread per CPU that this process may run on:
2,048 rows, F = 39, K = 10, a table of a million rows. "composed" is the bench's own composition of Burn's tensor
operations. A figure is the median over the rounds of the median step of a process, whose steps follow one another.
The backward pass starts from a gradient that is there already. Where PyTorch has several usual ways to write a
layer, all of them run and the fastest counts. The script needs Rust. It installs PyTorch and NumPy into a virtual
environment of its own (several gigabytes).
"""
import argparse
import json
import pathlib
import re
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
B, F, K, FIELD_ROWS = 2048, 39, 10, 25_641
# Seconds before a layer's steps are timed, as in the bench.
WARM_UP = 0.05
LAYERS = {
    "Hadamard, one side": "PairProduct, Hadamard",
    "inner, one side": "PairProduct, inner",
    "field_all, one side": "BilinearInteraction, field_all",
    "field_each, one side": "BilinearInteraction, field_each",
    "field_interaction, one side": "BilinearInteraction, field_interaction",
    "FeatureEmbedding": "FeatureEmbedding",
    "LinearLogit": "LinearLogit",
}


def peer(steps, threads):
    """Print the milliseconds of each layer in PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(7)
    pairs = torch.triu_indices(F, F, offset=1)
    left, right = pairs[0].contiguous(), pairs[1].contiguous()
    x = (torch.rand(B, F, K) / 5 - 0.1).requires_grad_()
    weights = {n: (torch.rand(n, K, K) / 5 - 0.1).requires_grad_() for n in [1, F, len(left)]}
    offsets = torch.arange(F) * FIELD_ROWS
    ids = torch.randint(FIELD_ROWS, (B, F)) + offsets
    tables = {dim: nn.Embedding(F * FIELD_ROWS, dim) for dim in [K, 1]}

    def of_left(crossed):
        return crossed.index_select(1, left) * x.index_select(1, right)

    def by_pair():
        by_pair = x.transpose(0, 1).index_select(0, left)
        return torch.bmm(by_pair, weights[len(left)]).transpose(0, 1) * x.index_select(1, right)

    forms = {
        "Hadamard, one side": [lambda: of_left(x), lambda: x[:, left] * x[:, right]],
        "inner, one side": [
            lambda: of_left(x).sum(-1),
            lambda: torch.bmm(x, x.transpose(1, 2))[:, left, right],
            lambda: torch.bmm(x, x.transpose(1, 2)).flatten(1).index_select(1, left * F + right),
        ],
        "field_all, one side": [lambda: of_left(x @ weights[1][0])],
        "field_each, one side": [
            lambda: of_left(torch.einsum("bfk,fkl->bfl", x, weights[F])),
            lambda: of_left(torch.bmm(x.transpose(0, 1), weights[F]).transpose(0, 1)),
        ],
        "field_interaction, one side": [
            by_pair,
            lambda: torch.einsum("bpk,pkl->bpl", x.index_select(1, left), weights[len(left)]) * x.index_select(1, right),
        ],
        "FeatureEmbedding": [lambda: tables[K](ids)],
        "LinearLogit": [lambda: tables[1](ids).sum(1)],
    }
    leaves = [x, *weights.values(), *(table.weight for table in tables.values())]

    def milliseconds(forward):
        gradient = torch.rand_like(forward())

        def step():
            start = time.perf_counter()
            forward().backward(gradient)
            ms = (time.perf_counter() - start) * 1e3
            for leaf in leaves:
                leaf.grad = None
            return ms

        start = time.perf_counter()
        while time.perf_counter() - start < WARM_UP:
            step()
        return statistics.median(step() for _ in range(steps))

    print(json.dumps({name: min(map(milliseconds, ways)) for name, ways in forms.items()}))


def main():
    # Beside `run.py`, whose helpers these are.
    import run as programs

    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=7)
    arguments.add_argument("--venv", type=pathlib.Path, default=programs.ROOT / "target" / "vs_pytorch")
    arguments = arguments.parse_args()
    binary, python = programs.binary("layers"), programs.peer_python(arguments.venv)

    times, shares = {}, {}
    for _ in range(arguments.rounds):
        for allocator in programs.ALLOCATORS:
            output, _ = programs.run([binary, "alone", str(arguments.steps)], allocator)
            lines = re.findall(r"^(\S.*?) +and backward +([\d.]+) +([\d.]+) +\S+ +(\d+)%", output, re.MULTILINE)
            for name, ms, composed, share in lines:
                times.setdefault((allocator, name), []).append(float(ms))
                times.setdefault(("composed", name), []).append(float(ms) * float(composed))
                shares.setdefault((allocator, name), []).append(int(share))
        command = [python, __file__, "--peer", str(arguments.steps), str(programs.THREADS)]
        output, _ = programs.run(command, "tuned")
        for name, ms in json.loads(output).items():
            times.setdefault(("PyTorch", name), []).append(ms)

    print(f"{programs.THREADS} threads, medians of {arguments.rounds} rounds of {arguments.steps} steps, in ms")
    programs_shown = ["composed", "PyTorch", "default", "tuned"]
    print(f"{'forward and backward':<40}{'composed':>9}{'PyTorch':>9}{'fibinet':>9}{'tuned':>9}{'ratio':>7}{'tuned':>7}{'of least':>10}{'tuned':>7}")
    for name, layer in LAYERS.items():
        medians = [statistics.median(times[program, name]) for program in programs_shown]
        _, torch, ours, tuned = medians
        least, least_tuned = (statistics.median(shares[allocator, name]) for allocator in ["default", "tuned"])
        shown = "".join(f"{ms:>9.1f}" for ms in medians)
        print(f"{layer:<40}{shown}{torch / ours:>7.1f}{torch / tuned:>7.1f}{least:>9.0f}%{least_tuned:>6.0f}%")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(*map(int, sys.argv[2:]))
    else:
        main()
