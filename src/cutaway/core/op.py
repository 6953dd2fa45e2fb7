"""The op record, the table of all ops, and the interpreter that a call goes to.

An op is one record in one place. Its gradient rules say by the *names of their parameters* what backprop needs:

    mul = Op("mul", ..., grad=(lambda g, b: g * b,      # towards a: keep the value of b
                               lambda g, a: g * a))     # towards b: keep the value of a
    exp = Op("exp", ..., grad=(lambda g, y: g * y,))    # keep the result itself

| parameter        | what the rule receives                                             |
|------------------|--------------------------------------------------------------------|
| `g`              | the gradient that arrives at the result                            |
| `y`              | the value of the result                                            |
| `a`, `b`, `c`    | the value of the first, second, third input                        |
| `A`, `B`, `C`    | only its shape and dtype (an Aval): nothing is kept                |
| `indices`        | the values of all inputs of integer or bool dtype                  |
| `i`, `avals`     | the input's position and every input's Aval, for ops of any arity  |
| any other name   | the attribute of that name                                         |

A value that no rule names is not kept alive: "why must forward's outputs be kept?" is answered by the signature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

from cutaway.core import accelerate
from cutaway.core.errors import NoData, NotForSparse
from cutaway.core.grad_names import CALLED, tell
from cutaway.core.overriding.asked import first
from cutaway.core.refusal import RAW, explain, of_meta, of_sparse

if TYPE_CHECKING:
    import numpy as np

    from cutaway.core.aval import Aval
    from cutaway.core.tensor import Tensor

KINDS = ("elementwise", "reduce", "movement", "index", "contract", "window", "random")
APART = "complex"  # the kind of ops that run eagerly only: they have a table of their own
LETTERS = "abc"

OPS: dict[str, Op] = {}
OPS_APART: dict[str, Op] = {}


class Sample(NamedTuple):
    """One input for the generated tests.

    `inputs` are shapes (filled with random values of the op's domain), arrays, or numbers; `attrs` the attributes.
    For an error sample, `error` is a piece of the text that the exception must hold.
    """

    inputs: tuple[Any, ...]
    attrs: dict[str, Any] = {}
    error: str = ""


class Rule:
    """A gradient rule towards one input, with what it reads found from its parameters' names."""

    __slots__ = ("_on_arrays", "fn", "plan", "reads", "saves_indices", "saves_inputs", "saves_y")

    def __init__(self, fn: Callable[..., Any]) -> None:
        code = fn.__code__
        self.fn = fn
        self.reads = code.co_varnames[1 : code.co_argcount]
        assert code.co_varnames[0] == "g", f"the first parameter of a gradient rule is g, found {code.co_varnames[0]}"
        self.saves_y = "y" in self.reads
        self.saves_inputs = tuple(LETTERS.index(r) for r in self.reads if r in LETTERS)
        self.saves_indices = "indices" in self.reads
        self.plan = tuple(map(_what, self.reads))
        self._on_arrays: tuple[Any, Any] = (None, None)  # of which code, and what came of it

    @property
    def on_arrays(self) -> Callable[..., Any] | None:
        """The rule for arrays, where there is such a reading of it (core/lifting.py)."""
        if self._on_arrays[0] is not self.fn:
            from cutaway.core.lifting import on_arrays

            self._on_arrays = self.fn, on_arrays(self.fn)
        return self._on_arrays[1]  # type: ignore[no-any-return]


# What a rule's parameter stands for: an attribute, the result, an input's value or Aval, or one of the names for any arity.
ATTRIBUTE, RESULT, INPUT, AVAL, OTHER = range(5)


def _what(name: str) -> tuple[int, Any]:
    if name in ("i", "avals", "indices"):
        return OTHER, name
    if len(name) == 1 and name.lower() in LETTERS:
        return (INPUT if name in LETTERS else AVAL), LETTERS.index(name.lower())
    return (RESULT, name) if name == "y" else (ATTRIBUTE, name)


class Op:
    """One operation: everything that Cutaway knows about it.

    forward  NumPy arrays and attributes -> NumPy array
    shape    (attributes, *avals) -> Aval of the result, or the error that says which axis disagrees
    grad     one rule an input (None: no gradient flows there); a single rule with the parameter `i` serves any arity
    promote  "": inputs are taken as they are; "same": brought to their common dtype; "float": and integers become floats;
             "number": and bool is refused as their common dtype; "signed": as any input's dtype;
             "equal": dtypes must be equal; "branches": all but the first, which is a condition;
             "ordered": as "same", and complex numbers, which have no order, are refused
    view     "view": the result may be the input's own memory, and a user may write through it;
             "layout": it may be the same memory, but only the machine knows (no one writes to it)
    formula  TeX, for pictures;  oracle: `lambda torch, *tensors, **attrs`;  domain: where samples are drawn
    scalar   an elementwise op's forward over the scalar vocabulary `m`, which the compiler reads too
    scales   a number or 0-d tensor as the second input stays in float32 beside float16 and bfloat16 (core/narrow.py)
    """

    __slots__ = (
        "domain", "errors", "formula", "forward", "kind", "name", "onnx", "oracle", "promote", "rules", "samples",
        "scalar", "scales", "shape", "smooth", "variadic", "view",
    )  # fmt: skip

    eager: ClassVar[Callable[[Op, tuple[Any, ...], dict[str, Any]], Tensor]]  # installed by eager.py

    def __init__(
        self,
        name: str,
        kind: str,
        forward: Callable[..., np.ndarray],
        shape: Callable[..., Aval],
        grad: Sequence[Callable[..., Any] | None] = (),
        *,
        promote: str = "",
        view: str = "",
        formula: str = "",
        onnx: str = "",
        oracle: Callable[..., Any] | None = None,
        domain: tuple[float, float] = (-2.0, 2.0),
        samples: Callable[[], list[Sample]] | None = None,
        errors: Callable[[], list[Sample]] | None = None,
        scalar: Callable[..., Any] | None = None,
        smooth: bool = True,
        scales: bool = False,
    ) -> None:
        table = OPS_APART if kind == APART else OPS
        assert kind in (*KINDS, APART) and name not in table, (name, kind)
        self.name, self.kind, self.forward, self.shape = name, kind, forward, shape
        self.rules = tuple(None if r is None else Rule(r) for r in grad)
        self.variadic = any(r is not None and "i" in r.reads for r in self.rules)
        self.promote, self.view, self.formula, self.onnx, self.oracle = promote, view, formula, onnx, oracle
        self.domain, self.samples, self.errors, self.scalar, self.smooth = domain, samples, errors, scalar, smooth
        self.scales = scales
        table[name] = self

    def __call__(self, *inputs: Any, **attrs: Any) -> Tensor:
        """The op applied: values in, a value out; under a tracer, symbols."""
        try:
            return (INTERPRETER.get() or Op.eager)(self, inputs, attrs)
        except NotForSparse as met:
            return of_sparse(self.name, inputs, attrs, met)  # type: ignore[no-any-return]

    def rule(self, i: int) -> Rule | None:
        """The gradient rule towards input `i`."""
        if self.variadic:
            return self.rules[0]
        return self.rules[i] if i < len(self.rules) else None

    def __repr__(self) -> str:
        return f"<op {self.name} ({self.kind})>"


# The interpreter on top of the bottom one: a tracer or a recorder is put here with `set` and taken off with `reset`, in a
# `finally`. None: the bottom one, `Op.eager`, computes at once.
INTERPRETER: ContextVar[Callable[[Op, tuple[Any, ...], dict[str, Any]], Tensor] | None] = ContextVar(
    "interpreter", default=None
)


class Stage(Protocol):
    """What a tracer offers to code that keeps state in Python.  Nodes with a `seq` below `born` were there before it."""

    born: int

    def number(
        self,
        read: Callable[[], Any],
        dtype: np.dtype,
        name: str,
        shape: tuple[int, ...] = (),
        steady: Callable[[], bool] | None = None,
    ) -> Tensor:
        """A number that changes between calls (a learning rate, a counter): an input of the graph, read anew each time.

        Or, while `steady()` is True, only when something has told of a change (core/watched.py).
        """

    def store(self, target: Tensor, y: Tensor) -> None:
        """What an in-place method does: from now on `target` is the value of `y`."""

    def adopt(self, tensor: Tensor) -> None:
        """A tensor that was made during the trace and lives on (an optimiser's memory): its writes count."""

    def unknown(self) -> None:
        """Code would look at values if there were any: a check, or a shortcut for the usual case."""


# The tracer at work, while a program is staged.
STAGE: ContextVar[Stage | None] = ContextVar("stage", default=None)

# An observer of composites, modules' calls, optimisers' steps and users' Functions, called with (function, arguments,
# keywords) to run them; None almost always.
SCOPE: ContextVar[Callable[..., Any] | None] = ContextVar("scope", default=None)

# What changes the dtypes that composites and `castable` functions are called with (autocast); called as an observer is, it
# answers by `perform`. None almost always.
CAST: ContextVar[Callable[..., Any] | None] = ContextVar("cast", default=None)

# How often `cutaway.use` has changed what is behind the library's names: what was traced before that is out of date.
PARTS = [0]

F = TypeVar("F", bound=Callable[..., Any])


def perform(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], whole: bool = True) -> Any:
    """A composite's or castable function's result: by the observer, or as a `whole` by a native program, or op by op."""
    if hasattr(fn, "formula"):
        observer, native = SCOPE.get(), accelerate.composite if whole else None
        if observer is not None:
            return observer(fn, args, kwargs)
        if native is not None:
            y = native(fn, args, kwargs)
            if y is not accelerate.NOT:
                return y
    return fn(*args, **kwargs)


def castable(fn: F) -> F:
    """Let `CAST` see the calls of a function that is no composite."""

    @wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        cast = CAST.get()
        try:
            return fn(*args, **kwargs) if cast is None else cast(fn, args, kwargs)
        except NotForSparse as met:
            return of_sparse(fn.__name__, args, kwargs, met)

    return call  # type: ignore[return-value]


def composite(formula: str = "") -> Callable[[F], F]:
    """Mark a function made of ops: one box in a picture, which can be opened.

    Its gradient and its shapes come from the ops inside.
    """

    def mark(fn: F) -> F:
        words = CALLED.get(fn.__name__)

        @wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            cast, observer = CAST.get(), SCOPE.get()
            try:
                if cast is not None:
                    return cast(fn, args, kwargs)
                if observer is not None:
                    return observer(fn, args, kwargs)
                native = accelerate.composite
                if native is not None:
                    y = native(fn, args, kwargs)
                    if y is accelerate.NOT:
                        y = fn(*args, **kwargs)
                else:
                    y = fn(*args, **kwargs)
                return y if words is None else tell(y, words, args, kwargs, own=True)
            except NotForSparse as met:
                return of_sparse(fn.__name__, args, kwargs, met)
            except NoData as met:
                return of_meta(fn.entry, args, kwargs, met)  # type: ignore[attr-defined]
            except RAW as error:
                if first(args, kwargs):
                    return fn.entry(*args, **kwargs)  # type: ignore[attr-defined]
                refusal = explain(fn, args, kwargs, error)
                if refusal is None:
                    raise
                raise refusal from error

        call.formula = fn.formula = formula  # type: ignore[attr-defined]
        fn.entry = call  # type: ignore[attr-defined]  # by name: a variable of `call` would be copied at each call
        return call  # type: ignore[return-value]

    return mark
