"""The exercises of chapter 11, with the mistakes that are made in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import cutaway
from cutaway.course.ch11_casing import exercises as stub
from cutaway.course.exercise import Exercise, Numbers, Plug, Wrong

Graph = list[tuple[str, tuple[int, ...]]]


# --- local derivatives ------------------------------------------------------------------------------------------------


RULES: dict[str, Callable[[float, float], tuple[float, tuple[float, ...]]]] = {
    "add": lambda a, b: (a + b, (1.0, 1.0)),
    "mul": lambda a, b: (a * b, (b, a)),
    "pow": lambda a, b: (a**b, (b * a ** (b - 1),)),
    "neg": lambda a, b: (-a, (-1.0,)),
    "exp": lambda a, b: (math.exp(a), (math.exp(a),)),
    "log": lambda a, b: (math.log(a), (1 / a,)),
}


def slopes(op: str, a: float, b: float, **other: Any) -> tuple[float, tuple[float, ...]]:
    """The rules, or others for some of them."""
    return (RULES | other)[op](a, b)


def slopes_by_library(op: str, a: float, b: float) -> Any:
    x, y = (cutaway.tensor(v, dtype=cutaway.float64, requires_grad=True) for v in (a, b))
    asked = {"add": (x, y), "mul": (x, y)}.get(op, (x,))
    of = {"add": lambda: x + y, "mul": lambda: x * y, "pow": lambda: x**b, "neg": lambda: -x, "exp": x.exp, "log": x.log}
    value = of[op]()
    return value, tuple(cutaway.autograd.grad(value, asked))


SLOPES = Exercise(
    "slopes", "Local derivatives", slopes, oracle=slopes_by_library, show="table",
    cases=tuple((op, 2.0, 3.0) for op in RULES),
    draw=lambda d, n: (list(RULES)[d.integer(0, 5)], float(d.positive()), float(d.positive())),
    wrong=[
        Wrong(lambda o, a, b: slopes(o, a, b, mul=lambda a, b: (a * b, (a, b))), "mul: the slope towards a is b, and the other way round; they are swapped."),
        Wrong(lambda o, a, b: slopes(o, a, b, pow=lambda a, b: (a**b, (a ** (b - 1),))), "pow: the factor b is missing from b times a to the (b - 1)."),
        Wrong(lambda o, a, b: slopes(o, a, b, pow=lambda a, b: (a**b, (b * a**b,))), "pow: the exponent goes down by one in the derivative."),
        Wrong(lambda o, a, b: slopes(o, a, b, exp=lambda a, b: (math.exp(a), (a * math.exp(a - 1),))), "exp: that is the rule for a power; the slope of e to the a is itself."),
        Wrong(lambda o, a, b: slopes(o, a, b, exp=lambda a, b: (math.exp(a), (1.0,))), "exp: the slope is not 1 but the value, e to the a."),
        Wrong(lambda o, a, b: slopes(o, a, b, log=lambda a, b: (math.log(a), (math.log(a),))), "log: its slope is not log again, but 1 / a."),
        Wrong(lambda o, a, b: slopes(o, a, b, neg=lambda a, b: (-a, (1.0,))), "neg: where a grows, -a falls: the slope is -1."),
        Wrong(lambda o, a, b: slopes(o, a, b, add=lambda a, b: (a + b, (a, b))), "add: each input counts once, so both slopes are 1."),
        Wrong(lambda o, a, b: slopes(o, a, b)[1], "The value is missing: give (value, slopes)."),
    ],
)  # fmt: skip


# --- what a result needs ----------------------------------------------------------------------------------------------


def needed(parents: list[list[int]], result: int, *, itself: bool = True, once: bool = True, only: int = 0, deep: bool = True) -> list[int]:
    """What a result is made from, and by its options the ways to get it wrong."""
    seen, found, left = {result}, [result] if itself else [], [result]
    while left:
        node = left.pop()
        for p in parents[node][: only or None]:
            if not once or p not in seen:
                seen.add(p)
                found.append(p)
                if deep:
                    left.append(p)
    return sorted(found, reverse=True)


def needed_by_calls(parents: list[list[int]], result: int) -> list[int]:
    seen: set[int] = set()

    def visit(node: int) -> None:
        if node not in seen:
            seen.add(node)
            for p in parents[node]:
                visit(p)

    visit(result)
    return sorted(seen, reverse=True)


def history(d: Numbers, n: int) -> list[list[int]]:
    """Parents of 2 + 2n nodes: two leaves, then nodes of one or two earlier ones."""
    out: list[list[int]] = [[], []]
    for i in range(2, 2 + 2 * n):
        out.append([int(p) for p in d.random.integers(max(0, i - 4), i, d.integer(1, 2))])
    return out


DIAMOND = [[], [0], [0], [1, 2], [3, 3]]
CHAIN = [[], *([i] for i in range(1200))]

NEEDED = Exercise(
    "needed", "What a result needs", needed, spec=stub.needed_spec, show="table",
    cases=((DIAMOND, 4), (DIAMOND, 2), ([[], [], [0], [2]], 3), ([[], [0], [1]], 1), (CHAIN, 1200)),
    draw=lambda d, n: (history(d, n), d.integer(1, 2 * n + 1)),
    wrong=[
        Wrong(lambda p, r: needed(p, r, itself=False), "The result itself is missing: its gradient is where the walk begins."),
        Wrong(lambda p, r: needed(p, r, once=False), "A node that is reached on two ways is listed twice: remember what you have seen."),
        Wrong(lambda p, r: needed(p, r, only=1), "It follows the first input of each node only: follow all."),
        Wrong(lambda p, r: needed(p, r, deep=False), "It stops at the result's own inputs: go on with theirs."),
        Wrong(lambda p, r: needed(p, r)[::-1], "It goes from old to young: the youngest first, since gradients flow backwards."),
        Wrong(lambda p, r: list(range(r, -1, -1)), "It lists every older node: some of them the result does not depend on."),
        Wrong(lambda p, r: needed(p, len(p) - 1), "It begins at the last node: begin at `result`."),
        Wrong(needed_by_calls, "A chain of 1,200 nodes is deeper than Python lets functions call themselves: keep a list of what is left."),
    ],
)  # fmt: skip


# --- the walk ---------------------------------------------------------------------------------------------------------


def walk(parents: list[list[int]], local: list[list[float]], result: int, *, add: bool = True, seed: float = 1.0, up: bool = True,
         slope: bool = True, order: int = -1, sums: bool = False, last: bool = False) -> list[float]:  # fmt: skip
    """The walk back, and by its options the ways to get it wrong."""
    grad = [0.0] * len(parents)
    start = len(parents) - 1 if last else result
    grad[start] = seed
    for node in range(start + 1)[::order]:
        for p, s in zip(parents[node], local[node]):
            g = grad[node] + s if sums else (grad[node] if up else float(grad[node] != 0)) * (s if slope else 1.0)
            grad[p] = g + (grad[p] if add else 0.0)
    return grad


def local_of(d: Numbers, parents: list[list[int]]) -> list[list[float]]:
    return [[float(d.apart()) for _ in p] for p in parents]


def with_slopes(d: Numbers, n: int) -> tuple[Any, ...]:
    parents = history(d, n)
    return parents, local_of(d, parents), d.integer(2, 2 * n + 1)


WALK = Exercise(
    "walk", "The walk back", walk, spec=stub.walk_spec, show="table",
    cases=(([[], [0]], [[], [3.0]], 1), ([[], [0, 0]], [[], [2.0, 3.0]], 1), (DIAMOND, [[], [2.0], [3.0], [1.0, 5.0], [0.5, 0.5]], 4),
           ([[], [], [0, 1], [2]], [[], [], [2.0, 3.0], [4.0]], 2)),
    draw=with_slopes,
    wrong=[
        Wrong(lambda *a: walk(*a, add=False), "A node that is used twice gets the last gradient only: add (+=), do not write over."),
        Wrong(lambda *a: walk(*a, seed=0.0), "All gradients are 0: the result's own gradient is 1, and everything flows from it."),
        Wrong(lambda *a: walk(*a, up=False), "The gradient that comes from above is missing: multiply the slope with the node's own gradient."),
        Wrong(lambda *a: walk(*a, slope=False), "The local slopes are missing: it counts the paths."),
        Wrong(lambda *a: walk(*a, order=1), "It goes from old to young: a node passes on its gradient when all that use it have, so the young come first."),
        Wrong(lambda *a: walk(*a, sums=True), "Along a path the slopes are multiplied (the chain rule); only paths are added."),
        Wrong(lambda *a: walk(*a, last=True), "It begins at the last node: begin at `result`."),
        Wrong(lambda *a: [*walk(*a)[: a[2]], 0.0, *walk(*a)[a[2] + 1 :]], "The result's own gradient is missing from the answer: it is 1."),
    ],
)  # fmt: skip


# --- the whole tape ---------------------------------------------------------------------------------------------------


def tape(*, add: bool = True, seed: float = 1.0, how: str = "order", right: bool = True, swapped: bool = False, over: bool = False,
         power: float = 1.0, minus: float = -1.0, log: bool = True, divided: bool = False, exponent: bool = True) -> type:  # fmt: skip
    """The class Value, and by its options the ways to get it wrong."""

    def wrap(x: Any) -> Any:
        return x if isinstance(x, Value) else Value(x)

    class Value:
        """A number that remembers how it was computed."""

        made = 0

        def __init__(self, data: float, parents: tuple[Any, ...] = (), slopes: tuple[float, ...] = ()) -> None:
            self.data, self.grad, self.parents, self.slopes = data, 0.0, parents, slopes
            Value.made += 1
            self.number = Value.made

        def __add__(self, other: Any) -> Value:
            other = wrap(other)
            return Value(self.data + other.data, (self, other), (1.0, 1.0))

        def __mul__(self, other: Any) -> Value:
            other = wrap(other)
            return Value(self.data * other.data, (self, other), (other.data, self.data))

        def __pow__(self, n: Any) -> Value:
            if isinstance(n, Value):
                y = self.data**n.data
                return Value(y, (self, n), (n.data * self.data ** (n.data - 1), y * math.log(self.data) if exponent else 0.0))
            return Value(self.data**n, (self,), (n * self.data ** (n - power),))

        def __neg__(self) -> Value:
            return Value(-self.data, (self,), (-1.0,))

        def __sub__(self, other: Any) -> Value:
            other = wrap(other)
            return Value(self.data - other.data, (self, other), (1.0, minus))

        def __truediv__(self, other: Any) -> Value:
            other = wrap(other)
            towards = 1 / other.data if divided else -self.data / other.data**2
            return Value(self.data / other.data, (self, other), (1 / other.data, towards))

        def exp(self) -> Value:
            y = math.exp(self.data)
            return Value(y, (self,), (y,))

        def log(self) -> Value:
            y = math.log(self.data)
            return Value(y, (self,), (1 / self.data if log else y,))

        if right:
            __radd__, __rmul__ = __add__, __mul__
            __rsub__ = (lambda self, x: self - x) if swapped else lambda self, x: wrap(x) - self
            __rtruediv__ = (lambda self, x: self / x) if over else lambda self, x: wrap(x) / self
            __rpow__ = lambda self, x: wrap(x) ** self

        def backward(self) -> None:
            self.grad = seed
            if how == "calls":
                return self._again()
            found, left = {id(self): self}, [self]
            if how == "recursive":
                self._visit(found)
            while left:
                for p in left.pop().parents:
                    if id(p) not in found:
                        found[id(p)] = p
                        left.append(p)
            for v in sorted(found.values(), key=lambda v: -v.number):
                for p, s in zip(v.parents, v.slopes):
                    p.grad = v.grad * s + (p.grad if add else 0.0)

        def _visit(self, found: dict[int, Any]) -> None:
            for p in self.parents:
                found[id(p)] = p
                p._visit(found)

        def _again(self) -> None:
            for p, s in zip(self.parents, self.slopes):
                p.grad += self.grad * s
                p._again()

    return Value


TEXTS = (
    "a + b", "a * b", "a - b", "-a", "a / b", "a ** 3", "a.exp()", "a.log()", "2 * a + 1", "1 - a", "3 / a", "a * a", "a ** b", "2 ** a",
    "a * b + a", "(a + b) * (a + c)", "(d := a * b) * d + d", "(d := a * b) * (e := d + c) + e * d", "((a * b + c).exp() + 1).log()",
    "(a.exp() - (-a).exp()) / (a.exp() + (-a).exp())", "sum([a] * 2000) * b",
)  # fmt: skip
NUMBERS = (np.array([0.5, 2.0, 1.5]), np.array([1.25, 0.75, 3.0]))


def evaluate(make: Callable[[float], Any], text: str, numbers: Any) -> tuple[Any, dict[str, Any]]:
    """An expression of a, b and c, which `make` makes of numbers."""
    named = {n: make(float(v)) for n, v in zip("abc", numbers)}
    return eval(text, {"__builtins__": {"sum": sum}}, dict(named)), named


def play(answer: Callable[[float], Any], text: str, numbers: Any) -> Any:
    y, named = evaluate(answer, text, numbers)
    y.backward()
    return y.data, tuple(v.grad for v in named.values())


def by_library(text: str, numbers: Any) -> Any:
    y, named = evaluate(lambda v: cutaway.tensor(v, dtype=cutaway.float64, requires_grad=True), text, numbers)
    y.backward()
    return y, tuple(0.0 if v.grad is None else v.grad for v in named.values())


VALUE = Exercise(
    "Value", "The tape", tape(), oracle=by_library, play=play, show="table",
    cases=tuple((text, numbers) for text in TEXTS for numbers in NUMBERS),
    wrong=[
        Wrong(tape(add=False), "A Value that is used twice keeps one of its gradients: add to .grad (+=), do not write over it."),
        Wrong(tape(seed=0.0), "All gradients are 0: backward begins with the result's own gradient, 1."),
        Wrong(tape(how="recursive"), "The chain of 2,000 operations is too deep for functions that call themselves: walk with a list instead."),
        Wrong(tape(how="calls"), "A Value passes its gradient on before all of it has arrived, and so some of it twice: the youngest first."),
        Wrong(tape(right=False), "A plain number on the left fails: 3 - a calls a.__rsub__(3); write __radd__, __rmul__, __rsub__ and so on."),
        Wrong(tape(swapped=True), "3 - a is computed as a - 3: in __rsub__(self, other) it is other - self."),
        Wrong(tape(over=True), "3 / a is computed as a / 3: in __rtruediv__(self, other) it is other / self."),
        Wrong(tape(power=0.0), "The power rule: the exponent goes down by one, n a^(n - 1)."),
        Wrong(tape(minus=1.0), "a - b: where b grows the difference falls, so the slope towards b is -1."),
        Wrong(tape(divided=True), "a / b: the slope towards b is -a / b^2."),
        Wrong(tape(log=False), "The slope of log is 1 / a, not the logarithm again."),
        Wrong(tape(exponent=False), "a ** b: with a Value above, the exponent has a slope, too: a^b log a."),
    ],
)  # fmt: skip


# --- broadcasting, undone ---------------------------------------------------------------------------------------------


def unbroadcast(g: np.ndarray, shape: tuple[int, ...], by: Any = np.sum, front: bool = True, ones: bool = True, keep: bool = True) -> Any:
    """The sum over what was repeated, and by its options the ways to get it wrong."""
    if front:
        g = by(g, axis=tuple(range(g.ndim - len(shape)))) if g.ndim > len(shape) else g
    axes = tuple(k for k, n in enumerate(shape) if n == 1 and g.ndim > k and g.shape[k] != 1)
    return by(g, axis=axes, keepdims=keep) if ones and axes else g


def broadcast_case(d: Numbers, n: int) -> tuple[Any, ...]:
    shape = tuple(d.integer(1, n) for _ in range(2))
    grown = tuple(d.integer(1, 3) if k == 1 else k for k in shape)
    ahead = tuple(d.integer(1, 3) for _ in range(d.integer(0, 2)))
    return d.array(*ahead, *grown), shape



UNBROADCAST = Exercise(
    "unbroadcast", "Broadcasting, undone", unbroadcast, spec=stub.unbroadcast_spec,
    cases=((np.array([[1.0, 2.0], [3.0, 4.0]]), (2,)), (np.array([[1.0, 2.0], [3.0, 4.0]]), (2, 1)), (np.array([[1.0, 2.0], [3.0, 4.0]]), (2, 2)),
           (np.arange(6.0).reshape(2, 3), (1, 3)), (np.arange(6.0).reshape(1, 2, 3), (1, 1)), (np.arange(24.0).reshape(2, 3, 4), (3, 1))),
    draw=broadcast_case, example=(np.arange(6.0).reshape(2, 3), (3,)),
    wrong=[
        Wrong(lambda g, s: unbroadcast(g, s, by=np.mean), "It takes the mean: an input that was used n times gets the sum of n gradients."),
        Wrong(lambda g, s: unbroadcast(g, s, front=False), "The new axes in front are not added up: there g has more axes than the input."),
        Wrong(lambda g, s: unbroadcast(g, s, ones=False), "The axes of length 1, which were repeated, are not added up."),
        Wrong(lambda g, s: unbroadcast(g, s, keep=False), "The axes of length 1 are gone: sum with keepdims=True, or reshape."),
        Wrong(lambda g, s: g, "It gives g as it is: the gradient must have the input's shape."),
        Wrong(lambda g, s: g[tuple([0] * (g.ndim - len(s)))][tuple(slice(0, n) for n in s)], "It takes the first of the copies: each copy has a gradient, add them up."),
        Wrong(lambda g, s: np.full(s, g.sum()), "It adds up everything: only what was repeated."),
    ],
)  # fmt: skip


# --- passes over a graph ----------------------------------------------------------------------------------------------


def graph(d: Numbers, n: int) -> Graph:
    """One or two arguments, then lines of add, mul, neg and exp over what is near: some of them the same."""
    lines: Graph = [("x", ()), ("y", ())]
    for i in range(2, 3 + 2 * n):
        op = ("add", "mul", "neg", "exp")[d.integer(0, 3)]
        count = 2 if op in ("add", "mul") else 1
        lines.append((op, tuple(int(k) for k in d.random.integers(max(0, i - 4), i, count))))
    return lines


TWICE: Graph = [("x", ()), ("mul", (0, 0)), ("mul", (0, 0)), ("exp", (1,)), ("exp", (2,)), ("add", (3, 4))]
ORDERS: Graph = [("x", ()), ("y", ()), ("add", (0, 1)), ("add", (1, 0)), ("mul", (2, 3)), ("add", (0, 1)), ("add", (0, 1))]
TANH: Graph = [("x", ()), ("exp", (0,)), ("neg", (0,)), ("exp", (2,)), ("neg", (3,)), ("add", (1, 4)), ("add", (1, 3)), ("mul", (5, 6))]


def shared(lines: Graph, *, through: bool = True, order: Any = tuple, names: bool = True, inputs: bool = True, first: bool = True) -> list[int]:
    """Common expressions, and by its options the ways to get it wrong."""
    known: dict[Any, int] = {}
    out: list[int] = []
    for i, (op, ins) in enumerate(lines):
        key = (op if names else "", order(out[k] if through else k for k in ins) if inputs else ())
        out.append(known.get(key, i))
        if first:
            known.setdefault(key, i)
        else:
            known[key] = i
    return out


SHARED = Exercise(
    "shared", "The same, only once", shared, spec=stub.shared_spec, show="table", cases=((TWICE,), (ORDERS,), (TANH,)),
    draw=lambda d, n: (graph(d, n),),
    wrong=[
        Wrong(lambda g: shared(g, through=False), "Two lines whose inputs are different lines, but compute the same, are the same, too: look the inputs up first."),
        Wrong(lambda g: shared(g, order=lambda k: tuple(sorted(k))), "It takes a + b for b + a: the order of the inputs counts here (it would matter for a - b)."),
        Wrong(lambda g: shared(g, names=False), "It looks at the inputs only: x + y is not x * y. The op belongs to the key."),
        Wrong(lambda g: shared(g, inputs=False), "It looks at the op only: the inputs belong to the key."),
        Wrong(lambda g: shared(g, first=False), "It gives the latest line that is the same: give the first."),
        Wrong(lambda g: list(range(len(g))), "It finds nothing: every line is its own."),
        Wrong(lambda g: [int(k != i) for i, k in enumerate(shared(g))], "It says yes or no: give the number of the line."),
    ],
)  # fmt: skip


def fused(lines: Graph, *, double: bool = False, arguments: bool = False, many: bool = False, alone: bool = False) -> list[int]:
    """Kernels, and by its options the ways to get it wrong."""
    kernel, count = [-1] * len(lines), 0
    for i in reversed(range(len(lines))):
        if not lines[i][1] and not arguments:
            continue
        read = [j for j, (_, ins) in enumerate(lines) for k in (ins if double else set(ins)) if k == i]
        if (len(read) == 1 or (many and read)) and not alone:
            kernel[i] = kernel[read[0]]
        else:
            kernel[i], count = count, count + 1
    return kernel


def forwards(lines: Graph) -> list[int]:
    names: dict[int, int] = {-1: -1}
    return [names.setdefault(k, len(names) - 1) for k in fused(lines)]


FUSED = Exercise(
    "fused", "Kernels", fused, spec=stub.fused_spec, show="table",
    cases=(([("x", ()), ("neg", (0,)), ("exp", (1,))],), ([("x", ()), ("exp", (0,)), ("mul", (1, 1))],), (TANH,), (TWICE,)),
    draw=lambda d, n: (graph(d, n),),
    wrong=[
        Wrong(lambda g: fused(g, alone=True), "Every line has a kernel of its own: one that a single line reads is computed inside that line's."),
        Wrong(lambda g: fused(g, double=True), "x * x reads x twice, but it is one reader: count lines, not inputs."),
        Wrong(lambda g: fused(g, arguments=True), "Arguments are given, no kernel computes them: -1."),
        Wrong(lambda g: fused(g, many=True), "What several lines read must be written to memory: it needs a kernel of its own."),
        Wrong(lambda g: [0 if ins else -1 for _, ins in g], "All is one kernel: what several lines read begins another."),
        Wrong(forwards, "The kernels are numbered from the first line: count from the last, as you meet them."),
        Wrong(lambda g: [-1 if k < 0 else k + 1 for k in fused(g)], "Kernels are counted from 1: begin with 0."),
    ],
)  # fmt: skip


def slots(lines: Graph, *, early: int = 0, pick: Callable[[list[int]], int] = min, last: Any = max, unread: bool = True,
          reuse: bool = True, arguments: bool = True) -> list[int]:  # fmt: skip
    """Places in memory, and by its options the ways to get it wrong."""
    ends = [last([k for k, (_, ins) in enumerate(lines) if j in ins], default=j if unread else len(lines)) for j in range(len(lines))]
    out: list[int] = []
    for i in range(len(lines)):
        taken = {out[j] for j in range(i) if not reuse or ends[j] >= i + early or (arguments is False and not lines[j][1])}
        free = [s for s in range(len(lines) + 1) if s not in taken]
        used = [s for s in free if s < max(out, default=-1) + 1] or [min(free)]
        out.append(pick(used))
    return out


SLOTS = Exercise(
    "slots", "Memory", slots, spec=stub.slots_spec, show="table",
    cases=(([("x", ()), ("neg", (0,)), ("exp", (1,)), ("neg", (2,))],), ([("x", ()), ("exp", (0,)), ("neg", (0,)), ("add", (1, 2)), ("mul", (3, 1))],), (TANH,),
           ([("x", ()), ("y", ()), ("neg", (0,)), ("exp", (2,)), ("exp", (2,)), ("add", (3, 4)), ("exp", (5,))],)),
    draw=lambda d, n: (graph(d, n),),
    wrong=[
        Wrong(lambda g: slots(g, reuse=False), "No slot is used again: after the last line that reads a value, its slot is free."),
        Wrong(lambda g: slots(g, early=1), "A result is put over an input that is still being read: a slot is free only after the last reader's line."),
        Wrong(lambda g: slots(g, last=min), "It frees a value after its first reader: others may still come, so wait for the last."),
        Wrong(lambda g: slots(g, pick=max), "It takes the highest free slot: the lowest keeps memory small."),
        Wrong(lambda g: slots(g, unread=False), "What nobody reads holds its slot for ever: it is free after its own line."),
        Wrong(lambda g: slots(g, arguments=False), "Arguments are kept to the end: they, too, are free after their last reader."),
        Wrong(lambda g: [s + 1 for s in slots(g)], "Slots are counted from 1: begin with 0."),
        Wrong(lambda g: max(slots(g)) + 1, "That is how many slots there are: give the slot of each line."),
    ],
)  # fmt: skip


EXERCISES = (SLOPES, NEEDED, WALK, VALUE, UNBROADCAST, SHARED, FUSED, SLOTS)


PLUGS = (Plug(("Value",), lambda value: {"autograd": value}, ("autograd",), recipes=("gates",)),)
