"""`use`: other objects behind the library's names, until they are taken away."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from functools import wraps
from inspect import signature
from types import TracebackType
from typing import Any

from cutaway import functional, nn, optim
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.op import PARTS
from cutaway.core.package import is_ours
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor
from cutaway.data import augment

SPACES: list[Any] = [functional, nn, optim, augment]  # where names are looked for; rl/parts.py adds those of agents
Place = tuple[Any, str, Any]  # where a name is (a module, or Tensor), the name, and what stood behind it


_AT_WORK: Counter[str] = Counter()


class Use:
    """What `use` gives: a context that ends the replacement, `undo()`, and in `calls` how often each part was called."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self.names = list(parts)
        self.calls: dict[str, int] = dict.fromkeys(parts, 0)
        self._places: list[Place] = []
        _AT_WORK.update(self.names)
        self._inside: set[str] = set()  # parts that are at work
        self._undone = False
        self._stop: list[Callable[[], None]] = []
        try:
            for name, part in parts.items():
                if name == "autograd":
                    self._scalars(part)
                else:
                    self._replace(name, part)
        except BaseException:
            self.undo()
            raise
        _changed()

    def _replace(self, name: str, part: Any) -> None:
        theirs = original(name)
        if isinstance(theirs, type):
            if not (isinstance(part, type) or callable(part)):
                raise ArgumentTypeError(f"use: {name} must be a class, or a function that makes one, got {describe(part)}")
            mine = self._counted(name, part)
        elif callable(part):
            mine = self._guarded(name, part, theirs)
        else:
            raise ArgumentTypeError(f"use: {name} must be a function, got {describe(part)}")
        for module in _ours():
            for key, value in [*vars(module).items()]:
                if value is theirs:
                    self._put(module, key, mine, value)
        owner = next((c for c in Tensor.__mro__ if name in vars(c)), None)
        if owner is not None and not isinstance(theirs, type):
            method = vars(owner)[name]
            function = getattr(sys.modules["cutaway"], name, None)  # made of the method when it is asked for first
            self._put(owner, name, self._guarded(name, part, method), method)
            if callable(function):  # cutaway.relu is the method
                for module in _ours():
                    if vars(module).get(name) is function:
                        self._put(module, name, vars(owner)[name], function)

    def _scalars(self, value: Any) -> None:
        from cutaway.plug.scalars import Scalars

        if not callable(value):
            raise ArgumentTypeError(f"use: autograd must be a class, called with a number; got {describe(value)}")
        made = Scalars(value, lambda: self.calls.__setitem__("autograd", self.calls["autograd"] + 1))
        self._stop.append(made.start())

    def _put(self, where: Any, name: str, mine: Any, theirs: Any) -> None:
        self._places.append((where, name, theirs))
        setattr(where, name, mine)

    def _guarded(self, name: str, part: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
        """The part; inside it the name is the library's, so that `lambda x: F.relu(x) * 2` ends."""
        passed = fitting(name, part, theirs)

        @wraps(part, updated=())
        def call(*args: Any, **kwargs: Any) -> Any:
            if name in self._inside:
                return theirs(*args, **kwargs)
            args, kwargs = passed(args, kwargs)
            self._inside.add(name)
            try:
                y = part(*args, **kwargs)
            finally:
                self._inside.discard(name)
            self.calls[name] += 1
            tensors = any(isinstance(x, Tensor) for x in (*args, *kwargs.values()))  # a few are of arrays
            if tensors and not isinstance(y, (Tensor, tuple)):
                raise ArgumentTypeError(
                    f"use: your {name} must give a Tensor, got {describe(y)}; a function of NumPy arrays and its backward "
                    "are plugged in with cutaway.plug.arrays(forward, backward)"
                )
            return y

        return call

    def _counted(self, name: str, part: Any) -> Any:
        """The class, or what makes the object; its calls are counted."""
        calls = self.calls
        if not isinstance(part, type):
            return self._guarded_maker(name, part)

        class Mine(part):  # type: ignore[misc]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                calls[name] += 1
                super().__init__(*args, **kwargs)

        Mine.__name__, Mine.__qualname__ = part.__name__, part.__qualname__
        Mine.__module__, Mine.__doc__ = part.__module__, part.__doc__
        return Mine

    def _guarded_maker(self, name: str, part: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(part, updated=())
        def make(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            return part(*args, **kwargs)

        return make

    def undo(self) -> None:
        """The library's own again."""
        if not self._undone:
            self._undone = True
            _AT_WORK.subtract(self.names)
        while self._stop:
            self._stop.pop()()
        while self._places:
            where, name, theirs = self._places.pop()
            setattr(where, name, theirs)
        _changed()

    def __enter__(self) -> Use:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.undo()

    def __repr__(self) -> str:
        return f"Use({', '.join(self.names)})" if self._places or self._stop else "Use(): undone"


def use(**parts: Any) -> Use:
    """Put parts of your own in the place of the library's, from now on, or for a `with` block.

    relu=f          a function of `nn.functional`: F.relu, nn.ReLU, Tensor.relu call f, with the same arguments
    Linear=C        a layer of `nn`: models made from now on have C
    SGD=C           an optimiser of `optim`
    shifted=f       what moves the training images of `cutaway train`; after `import cutaway.rl`, the parts of agents
                    (rl/parts.py): q_targets, q_step, epsilon_greedy, Memory, returns_to_go, policy_loss
    autograd=Value  a tape of your own for numbers (plug/scalars.py says what `Value` needs): loss.backward() is yours

    Inside a part of yours the name is the library's. Parts of the same name nest; undo them in reverse.
    Raises ArgumentError for a name that is none of these, ArgumentTypeError for a part that cannot be called.
    """
    if not parts:
        raise ArgumentError("use: name a part, such as use(relu=my_relu)")
    return Use(parts)


def fitting(name: str, part: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    """(args, kwargs) of a call of the library's function -> those for the part: options that it does not take are left out
    where they are the library's defaults.  Raises ArgumentError where they are not.
    """
    try:
        library, own = signature(theirs), signature(part)
    except (TypeError, ValueError):  # compiled code that does not say what it takes
        return lambda args, kwargs: (args, kwargs)
    many = [p for p in own.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    most = len(many) if all(p.kind is not p.VAR_POSITIONAL for p in own.parameters.values()) else 99
    any_name = any(p.kind is p.VAR_KEYWORD for p in own.parameters.values())

    def passed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        given = library.bind(*args, **kwargs).arguments
        positions: list[Any] = []
        names: dict[str, Any] = {}
        for i, (n, p) in enumerate(library.parameters.items()):
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                positions += given.get(n, ()) if p.kind is p.VAR_POSITIONAL else ()
                names |= given.get(n, {}) if p.kind is p.VAR_KEYWORD else {}
            elif n not in given:
                continue
            elif len(positions) == i < most and p.kind is not p.KEYWORD_ONLY:
                positions.append(given[n])
            elif n in own.parameters or any_name:
                names[n] = given[n]
            elif given[n] is not p.default and given[n] != p.default:
                raise ArgumentError(
                    f"use: your {name}{own} takes no {n}, and the library's is called with {n}={given[n]!r} here; add it"
                )
        return tuple(positions), names

    return passed


def _ours() -> list[Any]:
    """Cutaway's modules, and the `torch` of a program written for PyTorch."""
    found = [*sys.modules.items()]
    return [m for n, m in found if n.partition(".")[0] == "cutaway" or is_ours(type(m))]


def _changed() -> None:
    """Programs that were made of the library's functions as they were are made anew."""
    PARTS[0] += 1
    eager = sys.modules.get("cutaway.engine.eager.composite")
    if eager is not None:
        eager.CALLS.clear()


def original(name: str) -> Any:
    """What is behind a name of the library now.  Raises ArgumentError, with the nearest name."""
    from difflib import get_close_matches

    known = {n: v for s in reversed(SPACES) for n, v in vars(s).items() if _is_part(n, v)}
    if name in known:
        return known[name]
    near = get_close_matches(name, known, 1)
    more = f"; did you mean {near[0]}?" if near else ""
    raise ArgumentError(f"use: the library has no part {name!r}{more} (functions of nn.functional, layers, optimisers)")


def _is_part(name: str, value: Any) -> bool:
    return callable(value) and not name.startswith("_") and not (isinstance(value, type) and issubclass(value, Exception))


def replaced(name: str) -> bool:
    """Whether a part of someone's own stands behind a name of the library now."""
    return _AT_WORK[name] > 0
