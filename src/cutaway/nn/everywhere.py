"""Hooks of all modules: what `torch.nn.modules.module` registers for every Module at once.

Modules are not asked for them. The first hook that runs in calls puts another `__call__` on Module, under which each module
that is called has a table of hooks, and the last one that goes takes it off again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.errors import GradError
from cutaway.core.handle import RemovableHandle
from cutaway.core.watched import CHANGES
from cutaway.nn.hooks import EVERYWHERE, REGISTRATIONS, Hook
from cutaway.nn.module import Module

__all__ = [
    "register_module_backward_hook", "register_module_buffer_registration_hook", "register_module_forward_hook",
    "register_module_forward_pre_hook", "register_module_full_backward_hook", "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook", "register_module_parameter_registration_hook",
]  # fmt: skip

PLAIN = Module.__call__
OLD: set[int] = set()  # numbers of those that register_module_backward_hook has given


def _call(self: Module, *args: Any, **kwargs: Any) -> Any:
    if self.__dict__.get("_hooks") is None:
        self._hook_table()
    return PLAIN(self, *args, **kwargs)


class Everywhere(RemovableHandle):
    """The handle of a hook of all modules."""

    def remove(self) -> None:
        """Take the hook away; doing so twice is harmless."""
        super().remove()
        if not EVERYWHERE.any():
            Module.__call__ = PLAIN  # type: ignore[method-assign]
        CHANGES.count += 1


def _put(kind: str, hook: Hook, with_kwargs: bool = False, always: bool = False) -> RemovableHandle:
    handle = EVERYWHERE.put(kind, hook, False, with_kwargs, always)
    handle.__class__ = Everywhere
    Module.__call__ = _call  # type: ignore[method-assign]
    CHANGES.count += 1
    return handle


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module; a result other than None replaces the arguments."""
    return _put("before", hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module; a result other than None replaces the output."""
    return _put("after", hook, with_kwargs, always_call)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_output)` when a gradient reaches the output of any module; a result replaces it."""
    return _put("grad_output", hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` when a gradient has passed any module; a result replaces grad_input.

    Raises GradError beside hooks of register_module_backward_hook.
    """
    if any(k in OLD for k in EVERYWHERE.grad_input):
        raise GradError(
            "register_module_full_backward_hook: cannot use both regular backward hooks and full backward hooks as a global "
            "Module hook; use full ones only"
        )
    return _put("grad_input", hook)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """PyTorch's older name: as a full backward hook, whose gradients are those of the module and not of its last operation.

    Raises GradError beside full ones.
    """
    if any(k not in OLD for k in EVERYWHERE.grad_input):
        raise GradError(
            "register_module_backward_hook: cannot use both regular backward hooks and full backward hooks as a global "
            "Module hook; use full ones only"
        )
    handle = _put("grad_input", hook)
    OLD.add(handle.id)
    return handle


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, param)` when any module registers a parameter; a result other than None takes its place."""
    return RemovableHandle.of(REGISTRATIONS["_parameters"], hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, buffer)` when any module registers a buffer; a result other than None takes its place."""
    return RemovableHandle.of(REGISTRATIONS["_buffers"], hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, submodule)` when any module registers another; a result other than None takes its place."""
    return RemovableHandle.of(REGISTRATIONS["_modules"], hook)
