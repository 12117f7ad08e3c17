"""PyTorch as a worker of `cargo xtask quality`: one line of JSON in, one line of JSON out.

xtask/src/peers/quality/job.rs describes both. Everything is ordinary PyTorch: the grid is tensor operations, Adam is the
fused one, the samples stay in tensors and are permuted once an epoch.
"""

import json
import math
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

# The hash function of Müller et al. 2022, eq. 4.
PRIME = 2654435761


def samples(path, colors):
    rows = torch.from_numpy(np.fromfile(path, dtype="<f4").reshape(-1, 2 + colors))
    return rows[:, :2].contiguous(), rows[:, 2:].contiguous()


def numbers(folder, name):
    return torch.from_numpy(np.fromfile(Path(folder) / name, dtype="<f4"))


class Waves(torch.nn.Module):
    def __init__(self, frequencies):
        super().__init__()
        self.frequencies = frequencies.reshape(-1, 2).double()
        self.width = 2 * len(self.frequencies)

    def forward(self, x):
        turns = 2 * math.pi * (x.double() @ self.frequencies.T)
        return torch.stack([turns.sin(), turns.cos()], dim=-1).flatten(1).float()


class Grid(torch.nn.Module):
    """All levels at once, with the sizes and places of tiny-cuda-nn."""

    def __init__(self, levels, log2_size, coarsest, finest):
        super().__init__()
        growth = max((finest / coarsest) ** (1 / (max(levels, 2) - 1)), 1.0)
        scales, strides, firsts, sizes, hashed = [], [], [], [], []
        first, resolution = 0, float(coarsest)
        for _ in range(levels):
            scale = resolution - 1
            # Step by step, as Impasto does, so that rounding gives the same corners.
            resolution *= growth
            corners = math.ceil(scale) + 1
            entries = min((corners**2 + 7) // 8 * 8, 2**log2_size)
            scales.append(scale)
            strides.append(corners)
            firsts.append(first)
            sizes.append(entries)
            hashed.append(corners**2 > entries)
            first += entries
        column = lambda values: torch.tensor(values)[None, :]
        self.scales = torch.tensor(scales, dtype=torch.float32)[None, :]
        self.strides, self.firsts, self.sizes = column(strides), column(firsts), column(sizes)
        self.hashed = column(hashed)
        self.table = torch.nn.Parameter(torch.empty(first, 2).uniform_(-1e-4, 1e-4))
        self.width = 2 * levels

    def entry(self, x, y):
        hashes = (x ^ (y * PRIME)) & (self.sizes - 1)
        return torch.where(self.hashed, hashes, (x + y * self.strides) % self.sizes) + self.firsts

    def forward(self, places):
        x = places[:, :1] * self.scales + 0.5
        y = places[:, 1:] * self.scales + 0.5
        left, top = x.floor(), y.floor()
        u, v = x - left, y - top
        left, top = left.long(), top.long()
        entries = [(left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)]
        entries = torch.stack([self.entry(*corner) for corner in entries], dim=-1)
        weights = torch.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], dim=-1)
        # The fastest of the ways to read a table, with the gradient.
        features = self.table.index_select(0, entries.flatten()).view(*entries.shape, 2)
        return (features * weights[..., None]).sum(2).flatten(1)


def encoding_of(job):
    """The encoding, and whether it has parameters."""
    encoding = dict(job["encoding"])
    kind = encoding.pop("kind")
    if kind == "none":
        return None
    if kind in ("positional", "gaussian"):
        return Waves(numbers(job["shared"], "frequencies"))
    if kind == "grid":
        return Grid(**encoding)
    raise SystemExit(f"PyTorch has no encoding {kind} here")


def mlp(job, width):
    layers = []
    widths = [width, *job["hidden"]]
    for fan_in, fan_out in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    layers.append(torch.nn.Linear(widths[-1], job["colors"]))
    if job["output"] == "sigmoid":
        layers.append(torch.nn.Sigmoid())
    return torch.nn.Sequential(*layers)


def load_start(modules, start):
    """The first parameters: the table of a grid, then layer by layer weights [in, out] and biases."""
    with torch.no_grad():
        for parameter in (p for module in modules for p in module.parameters()):
            values, start = start[: parameter.numel()], start[parameter.numel() :]
            is_weight = parameter.dim() == 2 and not any(
                isinstance(m, Grid) and parameter is m.table for m in modules
            )
            shape = parameter.shape[::-1] if is_weight else parameter.shape
            values = values.reshape(shape)
            parameter.copy_(values.T if is_weight else values)
    assert len(start) == 0, "the first parameters do not fit"


def psnr(outputs, colors, rounded):
    outputs, colors = outputs.clamp(0, 1).double(), colors.double()
    if rounded:
        outputs = (outputs * 255).round() / 255
    return float(-10 * torch.log10(((outputs - colors) ** 2).mean()))


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    job = json.loads(sys.stdin.readline())
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    torch.set_flush_denormal(True)
    inputs, colors = samples(job["train"], job["colors"])
    test_inputs, test_colors = samples(job["test"], job["colors"])
    encoding = encoding_of(job)
    network = mlp(job, encoding.width if encoding else 2)
    modules = [module for module in (encoding, network) if module is not None]
    if job["shared"]:
        load_start(modules, numbers(job["shared"], "start"))
    if isinstance(encoding, Waves):
        # They do not change, so they are computed once.
        inputs, test_inputs = encoding(inputs), encoding(test_inputs)
        encoding = None
    model = torch.nn.Sequential(*(m for m in (encoding, network) if m is not None))
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.Adam(
        parameters, lr=job["learning_rate"], betas=(0.9, job["beta2"]), eps=job["epsilon"], fused=True
    )
    batch = min(job["batch"], len(inputs))
    steps, taken = job["steps"], 0
    seconds = job["seconds"] or math.inf

    def train(steps, seconds):
        nonlocal taken
        done, start = 0, time.perf_counter()
        while True:
            order = torch.randperm(len(inputs)) if batch < len(inputs) else None
            for part in range(0, len(inputs), batch):
                if taken == steps or time.perf_counter() - start >= seconds:
                    return done, time.perf_counter() - start
                rows = slice(None) if order is None else order[part : part + batch]
                if job["cosine"]:
                    share = 0.5 * (1 + math.cos(math.pi * taken / steps))
                    optimizer.param_groups[0]["lr"] = job["learning_rate"] * share
                optimizer.zero_grad(set_to_none=True)
                x, y = inputs[rows], colors[rows]
                torch.nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
                taken += 1
                done += len(x)

    if job["seconds"]:
        # A few steps that do not count.
        train(steps, 0.3)
    done, took = train(steps, seconds)
    with torch.no_grad():
        outputs = torch.cat([model(part) for part in test_inputs.split(1 << 14)])
    answer = {
        "version": f"PyTorch {torch.__version__.split('+')[0]}",
        "parameters": sum(p.numel() for p in parameters),
        "steps": taken,
        "samples": done,
        "seconds": took,
        "psnr": psnr(outputs, test_colors, job["picture"] is not None),
        "ms_ssim": None,
        "rounded": [],
    }
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
