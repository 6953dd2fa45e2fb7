"""Observer: what stands beside a program while it runs. The recorder keeps values for the picture; a Watch (watch.py) asks a
question of each step and lets the values go.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from cutaway.core.autograd import WATCH, Context
from cutaway.core.op import INTERPRETER, SCOPE

LAYER, COMPOSITE, FUNCTION, BACKWARD, STEP = "layer", "composite", "function", "backward", "step"
"""What encloses operations: a module, a function made of ops, a user's Function, its backward, an optimiser's step."""


class Observer:
    """In its places from `on` to `off`. Subclasses say what they do there: `__call__` runs an operation, `around` a call
    that encloses some, `_flow` is told of each piece of a backward.
    """

    _below: Any  # what ran operations before, or None
    _outer: Any  # what was around calls
    _beside: Any  # what was told of backward

    def places(self) -> dict[ContextVar[Any], Any]:
        """What stands where."""
        return {INTERPRETER: self, SCOPE: self.enter, WATCH: self._flow}

    def on(self) -> None:
        """Watch from now on; what was in the places is remembered."""
        self._below, self._outer, self._beside = INTERPRETER.get(), SCOPE.get(), WATCH.get()
        self._before = {place: place.get() for place in self.places()}
        for place, observer in self.places().items():
            place.set(observer)

    def off(self) -> None:
        """Watch no longer."""
        for place, before in self._before.items():
            place.set(before)

    def enter(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What encloses operations is called: the place of SCOPE."""
        owner = getattr(fn, "__self__", None)
        if owner is not None:
            return self.around(LAYER if hasattr(owner, "named_modules") else STEP, owner, fn, args, kwargs)
        ctx = args[0] if args and isinstance(args[0], Context) else None
        if ctx is None:
            return self.around(COMPOSITE, fn, fn, args, kwargs)
        if ctx._node is None:
            return self.around(FUNCTION, (ctx, fn), fn, args, kwargs)
        return self.around(BACKWARD, ctx._node, fn, args, kwargs)

    def around(self, kind: str, owner: Any, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call it. `owner`: the module, the optimiser, the function, a Function's (ctx, forward), or its node."""
        raise NotImplementedError

    def _flow(self, node: Any, arrived: Any, parent: Any, gradient: Any) -> None:
        """In a backward, `arrived` came to `node`, and `gradient` goes on to `parent`: the place of WATCH."""
        raise NotImplementedError
