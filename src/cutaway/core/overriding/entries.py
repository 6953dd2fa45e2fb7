"""The functions that ask. Until `install` runs nothing is asked, and no function knows that there is a question.

A program may have taken a function long before (`from torch import add`), and keeps tables whose keys are functions
(`HANDLED[torch.mean]`). So a function stays the object that it is and gets other code: a few instructions that ask. What it
did before is a new function with the old code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import WRAPPER_ASSIGNMENTS, cache
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from cutaway.core.overriding import asked
from cutaway.core.overriding.asked import ALL, MODES, OFF, PLAIN, DisableTorchFunctionSubclass, askers, asks, call
from cutaway.core.package import package
from cutaway.core.tensor import Tensor

# Functions of `cutaway` that no one is asked about: settings, files, and what only looks.
UNASKED = frozenset(
    """
    absent are_deterministic_algorithms_enabled broadcast_shapes can_cast clear_autocast_cache compile from_numpy frombuffer
    get_autocast_dtype get_default_device get_default_dtype get_float32_matmul_precision get_num_interop_threads
    get_num_threads get_rng_state import_module initial_seed is_anomaly_enabled is_autocast_cache_enabled is_autocast_enabled
    is_deterministic_algorithms_warn_only_enabled is_grad_enabled is_storage is_tensor load manual_seed promote_types
    result_type save seed set_autocast_dtype set_autocast_enabled set_default_device set_default_dtype
    set_default_tensor_type set_float32_matmul_precision set_flush_denormal set_num_interop_threads set_num_threads
    set_printoptions set_rng_state use use_deterministic_algorithms vmap evaluated function
    """.split()
)
# Modes see these, classes do not: they make a plain tensor of whatever is given.
MAKERS = frozenset("as_tensor asarray scalar_tensor tensor".split())
# Methods and properties of Tensor that no one is asked about.
SILENT = frozenset(
    "__dict__ __dir__ __hash__ __init_subclass__ __new__ __torch_function__ as_subclass".split()
)
# An operator goes by the name of the method that it is in PyTorch; those that are not here go by their own.
NAMED = {
    **{f"__{name}__": name for name in "abs add ge gt le lt matmul mul ne neg sub".split()},
    "__iadd__": "add_", "__ifloordiv__": "floor_divide_", "__imod__": "remainder_", "__imul__": "mul_", "__isub__": "sub_",
    "__itruediv__": "div_", "__mod__": "remainder", "__pos__": "positive", "__radd__": "add", "__rand__": "bitwise_and",
    "__rmul__": "mul", "__ror__": "bitwise_or", "__rxor__": "bitwise_xor", "__truediv__": "div",
}  # fmt: skip
# What programs that look at `func.__name__` see, where it is another; in these modules its name is the module's and its own.
CALLED = {"Tensor.__ipow__": "pow_", "Tensor.__pow__": "pow", "Tensor.__rtruediv__": "__rdiv__"}
JOINED = ("fft", "linalg", "special")
# Where Python asks the other side if these answer NotImplemented, or raise a TypeError.
OPERATORS = frozenset(
    f"__{prefix}{name}__"
    for prefix in ("", "r", "i")
    for name in "add and floordiv lshift matmul mod mul or pow rshift sub truediv xor".split()
) | frozenset("__eq__ __ge__ __gt__ __le__ __lt__ __ne__".split())
# What PyTorch writes in terms of other functions, which ask.
THROUGH: dict[str, Callable[..., Any]] = {
    "Tensor.__iter__": lambda x: (x.dim() or bare(Tensor.__iter__)(x), iter(x.unbind(0)))[1],
    "nn.functional.sigmoid": lambda input: input.sigmoid(),
    "nn.functional.tanh": lambda input: input.tanh(),
}
# Of what is in two of these, the first is the place that it is known by.
SPACES = ("nn.functional", "", "linalg", "fft", "special")
# Of these modules only what is named.
BESIDES = {
    "autograd": "grad",
    "nn.init": "constant_ kaiming_uniform_ normal_ uniform_",
    "nn.utils.rnn": "pad_sequence",
}


class Entry(NamedTuple):
    """A function that asks, what it is called, and what classes are told it is."""

    function: Any
    place: str
    public: Any


_bare: dict[FunctionType, FunctionType] = {}  # what functions did before, and do once all have been asked
_places: dict[Any, str] = {}  # of what classes are told, and its name below `torch`


def install() -> None:
    """Let functions ask from now on."""
    asked.installed = True
    for entry in _entries():
        _places.setdefault(entry.public, entry.place)
        if entry.function not in _bare:
            _route(entry)


def remove() -> None:
    """All as it was before `install`."""
    for function, before in _bare.items():
        function.__code__, function.__name__ = before.__code__, before.__name__
        if function.__dict__.get("__wrapped__") is before:
            del function.__dict__["__wrapped__"]
    _bare.clear()
    _places.clear()
    asked.installed = False


def bare(function: Any) -> Any:
    """What the function does once all have been asked."""
    return _bare.get(function, function)


def place(public: Any) -> str | None:
    """The name of what asks: 'torch.nn.functional.relu'; None for what does not."""
    found = _places.get(public)
    return found and f"{package()}.{found}"


def publics() -> dict[Any, str]:
    """What classes can be told, and its name below `torch`."""
    asked.install()
    return dict(_places)


# --- which ------------------------------------------------------------------------------------------------------------


def _entries() -> Iterator[Entry]:
    for name, value in _methods():
        if name in SILENT:
            continue
        if isinstance(value, property):
            for part, function in (("__get__", value.fget), ("__set__", value.fset), ("__delete__", value.fdel)):
                if _ours(function):
                    yield Entry(function, f"Tensor.{name}.{part}", getattr(value, part))
        elif _ours(value):
            yield Entry(value, f"Tensor.{name}", getattr(Tensor, NAMED.get(name, name)))
    for space in SPACES:
        module = import_module(f"cutaway.{space}".rstrip("."))
        found = [(name, getattr(module, name)) for name in _names(module)]
        for name, value in sorted(found, key=_is_alias):
            if _ours(value):
                yield Entry(value, f"{space}.{name}".lstrip("."), value)
    for space, names in BESIDES.items():
        for name in names.split():
            value = getattr(import_module(f"cutaway.{space}"), name)
            yield Entry(value, f"{space}.{name}", value)


def _ours(value: Any) -> bool:
    """True for a function, unless it is one that a program has put there."""
    return isinstance(value, FunctionType) and value.__module__.partition(".")[0] == "cutaway"


def _methods() -> list[tuple[str, Any]]:
    """Tensor's methods and properties; those that are no operators before others."""
    found: dict[str, Any] = {}
    for cls in reversed(Tensor.__mro__[:-1]):
        found |= vars(cls)
    seen = [(n, v) for n, v in found.items() if n[:1] != "_" or n[:2] == "__" or n == "_version"]
    return sorted(seen, key=lambda item: (item[0][:1] == "_", _is_alias(item)))


def _is_alias(item: tuple[str, Any]) -> bool:
    """True for a name that is not the function's own: what has two is known by its own."""
    return getattr(item[1], "__name__", item[0]) != item[0]


def _names(module: Any) -> list[str]:
    modules = getattr(module, "_MODULES", ())
    names = {*dir(module), *getattr(module, "__all__", ())}
    return sorted(n for n in names if n[:1] != "_" and n not in modules and n not in UNASKED)


# --- how --------------------------------------------------------------------------------------------------------------


def _route(entry: Entry) -> None:
    function = entry.function
    before = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    for name in ("__kwdefaults__", *WRAPPER_ASSIGNMENTS):
        setattr(before, name, getattr(function, name))
    before.__dict__.update(function.__dict__)
    _bare[function] = before
    function.__dict__.setdefault("__wrapped__", before)  # for `inspect.signature`
    space, _, name = entry.place.rpartition(".")
    route = _asking(entry.public, before, classes=entry.place not in MAKERS, through=THROUGH.get(entry.place))
    route = _operator(route) if name in OPERATORS else route
    code = _template(len(function.__code__.co_freevars))
    constants = tuple([route if c == "route" else c for c in code.co_consts])
    function.__code__ = code.replace(co_consts=constants, co_name=function.__name__, co_qualname=function.__qualname__)
    own = function.__name__ if space == "Tensor" else name
    function.__name__ = f"{space}_{name}" if space in JOINED else CALLED.get(entry.place, own)


Route = Callable[[tuple[Any, ...], dict[str, Any]], Any]


def _asking(public: Any, before: Any, classes: bool, through: Callable[..., Any] | None) -> Route:
    def route(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        off = OFF.get()
        found = []
        if not off:
            for x in args:
                kind = type(x)
                if kind not in PLAIN and (kind is tuple or kind is list or asks(kind)):
                    found = askers((*args, *kwargs.values()))
                    break
            else:
                if kwargs:
                    found = askers(kwargs.values())
        if found and not classes and not MODES.get():
            with DisableTorchFunctionSubclass():
                return before(*args, **kwargs)
        if found or (MODES.get() and off != ALL):
            return through(*args, **kwargs) if through is not None else call(public, found, args, kwargs or None)
        return before(*args, **kwargs)

    return route


def _operator(route: Route) -> Route:
    def other(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return route(args, kwargs)
        except TypeError:
            if OFF.get() or not (MODES.get() or askers(args)):
                raise
            return NotImplemented

    return other


@cache
def _template(cells: int) -> CodeType:
    """The code of a function that calls `route`, a constant, for one that has so many free variables: Python counts them."""
    names = [f"c{i}" for i in range(cells)]
    text = "\n" * sys._getframe().f_lineno + f"""\
def make({", ".join(names)}):
    def entry(*args, **kwargs):
        route = "route"
        return route(args, kwargs)
        {", ".join(names)}
    return entry
"""  # below each other, so that a traceback shows these lines
    space: dict[str, Any] = {}
    exec(compile(text, __file__, "exec"), space)
    code: CodeType = space["make"](*names).__code__
    assert len(code.co_freevars) == cells
    return code
