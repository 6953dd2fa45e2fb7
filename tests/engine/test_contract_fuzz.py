"""Random contractions against their definition: any maps, convolutions in all directions, extents 0, 1, primes, tails."""

from __future__ import annotations

import numpy as np
import pytest

from cutaway.engine.contract import Clip, Convolution, Operand, Problem, matmul, plan
from cutaway.engine.llvm.target import target

from .contracting import Batch, isas, reach, reference, walled

EXTENTS = (0, 1, 1, 2, 3, 5, 7, 13, 16, 17, 31, 33)


def layout(rng: np.random.Generator, sizes: dict[str, int], gaps: bool) -> dict[str, int]:
    """Strides of the labels in a random order of axes, sometimes with gaps between rows."""
    labels = list(rng.permutation(list(sizes)))
    strides, step = {}, 1 + (rng.integers(4) == 0) * gaps
    for label in reversed(labels):
        strides[str(label)] = int(step)
        step *= max(sizes[label], 1)
        if gaps and rng.integers(3) == 0:
            step += int(rng.integers(1, 4))
    return strides


def any_map(rng: np.random.Generator) -> Problem:
    """Labels in any of the operands, in any order, with offsets, with negative steps."""
    while True:
        names = "bmnkpqrs"[: rng.integers(1, 7)]
        sizes = {x: int(rng.choice(EXTENTS[rng.integers(2) :])) for x in names}
        if np.prod([max(n, 1) for n in sizes.values()]) > 60_000:
            continue
        which = {x: [bool(rng.integers(3)) for _ in "abc"] for x in names}
        maps = []
        for o in range(3):
            strides = layout(rng, {x: n for x, n in sizes.items() if which[x][o]}, True)
            offset = int(rng.integers(3))
            for x in strides:
                if rng.integers(6) == 0:  # backwards
                    offset += strides[x] * max(sizes[x] - 1, 0)
                    strides[x] = -strides[x]
            maps.append(Operand(strides, offset))
        dtype = np.dtype(str(rng.choice(["float32", "float32", "float64"])))
        return Problem(sizes, *maps, dtype, (), bool(rng.integers(2)))


def any_matmul(rng: np.random.Generator) -> Problem:
    m, n, k = (int(rng.choice([0, 1, 1, 2, 5, 10, 14, 29, 40, 64, 100])) for _ in range(3))
    ta, tb, acc = (bool(rng.integers(2)) for _ in range(3))
    if rng.integers(8) == 0:
        m, n, k = int(rng.integers(20, 40)), int(rng.integers(20, 50)), int(rng.integers(1000, 2100))
    if rng.integers(4) == 0:  # few rows: sums across lanes
        m, n, k, ta, tb = int(rng.integers(1, 5)), int(rng.integers(1, 40)), int(rng.integers(33, 120)), False, True
    batch = int(rng.choice([1, 1, 3])) if m * n * k < 50_000 else 1
    dtype = np.dtype(str(rng.choice(["float32", "float32", "float64"])))
    return matmul(m, n, k, ta=ta, tb=tb, batch=batch, dtype=dtype, accumulate=acc)


def any_convolution(rng: np.random.Generator) -> list[Problem]:
    """Forward, grad-weight, or one phase of grad-input; 1 or 2 spatial axes; channels first or last, weights in any order."""
    while True:
        axes = int(rng.choice([1, 2, 2]))
        n, groups = int(rng.integers(1, 4)), int(rng.choice([1, 1, 1, 2, 3]))
        ic, oc = int(rng.choice([1, 2, 3, 5, 8])), int(rng.choice([1, 2, 7, 16, 20]))
        if groups == 3 and rng.integers(2):  # depthwise
            groups, ic, oc = int(rng.choice([6, 17])), 1, 1
        kernel, stride, dilation, inputs, padding, outputs = ([] for _ in range(6))
        for _ in range(axes):
            k, s, d = int(rng.integers(1, 6)), int(rng.choice([1, 1, 2, 3])), int(rng.choice([1, 1, 2]))
            i, p = int(rng.integers(1, 15)), int(rng.integers(0, 4))
            kernel.append(k), stride.append(s), dilation.append(d), inputs.append(i), padding.append(p)
            outputs.append((i + 2 * p - d * (k - 1) - 1) // s + 1)
        points = n * groups * ic * oc * np.prod(kernel) * np.prod([max(o, 0) for o in outputs])
        if min(outputs) < 1 or points > 150_000:
            continue
        spatial = [dict(zip((f"{c}{d}" for d in range(axes)), e)) for c, e in zip("iko", (inputs, kernel, outputs))]
        last = bool(rng.integers(2))

        def image(sizes: dict[str, int], channels: dict[str, int], n: int = n, last: bool = last) -> dict[str, int]:
            order = {"n": n, **sizes, **channels} if last else {"n": n, **channels, **sizes}
            strides, step = {}, 1
            for label in reversed(list(order)):
                strides[label] = step
                step *= order[label]
            return strides

        x = image(spatial[0], {"g": groups, "ic": ic})
        y = image(spatial[2], {"g": groups, "oc": oc})
        w = layout(rng, {"g": groups, "ic": ic, "oc": oc, **spatial[1]}, False)
        if rng.integers(2):
            w = layout(np.random.default_rng(1), {"ic": ic, "oc": oc}, False)
            step = ic * oc
            for label, size in {**spatial[1], "g": groups}.items():
                w[label] = step
                step *= size
        dtype = np.dtype(str(rng.choice(["float32", "float32", "float64"])))
        c = Convolution(
            n,
            groups,
            ic,
            oc,
            tuple(inputs),
            tuple(kernel),
            tuple(stride),
            tuple(padding),
            tuple(dilation),
            tuple(outputs),
            x,
            w,
            y,
            dtype,
        )
        kind = rng.integers(3)
        if kind == 0:
            return [c.forward()]
        if kind == 1:
            return [c.grad_weight(accumulate=bool(rng.integers(2)))]
        return c.grad_input()


def draw(seed: int, count: int) -> list[Problem]:
    rng = np.random.default_rng(seed)
    out: list[Problem] = []
    while len(out) < count:
        kind = rng.integers(4)
        out += any_convolution(rng)[:4] if kind > 1 else [any_map(rng) if kind else any_matmul(rng)]
    return out[:count]


def check(problems: list[Problem], isa: str, seed: int) -> None:
    t = target(isa)
    batch = Batch(problems, t)
    rng = np.random.default_rng(seed)
    for i, p in enumerate(problems):
        (a, _), (b, _) = walled(p, p.a, rng), walled(p, p.b, rng)
        c, around = walled(p, p.c, rng)
        before = c.copy()
        batch.run(i, a, b, c, 1)
        want = reference(p, a, b, before)
        scale = max(1.0, float(np.abs(want).max(initial=0)))
        bound = float(np.finfo(p.dtype).eps) * (16 + 4 * p.terms**0.5) * scale
        wrong = float(np.abs(c - want).max(initial=0))
        assert wrong <= bound, f"{isa}, seed {seed}, problem {i}: off by {wrong}, allowed {bound}: {p}\n{plan(p, t)}"
        again = around.copy()
        c[:] = before
        batch.run(i, a, b, c, 3)
        assert around.tobytes() == again.tobytes(), (
            f"{isa}, seed {seed}, problem {i}: three threads differ from one: {p}"
        )


@pytest.mark.parametrize("seed", range(8))
def test_on_this_machine(seed: int) -> None:
    check(draw(seed, 20), isas()[0], seed)


@pytest.mark.parametrize("isa", isas()[1:])
@pytest.mark.parametrize("seed", [20, 21])
def test_narrower_instruction_sets(isa: str, seed: int) -> None:
    check(draw(seed, 20), isa, seed)


def test_the_draw_has_what_matters() -> None:
    problems = [p for seed in range(10) for p in draw(seed, 20)]
    assert sum(bool(p.clips) for p in problems) > 40
    assert sum(p.terms == 0 for p in problems) > 3
    assert sum(p.dtype == np.dtype("float64") for p in problems) > 30
    assert sum(any(isinstance(c, Clip) and c.tap_step > 1 for c in p.clips) for p in problems) > 10
    assert sum(plan(p, target()).pack_at is not None for p in problems if all(p.sizes[x] for x in p.kept)) > 10
    assert sum(bool(plan(p, target()).dot) for p in problems if all(p.sizes[x] for x in p.kept)) >= 2
    assert sum(reach(p, p.c) == (0, -1) for p in problems) > 3
