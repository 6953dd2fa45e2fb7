"""Updates of many tensors at the end of a step: grouped by shape, in place, in an order that their own reads allow."""

import numpy as np
import pytest

import cutaway
from cutaway import nn, optim
from cutaway.nn import functional as F


def steps(compiled, name, **options):
    """Three steps of a net whose layers have equal shapes, so that updates of different parameters share kernels."""
    cutaway.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8))
    x, t = cutaway.rand(16, 8), cutaway.randint(0, 8, (16,))
    optimizer = getattr(optim, name)(model.parameters(), **options)

    def step(x, t):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    run = cutaway.compile(step) if compiled else step
    return [run(x, t).item() for _ in range(3)], [p.detach().numpy().copy() for p in model.parameters()]


@pytest.mark.parametrize(("name", "options"), [("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {}), ("AdamW", {})])
def test_layers_of_one_shape_are_updated_as_in_eager_mode(name, options):
    losses, parameters = steps(False, name, **options)
    compiled_losses, compiled_parameters = steps(True, name, **options)
    np.testing.assert_allclose(compiled_losses, losses, rtol=1e-6)
    for a, b in zip(compiled_parameters, parameters, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
