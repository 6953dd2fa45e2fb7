"""A call with arguments that cannot be used: from whatever Python or NumPy said deep inside to an error that helps.

A function under `guarded` costs a call more; a function whose wrapper catches `RAW` itself (`composite`) costs nothing:
what is written here runs only once something has gone wrong. An error that arose in the user's own code, such as a
function that was passed in, is left as it is, and so is Python's TypeError for a missing or unexpected argument.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from numbers import Real
from types import FrameType, TracebackType
from typing import Any, TypeVar

import numpy as np

from cutaway.core.aval import Aval
from cutaway.core.errors import ArgumentError, ArgumentTypeError, CutawayError, IndexOutOfRange, NoData, NotForSparse
from cutaway.core.grad_names import CALLED, tell
from cutaway.core.overriding.asked import first
from cutaway.core.package import is_ours
from cutaway.core.spelling import into, respelled

RAW = (CutawayError, TypeError, AttributeError, ValueError, IndexError, KeyError, OverflowError, ZeroDivisionError)

F = TypeVar("F", bound=Callable[..., Any])


def guarded(fn: F, out: bool = False) -> F:
    """`fn`, whose raw errors become named ones; `out`: it also takes `out=`, a tensor that the result is written into."""

    words, own = CALLED.get(fn.__name__.removesuffix("_")), fn.__name__[-1:] == "_"

    @wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            y = fn(*args, **kwargs)
            return y if words is None else tell(y, words, args, kwargs, own)
        except NotForSparse as met:
            return of_sparse(fn.__name__, args, kwargs, met)
        except NoData as met:
            return of_meta(call, args, kwargs, met)
        except RAW as error:
            if first(args, kwargs):
                return call(*args, **kwargs)
            if out and "out" in kwargs and isinstance(error, TypeError) and not isinstance(error, CutawayError):
                return into(kwargs.pop("out"), call, args, kwargs)
            again = respelled(fn, args, kwargs) if kwargs and isinstance(error, TypeError) else None
            if again is not None:
                return call(*again[0], **again[1])
            refusal = explain(fn, args, kwargs, error)
            if refusal is None:
                raise
            raise refusal from error

    return call  # type: ignore[return-value]


def of_sparse(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], met: NotForSparse) -> Any:
    """What function `name` gives for sparse tensors, now that it has met one where it needs an array."""
    from cutaway.core.sparse.answer import answer

    return answer(name, args, kwargs, met)


def of_meta(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], met: NoData) -> Any:
    """What `fn` gives for meta tensors, now that it has met one where it would look at values."""
    from cutaway.core.meta import again

    return again(fn, args, kwargs, met)


def function(fn: F) -> F:
    """`fn`, guarded, which takes `out=`, too."""
    return guarded(fn, out=True)


def guard_class(cls: type, names: Sequence[str] = ("__init__",)) -> None:
    """Guard these of its methods if `cls` is Cutaway's own: for `__init_subclass__`; a user's classes stay as they are."""
    if is_ours(cls):
        guard_methods(cls, [name for name in names if name in vars(cls)])


def guard_methods(cls: type, names: Iterable[str]) -> None:
    """Guard these methods of `cls`."""
    for name in names:
        setattr(cls, name, guarded(vars(cls)[name]))


def explain(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> CutawayError | None:
    """The named error for a raw `error` that left `fn(*args, **kwargs)`; None where it should stay as it is.

    A named error whose text does not say `fn` is told it: "lerp: sub: shapes [2] and [3] do not broadcast".
    """
    if isinstance(error, CutawayError):
        _add_context(error, _public_name(fn, args))
        return None
    if not _arose_here(error.__traceback__):
        return None
    signature = inspect.signature(fn)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return None
    name = _public_name(fn, args)
    given = _flat(signature, bound.arguments, fn.__module__.startswith("cutaway.core."))
    for key, value, expected in given:
        if expected and not any(_fits(value, kind) for kind in expected):
            words = _listed([WORDS.get(kind, kind) for kind in expected])
            return ArgumentTypeError(f"{name}: {key} must be {words}, got {describe(value)}{_fix(value, expected)}")
    listed = ", ".join(f"{key}={describe(value)}" for key, value, _ in given)
    return _class(error)(
        f"{name}({listed}): {_reason(error)}; check these arguments, help({name}) says what they may be"
    )


def describe(value: Any) -> str:
    """A value for an error text: dtype and shape of what has them, type and value of the rest."""
    if hasattr(value, "_data") and isinstance(value._data, np.ndarray):
        return str(Aval(value._data.shape, value._data.dtype))
    if isinstance(value, np.ndarray):
        return f"NumPy {Aval(value.shape, value.dtype)}"
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, (list, tuple)) and any(hasattr(v, "_data") for v in value):
        return f"{type(value).__name__} of {', '.join(map(describe, value[:4]))}{', ...' if len(value) > 4 else ''}"
    try:
        text = repr(value)
    except Exception:  # the user's own __repr__
        return type(value).__name__
    if " at 0x" in text:
        return f"{type(value).__name__} {getattr(value, '__name__', 'object')}"
    return f"{type(value).__name__} {text}" if len(text) <= 60 else f"{type(value).__name__} {text[:57]}..."


def _add_context(error: CutawayError, name: str) -> None:
    text = str(error.args[0]) if error.args else ""
    if name.rpartition(".")[2] not in text and name[0] not in "_<":
        error.args = (f"{name}: {text}", *error.args[1:])


# --- whose error it is ------------------------------------------------------------------------------------------------


def _arose_here(traceback: TracebackType | None) -> bool:
    """True unless a frame of the user's own code lies between the guard and the error."""
    frame = traceback.tb_next if traceback is not None else None
    while frame is not None:
        if not _is_ours(frame.tb_frame):
            return False
        frame = frame.tb_next
    return True


def _is_ours(frame: FrameType) -> bool:
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package in ("cutaway", "numpy") or (package in sys.stdlib_module_names and package != "__main__")


def _class(error: Exception) -> type[CutawayError]:
    text = str(error)
    if isinstance(error, (TypeError, AttributeError)) or "could not convert" in text or "invalid literal" in text:
        return ArgumentTypeError
    return IndexOutOfRange if isinstance(error, IndexError) else ArgumentError


def _reason(error: Exception) -> str:
    """What Python or NumPy said, without the names of what is inside."""
    text = str(error)
    if isinstance(error, AttributeError) and "object has no attribute" in text:
        return f"a Tensor is needed where there is {text.partition(' object has no')[0].strip(chr(39))}"
    return text.partition("\n")[0]


# --- what was expected ------------------------------------------------------------------------------------------------

# From the annotations of the parameters: what they may be in words, and whether a value is that.
WORDS = {
    "Tensor": "a Tensor",
    "int": "an int",
    "float": "a number",
    "bool": "True or False",
    "str": "a string",
    "None": "None",
    "Sequence[int]": "several ints",
    "Sequence[float]": "several numbers",
    "Sequence[Tensor]": "several Tensors",
}


def _is_int(value: Any) -> bool:
    if hasattr(value, "_data") or isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iub" if isinstance(value, np.ndarray) else _is_int(value._data)
    return hasattr(value, "__index__")


def _is_number(value: Any) -> bool:
    if hasattr(value, "_data"):
        return bool(value._data.size == 1)
    return isinstance(value, (Real, np.bool_)) or (isinstance(value, np.ndarray) and value.ndim == 0)


def _several(value: Any, check: Callable[[Any], bool]) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes)) and all(map(check, value))


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "requires_grad") and hasattr(value, "grad_fn")


CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "Tensor": _is_tensor,
    "int": _is_int,
    "float": _is_number,
    "bool": lambda v: isinstance(v, (bool, np.bool_, int)),
    "str": lambda v: isinstance(v, str),
    "None": lambda v: v is None,
    "Sequence[int]": lambda v: _several(v, _is_int),
    "Sequence[float]": lambda v: _several(v, _is_number),
    "Sequence[Tensor]": lambda v: _several(v, _is_tensor),
}
ALIASES = {
    "Dims": "int | Sequence[int] | None",
    "Ints": "int | Sequence[int]",
}


def _fits(value: Any, kind: str) -> bool:
    check = CHECKS.get(kind)
    return check is None or check(value)


def _flat(signature: inspect.Signature, arguments: Mapping[str, Any], method: bool) -> list[tuple[str, Any, list[str]]]:
    """(name, value, what it may be) of each argument that was given; `method`: self is a Tensor."""
    flat: list[tuple[str, Any, list[str]]] = []
    for key, value in arguments.items():
        parameter = signature.parameters[key]
        if parameter.kind is parameter.VAR_KEYWORD:
            flat += [(k, v, []) for k, v in value.items()]
        elif key == "self":  # of a constructor: it is not made yet, and cannot be shown
            flat += [(key, value, ["Tensor"])] if method else []
        else:
            flat.append((key, value, _expected(parameter)))
    return flat


def _expected(parameter: inspect.Parameter) -> list[str]:
    """The kinds that the annotation lists; nothing where it says nothing, or more than is known here."""
    text = parameter.annotation
    if parameter.kind is parameter.VAR_POSITIONAL or not isinstance(text, str):
        return []
    kinds = [kind.strip() for kind in ALIASES.get(text, text).split("|")]
    for kind in [k for k in kinds if k in ALIASES]:
        kinds.remove(kind)
        kinds += [k.strip() for k in ALIASES[kind].split("|")]
    return kinds if all(kind in CHECKS for kind in kinds) else []


def _fix(value: Any, expected: Sequence[str]) -> str:
    if "Tensor" in expected:
        return (
            "; wrap it with cutaway.tensor(...)" if isinstance(value, (list, tuple, np.ndarray)) else "; pass a Tensor"
        )
    if hasattr(value, "_data") and ("int" in expected or "float" in expected):
        return "; write .item() for the value of a tensor of one element"
    return f"; pass {_listed([EXAMPLES[kind] for kind in expected if kind in EXAMPLES])}"


EXAMPLES = {
    "int": "a number such as 1",
    "float": "a number such as 0.5",
    "bool": "True or False",
    "str": "a name in quotes",
    "None": "None",
    "Sequence[int]": "a tuple such as (0, 1)",
    "Sequence[float]": "a tuple such as (0.5, 1.0)",
    "Sequence[Tensor]": "a list of Tensors",
}


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _public_name(fn: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """The name that the user wrote: of the function, of the method, or of the class that was being made."""
    name = getattr(fn, "__name__", type(fn).__name__)
    if name in ("__init__", "forward") and args:
        return type(args[0]).__name__
    if "." in fn.__qualname__ and args and not fn.__module__.startswith("cutaway.core."):  # a method, not of Tensor
        return f"{type(args[0]).__name__}.{name}"
    return name.strip("_") if name.startswith("__") else name
