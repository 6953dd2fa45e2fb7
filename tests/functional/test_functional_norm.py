"""Normalisations against PyTorch, running statistics included; and what they refuse."""

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import cutaway
import cutaway.functional as F
from cutaway.core.errors import ArgumentError, DTypeError, ShapeError


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("momentum", [0.1, 1.0])
@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 6), (2, 3, 4, 5), (2, 3, 2, 2, 3)], ids=str)
def test_batch_norm(shape, momentum, training, affine, agree, rng):
    mean, var = rng.standard_normal(3), rng.random(3) + 0.5
    w, b = rng.standard_normal(3), rng.standard_normal(3)
    kept = {}

    def call(f, make):
        def run(x, w, b):
            kept[f] = make(mean.copy()), make(var.copy())
            return f.batch_norm(x, *kept[f], w if affine else None, b if affine else None, training, momentum, 1e-3)

        return run

    agree(
        call(F, cutaway.from_numpy), call(TF, torch.from_numpy), rng.standard_normal(shape) * 3 + 1, w, b, second=True
    )
    for ours, theirs in zip(kept[F], kept[TF], strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-12)


def test_batch_norm_without_running_statistics(agree, rng):
    call = lambda f: lambda x: f.batch_norm(x, None, None, training=True)
    agree(call(F), call(TF), rng.standard_normal((4, 3)))
    agree(call(F), call(TF), np.ascontiguousarray(rng.standard_normal((2, 4, 5, 3))).transpose(0, 3, 1, 2))


def test_batch_norm_leaves_the_running_statistics_without_history():
    mean, var = cutaway.zeros(3), cutaway.ones(3)
    x = cutaway.randn(4, 3).requires_grad_()
    F.batch_norm(x, mean, var, training=True).sum().backward()
    assert not mean.requires_grad and not var.requires_grad and x.grad is not None


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(
    ("shape", "last"),
    [((4, 5), (5,)), ((2, 3, 4), (4,)), ((2, 3, 4), (3, 4)), ((5,), (5,)), ((0, 4), (4,)), ((3, 1), (1,))],
)
def test_layer_norm(shape, last, affine, agree, rng):
    call = lambda f: lambda x, w, b: f.layer_norm(x, last, w if affine else None, b if affine else None, 1e-4)
    agree(
        call(F), call(TF), rng.standard_normal(shape), rng.standard_normal(last), rng.standard_normal(last), second=True
    )


@pytest.mark.parametrize("eps", [None, 1e-3])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(("shape", "last"), [((4, 5), (5,)), ((2, 3, 4), (3, 4))])
def test_rms_norm(shape, last, affine, eps, agree, rng):
    call = lambda f: lambda x, w: f.rms_norm(x, last, w if affine else None, eps)
    agree(call(F), call(TF), rng.standard_normal(shape), rng.standard_normal(last), second=True)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(
    ("shape", "groups"), [((3, 6), 2), ((2, 6, 4), 3), ((2, 4, 3, 5), 4), ((2, 4, 3, 5), 1), ((2, 2, 3, 2, 2), 2)]
)
def test_group_norm(shape, groups, affine, agree, rng):
    c = shape[1]
    call = lambda f: lambda x, w, b: f.group_norm(x, groups, w if affine else None, b if affine else None)
    agree(call(F), call(TF), rng.standard_normal(shape), rng.standard_normal(c), rng.standard_normal(c), second=True)


@pytest.mark.parametrize(("own", "tracked"), [(True, False), (True, True), (False, True)])
@pytest.mark.parametrize("shape", [(3, 2, 5), (2, 2, 4, 3)], ids=str)
def test_instance_norm(shape, own, tracked, agree, rng):
    mean, var = rng.standard_normal(2), rng.random(2) + 0.5
    kept = {}

    def call(f, make):
        def run(x, w, b):
            kept[f] = (make(mean.copy()), make(var.copy())) if tracked else (None, None)
            return f.instance_norm(x, *kept[f], w, b, own, 0.3, 1e-4)

        return run

    agree(
        call(F, cutaway.from_numpy),
        call(TF, torch.from_numpy),
        rng.standard_normal(shape),
        rng.standard_normal(2),
        rng.standard_normal(2),
    )
    for ours, theirs in zip(kept[F], kept[TF], strict=True):
        if tracked:
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 5, 3, 2)], ids=str)
def test_local_response_norm(shape, size, agree, rng):
    call = lambda f: lambda x: f.local_response_norm(x, size, 0.5, 0.6, 2.0)
    agree(call(F), call(TF), rng.standard_normal(shape))


def test_half_precision_does_not_overflow():
    x = cutaway.tensor([[1000.0, -1000.0, 3000.0, 500.0]]).half()
    for y in (F.layer_norm(x, (4,)), F.group_norm(x, 1), F.rms_norm(x, (4,))):
        assert y.dtype is cutaway.float16 and np.isfinite(y.numpy()).all()
    expected = TF.layer_norm(torch.from_numpy(x.numpy()).float(), (4,))
    np.testing.assert_allclose(F.layer_norm(x, (4,)).numpy(), expected.numpy(), atol=1e-3)


X = cutaway.zeros(4, 3)
BAD = {
    "one-value": (
        lambda: F.batch_norm(cutaway.zeros(1, 3), None, None, training=True),
        ArgumentError,
        r"float32\[1, 3\].*\.eval\(\)",
    ),
    "no-stats": (lambda: F.batch_norm(X, None, None), ArgumentError, "running_mean and running_var are needed"),
    "stats-shape": (
        lambda: F.batch_norm(X, cutaway.zeros(4), cutaway.ones(3)),
        ShapeError,
        r"running_mean float32\[4\].*\[3\]",
    ),
    "weight-shape": (lambda: F.batch_norm(X, None, None, cutaway.ones(2), training=True), ShapeError, "weight"),
    "batch-dims": (
        lambda: F.batch_norm(cutaway.zeros(3), None, None, training=True),
        ShapeError,
        "at least 2 dimensions",
    ),
    "batch-integers": (
        lambda: F.batch_norm(X.long(), None, None, training=True),
        DTypeError,
        "batch_norm: needs a floating",
    ),
    "layer-shape": (lambda: F.layer_norm(X, (4,)), ShapeError, r"layer_norm.*float32\[4, 3\].*\[4\]"),
    "layer-weight": (
        lambda: F.layer_norm(X, (3,), cutaway.ones(4)),
        ShapeError,
        r"weight float32\[4\] must have shape \[3\]",
    ),
    "layer-nothing": (lambda: F.layer_norm(X, ()), ArgumentError, "at least one dimension"),
    "rms-shape": (lambda: F.rms_norm(X, (2,)), ShapeError, "rms_norm"),
    "groups": (lambda: F.group_norm(cutaway.zeros(2, 4), 3), ShapeError, "num_groups=3 must divide the 4 channels"),
    "groups-weight": (
        lambda: F.group_norm(cutaway.zeros(2, 4), 2, cutaway.ones(2)),
        ShapeError,
        "one number a channel",
    ),
    "instance-one": (lambda: F.instance_norm(cutaway.zeros(2, 3, 1)), ArgumentError, "no variance"),
    "instance-dims": (lambda: F.instance_norm(X), ShapeError, "dimensions of space"),
    "instance-stats": (
        lambda: F.instance_norm(cutaway.zeros(2, 3, 4), use_input_stats=False),
        ArgumentError,
        "needs running_mean",
    ),
    "response-dims": (lambda: F.local_response_norm(X, 3), ShapeError, "at least 3"),
    "response-size": (
        lambda: F.local_response_norm(cutaway.zeros(1, 2, 3), 0),
        ArgumentError,
        "size must be at least 1",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    call, error, text = BAD[name]
    with pytest.raises(error, match=text):
        call()
