"""Random programs as data: ops of the table on random shapes and dtypes, with views, writes and several outputs.

A Program can be run on Tensors, and parts of it can be left out: that is how a failure shrinks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.aval import Aval
from cutaway.core.dtypes import FLOATING, bfloat16, float16
from cutaway.core.op import OPS
from cutaway.core.promote import coerce
from cutaway.core.tensor import Tensor

SIZES = (0, 1, 1, 1, 2, 3, 3, 4, 5, 7, 8, 11, 13, 16, 17, 19, 31, 33)
LARGEST = 3000  # elements of a value
FLOATS = (np.dtype("float32"),) * 4 + (np.dtype("float64"),) * 2 + (float16.np, bfloat16.np)
INTEGERS = tuple(np.dtype(n) for n in ("int64", "int64", "int32", "uint8", "int8", "int16"))
BOOL = np.dtype(bool)

FLOAT_UNARY = "exp expm1 log log1p sqrt tanh sigmoid erf sin cos tan asin acos atan sinh cosh reciprocal rsqrt".split()
UNARY = [n for n in FLOAT_UNARY if n in OPS]
ANY_UNARY = "bitwise_not neg abs sign relu floor ceil trunc round isnan isfinite logical_not copy".split()
BINARY = "add sub mul maximum minimum gate".split() * 2 + "eq ne lt le gt ge logical_and logical_or".split()
BITS = "bitwise_and bitwise_or bitwise_xor".split()


class Step(NamedTuple):
    """`op` of earlier values (numbers: first the program's arrays, then its steps)."""

    op: str
    inputs: tuple[int, ...]
    attrs: dict[str, Any]


class Program(NamedTuple):
    """Arrays, steps on them, which values are returned, and which are written into an array (array, value)."""

    arrays: list[np.ndarray]
    steps: list[Step]
    outputs: list[int]
    writes: list[tuple[int, int]]

    def run(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The outputs for these Tensors in place of the arrays; then what is to be written. All are copies, not views."""
        values = list(tensors)
        for step in self.steps:
            values.append(OPS[step.op](*[values[i] for i in step.inputs], **step.attrs))
        return tuple(values[i].clone() for i in (*self.outputs, *(v for _, v in self.writes)))

    def __str__(self) -> str:
        lines = [f"%{n}: {a.dtype.name}{list(a.shape)}" for n, a in enumerate(self.arrays)]
        for n, s in enumerate(self.steps, len(self.arrays)):
            inputs = [f"%{i}" for i in s.inputs] + [f"{k}={v}" for k, v in s.attrs.items()]
            lines.append(f"%{n} = {s.op}({', '.join(inputs)})")
        lines.append("return " + ", ".join(f"%{i}" for i in self.outputs))
        return "\n".join(lines + [f"write %{a} <- %{v}" for a, v in self.writes])


class Drawing:
    """A program while it is drawn."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.arrays: list[np.ndarray] = []
        self.steps: list[Step] = []
        self.avals: list[Aval] = []

    # --- dice -----------------------------------------------------------------------------------------------------

    def pick(self, xs: Any) -> Any:
        """One of them."""
        return xs[int(self.rng.integers(len(xs)))]

    def chance(self, p: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < p)

    def shape(self, ndim: int | None = None) -> tuple[int, ...]:
        """A small shape."""
        ndim = int(self.rng.integers(0, 5)) if ndim is None else ndim
        while True:
            s = tuple(int(self.pick(SIZES)) for _ in range(ndim))
            if np.prod(s, dtype=int) <= LARGEST:
                return s

    def split(self, n: int) -> tuple[int, ...]:
        """Sizes whose product is n."""
        out: list[int] = []
        while n > 1 and len(out) < 4:
            d = self.pick([d for d in range(1, n + 1) if n % d == 0])
            out.append(int(d))
            n //= d
        out.append(n)
        if self.chance(0.3):
            out.insert(int(self.rng.integers(len(out) + 1)), 1)
        return tuple(out)

    def find(self, test: Callable[[Aval], bool]) -> int | None:
        """A value of some kind, late ones more often."""
        found = [n for n, a in enumerate(self.avals) if test(a)]
        if not found:
            return None
        return found[max(int(self.rng.integers(len(found))), int(self.rng.integers(len(found))))]

    # --- building -------------------------------------------------------------------------------------------------

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> int:
        """A new input."""
        rng = self.rng
        if dtype.kind in FLOATING:
            style = rng.integers(4)
            a = rng.standard_normal(shape) * (3.0 if style == 0 else 1.0)
            if style == 1:  # ties, exact sums, zeros
                a = np.rint(a * 2.0)
            if style == 2 and self.chance(0.3):
                a = np.where(rng.random(shape) < 0.1, rng.choice([np.nan, np.inf, -np.inf, -0.0, 0.0], shape), a)
            a = np.asarray(a).astype(dtype)
        elif dtype == BOOL:
            a = np.asarray(rng.random(shape) < 0.5)
        else:
            low = 0 if dtype.kind == "u" else -9
            a = rng.integers(low, 10, shape).astype(dtype)
            if self.chance(0.1):
                a = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
        if self.steps:
            raise AssertionError("arrays come first")
        self.arrays.append(np.asarray(a))
        self.avals.append(Aval(tuple(a.shape), dtype))
        return len(self.avals) - 1

    def step(self, op: str, *inputs: int, **attrs: Any) -> int | None:
        """Apply an op, if the eager checks allow it and the result is not too large."""
        probe = [Tensor._wrap(np.zeros(self.avals[i].shape, self.avals[i].dtype)) for i in inputs]
        record = OPS[op]
        try:
            coerced = coerce(record, tuple(probe))
            aval = record.shape(*[Aval(t._data.shape, t._data.dtype) for t in coerced], **attrs)
        except Exception:
            return None
        if aval.size > LARGEST:
            return None
        self.steps.append(Step(op, inputs, attrs))
        self.avals.append(Aval(tuple(aval.shape), aval.dtype))
        return len(self.avals) - 1

    def grow(self) -> None:
        """Add a step (or a few)."""
        kind = self.pick(
            ["unary"] * 4 + ["binary"] * 6 + ["move"] * 7 + ["reduce"] * 4 + ["along"] * 3 + ["index"] * 3
            + ["contract"] * 3 + ["window"] * 3 + ["choose"] * 2 + ["cast"] * 2 + ["integer"] * 2 + ["full", "random"]
        )  # fmt: skip
        getattr(self, "_" + kind)()

    def _unary(self) -> None:
        if self.chance(0.6):
            x = self.find(lambda a: a.dtype.kind in FLOATING)
            if x is not None:
                self.step(self.pick(UNARY), x)
            return
        x = self.find(lambda a: True)
        assert x is not None
        if self.chance(0.2) and self.avals[x].dtype != BOOL:
            low, high = sorted(int(i) for i in self.rng.integers(-3, 4, 2))
            self.step("clamp", x, low=self.pick([low, None]), high=high)
        else:
            name = self.pick(ANY_UNARY)
            if name != "bitwise_not" or self.avals[x].dtype.kind not in FLOATING:
                self.step(name, x)

    def _partner(self, x: int) -> int | None:
        """A value that broadcasts with `x`."""

        def fits(a: Aval) -> bool:
            shape = self.avals[x].shape
            return all(m == n or m == 1 or n == 1 for m, n in zip(a.shape[::-1], shape[::-1]))

        return self.find(fits)

    def _binary(self) -> None:
        x = self.find(lambda a: True)
        assert x is not None
        y = self._partner(x)
        if y is None:
            return
        if self.chance(0.15):
            both = {self.avals[x].dtype.kind, self.avals[y].dtype.kind}
            if both == {"f"}:
                self.step(self.pick(["div", "atan2", "pow", "remainder", "floor_divide"]), x, y)
                return
        if self.chance(0.5):
            x, y = y, x
        name = self.pick(BINARY)
        if name != "gate" or BOOL not in (self.avals[x].dtype, self.avals[y].dtype):
            self.step(name, x, y)

    def _integer(self) -> None:
        x = self.find(lambda a: a.dtype.kind in "iu")
        if x is None:
            return
        y = self._partner(x)
        if y is None or self.avals[y].dtype.kind not in "iu":
            return
        if self.chance(0.4):
            self.step(self.pick(BITS), x, y)
            return
        odd = self.step("full", shape=(), value=1, dtype=self.avals[y].dtype)
        assert odd is not None
        y = self.step("bitwise_or", y, odd)  # never zero
        if y is None:
            return
        if self.chance(0.7):
            self.step(self.pick(["floor_divide", "remainder"]), x, y)
            return
        three = self.step("full", shape=(), value=3, dtype=self.avals[y].dtype)
        assert three is not None
        small = self.step("bitwise_and", y, three)
        if small is not None:
            self.step("pow", x, small)

    def _move(self) -> None:
        x = self.find(lambda a: True)
        assert x is not None
        shape, nd = self.avals[x].shape, len(self.avals[x].shape)
        which = self.pick(["reshape", "reshape", "permute", "permute", "expand", "slice", "slice", "flip", "pad", "cat"])
        if which == "reshape":
            n = self.avals[x].size
            self.step("reshape", x, shape=self.split(n) if n else (0, *self.shape(1)))
        elif which == "permute":
            self.step(self.pick(["permute", "layout"]), x, dims=tuple(int(i) for i in self.rng.permutation(nd)))
        elif which == "expand":
            wide = tuple(int(self.pick(SIZES)) if n == 1 and self.chance(0.7) else n for n in shape)
            self.step("expand", x, shape=(*(self.shape(1) if self.chance(0.3) else ()), *wide))
        elif which == "slice":
            start, step, size = [], [], []
            for n in shape:
                s, k = (int(self.rng.integers(0, n)), int(self.pick((1, 1, 2, 3)))) if n else (0, 1)
                start.append(s)
                step.append(k)
                size.append(int(self.rng.integers(0 if self.chance(0.1) else 1, (n - s + k - 1) // k + 1)) if n else 0)
            self.step("slice", x, start=tuple(start), step=tuple(step), size=tuple(size))
        elif which == "flip":
            self.step("flip", x, dims=tuple(d for d in range(nd) if self.chance(0.5)))
        elif which == "pad":
            low = tuple(int(self.rng.integers(0, 3)) for _ in shape)
            step = tuple(int(self.pick((1, 1, 2))) for _ in shape)
            size = tuple(
                s + max(n - 1, 0) * k + 1 + int(self.rng.integers(0, 3)) for s, k, n in zip(low, step, shape, strict=True)
            )
            self.step("pad", x, low=low, step=step, shape=size, value=self.pick((0.0, 1.0, 2.0)))
        elif nd:
            dim = int(self.rng.integers(nd))
            parts = [x]
            for _ in range(int(self.rng.integers(0, 3))):
                y = self.find(
                    lambda a: (
                        len(a.shape) == nd and all(m == n for d, (m, n) in enumerate(zip(a.shape, shape)) if d != dim)
                    )
                )
                parts.append(x if y is None else y)
            self.step("concatenate", *parts, dim=dim)

    def _reduce(self) -> None:
        x = self.find(lambda a: True)
        assert x is not None
        nd = len(self.avals[x].shape)
        dims = tuple(d for d in range(nd) if self.chance(0.5))
        name = self.pick(["sum", "sum", "amax", "amin", "any", "all", "logsumexp"])
        self.step(name, x, dim=dims, keepdim=self.chance(0.5))

    def _along(self) -> None:
        x = self.find(lambda a: True)
        assert x is not None
        nd = len(self.avals[x].shape)
        dim = int(self.rng.integers(max(nd, 1)))
        name = self.pick(["argmax", "argmin", "cumsum", "prod", "argsort"])
        if name in ("argmax", "argmin", "prod"):
            self.step(name, x, dim=dim, keepdim=self.chance(0.5))
        elif name == "cumsum":
            self.step(name, x, dim=dim)
        else:
            self.step(name, x, dim=dim, descending=self.chance(0.5))

    def _indices(self, shape: tuple[int, ...], n: int, wrap: bool = False) -> int | None:
        """A value of int64 indices into a dimension of n, made of an existing array's numbers."""
        if n == 0 and np.prod(shape, dtype=int):
            return None
        size = int(np.prod(shape, dtype=int))
        at = self.step("full", shape=(size,), value=1, dtype=np.dtype("int64"))
        assert at is not None
        at = self.step("cumsum", at, dim=0)  # 1, 2, 3, ...
        assert at is not None
        factor = self.step("full", shape=(), value=int(self.rng.integers(1, 50)), dtype=np.dtype("int64"))
        bound = self.step("full", shape=(), value=max(n, 1), dtype=np.dtype("int64"))
        assert factor is not None and bound is not None
        at = self.step("mul", at, factor)
        assert at is not None
        at = self.step("remainder", at, bound)
        if wrap and at is not None and n and self.chance(0.5):  # from the end
            at = self.step("sub", at, bound)
        return None if at is None else self.step("reshape", at, shape=shape)

    def _index(self) -> None:
        x = self.find(lambda a: len(a.shape) > 0)
        if x is None:
            return
        shape, nd = self.avals[x].shape, len(self.avals[x].shape)
        name = self.pick(["gather", "scatter", "scatter_add", "index", "index", "index_put"])
        if name in ("gather", "scatter", "scatter_add"):
            dim = int(self.rng.integers(nd))
            small = tuple(
                int(self.rng.integers(1, 8)) if d == dim else int(self.rng.integers(min(n, 1), n + 1))
                for d, n in enumerate(shape)
            )
            if name == "scatter":  # repeated places would leave the winner open
                small = tuple(min(m, n) if d == dim else m for d, (m, n) in enumerate(zip(small, shape, strict=True)))
            at = self._indices(small, shape[dim])
            if at is None:
                return
            if name == "gather":
                self.step("gather", x, at, dim=dim)
                return
            source = self.find(
                lambda a: (
                    a.dtype == self.avals[x].dtype
                    and len(a.shape) == nd
                    and all(m <= n for m, n in zip(small, a.shape, strict=True))
                )
            )
            if source is None:
                source = self.step("full", shape=small, value=2, dtype=self.avals[x].dtype)
            assert source is not None
            self.step(name, x, at, source, dim=dim)
            return
        dims = tuple(sorted(int(d) for d in self.rng.permutation(nd)[: int(self.rng.integers(1, min(nd, 2) + 1))]))
        wide = self.shape(int(self.rng.integers(0, 3)))
        if np.prod(wide, dtype=int) > 40:
            return
        indices = []
        for d in dims:
            at = self._indices(tuple(1 if self.chance(0.2) else n for n in wide), shape[d], True)
            if at is None:
                return
            indices.append(at)
        if name == "index":
            self.step("index", x, *indices, dims=dims)
            return
        region = OPS["index"].shape(self.avals[x], *[self.avals[i] for i in indices], dims=dims).shape
        accumulate = self.chance(0.5)
        value = self.find(
            lambda a: (
                a.dtype == self.avals[x].dtype
                and len(a.shape) <= len(region)
                and all(m in (1, n) for m, n in zip(a.shape[::-1], region[::-1]))
            )
        )
        if value is None or not accumulate:
            value = self.step("full", shape=(), value=3, dtype=self.avals[x].dtype)
        assert value is not None
        self.step("index_put", x, value, *indices, dims=dims, accumulate=accumulate)

    def _contract(self) -> None:
        x = self.find(lambda a: a.dtype.kind in FLOATING and len(a.shape) >= 2)
        if x is None:
            return
        a = self.avals[x]
        if self.chance(0.5):
            y = self.find(lambda b: b.dtype == a.dtype and len(b.shape) >= 2 and b.shape[-2] == a.shape[-1])
            if y is None:
                nd = len(a.shape)
                y = self.step("permute", x, dims=(*range(nd - 2), nd - 1, nd - 2))
            assert y is not None
            self.step("matmul", x, y)
            return
        letters = "abcdefgh"
        la = letters[: len(a.shape)]
        y = self.find(lambda b: b.dtype == a.dtype and 1 <= len(b.shape) <= 4)
        if y is None:
            return
        free = iter(letters[len(a.shape) :])
        lb = ""
        for n in self.avals[y].shape:
            same = [c for c, m in zip(la, a.shape, strict=True) if m == n and c not in lb]
            lb += self.pick(same) if same and self.chance(0.8) else next(free)
        out = [c for c in dict.fromkeys(la + lb) if not (c in la and c in lb and self.chance(0.6))]
        self.rng.shuffle(out)
        self.step("einsum", x, y, spec=f"{la},{lb}->{''.join(out)}")

    def _window(self) -> None:
        x = self.find(lambda a: len(a.shape) >= 1 and a.dtype.kind in FLOATING)
        if x is None:
            return
        shape, nd = self.avals[x].shape, len(self.avals[x].shape)
        n = int(self.rng.integers(1, min(nd, 2) + 1))
        first = int(self.rng.integers(0, nd - n + 1))
        setting: dict[str, Any] = {
            "dims": tuple(range(first, first + n)),
            "kernel": tuple(int(self.rng.integers(1, 4)) for _ in range(n)),
            "stride": tuple(int(self.rng.integers(1, 4)) for _ in range(n)),
            "dilation": tuple(int(self.pick((1, 1, 2))) for _ in range(n)),
        }
        if self.chance(0.5):
            w = self.step("windows", x, **setting)
            if w is not None and self.chance(0.7):
                if self.chance(0.5):
                    w = self.step("mul", w, w)
                assert w is not None
                self.step("fold", w, shape=shape, **setting)
            return
        code = self.step("window_argmax", x, **setting)
        if code is None:
            return
        y = self.step("window_gather", x, code, **setting)
        if y is not None and self.chance(0.7):
            self.step("window_scatter", y, code, shape=shape, **setting)

    def _choose(self) -> None:
        c = self.find(lambda a: a.dtype == BOOL)
        if c is None:
            return
        x = self._partner(c)
        y = self._partner(x) if x is not None else None
        if x is not None and y is not None:
            self.step("where", c, x, y)

    def _cast(self) -> None:
        x = self.find(lambda a: True)
        assert x is not None
        self.step("cast", x, dtype=self.pick((*FLOATS, *INTEGERS, BOOL)))

    def _full(self) -> None:
        d = self.pick((*FLOATS, *INTEGERS, BOOL))
        value = self.pick([0, 1, 2, 0.5, -1.5, 3]) if d.kind in FLOATING else self.pick([0, 1])
        self.step("full", shape=self.shape(), value=value, dtype=d)

    def _random(self) -> None:
        state = next((n for n, a in enumerate(self.arrays) if a.dtype == np.int64 and a.shape == (2,)), None)
        if state is not None:
            self.step("philox_uniform", state, shape=self.shape(), dtype=self.pick(FLOATS))


def draw(seed: int) -> Program:
    """The program of a seed."""
    d = Drawing(np.random.default_rng(seed))
    rng = d.rng
    base = d.shape(int(rng.integers(1, 5)))
    if d.chance(0.1):
        d.arrays.append(np.array([seed, 5]))
        d.avals.append(Aval((2,), np.dtype("int64")))
    main = d.pick(FLOATS)
    d.array(base, main)
    for _ in range(int(rng.integers(1, 4))):
        shape = base
        if d.chance(0.5):
            shape = tuple(1 if d.chance(0.3) else n for n in base[int(rng.integers(len(base) + 1)) :])
        elif d.chance(0.3):
            shape = d.shape()
        d.array(shape, main if d.chance(0.6) else d.pick((*FLOATS, *INTEGERS, BOOL)))
    for _ in range(int(rng.integers(1, 13))):
        d.grow()
    n = len(d.avals)
    made = list(range(len(d.arrays), n)) or [0]
    used = {i for s in d.steps for i in s.inputs}
    ends = [i for i in made if i not in used]
    outputs = [i for i in ends if d.chance(0.8)] or ends[-1:] or made[-1:]
    outputs += [i for i in range(n) if d.chance(0.05)]  # inner values, inputs, twice the same
    writes = []
    for a, array in enumerate(d.arrays):
        fits = [i for i in range(n) if d.avals[i] == Aval(tuple(array.shape), array.dtype)]
        if d.chance(0.3):
            writes.append((a, int(d.pick(fits))))
    return Program(d.arrays, d.steps, outputs, writes)


def without(p: Program, k: int) -> Program | None:
    """The program without step `k`, if nothing needs it or an earlier value of its kind can stand in."""
    at = len(p.arrays) + k
    used = any(at in s.inputs for s in p.steps) or at in p.outputs or any(v == at for _, v in p.writes)

    def shift(i: int, instead: int | None) -> int:
        i = instead if i == at and instead is not None else i
        return i - 1 if i > at else i

    if used and not p.steps[k].inputs:
        return None
    c = p.steps[k].inputs[0] if used else None
    steps = [Step(s.op, tuple(shift(i, c) for i in s.inputs), s.attrs) for n, s in enumerate(p.steps) if n != k]
    return Program(p.arrays, steps, [shift(i, c) for i in p.outputs], [(a, shift(v, c)) for a, v in p.writes])


def tidy(p: Program) -> Program:
    """Without steps and arrays that no result needs."""
    needed = {*p.outputs, *(v for _, v in p.writes), *(a for a, _ in p.writes)}
    first = len(p.arrays)
    for n in reversed(range(len(p.steps))):
        if first + n in needed:
            needed.update(p.steps[n].inputs)
    new: dict[int, int] = {}
    for i in range(first + len(p.steps)):
        if i in needed:
            new[i] = len(new)
    return Program(
        [a for n, a in enumerate(p.arrays) if n in needed],
        [Step(s.op, tuple(new[i] for i in s.inputs), s.attrs) for n, s in enumerate(p.steps) if first + n in needed],
        [new[i] for i in p.outputs],
        [(new[a], new[v]) for a, v in p.writes],
    )


def smaller(p: Program) -> list[Program]:
    """Programs that are a little simpler."""
    out = []
    if len(p.outputs) + len(p.writes) > 1:
        out += [p._replace(outputs=[*p.outputs[:n], *p.outputs[n + 1 :]]) for n in range(len(p.outputs))]
        out += [p._replace(writes=[*p.writes[:n], *p.writes[n + 1 :]]) for n in range(len(p.writes))]
    # Return something earlier instead.
    first = len(p.arrays)
    for n, o in enumerate(p.outputs):
        if o >= first:
            for i in p.steps[o - first].inputs:
                if i >= first:
                    out.append(p._replace(outputs=[*p.outputs[:n], i, *p.outputs[n + 1 :]]))
    out += [q for k in range(len(p.steps)) if (q := without(p, k)) is not None]
    return [tidy(q) for q in out]
