"""Contractions of a graph as problems for the generator of `cutaway.engine.contract`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from cutaway.core.aval import row_major
from cutaway.engine.contract import Clip, Convolution, Operand, Problem
from cutaway.engine.graph import Value
from cutaway.engine.loops.affine import Access, access


class Contraction(NamedTuple):
    """What the generator is asked for (problems that fill disjoint parts), and the memories that the factors lie in.

    labels   of the result's dimensions, by which an epilogue knows where it is; () if the problems are several
    """

    problems: list[Problem]
    a: Value
    b: Value
    labels: tuple[str, ...]

    @property
    def flops(self) -> int:
        """Additions and multiplications."""
        return sum(p.flops for p in self.problems)


def labels(v: Value) -> tuple[list[str], list[str], list[str]]:
    """The loops of a matmul or einsum: labels of its factors' dimensions and of its own."""
    assert v.op is not None
    if v.op.name == "einsum":
        sides, _, out = v.attrs["spec"].partition("->")
        a, _, b = sides.partition(",")
        return list(a), list(b), list(out)
    batch = [f"b{d}" for d in range(v.aval.ndim - 2)]
    a = batch[len(batch) - v.inputs[0].aval.ndim + 2 :]
    b = batch[len(batch) - v.inputs[1].aval.ndim + 2 :]
    return [*a, "m", "k"], [*b, "k", "n"], [*batch, "m", "n"]


def is_contraction(v: Value) -> bool:
    """True for what the generator may be asked for: a matmul or einsum of float32 or float64."""
    return v.op is not None and v.op.kind == "contract" and v.aval.dtype.name in ("float32", "float64")


def contraction(
    v: Value, in_memory: Callable[[Value], bool], strides: Sequence[int] | None = None
) -> Contraction | None:
    """The problem that `v` is; None if it is not one for the generator (integers, half, a factor without memory).

    `strides`: where the result goes, if that is not `v` in row-major order.
    """
    steps = row_major(v.aval.shape) if strides is None else tuple(strides)
    folded = folded_product(v)
    if folded is not None:
        return None if in_memory(folded.inputs[0]) else _grad_input(v, in_memory, steps)
    if not is_contraction(v):
        return None
    reads = [access(i, in_memory) for i in v.inputs]
    if not all(in_memory(r.base) for r in reads):
        return None
    la, lb, lc = labels(v)
    sizes: dict[str, int] = {}
    for names, shape in ((la, v.inputs[0].aval.shape), (lb, v.inputs[1].aval.shape), (lc, v.aval.shape)):
        for name, n in zip(names, shape, strict=True):
            if sizes.get(name, 1) == 1:
                sizes[name] = n
    clips = [*_clips(la, reads[0]), *_clips(lb, reads[1])]
    problem = Problem(
        sizes,
        _operand(la, v.inputs[0], reads[0]),
        _operand(lb, v.inputs[1], reads[1]),
        Operand(dict(zip(lc, steps, strict=True))),
        v.aval.dtype,
        tuple(clips),
    )
    return Contraction([problem], reads[0].base, reads[1].base, tuple(lc))


def _clips(names: Sequence[str], read: Access) -> list[Clip]:
    found = []
    for bound in read.bounds:
        (out, step), (tap, reach) = bound.steps
        found.append(Clip(names[out], names[tap], step, reach, bound.start, bound.size))
    return found


class Roles(NamedTuple):
    """Which labels of an einsum, whose result is folded, play which part in a convolution's gradient towards its input."""

    n: str
    places: list[str]
    taps: list[str]
    group: str | None
    ic: str
    oc: str


def folded_product(v: Value) -> Value | None:
    """The fold that `v` is, or of which `v` is the part inside the borders, if an einsum is folded there; else None."""
    if v.op is not None and v.op.name == "slice":
        fold = v.inputs[0]
        inside = all(k == 1 for k in v.attrs["step"])
        dims = fold.attrs.get("dims", ())
        cut = [d for d, (n, m) in enumerate(zip(v.aval.shape, fold.aval.shape, strict=True)) if n != m]
        return fold if inside and grad_input_roles(fold) is not None and all(d in dims for d in cut) else None
    return v if grad_input_roles(v) is not None else None


def grad_input_roles(v: Value) -> Roles | None:
    """fold(einsum(g, w)) is a convolution's gradient towards its input if labels fall into place; else None."""
    if v.op is None or v.op.name != "fold":
        return None
    e = v.inputs[0]
    if e.op is None or e.op.name != "einsum":
        return None
    la, lb, out = labels(e)
    first, n = v.attrs["dims"][0], len(v.attrs["dims"])
    places, taps, tail = out[first : first + n], out[first + n : first + 2 * n], out[first + 2 * n :]
    summed = [c for c in la if c not in out]
    group = tail[:-1]
    if first != 1 or len(summed) != 1 or len(tail) not in (1, 2):
        return None
    if set(la) != {out[0], *places, *group, *summed} or set(lb) != {*taps, *tail, *summed}:
        return None
    return Roles(out[0], places, taps, group[0] if group else None, tail[-1], summed[0])


def _grad_input(v: Value, in_memory: Callable[[Value], bool], steps: Sequence[int]) -> Contraction | None:
    fold = folded_product(v)
    roles = None if fold is None else grad_input_roles(fold)
    if fold is None or roles is None:
        return None
    e = fold.inputs[0]
    g, w = e.inputs
    reads = [access(i, in_memory) for i in (g, w)]
    if not all(in_memory(r.base) for r in reads):
        return None
    la, lb, _ = labels(e)
    a, b = _operand(la, g, reads[0]).strides, _operand(lb, w, reads[1]).strides
    image, border = v.aval.shape, v.attrs["start"] if v is not fold else (0,) * v.aval.ndim
    axes = range(len(roles.places))
    size = {**dict(zip(la, g.aval.shape, strict=True)), **dict(zip(lb, w.aval.shape, strict=True))}
    convolution = Convolution(
        n=size[roles.n],
        groups=size[roles.group] if roles.group else 1,
        ic=size[roles.ic],
        oc=size[roles.oc],
        inputs=tuple(image[1 + d] for d in axes),
        kernel=tuple(fold.attrs["kernel"]),
        stride=tuple(fold.attrs["stride"]),
        padding=tuple(border[1 + d] for d in axes),
        dilation=tuple(fold.attrs["dilation"]),
        outputs=tuple(size[c] for c in roles.places),
        x={"n": steps[0], "g": steps[-2] if roles.group else 0, "ic": steps[-1], **{f"i{d}": steps[1 + d] for d in axes}},
        w={
            "g": b[roles.group] if roles.group else 0, "ic": b[roles.ic], "oc": b[roles.oc],
            **{f"k{d}": b[c] for d, c in enumerate(roles.taps)},
        },
        y={
            "n": a[roles.n], "g": a[roles.group] if roles.group else 0, "oc": a[roles.oc],
            **{f"o{d}": a[c] for d, c in enumerate(roles.places)},
        },
        dtype=v.aval.dtype,
    )  # fmt: skip
    moved = [
        replace(p, a=replace(p.a, offset=p.a.offset + reads[0].offset), b=replace(p.b, offset=p.b.offset + reads[1].offset))
        for p in convolution.grad_input()
    ]
    group = ["g"] if roles.group else []
    names = ("n", *(f"i{d}" for d in axes), *group, "ic") if len(moved) == 1 else ()
    return Contraction(moved, reads[0].base, reads[1].base, names)


def _operand(names: Sequence[str], v: Value, read: Access) -> Operand:
    steps = {name: 0 if n == 1 else s for name, n, s in zip(names, v.aval.shape, read.strides, strict=True)}
    return Operand(steps, read.offset)
