"""Small programs that cases share: parameters and a loss for optimisers, an optimiser and a walk for schedules.

`every` is the module that has the hooks of all modules.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def bound_to(t: Any) -> dict[str, Any]:
    """The helpers, for library `t`."""

    def weights(dtype: str = "float32") -> list[Any]:
        """Two parameters, [2, 3] and [2]."""
        kind = getattr(t, dtype)
        return [t.nn.Parameter(t.arange(6, dtype=kind).reshape(2, 3) / 5 - 0.5), t.nn.Parameter(t.tensor([1, -2], dtype=kind))]

    def bowl(ps: list[Any]) -> Any:
        """A loss of them."""
        return (ps[0].pow(4).sum() + (ps[1] * ps[1].sin()).sum()) * 2

    def closure(o: Any, ps: list[Any]) -> Any:
        """What LBFGS calls."""

        def loss() -> Any:
            o.zero_grad()
            y = bowl(ps)
            y.backward()
            return y

        return loss

    def follow(o: Any, ps: list[Any], n: int = 6) -> list[Any]:
        """n steps of an optimiser."""
        for _ in range(n):
            closure(o, ps)()
            o.step()
        return ps

    def groups(rule: str = "SGD", **options: Any) -> Any:
        """An optimiser with two groups."""
        options = options or ({"momentum": 0.9} if rule == "SGD" else {})
        parts = [{"params": [t.nn.Parameter(t.ones(1))]}, {"params": [t.nn.Parameter(t.ones(2))], "lr": 0.02}]
        return getattr(t.optim, rule)(parts, lr=0.1, **options)

    def walk(o: Any, s: Any, *, n: int = 30, measures: Any = ()) -> list[Any]:
        """Rates and momenta of n steps."""
        seen = []
        for measure in list(measures) or [None] * n:
            o.step()
            s.step() if measure is None else s.step(measure)
            seen.append((s.get_last_lr(), [(g["lr"], g.get("momentum"), g.get("betas")) for g in o.param_groups]))
        return seen

    def state(s: Any) -> dict[str, Any]:
        """A state_dict, sorted, without what PyTorch keeps for its own warnings."""

        def kept(d: dict[str, Any]) -> dict[str, Any]:
            names = sorted(k for k, v in d.items() if k != "_get_lr_called_within_step" and not callable(v))
            return {k: [kept(v) for v in d[k]] if k == "_schedulers" else d[k] for k in names}

        return kept(s.state_dict())

    def tagged(x: Any) -> Any:
        """x in a class of its own, which remembers the names of what it was asked about in `calls`."""

        class Tagged(t.Tensor):
            calls: list[str] = []

            @classmethod
            def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                cls.calls.append(func.__name__)
                return super().__torch_function__(func, types, args, kwargs or {})

        return x.as_subclass(Tagged)

    def duck(answer: Any = None) -> Any:
        """What is no tensor and answers for all functions: `answer`, or what it was asked."""

        class Duck:
            @classmethod
            def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                told = func.__name__, [kind.__name__ for kind in types], len(args), sorted(kwargs or {})
                return told if answer is None else answer

        return Duck()

    def seen(f: Any, mode: str = "TorchFunctionMode") -> Any:
        """(f(), the names that a mode has seen)."""
        names: list[str] = []

        class Seen(getattr(t.overrides, mode)):  # type: ignore[misc]
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                names.append(func.__name__)
                return func(*args, **(kwargs or {}))

        with Seen():
            y = f()
        return y, names

    named = {f.__name__: f for f in (weights, bowl, closure, follow, groups, walk, state, tagged, duck, seen)}
    return {**named, "every": import_module(f"{t.__name__}.nn.{'modules.' if t.__name__ == 'torch' else ''}module")}
