"""Why an operation made NaN or Inf, and the form of it that does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

from cutaway.core.diary import Place
from cutaway.core.dtypes import FROM_NUMPY
from cutaway.core.limits import finfo
from cutaway.core.tensor import Tensor
from cutaway.inspect.excerpt import Shown, largest
from cutaway.inspect.facts import Facts
from cutaway.inspect.lines import quoted
from cutaway.inspect.watch import Step

LEARNING_RATE = "learning rate"
LARGE, FACTOR = 1e6, 1e3  # parameters of this size, or that grew this much, say that steps were too long


class Growth:
    """How large parameters were when they were first met, and how large they became."""

    def __init__(self) -> None:
        self.sizes: dict[int, tuple[ref[Tensor], float, float]] = {}  # by id: at first, and now
        self.optimizer: Any = None
        self.place: Place | None = None
        self.steps = 0

    def met(self, t: Tensor) -> None:
        """A leaf is read."""
        if id(t) not in self.sizes:
            self._note(t)

    def stepped(self, optimizer: Any, params: list[Tensor], place: Place | None) -> None:
        """The optimiser changed these."""
        self.optimizer, self.place, self.steps = optimizer, place, self.steps + 1
        for p in params:
            self._note(p)

    def _note(self, t: Tensor) -> None:
        now, key = largest(t._data), id(t)
        known = self.sizes.get(key)
        held = ref(t, lambda _: self.sizes.pop(key, None)) if known is None else known[0]
        self.sizes[key] = held, now if known is None else known[1], now

    def worst(self) -> tuple[Tensor | None, float, float]:
        """The parameter that grew most: it, its largest element at first, and now."""
        found = [(t, first, now) for held, first, now in self.sizes.values() if (t := held()) is not None]
        return max(found, key=lambda f: f[2] / max(f[1], 1e-3), default=(None, 0.0, 0.0))

    def runaway(self) -> bool:
        """True if a parameter is too large to have learnt anything."""
        t, first, now = self.worst()
        return t is not None and ((self.steps > 0 and now > FACTOR * max(first, 1e-3)) or now > LARGE)

    def text(self, facts: Facts) -> str:
        """What happened to the parameters, and what to do."""
        t, first, now = self.worst()
        o = self.optimizer
        if o is None and t is not None:
            o = next((held[0] for held in facts.holders(t)), None)
        lr = "" if o is None else f" (lr={o.param_groups[0].get('lr')})"
        who = "the optimiser" if o is None else f"{type(o).__name__}{lr}"
        at = f" at {quoted(self.place)}" if self.place is not None else ""
        name = "a parameter" if t is None else facts.name(t) or f"the parameter {list(t._data.shape)}"
        if self.steps and now > 2 * first:
            grew = f"{name} grew from {first:.3g} to {now:.3g} in {self.steps} steps"
        elif now > LARGE:
            grew = f"{name} is as large as {now:.3g}"
        else:
            grew = "parameters were moved too far"
        return (
            f"the learning rate is too large: {grew}, by {who}{at}; lower lr (by 10, then again), "
            "or limit the step with nn.utils.clip_grad_norm_(model.parameters(), 1.0) before step()"
        )


class Case(NamedTuple):
    """What the advice goes by: the op, its inputs' values at the bad element, the steps before and around."""

    name: str
    backward: bool
    values: tuple[float, ...]
    near: set[str]
    scopes: set[str]
    dtype: np.dtype

    def value(self, k: int) -> float:
        """Input k there; NaN if unknown."""
        return self.values[k] if k < len(self.values) else np.nan


def advise(name: str, backward: bool, step: Step | None, shown: Shown, growth: Growth) -> tuple[str, str]:
    """(cause in a word, what to write instead) where the op `name`, or its backward, made a bad value of what is shown."""
    near, scopes = (set[str](), set[str]()) if step is None else (_near(step), _scopes(step))
    case = Case(name, backward, shown.values, near, scopes, shown.dtype)
    if growth.runaway() and (backward or shown.size > LARGE or name in PRODUCTS):
        return LEARNING_RATE, ""
    table = BACKWARD if backward else FORWARD
    cause, text = table[name](case) if name in table else ("", "")
    if text:
        return cause, text
    if backward:
        return name, f"keep the input of {name} away from where its slope is infinite: clamp it, or add an eps"
    return "overflow", (
        f"a number left the range of {case.dtype.name}: scale the input (normalise data, average instead of sum), "
        "take logarithms of products, or compute in float64"
    )


def _log(c: Case) -> tuple[str, str]:
    if c.value(0) < 0:
        return "log", "log of a negative number: clamp(min=eps) what must be positive, or log1p(x) for log(1 + x)"
    if "softmax" in c.scopes or {"exp", "div"} <= c.near:
        return "log", (
            "a probability rounded to 0: write log_softmax(x, dim) for log(softmax(x)), "
            "or cross_entropy on the scores themselves"
        )
    if "sigmoid" in c.near | c.scopes:
        return "log", (
            "a probability rounded to 0 or 1: write logsigmoid(x), or binary_cross_entropy_with_logits "
            "(nn.BCEWithLogitsLoss) on the scores themselves"
        )
    return "log", "log(0): clamp(min=1e-12) or add an eps before the log, log1p(x) for log(1 + x), xlogy for x log x"


def _exp(c: Case) -> tuple[str, str]:
    limit = math.log(finfo(FROM_NUMPY[c.dtype]).max)
    return "exp", (
        f"exp overflows above {limit:.4g} in {c.dtype.name}: subtract the largest first (exp(x - x.amax())), or write "
        "softmax, logsumexp, softplus for log(1 + exp(x)), sigmoid for 1 / (1 + exp(-x))"
    )


def _div(c: Case) -> tuple[str, str]:
    if c.value(1) == 0 and c.value(0) == 0:
        return "div", (
            "0 / 0: add an eps to the divisor (x / (n + 1e-8)), or clamp(min=eps) it; a mean over nothing is 0 / 0 too"
        )
    if c.value(1) == 0:
        return "div", "x / 0: add an eps to the divisor (x / (n + 1e-8)), or clamp(min=eps) it"
    return "overflow", f"the quotient left the range of {c.dtype.name}: the divisor is too small; clamp(min=eps) it"


def _sqrt(c: Case) -> tuple[str, str]:
    return "sqrt", (
        "sqrt of a negative number: clamp(min=0) it first; a variance by E[x^2] - E[x]^2 may round below 0, use var()"
    )


def _pow(c: Case) -> tuple[str, str]:
    if c.value(0) < 0 and c.value(1) % 1:
        return "pow", "a negative number to a fractional power: clamp(min=0) it, or take abs() first"
    if c.value(0) == 0 and c.value(1) < 0:
        return "div", "0 to a negative power is x / 0: clamp(min=eps) it first"
    return "overflow", f"the power left the range of {c.dtype.name}: scale the input, or take logarithms"


def _slope_at_zero(c: Case) -> tuple[str, str]:
    name = c.name
    return name, (
        f"the slope of {name} at 0 is infinite: write {name}(x + eps), as in sqrt(x + 1e-12); for lengths, "
        "norm() or nn.functional.normalize(x, eps=...)"
    )


def _slope_of_div(c: Case) -> tuple[str, str]:
    return "div", (
        "the slope of a / b at b = 0 is infinite, and where() cannot hide it (0 * Inf is NaN in backward): make b "
        "safe first, as in a / where(b == 0, 1, b), or add an eps"
    )


def _slope_of_log(c: Case) -> tuple[str, str]:
    return "log", (
        "the slope of log at 0 is infinite, and where() cannot hide it (0 * Inf is NaN in backward): clamp(min=eps) or "
        "where(x > 0, x, 1) before the log; log_softmax, logsigmoid or log1p where they fit"
    )


def _slope_of_pow(c: Case) -> tuple[str, str]:
    return "pow", "the slope of x ** p at 0 is infinite for p < 1: clamp(min=eps) x, or write (x + eps) ** p"


def _slope_of_arc(c: Case) -> tuple[str, str]:
    return c.name, f"the slope of {c.name} at -1 and 1 is infinite: clamp its input to (-1 + eps, 1 - eps)"


def _mul(c: Case) -> tuple[str, str]:
    if 0 in c.values[:2]:
        return "mul", "0 * Inf: an Inf that was put there is multiplied by 0; use where(mask, x, 0) or masked_fill instead"
    return "", ""


def _difference(c: Case) -> tuple[str, str]:
    if any(np.isinf(v) for v in c.values):
        return "sub", (
            "Inf - Inf: in a softmax of -inf this is a row that is masked altogether; leave one place open in each row, "
            "or fill with a large negative number (-1e9) instead of -inf"
        )
    return "", ""


PRODUCTS = frozenset("matmul einsum mul pow sum square add sub".split())
FORWARD: dict[str, Callable[[Case], tuple[str, str]]] = {
    "log": _log, "log1p": _log, "exp": _exp, "expm1": _exp, "sinh": _exp, "cosh": _exp, "div": _div, "sqrt": _sqrt,
    "pow": _pow, "mul": _mul, "sub": _difference, "add": _difference,
}  # fmt: skip
BACKWARD: dict[str, Callable[[Case], tuple[str, str]]] = {
    "sqrt": _slope_at_zero, "div": _slope_of_div, "log": _slope_of_log, "pow": _slope_of_pow, "asin": _slope_of_arc,
    "acos": _slope_of_arc,
}  # fmt: skip


def _near(step: Step, depth: int = 4) -> set[str]:
    """The names of the ops up to `depth` steps before."""
    found: set[str] = set()
    layer: list[Any] = list(step.inputs)
    for _ in range(depth):
        layer = [s for s in layer if isinstance(s, Step)]
        found |= {s.op.name for s in layer}
        layer = [i for s in layer for i in s.inputs]
    return found


def _scopes(step: Step, depth: int = 3) -> set[str]:
    """The composites that the steps before ran in."""
    found: set[str] = set()
    layer: list[Any] = list(step.inputs)
    for _ in range(depth):
        layer = [s for s in layer if isinstance(s, Step)]
        found |= {name for s in layer for name in (*s.scopes, *(type(m).__name__.lower() for m in s.layers[-1:]))}
        layer = [i for s in layer for i in s.inputs]
    return found
