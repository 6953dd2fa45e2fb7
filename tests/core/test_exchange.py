"""Tensors meeting NumPy and Python: arrays, pickles, copies, iteration, threads of other libraries' objects."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest

import cutaway
from cutaway import GradError

from .against import torch

# NumPy 2 grumbles about PyTorch's conversion, not about ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")
BOTH = pytest.mark.parametrize("t", [cutaway, torch], ids=["cutaway", "pytorch"])


def test_numpy_has_nothing_to_grumble_about(recwarn):
    x = cutaway.ones(3)
    _ = (
        np.asarray(x),
        np.array(x, copy=True),
        np.sqrt(x),
        np.asarray(x, copy=False),
        np.stack([x, x]),
        np.asarray(x, dtype=np.float64),
    )
    assert not recwarn.list


# --- NumPy ------------------------------------------------------------------------------------------------------------


@BOTH
def test_asarray_shares_memory(t):
    x = t.ones(3)
    a = np.asarray(x)
    a[0] = 5
    assert x.tolist() == [5, 1, 1] and a.dtype == np.float32
    assert np.array(x) is not a and np.asarray(x, np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x, copy=True), a)
    np.testing.assert_array_equal(np.stack([x, x]), [[5, 1, 1]] * 2)
    assert np.asarray(t.arange(3)).dtype == np.int64 and np.asarray(t.tensor(True)).dtype == bool


@BOTH
def test_numpy_functions_take_tensors(t):
    x = t.tensor([1.0, 4.0, 9.0])
    np.testing.assert_array_equal(np.sqrt(x), [1, 2, 3])
    assert np.mean(x.numpy()) == pytest.approx(14 / 3) and float(np.max(x.numpy())) == 9
    assert len(np.concatenate([x, x])) == 6


@BOTH
def test_a_transposed_tensor_becomes_a_transposed_array(t):
    x = t.arange(6).reshape(2, 3).t()
    np.testing.assert_array_equal(x.numpy(), np.arange(6).reshape(2, 3).T)
    assert x.numpy().strides == (8, 24)


def test_what_requires_grad_does_not_leave_unseen():
    x = cutaway.ones(2, requires_grad=True)
    for call in (x.numpy, lambda: np.asarray(x), lambda: np.sqrt(x), lambda: np.array([1.0, 2.0]) + x.numpy()):
        with pytest.raises(GradError, match="detach"):
            call()
    assert x.numpy(force=True).tolist() == x.detach().numpy().tolist() == [1, 1]
    with cutaway.no_grad():
        assert x.numpy().tolist() == [1, 1]


def test_an_array_on_the_left():
    """The tensor's operator wins, so that a gradient is not lost on the way."""
    x = cutaway.tensor([1.0, 2.0], dtype=cutaway.float64, requires_grad=True)
    y = np.float64(3) * x
    assert isinstance(y, cutaway.Tensor) and y.requires_grad and y.tolist() == [3, 6]
    for f in (lambda a: a * x, lambda a: a + x, lambda a: x * a, lambda a: x - a):
        y = f(np.array([3.0, 4.0]))
        assert isinstance(y, cutaway.Tensor) and y.requires_grad and y.tolist() == f(cutaway.tensor([3.0, 4.0])).tolist()
    for f in (lambda a: a @ x, lambda a: x @ a):
        with pytest.raises(cutaway.ArgumentTypeError, match=r"ndarray.*cutaway.tensor|wrap it|cutaway.tensor"):
            f(np.array([3.0, 4.0]))


@BOTH
def test_numpy_scalars_as_numbers_and_indices(t):
    x = t.arange(6).reshape(2, 3)
    assert x[np.int64(1), np.int32(2)].item() == 5 and x[np.array([1, 0])].tolist() == [[3, 4, 5], [0, 1, 2]]
    assert t.zeros(np.int64(2), np.int64(3)).shape == (2, 3)
    assert x.reshape(np.int64(3), -1).shape == (3, 2) and x.sum(np.int64(1)).tolist() == [3, 12]
    assert (x * np.float32(0.5)).dtype == t.float32


# --- Python -----------------------------------------------------------------------------------------------------------


@BOTH
def test_iteration_unpacking_and_builtins(t):
    a, b = t.tensor([[1, 2], [3, 4]])
    assert a.tolist() == [1, 2] and b.tolist() == [3, 4]
    x = t.tensor([3.0, 1.0, 2.0])
    assert (
        sum(x).item() == 6
        and max(x).item() == 3
        and sorted(x.tolist()) == [1, 2, 3]
        and [int(v) for v in x] == [3, 1, 2]
    )
    assert len(x) == 3 and 2.0 in x and 7.0 not in x and list(reversed(x))[0].item() == 2
    assert [i.item() for i, _ in zip(x, range(2))] == [3, 1] and dict(enumerate(x.tolist()))[1] == 1
    assert all(t.tensor([True, True])) and any(t.tensor([False, True])) and not t.tensor(0) and bool(t.tensor([[2.5]]))
    assert (
        [10, 20, 30][t.tensor(2)] == 30
        and "ab" * t.tensor(2).item() == "abab"
        and divmod(7, t.tensor(2).item()) == (3, 1)
    )
    assert isinstance(x.shape, tuple) and isinstance(x.shape, t.Size) and x.shape + (1,) == (3, 1)


@BOTH
def test_tensors_are_hashed_by_identity(t):
    x, y = t.ones(2), t.ones(2)
    assert len({x, y, x}) == 2 and {x: 1}[x] == 1 and hash(x) != hash(y)
    assert any(v is y for v in [x, y])


@BOTH
def test_subclasses_and_isinstance(t):
    assert (
        isinstance(t.ones(1), t.Tensor)
        and not isinstance(np.ones(1), t.Tensor)
        and t.is_tensor(t.ones(1))
        and not t.is_tensor([1])
    )


# --- copies and pickles -----------------------------------------------------------------------------------------------


@BOTH
def test_deepcopy(t):
    x = t.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    y = copy.deepcopy({"a": x, "b": [x]})
    assert y["a"] is y["b"][0] and y["a"] is not x
    assert y["a"].requires_grad and y["a"].is_leaf and y["a"].tolist() == [1, 2] and y["a"].grad.tolist() == [2, 4]
    with t.no_grad():
        y["a"].add_(1)
    assert x.tolist() == [1, 2]
    with pytest.raises(RuntimeError):
        copy.deepcopy(x * 2)
    assert copy.deepcopy(t.arange(6).reshape(2, 3).t()).tolist() == [[0, 3], [1, 4], [2, 5]]


@BOTH
def test_copy_shares_memory(t):
    x = t.tensor([1.0, 2.0])
    y = copy.copy(x)
    y[0] = 7
    assert x.tolist() == [7, 2]


@BOTH
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickle(t, protocol):
    for x in (
        t.tensor([1.5, -2.0]),
        t.tensor(3),
        t.tensor([[True], [False]]),
        t.zeros(0, 3),
        t.arange(6).reshape(2, 3).t(),
        t.tensor([1.0], dtype=t.float16),
    ):
        y = pickle.loads(pickle.dumps(x, protocol))
        assert type(y) is type(x) and y.dtype == x.dtype and y.shape == x.shape and y.tolist() == x.tolist()
    x = pickle.loads(pickle.dumps(t.tensor([1.0], requires_grad=True), protocol))
    assert x.requires_grad and x.is_leaf
    assert pickle.loads(pickle.dumps(t.float32)) is t.float32 and pickle.loads(pickle.dumps(t.bool)) is t.bool
    assert (
        pickle.loads(pickle.dumps(t.Size([2, 3]))) == (2, 3) and type(pickle.loads(pickle.dumps(t.Size([2])))) is t.Size
    )


def test_a_pickle_holds_no_graph():
    x = cutaway.ones(1000, requires_grad=True)
    file = io.BytesIO()
    pickle.dump(x.detach(), file)
    assert file.tell() < 5000
    for t in (cutaway, torch):  # what was a result comes back as a leaf
        y = pickle.loads(pickle.dumps(t.ones(2, requires_grad=True) * 2))
        assert y.requires_grad and y.is_leaf and y.tolist() == [2, 2]


def test_pickled_views_stand_alone():
    x = cutaway.arange(1000)
    y = pickle.loads(pickle.dumps(x[:2]))
    y[0] = 9
    assert x[0] == 0 and y.tolist() == [9, 1] and len(pickle.dumps(x[:2])) < 1000


@BOTH
def test_dtype_and_device_objects(t):
    assert (
        t.float32 is t.float
        and t.float64 is t.double
        and t.int64 is t.long
        and t.int32 is t.int
        and t.float16 is t.half
    )
    assert t.float32 != t.float64 and len({t.float32, t.float, t.int64}) == 2
    assert (
        t.float32.is_floating_point
        and not t.int8.is_floating_point
        and t.int8.is_signed
        and not t.uint8.is_signed
        and t.float64.itemsize == 8
    )
    assert (
        t.device("cpu") == t.device("cpu")
        and str(t.device("cpu")) == "cpu"
        and t.device("cpu").type == "cpu"
        and t.ones(1).device == t.device("cpu")
    )
    assert t.ones(1, device=t.device("cpu")).device.type == "cpu"
    assert copy.deepcopy(t.float32) is t.float32
    with pytest.raises(RuntimeError):
        t.device("abacus")
