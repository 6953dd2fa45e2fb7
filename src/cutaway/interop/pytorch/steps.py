"""What stands for a training step while a program runs: a compiled function, or the statements as they are, and why."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cutaway.core.errors import TraceError
from cutaway.core.package import is_ours
from cutaway.core.tensor import Tensor
from cutaway.engine.compile import Compiled
from cutaway.interop.pytorch.loops import Segment
from cutaway.interop.pytorch.purity import PLAIN, Impure, Reader, stored
from cutaway.nn.module import Module
from cutaway.optim.optimizer import Optimizer

MOST = 8  # programs of one step: beyond, something changes at every step, and compiling it would take longer than it gains


class Step:
    """One step of the program's loop."""

    def __init__(self, segment: Segment, file: str, say: Callable[[int, str], None]) -> None:
        self.segment, self.file, self._say = segment, file, say
        self._eager = False
        self._functions: dict[Any, Callable[..., Any]] = {}
        self._programs: dict[Any, Compiled] = {}
        self._readers: dict[Any, Reader] = {}

    def __call__(self, values: Mapping[str, Any], space: dict[str, Any]) -> tuple[Any, ...]:
        """Do the step with these values of its names; what it gives."""
        arguments = [name for name, v in values.items() if _is_data(v)]
        held = {name: v for name, v in values.items() if name not in arguments}
        given = [values[name] for name in arguments]
        key = (tuple(arguments), tuple(map(id, held.values())))
        fn = self._functions.get(key)
        if self._eager:
            fn = fn or self._functions.setdefault(key, self._make(arguments, held, space))
            return fn(*given)  # type: ignore[no-any-return]
        try:
            reader = self._readers.get(key)
            if reader is None:
                reader = self._readers[key] = self._read(values, arguments)
                found = [*reader.modules.values(), *reader.optimizers.values()]
                fn = self._functions[key] = self._make(arguments, held, space, found)
            assert fn is not None
            state = (key, reader.fingerprint())
            compiled = self._programs.get(state)
            if compiled is None:
                compiled = self._programs[state] = Compiled(fn)
            if len(compiled.variants) > MOST or len(self._programs) > MOST:
                raise Impure("shapes or numbers change from step to step")
            return compiled(*given)  # type: ignore[no-any-return]
        except (TraceError, Impure) as error:
            self._give_up(str(error))
            return self(values, space)

    def _give_up(self, why: str) -> None:
        self._eager = True
        self._programs.clear()
        self._say(self.segment.line, why.removeprefix("compile: "))

    def _read(self, values: Mapping[str, Any], arguments: list[str]) -> Reader:
        """Raises Impure unless the step may be traced."""
        reader = Reader()
        known = {**vars(builtins), **values}
        reader.read(self.segment.statements, known, stored(self.segment.statements) - set(values))
        for name, v in values.items():
            if isinstance(v, Optimizer):
                reader.optimizers[id(v)] = v
                if not is_ours(type(v)):
                    raise Impure(f"{name} is an optimiser of your own")
        for name in arguments:
            if isinstance(values[name], Tensor) and values[name]._node is not None and not values[name].is_leaf:
                raise Impure(f"{name} has a history from before the step")
        return reader

    def _make(
        self, arguments: list[str], held: Mapping[str, Any], space: dict[str, Any], found: Sequence[Any] = ()
    ) -> Callable[..., Any]:
        """The statements as a function of the data, in whose closure lies the rest.

        Modules and optimisers that are no names of their own (`self.model`) are put there, too, to be watched.
        """
        gives = ", ".join(self.segment.gives)
        more = {f"__cutaway_{n}": x for n, x in enumerate(found) if not any(x is v for v in held.values())}
        text = (
            f"def make({', '.join([*held, *more])}):\n def step({', '.join(arguments)}):\n  pass\n  ({', '.join(more)})\n"
            f"  return ({gives}{',' if gives else ''})\n return step"
        )
        tree = ast.parse(text)
        make = tree.body[0]
        assert isinstance(make, ast.FunctionDef) and isinstance(make.body[0], ast.FunctionDef)
        make.body[0].body[0:1] = self.segment.statements
        scope: dict[str, Any] = {}
        exec(compile(tree, self.file, "exec", dont_inherit=True), space, scope)
        return scope["make"](**held, **more)  # type: ignore[no-any-return]


def _is_data(x: Any) -> bool:
    """Tensors, numbers and texts, and lists, tuples and dicts of nothing else."""
    if isinstance(x, (Tensor, *PLAIN)):
        return not isinstance(x, Module)
    if isinstance(x, (list, tuple)):
        return all(map(_is_data, x))
    return type(x) is dict and all(map(_is_data, x.values()))
