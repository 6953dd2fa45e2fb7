"""An optimiser's step on one parameter, term by term: Adam's m, v, what they are corrected to, and the change, in numbers.

The rules of the library are written for speed; here stand the book's formulas, in float64 (a test compares where they lead
with where the step led). Of any other rule, a user's own too, the variables of its `update` are shown as they are computed.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Callable, Iterator
from inspect import getsource
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.dtypes import FLOATING
from cutaway.inspect.recorder import Update
from cutaway.inspect.values import number
from cutaway.optim import SGD, Adagrad, Adam, RMSprop
from cutaway.optim.optimizer import Optimizer

NEAR = 1e-4  # how far, relative to the change, the formulas may end from where the step ended


class Term(NamedTuple):
    """One line of the rule: a name and a formula as TeX, or its code; the value."""

    name: str
    formula: str
    code: str
    value: np.ndarray


Line = tuple[str, str, Callable[[Any], Any]]


def terms(u: Update, p: np.ndarray, g: np.ndarray, after: np.ndarray) -> list[Term]:
    """What the rule computed on the way from `p` to `after`; nothing where the rule is not known."""
    p, g, after = map(_parts, (p, g, after))
    known = next((lines for kind, lines in RULES if type(u.optimizer).update is kind.update), None)
    found = [] if known is None else list(_by_formula(u, p, g, known))
    if found:
        size = np.abs(after.astype(np.float64) - p).max(initial=0.0) + np.abs(p.astype(np.float64)).max(initial=0.0)
        if np.allclose(p + found[-1].value, after.astype(np.float64), rtol=0, atol=NEAR * size, equal_nan=True):
            return found
    return _by_variables(u, p, g)


def moved(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """The change, and how many elements it raised and lowered; which it moved most."""
    before, after = _parts(before), _parts(after)
    change = after.astype(np.float64) - before.astype(np.float64)
    size = np.nan_to_num(np.abs(change), nan=np.inf)
    found: dict[str, Any] = {"raised": int((change > 0).sum()), "lowered": int((change < 0).sum()), "of": change.size}
    if change.size:
        most = np.unravel_index(int(size.argmax()), change.shape)
        found |= {"largest": number(float(change[most])), "element": [int(i) for i in most]}
    return change, found


# --- by the book ------------------------------------------------------------------------------------------------------


def _by_formula(u: Update, p: np.ndarray, g: np.ndarray, lines: Callable[[dict[str, Any]], list[Line]]) -> Iterator[Term]:
    h, start = u.options, u.optimizer.start(u.options)
    e = SimpleNamespace(**{k: _wide(v) for k, v in h.items()}, p=_wide(p), g=_wide(g), shrunk=0.0)
    e.s = {k: _wide(v) for k, v in {**start, **u.memory}.items()}
    e.t = float(e.s.get("step", 0.0)) + 1
    with np.errstate(all="ignore"):
        for name, formula, line in (*_shared(h), *lines(h)):
            value = np.array(np.broadcast_to(line(e), p.shape), np.float64)
            yield Term(name, formula, "", value)


def _set(e: Any, name: str, value: Any) -> Any:
    setattr(e, name, value)
    return value


def _shared(h: dict[str, Any]) -> list[Line]:
    """What all rules share: climbing, and weight decay."""
    found: list[Line] = []
    if h.get("maximize"):
        found.append(("g", "-g", lambda e: _set(e, "g", -e.g)))
    if h.get("weight_decay") and not h.get("decoupled_weight_decay"):
        found.append(("g", r"g + \lambda\, w", lambda e: _set(e, "g", e.g + e.weight_decay * e.p)))
    if h.get("weight_decay") and h.get("decoupled_weight_decay"):
        found.append((r"\mathrm{decay}", r"-\eta\,\lambda\, w", lambda e: _set(e, "shrunk", -e.lr * e.weight_decay * e.p)))
    return found


def _last(h: dict[str, Any], formula: str, line: Callable[[Any], Any]) -> Line:
    """The change of the weight."""
    decoupled = h.get("weight_decay") and h.get("decoupled_weight_decay")
    return r"\Delta w", r"\mathrm{decay} " * bool(decoupled) + formula, lambda e: e.shrunk + line(e)


def _sgd(h: dict[str, Any]) -> list[Line]:
    if not h["momentum"]:
        return [_last(h, r"-\eta\, g", lambda e: -e.lr * e.g)]
    buffer = lambda e: e.s.get("momentum_buffer")
    b: Line = (
        "b", r"\mu\, b + (1-\tau)\, g",
        lambda e: _set(e, "b", e.g if buffer(e) is None else e.momentum * buffer(e) + (1 - e.dampening) * e.g),
    )  # fmt: skip
    if h["nesterov"]:
        return [b, _last(h, r"-\eta\,(g + \mu\, b)", lambda e: -e.lr * (e.g + e.momentum * e.b))]
    return [b, _last(h, r"-\eta\, b", lambda e: -e.lr * e.b)]


def _adam(h: dict[str, Any]) -> list[Line]:
    mean, square = r"\beta_1 m + (1-\beta_1)\, g", r"\beta_2 v + (1-\beta_2)\, g^2"
    b1, b2 = h["betas"]
    found: list[Line] = [
        ("m", mean, lambda e: _set(e, "m", b1 * e.s["exp_avg"] + (1 - b1) * e.g)),
        ("v", square, lambda e: _set(e, "v", b2 * e.s["exp_avg_sq"] + (1 - b2) * e.g * e.g)),
    ]
    if h["amsgrad"]:
        found.append(("v", r"\max(v, v_{\max})", lambda e: _set(e, "v", np.maximum(e.v, e.s["max_exp_avg_sq"]))))
    step = lambda e: -e.lr * e.m_hat / (np.sqrt(e.v_hat) + e.eps)
    return [
        *found,
        (r"\hat{m}", r"\frac{m}{1-\beta_1^t}", lambda e: _set(e, "m_hat", e.m / (1 - b1**e.t))),
        (r"\hat{v}", r"\frac{v}{1-\beta_2^t}", lambda e: _set(e, "v_hat", e.v / (1 - b2**e.t))),
        _last(h, r"-\eta\,\frac{\hat{m}}{\sqrt{\hat{v}}+\epsilon}", step),
    ]


def _adagrad(h: dict[str, Any]) -> list[Line]:
    rate = lambda e: e.lr / (1 + (e.t - 1) * e.lr_decay)
    return [
        ("G", "G + g^2", lambda e: _set(e, "G", e.s["sum"] + e.g * e.g)),
        _last(h, r"-\eta\,\frac{g}{\sqrt{G}+\epsilon}", lambda e: -rate(e) * e.g / (np.sqrt(e.G) + e.eps)),
    ]


def _rmsprop(h: dict[str, Any]) -> list[Line]:
    found: list[Line] = [
        ("v", r"\alpha v + (1-\alpha)\, g^2", lambda e: _set(e, "v", e.alpha * e.s["square_avg"] + (1 - e.alpha) * e.g**2))
    ]
    if h["centered"]:
        average = r"\alpha m + (1-\alpha)\, g"
        found += [
            ("m", average, lambda e: _set(e, "m", e.alpha * e.s["grad_avg"] + (1 - e.alpha) * e.g)),
            ("v", "v - m^2", lambda e: _set(e, "v", e.v - e.m**2)),
        ]
    step = lambda e: e.g / (np.sqrt(e.v) + e.eps)
    if h["momentum"] > 0:
        b = lambda e: _set(e, "b", e.momentum * e.s["momentum_buffer"] + step(e))
        return [*found, ("b", r"\mu\, b + \frac{g}{\sqrt{v}+\epsilon}", b), _last(h, r"-\eta\, b", lambda e: -e.lr * e.b)]
    return [*found, _last(h, r"-\eta\,\frac{g}{\sqrt{v}+\epsilon}", lambda e: -e.lr * step(e))]


RULES: list[tuple[type[Optimizer], Callable[[dict[str, Any]], list[Line]]]] = [
    (SGD, _sgd), (Adam, _adam), (Adagrad, _adagrad), (RMSprop, _rmsprop)
]  # fmt: skip


# --- by its own variables ---------------------------------------------------------------------------------------------


def _by_variables(u: Update, p: np.ndarray, g: np.ndarray) -> list[Term]:
    """The variables of `update`, run once more; nothing where it cannot be, or where there is none."""
    optimizer, code = u.optimizer, getattr(type(u.optimizer).update, "__code__", None)
    if code is None or type(optimizer).update is Optimizer.update:
        return []
    seen: dict[str, Any] = {}

    def profile(frame: Any, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            seen.update(frame.f_locals)

    state = {k: _wide(v) for k, v in {**optimizer.start(u.options), **u.memory}.items()}
    t = int(state.pop("step", 0)) + 1
    before = sys.getprofile()
    try:
        sys.setprofile(profile)
        with np.errstate(all="ignore"):
            optimizer.apply(_wide(p), _wide(g), state, t, dict(u.options))
    except Exception:  # a rule of the user's own, which may want more than it is given here
        return []
    finally:
        sys.setprofile(before)
    written = _assignments(type(optimizer).update)
    given = code.co_varnames[: code.co_argcount]
    numeric = lambda v: isinstance(v, (np.ndarray, float)) and np.shape(v) in ((), p.shape)
    return [
        Term(name, "", written.get(name, ""), np.array(np.broadcast_to(value, p.shape), np.float64))
        for name, value in seen.items()
        if numeric(value) and name not in given
    ]


def _assignments(fn: Any) -> dict[str, str]:
    """What a function assigns to each name last, as it is written."""
    found: dict[str, str] = {}
    try:
        tree = ast.parse(textwrap.dedent(getsource(fn)))
    except (OSError, TypeError, SyntaxError):
        return found
    for x in ast.walk(tree):
        if isinstance(x, ast.Assign):
            for target in x.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = ast.unparse(x.value)
    return found


def _parts(a: np.ndarray) -> np.ndarray:
    """A complex parameter as its parts [..., 2], which an optimiser takes for two numbers."""
    return a if a.dtype.kind != "c" else np.stack([a.real, a.imag], -1)


def _wide(a: Any) -> Any:
    if isinstance(a, np.ndarray) and a.dtype.kind == "c":
        a = _parts(a)
    return a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind in FLOATING else a
