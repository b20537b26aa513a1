"""FiBiNET written by hand in plain PyTorch, as fast as we could make it: the peer that `run.py` measures.

The model is FuxiCTR's: two bilinear layers (raw first, then SENET), linear terms without a bias, and a DNN
whose output has a bias. Custom autograd functions write the pairs straight into the DNN's input, with one GEMM
per left field for field_interaction. No pair is gathered.

    python hand.py KIND dense|sparse|floor STEPS      prints one line of JSON: the median step in ms

`dense` is fused Adam over whole tables, and `sparse` is SparseAdam (lazy). `floor` measures the matrix products
of the DNN alone. Ids and labels are the same as in benches/training.
"""
import json
import statistics
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

FIELDS, DIM, HIDDEN, BATCH, FIELD_ROWS = 39, 10, (400, 400, 400), 2048, 25_641
PAIRS = FIELDS * (FIELDS - 1) // 2


def mix(seed, index):
    """SplitMix64, which the Rust side draws from."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def batch(step):
    ids = mix(step, np.arange(BATCH * FIELDS, dtype=np.uint64)) % np.uint64(FIELD_ROWS)
    labels = mix(step, np.arange(BATCH, dtype=np.uint64)) % np.uint64(2)
    ids = torch.from_numpy(ids.astype(np.int64)).view(BATCH, FIELDS)
    return ids, torch.from_numpy(labels.astype(np.float32)).view(BATCH, 1)


def mul(left, right, out):
    """Compute out[:, p(i, j)] = left[:, i] * right[:, j] for i < j."""
    start = 0
    for i in range(FIELDS - 1):
        n = FIELDS - 1 - i
        torch.mul(left[:, i : i + 1], right[:, i + 1 :], out=out[:, start : start + n])
        start += n


def mul_backward(left, right, grad):
    d_left, d_right = torch.zeros_like(left), torch.zeros_like(right)
    start = 0
    for i in range(FIELDS - 1):
        n = FIELDS - 1 - i
        g = grad[:, start : start + n]
        d_left[:, i] = torch.mul(g, right[:, i + 1 :]).sum(1)
        d_right[:, i + 1 :].addcmul_(g, left[:, i : i + 1])
        start += n
    return d_left, d_right


class PairMul(torch.autograd.Function):
    """Write the pairs of both sides, [p; q], into one buffer that is the DNN's input."""

    @staticmethod
    def forward(ctx, p_left, p_right, q_left, q_right):
        out = p_left.new_empty(p_left.shape[0], 2 * PAIRS, DIM)
        mul(p_left, p_right, out[:, :PAIRS])
        mul(q_left, q_right, out[:, PAIRS:])
        ctx.save_for_backward(p_left, p_right, q_left, q_right)
        return out

    @staticmethod
    def backward(ctx, grad):
        p_left, p_right, q_left, q_right = ctx.saved_tensors
        of_p = mul_backward(p_left, p_right, grad[:, :PAIRS])
        return *of_p, *mul_backward(q_left, q_right, grad[:, PAIRS:])


def bilinear(x, weight, out):
    """Compute out[:, p(i, j)] = (x[:, i] @ W[p]) * x[:, j] with one GEMM per left field. W is [K, P * K]."""
    batch_size = x.shape[0]
    hidden = x.new_empty(batch_size, PAIRS, DIM)
    flat = hidden.view(batch_size, PAIRS * DIM)
    start = 0
    for i in range(FIELDS - 1):
        n = FIELDS - 1 - i
        columns = slice(start * DIM, (start + n) * DIM)
        torch.mm(x[:, i], weight[:, columns], out=flat[:, columns])
        torch.mul(hidden[:, start : start + n], x[:, i + 1 :], out=out[:, start : start + n])
        start += n
    return hidden


def bilinear_backward(x, weight, hidden, grad):
    batch_size = x.shape[0]
    d_x, d_weight = torch.zeros_like(x), torch.empty_like(weight)
    start = 0
    for i in range(FIELDS - 1):
        n = FIELDS - 1 - i
        columns = slice(start * DIM, (start + n) * DIM)
        g = grad[:, start : start + n]
        d_x[:, i + 1 :].addcmul_(g, hidden[:, start : start + n])
        d_hidden = torch.mul(g, x[:, i + 1 :]).reshape(batch_size, n * DIM)
        d_x[:, i] += d_hidden @ weight[:, columns].t()
        d_weight[:, columns] = x[:, i].t() @ d_hidden
        start += n
    return d_x, d_weight


class PairBilinear(torch.autograd.Function):
    """Write the field_interaction pairs of both sides into one buffer."""

    @staticmethod
    def forward(ctx, raw, p_weight, senet, q_weight):
        out = raw.new_empty(raw.shape[0], 2 * PAIRS, DIM)
        p_hidden = bilinear(raw, p_weight, out[:, :PAIRS])
        q_hidden = bilinear(senet, q_weight, out[:, PAIRS:])
        ctx.save_for_backward(raw, p_weight, p_hidden, senet, q_weight, q_hidden)
        return out

    @staticmethod
    def backward(ctx, grad):
        raw, p_weight, p_hidden, senet, q_weight, q_hidden = ctx.saved_tensors
        of_p = bilinear_backward(raw, p_weight, p_hidden, grad[:, :PAIRS])
        return *of_p, *bilinear_backward(senet, q_weight, q_hidden, grad[:, PAIRS:])


class Combination(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.p_weight, self.q_weight = self.matrices(), self.matrices()

    def matrices(self):
        count = {"field_all": 1, "field_each": FIELDS, "field_interaction": PAIRS}[self.kind]
        weight = torch.randn(count, DIM, DIM) * (1 / DIM) ** 0.5
        if self.kind == "field_interaction":
            weight = weight.permute(1, 0, 2).reshape(DIM, PAIRS * DIM).contiguous()
        return nn.Parameter(weight)

    def left(self, x, weight):
        if self.kind == "field_all":
            return x @ weight[0]
        return torch.einsum("bfk,fkl->bfl", x, weight)

    def forward(self, raw, senet):
        if self.kind == "field_interaction":
            return PairBilinear.apply(raw, self.p_weight, senet, self.q_weight)
        p_left, q_left = self.left(raw, self.p_weight), self.left(senet, self.q_weight)
        return PairMul.apply(p_left, raw, q_left, senet)


class FiBiNet(nn.Module):
    def __init__(self, kind, sparse):
        super().__init__()
        rows = FIELDS * FIELD_ROWS
        self.register_buffer("offsets", torch.arange(FIELDS) * FIELD_ROWS)
        self.embedding = nn.Embedding(rows, DIM, sparse=sparse)
        self.linear = nn.Embedding(rows, 1, sparse=sparse)
        nn.init.normal_(self.embedding.weight, std=0.05)
        nn.init.zeros_(self.linear.weight)
        self.squeeze = nn.Linear(FIELDS, FIELDS // 3, bias=False)
        self.excite = nn.Linear(FIELDS // 3, FIELDS, bias=False)
        self.combination = Combination(kind)
        widths, layers = [2 * PAIRS * DIM, *HIDDEN], []
        for width, next_width in zip(widths, widths[1:]):
            layers += [nn.Linear(width, next_width), nn.ReLU(inplace=True)]
        self.dnn = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, ids):
        ids = ids + self.offsets
        raw = self.embedding(ids)
        weights = torch.relu(self.excite(torch.relu(self.squeeze(raw.mean(-1)))))
        reweighted = raw * weights.unsqueeze(-1)
        pairs = self.combination(raw, reweighted).flatten(1)
        return self.linear(ids).sum(1) + self.dnn(pairs)


def median_ms(steps, run):
    run(0)
    times = []
    for step in range(1, steps + 1):
        start = time.perf_counter()
        run(step)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def train(kind, sparse, steps):
    torch.manual_seed(2019)
    model = FiBiNet(kind, sparse)
    tables = [model.embedding.weight, model.linear.weight]
    rest = [p for p in model.parameters() if all(p is not t for t in tables)]
    if sparse:
        optimizers = [torch.optim.SparseAdam(tables), torch.optim.Adam(rest, fused=True)]
    else:
        optimizers = [torch.optim.Adam(tables + rest, fused=True)]

    def step(i):
        ids, labels = batch(i)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        functional.binary_cross_entropy_with_logits(model(ids), labels).backward()
        for optimizer in optimizers:
            optimizer.step()

    return median_ms(steps, step)


def floor(steps):
    widths = [2 * PAIRS * DIM, *HIDDEN, 1]
    layers = [
        (torch.rand(BATCH, m), torch.rand(m, n), torch.rand(BATCH, n))
        for m, n in zip(widths, widths[1:])
    ]

    def products(_):
        for x, weight, grad in layers:
            x @ weight, x.t() @ grad, grad @ weight.t()

    with torch.no_grad():
        return median_ms(steps, products)


def main():
    kind, mode, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(len(__import__("os").sched_getaffinity(0)))
    ms = floor(steps) if mode == "floor" else train(kind, mode == "sparse", steps)
    print(json.dumps({"ms": ms}))


if __name__ == "__main__":
    main()
