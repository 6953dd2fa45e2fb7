"""An autograd of one's own, for numbers: networks of the library compute their gradients with it.

While it is in use, every operation on the way from parameters to a loss is done a second time, element by element, on the
user's objects; `loss.backward()` is then the user's `backward`, and what it leaves in `.grad` becomes the parameters'
`.grad`. That is slow, and it is the point: a network of a hundred parameters learns by nothing but the user's tape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from cutaway.core.autograd import RECORDING, Leaf, Node
from cutaway.core.errors import ArgumentError, GradError, TraceError
from cutaway.core.op import INTERPRETER, STAGE, Op
from cutaway.core.promote import coerce
from cutaway.core.tensor import Tensor

CLOSE = 1e-3  # how far the user's loss may be from the library's, relative


class Scalars:
    """The user's class at work: `Value(number)` with `data`, `grad`, + - * / **, `exp()`, `log()` and `backward()`."""

    def __init__(self, value: Callable[[float], Any], called: Callable[[], None] = lambda: None) -> None:
        self.value, self.called = value, called
        self.words = Words()
        self._known: WeakKeyDictionary[Node, np.ndarray] = WeakKeyDictionary()
        self._leaves: list[tuple[Tensor, np.ndarray]] = []

    def start(self) -> Callable[[], None]:
        """Begin to watch; gives the function that ends it."""
        token = INTERPRETER.set(self._do)
        theirs = Tensor.backward
        Tensor.backward = lambda t, *a, **k: self._backward(t, *a, **k)  # type: ignore[method-assign]

        def stop() -> None:
            Tensor.backward = theirs  # type: ignore[method-assign]
            INTERPRETER.reset(token)

        return stop

    def _do(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
        tensors = coerce(op, inputs)
        y = Op.eager(op, tensors, attrs)
        if RECORDING.get() and y._node is not None:
            self._known[y._node] = self._again(op, [self._of(t) for t in tensors], attrs)
        return y

    def _of(self, t: Tensor) -> np.ndarray:
        """A tensor's elements: the user's objects, numbers where no gradient is wanted, and indices as they are."""
        found = None if t._node is None else self._known.get(t._node)
        if found is not None:
            return found
        if t._data.dtype.kind != "f":
            return t._data
        if not isinstance(t._node, Leaf):
            return t._data.astype(object)
        made = np.empty(t._data.shape, object)
        for at in np.ndindex(made.shape):
            made[at] = self.value(float(t._data[at]))
        self._known[t._node] = made
        self._leaves.append((t, made))
        return made

    def _again(self, op: Op, inputs: list[np.ndarray], attrs: dict[str, Any]) -> np.ndarray:
        """The operation on the user's objects."""
        if op.name in ("cast", "copy", "layout"):
            return inputs[0]
        if op.scalar is not None:
            scalar = op.scalar
            each = np.frompyfunc(lambda *v: scalar(self.words, *v, **attrs), len(inputs), 1)
            return _array(each(*inputs))
        if op.name in ("amax", "amin"):
            return _extreme(inputs[0], op.name == "amax", **attrs)
        if op.name == "logsumexp":
            return self._logsumexp(inputs[0], **attrs)
        return _array(op.forward(*inputs, **attrs))

    def _logsumexp(self, x: np.ndarray, dim: tuple[int, ...], keepdim: bool) -> np.ndarray:
        """log of the sum of exp, the largest number taken out before: a constant, which changes no gradient."""
        top = np.frompyfunc(number, 1, 1)(_extreme(x, True, dim, True))
        total = np.add.reduce(np.frompyfunc(self.words.exp, 1, 1)(x - top), axis=dim, keepdims=True)
        y = _array(np.frompyfunc(self.words.log, 1, 1)(total) + top)
        return y if keepdim else y.reshape([n for d, n in enumerate(y.shape) if d not in dim])

    def _backward(self, t: Tensor, gradient: Any = None, *_: Any, **__: Any) -> None:
        if STAGE.get() is not None:
            raise TraceError("autograd: your own computes number by number, outside of any program that could be compiled")
        found = None if t._node is None else self._known.get(t._node)
        if found is None or found.size != 1:
            raise GradError("use(autograd=...): backward begins at one number that was computed from parameters, a loss")
        if gradient is not None:
            raise GradError("use(autograd=...): backward takes no gradient here; it begins with 1")
        loss = found.item()
        if not math.isclose(number(loss), t.item(), rel_tol=CLOSE, abs_tol=CLOSE):
            raise ArgumentError(
                f"use(autograd=...): your forward came to {number(loss):.6g}, the library's to {t.item():.6g}; "
                "look at the values of your operators before their gradients"
            )
        loss.backward()
        self.called()
        for leaf, values in self._leaves:
            g = np.empty(values.shape, leaf._data.dtype)
            for at in np.ndindex(values.shape):
                value: Any = values[at]
                g[at] = value.grad
            leaf._grad = Tensor._wrap(g if leaf._grad is None else leaf._grad._data + g)
        self._known.clear()
        self._leaves.clear()


def number(v: Any) -> float:
    """The number in one of the user's objects, or a number."""
    return float(getattr(v, "data", v))


class Words:
    """The scalar vocabulary (core/vocabulary.py) over the user's objects, made of what these can do."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(v: Any, *more: Any) -> Any:
            if hasattr(v, name):
                return getattr(v, name)(*more)
            if isinstance(v, float | int):
                return getattr(math, name)(v, *more)
            raise ArgumentError(f"use(autograd=...): your {type(v).__name__} has no {name}(), which this network needs")

        return call

    def exp(self, v: Any) -> Any:
        """e to the v."""
        return v.exp() if hasattr(v, "exp") else math.exp(v)

    def log(self, v: Any) -> Any:
        """The natural logarithm."""
        return v.log() if hasattr(v, "log") else math.log(v)

    def expm1(self, v: Any) -> Any:
        """exp(v) - 1."""
        return self.exp(v) - 1.0

    def log1p(self, v: Any) -> Any:
        """log(1 + v)."""
        return self.log(v + 1.0)

    def sqrt(self, v: Any) -> Any:
        """The square root."""
        return v**0.5

    def pow(self, v: Any, p: Any) -> Any:
        """v to the p."""
        return v**p

    def tanh(self, v: Any) -> Any:
        """(e^v - e^-v) / (e^v + e^-v), without an exponential that overflows."""
        if hasattr(v, "tanh"):
            return v.tanh()
        if number(v) < 0:
            return -self.tanh(-v)
        small = self.exp(v * -2.0)
        return (1.0 - small) / (1.0 + small)

    def sigmoid(self, v: Any) -> Any:
        """1 / (1 + e^-v), without an exponential that overflows."""
        if hasattr(v, "sigmoid"):
            return v.sigmoid()
        small = self.exp(-self.abs(v))
        return (1.0 if number(v) >= 0 else small) / (1.0 + small)

    def abs(self, v: Any) -> Any:
        """|v|."""
        return v if number(v) >= 0 else -v

    def sign(self, v: Any) -> float:
        """-1, 0 or 1."""
        return float((number(v) > 0) - (number(v) < 0))

    def maximum(self, v: Any, w: Any) -> Any:
        """The larger one."""
        return v if number(v) >= number(w) else w

    def minimum(self, v: Any, w: Any) -> Any:
        """The smaller one."""
        return v if number(v) <= number(w) else w

    def where(self, condition: Any, v: Any, w: Any) -> Any:
        """v if the condition holds, else w."""
        return v if condition else w


def _array(x: Any) -> np.ndarray:
    """An object array, also of a single object."""
    if isinstance(x, np.ndarray):
        return x
    made = np.empty((), object)
    made[()] = x
    return made


def _extreme(x: np.ndarray, largest: bool, dim: tuple[int, ...], keepdim: bool) -> np.ndarray:
    """The largest or smallest along dims, as the user's objects."""
    chosen = np.frompyfunc(lambda a, b: a if (number(a) >= number(b)) is largest else b, 2, 1)
    for d in sorted(dim, reverse=True):
        x = _array(chosen.reduce(x, axis=d, keepdims=keepdim))
    return x
