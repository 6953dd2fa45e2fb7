"""Every function that PyTorch has too takes the same arguments in the same order, with the same defaults."""

import inspect
import re

import pytest
import torch
import torch.nn.functional as TF

import cutaway
import cutaway.functional as F
import cutaway.nn.functional

OURS_ALONE = {"step", "identity", "sum_squared_error"}
IN_TORCH = {name for name in F.__all__ if re.match(r"(rnn_tanh|rnn_relu|gru|lstm)", name)}
# Dispatchers whose arguments PyTorch hides behind *args; and softplus, whose documentation leaves out `out`.
HIDDEN = {f"{kind}pool{n}d" for kind in ("max_", "adaptive_max_") for n in (1, 2, 3)}
HIDDEN |= {"fractional_max_pool2d", "fractional_max_pool3d"}


def _theirs(name):
    """(name, default) of each parameter, from the signature, or from the first line of the documentation."""
    if name in HIDDEN:
        function = getattr(TF, f"{name}_with_indices")
    else:
        function = getattr(TF, name)
    try:
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.default) for p in parameters]
    except ValueError:
        line = re.search(name + r"\(([^)]*(?:\([^)]*\)[^)]*)*)\)", function.__doc__.replace("\n", " ")).group(1)
        line = re.sub(r"\*,? *", "", line)
        found = []
        for part in line.split(","):
            key, _, value = part.strip().partition("=")
            found.append((key.strip(), eval(value) if value else inspect.Parameter.empty))
        return found


@pytest.mark.parametrize("name", sorted(set(F.__all__) - OURS_ALONE - IN_TORCH))
def test_signature(name):
    ours = [(p.name, p.default) for p in inspect.signature(getattr(F, name)).parameters.values()]
    theirs = _theirs(name)
    assert ours[: len(theirs)] == theirs


@pytest.mark.parametrize("name", sorted(set(F.__all__) - IN_TORCH))
def test_every_function_says_its_formula_and_shapes(name):
    function = getattr(F, name)
    assert function.formula and function.__doc__


def test_the_rest_is_pytorchs_elsewhere():
    assert all(hasattr(torch, name) for name in IN_TORCH)
    assert not any(hasattr(TF, name) for name in OURS_ALONE)


def test_pytorchs_module_path_gives_the_same_functions():
    assert all(getattr(cutaway.nn.functional, name) is getattr(F, name) for name in F.__all__)
