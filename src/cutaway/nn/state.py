"""Saving and loading the values of a Module: one flat ordered dict, keyed by path (`features.3.weight`)."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from cutaway.core.autograd import no_grad
from cutaway.core.errors import ArgumentError, ArgumentTypeError, AssertedError, StateError
from cutaway.core.handle import StateHooks
from cutaway.core.package import package
from cutaway.core.tensor import Tensor

if TYPE_CHECKING:
    from cutaway.nn.module import Module

EXTRA = "_extra_state"  # the key of what get_extra_state returns


class IncompatibleKeys(NamedTuple):
    """What load_state_dict returns: names the module has and the state lacks, and the other way round."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


IncompatibleKeys.__name__ = "_IncompatibleKeys"  # PyTorch's, which programs print and import


class Returning(NamedTuple):
    """A hook of state_dict() that may give another one back."""

    hook: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.hook(*args)


class Bound(NamedTuple):
    """A hook of load_state_dict that sees the module, too; a copy of the module calls it with the copy."""

    hook: Callable[..., Any]
    module: Module

    def __call__(self, *args: Any) -> None:
        self.hook(self.module, *args)


def told(module: Module, hooks: StateHooks, out: Any, prefix: str, local: dict[str, Any]) -> Any:
    """What state_dict() returns, after its hooks: `out`, or what they made of it."""
    for hook in hooks.saved.values():
        made = hook(module, out, prefix, local)
        if made is None:
            continue
        if not isinstance(hook, Returning):
            raise ArgumentError(
                f"state_dict: the post-hook {hook!r} of {type(module).__name__} returned something; change the "
                "state_dict in place and return None"
            )
        out = made
    return out


def load(module: Module, state: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """Copy the values of `state` into `module` and everything below it; see Module.load_state_dict."""
    if not isinstance(state, Mapping):
        raise ArgumentTypeError(
            f"load_state_dict: expected a dict of tensors, got {type(state).__name__}; "
            "pass what state_dict() or cutaway.load(path) returned"
        )
    metadata = getattr(state, "_metadata", None) or {}
    state = OrderedDict(state)
    missing: list[str] = []
    unexpected: list[str] = []
    problems: list[str] = []

    def visit(m: Module, state: dict[str, Any], prefix: str) -> None:
        local = {**metadata.get(prefix[:-1], {}), **({"assign_to_params_buffers": True} if assign else {})}
        m._load_from_state_dict(state, prefix, local, True, missing, unexpected, problems)
        for name, child in m._modules.items():
            if child is not None:
                head = f"{prefix}{name}."
                visit(child, {key: value for key, value in state.items() if key.startswith(head)}, head)
        if m._state_hooks is not None:
            for hook in m._state_hooks.loaded.values():
                if hook(m, IncompatibleKeys(missing, unexpected)) is not None:
                    raise AssertedError(
                        f"load_state_dict: the post-hook {hook!r} of {type(m).__name__} returned something; "
                        "change the lists of its second argument in place and return None"
                    )

    visit(module, state, "")
    if strict and (missing or unexpected):
        problems[:0] = _listed(missing, unexpected)
    if problems:
        raise StateError(
            f"Error(s) in loading state_dict for {type(module).__name__}:\n\t"
            + "\n\t".join(problems).rstrip()
            + f" {_advice(missing, unexpected, strict)}"  # on the same line: programs split and count these
        )
    return IncompatibleKeys(missing, unexpected)


def _listed(missing: list[str], unexpected: list[str]) -> list[str]:
    lines = []
    if missing:
        lines.append(f"Missing key(s) in state_dict: {_quoted(missing)}. ")
    if unexpected:
        lines.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
    return lines


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


def _advice(missing: list[str], unexpected: list[str], strict: bool) -> str:
    if unexpected and all(k.startswith("module.") for k in unexpected):
        return (
            "Every key begins with 'module.': it was saved from a DataParallel wrapper. "
            "Give load_state_dict {k.removeprefix('module.'): v for k, v in state.items()}"
        )
    if strict and (missing or unexpected):
        return (
            "Build the model with the sizes it was saved with, or give load_state_dict strict=False to load only what "
            "fits by name"
        )
    return "Build the model with the sizes it was saved with; load_state_dict copies values, not shapes"


def load_own(
    module: Module,
    state: Mapping[str, Any],
    prefix: str,
    assign: bool,
    missing: list[str],
    unexpected: list[str],
    problems: list[str],
) -> None:
    """Load the parameters and buffers of `module` itself, not of its children; problems are collected, not raised."""
    own = {
        **module._parameters,
        **{k: v for k, v in module._buffers.items() if k not in module._non_persistent_buffers_set},
    }
    for name, target in own.items():
        if target is None:
            continue
        key = prefix + name
        if key not in state:
            missing.append(key)
            continue
        problem = _load_one(module, key, name, target, state[key], assign)
        if problem:
            problems.append(problem)
    for key in state:
        if key.startswith(prefix):
            head, dot, _ = key[len(prefix) :].partition(".")
            # What lies below a child is looked at by that child.
            known = module._modules.get(head) if dot else own.get(head)
            if known is None and key != f"{prefix}{EXTRA}":
                unexpected.append(key)


def _load_one(module: Module, key: str, name: str, target: Tensor, value: Any, assign: bool) -> str:
    """Put `value` into the parameter or buffer `name`; returns what is wrong, or nothing."""
    if not isinstance(value, Tensor):
        from cutaway.core.functions import as_tensor

        try:
            value = as_tensor(value)
        except (TypeError, ValueError, RuntimeError):
            return (
                f'While copying the parameter named "{key}", expected {package()}.Tensor or Tensor-like object from '
                f"checkpoint but received {type(value)}."
            )
    if tuple(value.shape) == (1,) and tuple(target.shape) == ():
        value = value.reshape(())  # a 0-d tensor was once saved as one element
    if tuple(value.shape) != tuple(target.shape):
        return (
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {target.shape}."
        )
    if not assign:
        if target.is_meta and not value.is_meta:
            warnings.warn(
                f"load_state_dict: {key} is on the meta device, where values that are copied to it are not kept; load with "
                "assign=True, or call to_empty(device='cpu') first",
                UserWarning,
                stacklevel=6,
            )
        with no_grad():
            target.copy_(value)
        return ""
    from cutaway.nn.parameter import Parameter

    if name in module._parameters:
        if not isinstance(value, Parameter):
            value = Parameter(value, requires_grad=target.requires_grad)
        module._parameters[name] = value
    else:
        module._buffers[name] = value
    return ""
