"""default_collate and default_convert against PyTorch's."""

import collections

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError
from cutaway.data import default_collate, default_convert

Pair = collections.namedtuple("Pair", "x y")


def plain(value, library):
    """Tensors as (dtype, values), the rest as it is, with types, to compare two libraries."""
    if isinstance(value, library.Tensor):
        return str(value.dtype).split(".")[-1], value.tolist()
    if isinstance(value, dict):
        return type(value), {k: plain(v, library) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [plain(v, library) for v in value]
    return type(value), value


BATCHES = [
    [1.5, 2.5],
    [1, 2, 3],
    [True, False],
    ["a", "b"],
    [b"a", b"b"],
    [np.float32(1), np.float32(2)],
    [np.int16(1), np.int16(2)],
    [np.zeros(2, np.float32), np.ones(2, np.float32)],
    [np.array(1.0), np.array(2.0)],
    [(1, 2.0), (3, 4.0)],
    [[1, 2], [3, 4]],
    [([1], "a"), ([2], "b")],
    [{"x": 1, "y": np.ones(2)}, {"x": 2, "y": np.zeros(2)}],
    [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
    [Pair(1, 2.0), Pair(3, 4.0)],
    [Pair((1, {"k": 2}), "z")],
    [(), ()],
]


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_collate_is_pytorchs(batch):
    torch = pytest.importorskip("torch")
    assert plain(default_collate(batch), cutaway) == plain(torch.utils.data.default_collate(batch), torch)


ONE = np.ones(1)
ITEMS = [1, "a", None, np.float32(2), ONE, [ONE, "b"], (ONE, 2), {"k": ONE}, Pair(ONE, 3), np.array(["s"])]


@pytest.mark.parametrize("item", ITEMS, ids=str)
def test_convert_is_pytorchs(item):
    torch = pytest.importorskip("torch")
    ours, theirs = default_convert(item), torch.utils.data.default_convert(item)
    if isinstance(item, np.ndarray) and item.dtype.kind == "U":
        assert ours is item and theirs is item
    else:
        assert plain(ours, cutaway) == plain(theirs, torch)


def test_tensors_are_stacked_with_their_history():
    a, b = (cutaway.tensor([v, 2.0], requires_grad=True) for v in (1.0, 5.0))
    batch = default_collate([(a, 0), (b, 1)])
    assert batch[0].tolist() == [[1, 2], [5, 2]] and batch[1].tolist() == [0, 1]
    (batch[0][1] * 3).sum().backward()
    assert b.grad.tolist() == [3, 3] and a.grad.tolist() == [0, 0]


def test_a_mapping_that_cannot_be_built_anew_becomes_a_dict():
    class Odd(dict):
        def __init__(self, a, b):
            super().__init__(a=a, b=b)

    assert type(default_collate([Odd(1, 2)])) is dict


@pytest.mark.parametrize(
    "batch, error, message",
    [
        ([], ArgumentError, "no items"),
        ([np.zeros(2), np.zeros(3)], ShapeError, r"item 1 of the batch has shape \[3\], item 0 has \[2\]"),
        ([cutaway.zeros(1), cutaway.zeros(())], ShapeError, r"shape \[\], item 0 has \[1\]"),
        ([(1, 2), (3,)], ShapeError, r"different lengths \[1, 2\]"),
        ([{"a": 1}, {"b": 1}], ArgumentError, r"item 1 has the keys \['b'\], item 0 has \['a'\]"),
        ([None], ArgumentTypeError, "got NoneType; give DataLoader a collate_fn"),
        ([object()], ArgumentTypeError, "got object"),
        ([np.array("a")], ArgumentTypeError, "dtype <U1 cannot become tensors"),
        ([1, None], ArgumentTypeError, "item 1 of the batch is a NoneType, item 0 a number"),
        ([1, "a"], ArgumentTypeError, "item 1 of the batch is a str, item 0 a number"),
    ],
)
def test_items_that_do_not_fit_together_are_told(batch, error, message):
    with pytest.raises(error, match=message):
        default_collate(batch)
