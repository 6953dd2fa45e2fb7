"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.core.functions import stack
from cutaway.core.tensor import Tensor
from cutaway.nn.batchnorm import _BatchNorm
from cutaway.nn.module import Module
from cutaway.nn.utils.stateless import functional_call as _functional_call


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: Any = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """As `nn.utils.stateless.functional_call`; the tensors may also come in several dicts, whose names must differ."""
    if isinstance(parameter_and_buffer_dicts, (list, tuple)):
        names = [name for d in parameter_and_buffer_dicts for name in d]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ArgumentError(f"functional_call: {', '.join(twice)} stands in more than one of the dicts")
        parameter_and_buffer_dicts = {name: t for d in parameter_and_buffer_dicts for name, t in d.items()}
    return _functional_call(module, parameter_and_buffer_dicts, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters, buffers) of models of one class, each with a dimension in front: what `vmap` takes for an ensemble.

    Raises ArgumentError for no models, for models of several classes, or of which some train.
    """
    if not models:
        raise ArgumentError("stack_module_state: got no models")
    if len({type(m) for m in models}) > 1 or len({m.training for m in models}) > 1:
        raise ArgumentError("stack_module_state: the models must be of one class, all in training or all in evaluation")
    members = [dict(m.named_parameters()) for m in models]
    rest = [dict(m.named_buffers()) for m in models]
    parameters = {k: stack([m[k].detach() for m in members]).requires_grad_(members[0][k].requires_grad) for k in members[0]}
    return parameters, {k: stack([m[k] for m in rest]) for k in rest[0]}


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """`root`, in which no batch norm has running statistics any more: `vmap` cannot update them."""
    for m in root.modules():
        if isinstance(m, _BatchNorm):
            m.running_mean = m.running_var = m.num_batches_tracked = None
            m.track_running_stats = False
    return root
