"""Helpers around parameters: clipping gradients, parameters as one vector, sequences of unequal length."""

# `spectral_norm` and `weight_norm` name functions here, as in PyTorch; the modules of these names are found by their paths.
from cutaway.nn.utils import parametrizations, parametrize, prune, rnn, stateless
from cutaway.nn.utils.clip import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from cutaway.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from cutaway.nn.utils.vector import parameters_to_vector, vector_to_parameters
from cutaway.nn.utils.weight_norm import remove_weight_norm, weight_norm

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm",
    "parameters_to_vector", "parametrizations", "parametrize", "prune", "remove_spectral_norm", "remove_weight_norm", "rnn",
    "spectral_norm", "stateless", "vector_to_parameters", "weight_norm",
]  # fmt: skip


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.nn.utils", name, __all__)
