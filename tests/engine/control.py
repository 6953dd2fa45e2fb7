"""The workloads of `cutaway bench` beside PyTorch, from the same weights: how far gradients and trained parameters are off.

    python -m tests.engine.control [W2 W3 ...] [--seeds 9] [--steps 20] [--threads 2]

takes each workload at its full batch, without dropout, and prints errors against PyTorch in float64: of Cutaway, of PyTorch
in float32, and of PyTorch with the batch in another order. That last column is what chance does: a ReLU whose argument is
within rounding of 0, or a gradient as small as Adam's eps, turns a rounding into a whole step, in whichever framework it
falls to. So single seeds tell little, and medians are compared. It takes minutes; the tests assert a short form of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import cutaway
from cutaway.bench.worker import load_file
from cutaway.bench.workloads import WORKLOADS
from cutaway.engine.threads import set_num_threads

Arrays = dict[str, np.ndarray]


class Start(NamedTuple):
    """Where runs begin: the weights by name, a batch x[N, ...] and its classes y[N]."""

    name: str
    weights: Arrays
    x: np.ndarray
    y: np.ndarray


class Built(NamedTuple):
    """A workload on one framework: `step(*data)` is one training step of `model` and gives its loss."""

    model: Any
    step: Callable[..., Any]
    data: tuple[Any, Any]

    def parameters(self) -> Arrays:
        """Copies, by name."""
        return {k: np.array(p.detach().numpy()) for k, p in self.model.named_parameters()}

    def step_with_gradients(self, *data: Any) -> tuple[Any, list[Any]]:
        """The same step, and what it left in `.grad`."""
        loss = self.step(*data)
        return loss, [p.grad for p in self.model.parameters()]


def begin(name: str, seed: int = 0, batch: int | None = None) -> Start:
    """PyTorch's own initial weights and the workload's data; `batch` takes the first examples only."""
    import torch

    torch.manual_seed(seed)
    model, _, (x, y) = load_file(WORKLOADS[name].path).build(torch)
    weights = {k: p.detach().numpy().copy() for k, p in model.named_parameters()}
    return Start(name, weights, x.numpy()[:batch], y.numpy()[:batch])


def ours(start: Start, dropout: bool = False) -> Built:
    """The workload on Cutaway; the step is eager, for `cutaway.compile` to compile."""
    model, step, _ = load_file(WORKLOADS[start.name].path).build(cutaway)
    model.load_state_dict({k: cutaway.from_numpy(w.copy()) for k, w in start.weights.items()})
    model.train(dropout)
    return Built(model, step, (cutaway.from_numpy(start.x), cutaway.from_numpy(start.y)))


def theirs(start: Start, double: bool = False) -> Built:
    """The workload on PyTorch, without dropout; `double`: in float64."""
    import torch

    model, step, _ = load_file(WORKLOADS[start.name].path).build(torch)
    model.load_state_dict({k: torch.tensor(w) for k, w in start.weights.items()})
    model.eval()
    x = torch.tensor(start.x)
    if double:
        model.double()
        x = x.double()
    return Built(model, step, (x, torch.tensor(start.y)))


def gradients(b: Built, wrap: Callable[[Any], Any] = lambda f: f) -> Arrays:
    """Of one training step, by the parameter's name; `wrap` is `cutaway.compile` or nothing."""
    _, found = wrap(b.step_with_gradients)(*b.data)
    return {k: np.array(g.detach().numpy()) for (k, _), g in zip(b.model.named_parameters(), found, strict=True)}


def trained(steps: int, b: Built, wrap: Callable[[Any], Any] = lambda f: f) -> Arrays:
    """The parameters after so many steps."""
    step = wrap(b.step)
    for _ in range(steps):
        step(*b.data)
    return b.parameters()


def largest(a: Arrays, b: Arrays) -> float:
    """The largest difference."""
    return max(float(np.abs(a[k].astype(np.float64) - b[k]).max()) for k in b)


def relative(a: Arrays, b: Arrays) -> float:
    """The largest difference in a tensor relative to the largest magnitude in it, of all tensors."""
    return max(float(np.abs(a[k].astype(np.float64) - b[k]).max() / np.abs(b[k]).max()) for k in b)


def rms(a: Arrays, b: Arrays) -> float:
    """The root mean square of the difference over all elements."""
    square = sum(float(np.square(a[k].astype(np.float64) - b[k]).sum()) for k in b)
    return (square / sum(w.size for w in b.values())) ** 0.5


def middle(a: Arrays, b: Arrays, start: Arrays) -> float:
    """The median difference of the elements that moved: a few elements that went another way do not show in it."""
    return float(np.median(np.concatenate([np.abs(a[k].astype(np.float64) - b[k])[b[k] != start[k]] for k in b])))


SIDES = ("compiled", "eager", "peer", "shuffled")


def control(
    name: str, seed: int = 0, steps: int = 20, batch: int | None = None, sides: Sequence[str] = SIDES
) -> dict[str, float]:
    """Figures of one seed, of ours compiled and eager and of PyTorch in float32 ("peer"):

    first ...     error of the first step's gradients against float64, by `relative`
    gradient ...  the same by `rms`, of all gradients divided by their own tensors' root mean square
    rms ...       error of the parameters after the steps against float64, by `rms`
    middle ...    the same by `middle`
    moved ...     the largest way that a parameter went
    first apart ..., apart ...  distance of ours from PyTorch in float32: gradients (`relative`), parameters (`largest`)

    "shuffled" is PyTorch with the batch in another order, the same sums to any but a computer.
    """
    start = begin(name, seed, batch)
    order = np.random.default_rng(seed).permutation(len(start.x))
    again = start._replace(x=start.x[order], y=start.y[order])
    runs: dict[str, Callable[[Callable[..., Arrays]], Arrays]] = {
        "compiled": lambda f: f(ours(start), cutaway.compile),
        "eager": lambda f: f(ours(start)),
        "peer": lambda f: f(theirs(start)),
        "shuffled": lambda f: f(theirs(again)),
    }
    runs = {k: runs[k] for k in sides}
    exact = gradients(theirs(start, double=True))
    first = {k: run(gradients) for k, run in runs.items()}
    true = trained(steps, theirs(start, double=True))
    after = {k: run(partial(trained, steps)) for k, run in runs.items()}
    out = {}
    for k in runs:
        out[f"first {k}"] = relative(first[k], exact)
        out[f"gradient {k}"] = rms(normalised(first[k], exact), normalised(exact, exact))
        out[f"rms {k}"] = rms(after[k], true)
        out[f"middle {k}"] = middle(after[k], true, start.weights)
        out[f"first apart {k}"] = relative(first[k], first["peer"])
        out[f"moved {k}"] = largest(after[k], start.weights)
        out[f"apart {k}"] = largest(after[k], after["peer"])
    return out


def normalised(a: Arrays, by: Arrays) -> Arrays:
    """Each tensor divided by the root mean square of that of the same name."""
    return {k: a[k].astype(np.float64) / np.sqrt(np.square(by[k]).mean()) for k in by}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workloads", nargs="*", default=["W1", "W2", "W3", "W4", "W8"])
    parser.add_argument("--seeds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args(arguments)
    set_num_threads(a.threads)
    for name in a.workloads:
        found = []
        print(f"{name:18}" + "".join(f"{k:>10}" for k in SIDES), flush=True)
        for seed in range(a.seeds):
            f = control(name, seed, a.steps)
            found.append(f)
            print(f"  seed {seed}, rms error{'':1}" + "".join(f"{f[f'rms {k}']:10.1e}" for k in SIDES), flush=True)
        for what in ("rms", "middle", "gradient", "first", "first apart", "apart"):
            middle = "".join(f"{np.median([f[f'{what} {k}'] for f in found]):10.1e}" for k in SIDES)
            print(f"  median {what:11}" + middle, flush=True)
        for what in ("rms", "middle", "gradient"):
            ratio = "".join(
                f"{np.median([f[f'{what} {k}'] for f in found]) / np.median([f[f'{what} peer'] for f in found]):10.2f}"
                for k in SIDES
            )
            print(f"  ratio {what:12}" + ratio, flush=True)


if __name__ == "__main__":
    main()
