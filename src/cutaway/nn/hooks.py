"""Hooks: functions that a Module calls before forward, after forward, and when a gradient passes through it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from cutaway.core.autograd import Function
from cutaway.core.errors import ArgumentTypeError
from cutaway.core.handle import RemovableHandle as RemovableHandle
from cutaway.core.tensor import Tensor

if TYPE_CHECKING:
    from cutaway.nn.module import Module

Hook = Callable[..., Any]


class Hooks:
    """The hooks of one module, each kind in order of registration."""

    THERE: ClassVar = {  # what PyTorch calls these tables; programs count them and clear them
        "_forward_pre_hooks": "before", "_forward_hooks": "after",
        "_backward_pre_hooks": "grad_output", "_backward_hooks": "grad_input",
        "_forward_pre_hooks_with_kwargs": "with_kwargs", "_forward_hooks_with_kwargs": "with_kwargs",
        "_forward_hooks_always_called": "always",
    }  # fmt: skip

    def __init__(self) -> None:
        self.before: dict[int, Hook] = OrderedDict()
        self.after: dict[int, Hook] = OrderedDict()
        self.grad_output: dict[int, Hook] = OrderedDict()
        self.grad_input: dict[int, Hook] = OrderedDict()
        self.with_kwargs: dict[int, bool] = OrderedDict()  # the numbers of those that are given the keywords, too
        self.always: dict[int, bool] = OrderedDict()  # and of those that are called whatever happens
        self.full: bool | None = None  # of those on grad_input: whether register_full_backward_hook has put them there

    def put(
        self, kind: str, hook: Hook, prepend: bool = False, with_kwargs: bool = False, always: bool = False
    ) -> RemovableHandle:
        """Register a hook of this kind."""
        table: dict[int, Hook] = getattr(self, kind)
        handle = RemovableHandle.of(table, hook, prepend)
        for wanted, numbers in ((with_kwargs, self.with_kwargs), (always, self.always)):
            if wanted:
                numbers[handle.id] = True
                handle._tables.append(numbers)
        return handle

    def any(self) -> bool:
        """Whether there is one."""
        return bool(self.before or self.after or self.grad_output or self.grad_input)


EVERYWHERE = Hooks()  # those of all modules (everywhere.py)
# Called with (module, name, what is registered), by the table that it comes into.
REGISTRATIONS: dict[str, dict[int, Callable[..., Any]]] = {"_parameters": {}, "_buffers": {}, "_modules": {}}


def registered(module: Module, table: str, name: str, value: Any) -> Any:
    """`value`, or what a hook puts in its place."""
    for hook in tuple(REGISTRATIONS[table].values()):
        changed = hook(module, name, value)
        value = value if changed is None else changed
    return value


class Both:
    """Those of all modules, then a module's own."""

    def __init__(self, own: Hooks) -> None:
        self._own = own

    def __getattr__(self, kind: str) -> dict[int, Hook]:
        return {**getattr(EVERYWHERE, kind), **getattr(self._own, kind)}


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward(*args, **kwargs)` with the hooks around it."""
    own = module._hooks
    assert own is not None
    hooks: Hooks | Both = Both(own) if EVERYWHERE.any() else own
    done: set[int] = set()
    result = None
    try:
        for key, hook in tuple(hooks.before.items()):
            args, kwargs = _run_before(module, hook, key in hooks.with_kwargs, args, kwargs)
        watch = _Watch(module, hooks) if hooks.grad_output or hooks.grad_input else None
        if watch is not None:
            args = watch.inputs(args)
        result = module.forward(*args, **kwargs)
        for key, hook in tuple(hooks.after.items()):
            done.add(key)
            changed = hook(module, args, kwargs, result) if key in hooks.with_kwargs else hook(module, args, result)
            if changed is not None:
                result = changed
        return result if watch is None else watch.outputs(result)
    except Exception:
        for key, hook in tuple(hooks.after.items()):
            if key in hooks.always and key not in done:
                _ = hook(module, args, kwargs, result) if key in hooks.with_kwargs else hook(module, args, result)
        raise


def _run_before(
    module: Module, hook: Hook, with_kwargs: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not with_kwargs:
        changed = hook(module, args)
        if changed is None:
            return args, kwargs
        return (changed if isinstance(changed, tuple) else (changed,)), kwargs
    changed = hook(module, args, kwargs)
    if changed is None:
        return args, kwargs
    if isinstance(changed, tuple) and len(changed) == 2:
        return changed
    raise ArgumentTypeError(
        "forward pre-hook: a hook registered with with_kwargs=True must return None or (args, kwargs), "
        f"got {type(changed).__name__}"
    )


class _Gate(Function):
    """Identity of several tensors; in backward the gradients go through `inspect`."""

    @staticmethod
    def forward(
        ctx: Any, inspect: Callable[[tuple[Any, ...]], tuple[Any, ...]], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.inspect = inspect
        ctx.set_materialize_grads(False)
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        return (None, *ctx.inspect(grads))


class _Watch:
    """The gradients at both ends of one call of a module, brought together for its backward hooks."""

    def __init__(self, module: Module, hooks: Hooks | Both) -> None:
        self.module, self.hooks = module, hooks
        self.grad_output: tuple[Any, ...] = ()
        self.has_inputs = False

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """`args` with a gate in front of every tensor that needs a gradient."""
        out, where = self._gate(args, self._at_inputs)
        self.has_inputs = bool(where)
        self.input_places, self.input_count = where, len(args)
        return out

    def outputs(self, result: Any) -> Any:
        """`result`, one tensor or a tuple or list of them, with a gate behind it."""
        several = isinstance(result, (tuple, list))
        items = tuple(result) if several else (result,)
        out, where = self._gate(items, self._at_outputs)
        self.output_places, self.output_count = where, len(items)
        if not several:
            return out[0]
        if hasattr(result, "_fields"):
            return type(result)(*out)
        return type(result)(out)

    @staticmethod
    def _gate(items: tuple[Any, ...], inspect: Callable[..., Any]) -> tuple[tuple[Any, ...], list[int]]:
        where = [i for i, t in enumerate(items) if isinstance(t, Tensor) and t.requires_grad]
        if not where:
            return items, where
        passed = _Gate.apply(inspect, *(items[i] for i in where))
        passed = passed if isinstance(passed, tuple) else (passed,)
        out = list(items)
        for i, t in zip(where, passed, strict=True):
            out[i] = t
        return tuple(out), where

    def _at_outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        full = _spread(grads, self.output_places, self.output_count)
        for hook in tuple(self.hooks.grad_output.values()):
            full = _replaced("full backward pre-hook", full, hook(self.module, full))
        self.grad_output = full
        if not self.has_inputs:  # no gradient reaches the inputs: this is the last stop
            for hook in tuple(self.hooks.grad_input.values()):
                hook(self.module, (None,) * self.input_count, full)
        return tuple(full[i] for i in self.output_places)

    def _at_inputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        full = _spread(grads, self.input_places, self.input_count)
        for hook in tuple(self.hooks.grad_input.values()):
            full = _replaced("full backward hook", full, hook(self.module, full, self.grad_output))
        return tuple(full[i] for i in self.input_places)


def _spread(grads: tuple[Any, ...], places: list[int], count: int) -> tuple[Any, ...]:
    full: list[Any] = [None] * count
    for i, g in zip(places, grads, strict=True):
        full[i] = g
    return tuple(full)


def _replaced(op: str, old: tuple[Any, ...], new: Any) -> tuple[Any, ...]:
    if new is None:
        return old
    gradients: tuple[Any, ...] = new if isinstance(new, tuple) else (new,)
    if len(gradients) != len(old):
        raise ArgumentTypeError(
            f"{op}: the hook returned {len(gradients)} gradients for {len(old)}; return one for each, or None"
        )
    return gradients
