"""The names that PyTorch's users know, on the module and on Tensor; and what `import cutaway` brings."""

from __future__ import annotations

import inspect

import pytest

import cutaway

from .against import torch

FUNCTIONS = """
    no_grad tensor manual_seed device cat randn zeros from_numpy Tensor ones arange multinomial randint float32 max
    min exp log tanh zeros_like ones_like stack tril triu argmax argsort int64 sqrt Generator sum mean prod randperm
    topk clamp rand mm bmm matmul cos sin where eye empty pow linspace normal flatten randn_like sigmoid softmax
    diag full float16 int32 log1p set_grad_enabled enable_grad inference_mode bool roll as_tensor mul abs cosh sinh
    meshgrid nonzero repeat_interleave unsqueeze all any allclose isnan isinf einsum outer dot cumsum sort unique
    squeeze transpose permute chunk split gather scatter var std norm sign floor round erf rsqrt autograd is_tensor
    numel get_default_dtype set_default_dtype Size dtype concat hstack vstack maximum minimum logsumexp log_softmax
    relu addmm baddbmm isclose equal median amax amin bernoulli clone detach masked_select index_select scatter_add
    logical_and logical_or logical_not narrow unbind movedim flip trace diagonal is_floating_point nan_to_num lerp
    atan2 fmod remainder pi e inf nan float double half long int short uint8 int8 int16 float64
""".split()
METHODS = """
    backward item numpy detach view reshape size shape dim ndim dtype device requires_grad requires_grad_ grad data
    to type type_as float double half long int bool cpu cuda mean sum std var prod max min argmax argmin topk sort
    unsqueeze squeeze flatten split chunk transpose t T permute contiguous expand expand_as repeat view_as
    repeat_interleave exp log log10 log1p sqrt rsqrt pow abs sign relu sigmoid tanh softmax log_softmax sin cos
    clamp floor round add sub mul div neg matmul mm bmm dot masked_fill masked_select where gather scatter
    index_select eq ne lt le gt ge cumsum norm tril triu flip roll unique nonzero tolist numel nelement clone copy_
    fill_ zero_ add_ sub_ mul_ div_ clamp_ normal_ uniform_ bernoulli_ masked_fill_ scatter_ new_zeros new_tensor
    narrow stride retain_grad register_hook is_leaf grad_fn detach_ element_size is_contiguous data_ptr mT unbind
    unflatten select
""".split()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    assert hasattr(torch, name) and hasattr(cutaway, name) and name in dir(cutaway)


@pytest.mark.parametrize("name", METHODS)
def test_method(name):
    assert hasattr(torch.Tensor, name) and hasattr(cutaway.Tensor, name)


def test_nothing_is_invented():
    """Each public method of Tensor is one of PyTorch's, and each of them that is a function there is one here."""
    ours = [n for n in dir(cutaway.Tensor) if not n.startswith("_") and hasattr(cutaway.Tensor, n)]
    assert [n for n in ours if not hasattr(torch.Tensor, n)] == []
    elsewhere = {"cpu", "cuda", "is_complex", "storage"}  # of PyTorch's, modules
    assert [
        n for n in ours if hasattr(torch, n) and not hasattr(cutaway, n) and n not in elsewhere and not n.endswith("_")
    ] == []


def test_everything_public_is_explained():
    for owner in (
        cutaway.Tensor,
        cutaway.Size,
        cutaway.Generator,
        cutaway.autograd.Function,
        cutaway.dtype,
        cutaway.device,
    ):
        for name, value in inspect.getmembers(owner):
            if (
                not name.startswith("_")
                and (callable(value) or isinstance(value, property))
                and hasattr(value, "__doc__")
            ):
                assert value.__doc__, f"{owner.__name__}.{name}"


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'expp'"):
        _ = cutaway.expp
    with pytest.raises(AttributeError, match="no attribute 'expp'|expp"):
        _ = cutaway.ones(1).expp
