"""Indexing and assignment, gather and scatter."""

from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    GradError,
    IndexOutOfRange,
    IndexTypeError,
    ShapeError,
)

from .table import array, bad


def set_item(x, key, value):
    x[key] = value
    return x


CALLS = [
    bad("index-range", lambda t: t.ones(2, 3)[2], IndexOutOfRange, "index 2", "size 2", "-2 to 1"),
    bad("index-range-second", lambda t: t.ones(2, 3)[0, 5], IndexOutOfRange, "index 5", "dimension 1", "-3 to 2"),
    bad("index-negative", lambda t: t.ones(2, 3)[-3], IndexOutOfRange, "index -3", "-2 to 1"),
    bad("index-too-many", lambda t: t.ones(2, 3)[0, 0, 0], IndexOutOfRange, "index", "too many", "[2, 3]"),
    bad("index-0d", lambda t: t.tensor(1.0)[0], IndexOutOfRange, "index", "too many", "[]"),
    bad("index-text", lambda t: t.ones(2, 3)["a"], IndexTypeError, "index", "'a'", "integers", torch=...),
    bad("index-float", lambda t: t.ones(2, 3)[1.0], IndexTypeError, "index", "1.0", "integers", torch=...),
    bad("index-two-ellipses", lambda t: t.ones(2, 3, 4)[..., ..., 0], IndexOutOfRange, "index", "second ...", "2"),
    bad("index-negative-step", lambda t: t.ones(4)[::-1], ArgumentError, "index", "-1", "flip"),
    bad("index-zero-step", lambda t: t.ones(4)[::0], ArgumentError, "index", "step", "0"),
    bad("index-slice-text", lambda t: t.ones(4)["a":], IndexTypeError, "index", "'a'", "integers"),
    bad("index-slice-float", lambda t: t.ones(4)[0:1.5], IndexTypeError, "index", "1.5", "integers"),
    bad("index-slice-tensor", lambda t: t.ones(4)[: t.tensor(1.5)], IndexTypeError, "index", "float32[]", "integers"),
    bad("index-mask-shape", lambda t: t.ones(4)[t.tensor([True, False])], IndexOutOfRange, "mask", "[2]", "[4]"),
    bad("index-mask-dims", lambda t: t.ones(4)[t.ones(4, 1) > 0], IndexOutOfRange, "index", "too many", "[4]"),
    bad("index-float-tensor", lambda t: t.ones(4)[t.tensor([0.0, 1.0])], IndexTypeError, "index", "float32", ".long()"),
    bad("index-tensor-range", lambda t: t.ones(4)[t.tensor([0, 4])], IndexOutOfRange, "index 4", "size 4", "-4 to 3"),
    bad("index-list-range", lambda t: t.ones(4)[[0, -5]], IndexOutOfRange, "index -5", "size 4", "-4 to 3"),
    bad("index-list-of-text", lambda t: t.ones(4)[["a"]], IndexTypeError, "index", "integer", torch=...),
    bad("index-arrays-shapes", lambda t: t.ones(4, 4)[[0, 1], [0, 1, 2]], IndexOutOfRange, "index", "[2]", "[3]", "broadcast", torch=IndexError),
    bad("index-dict", lambda t: t.ones(4)[{}], IndexTypeError, "index", "dict", "integers"),
    bad("index-ragged", lambda t: t.ones(4, 4)[[[0], [1, 2]]], ArgumentError, "index", "equal lengths", torch=None),
    # assignment
    bad("set-shape", lambda t: set_item(t.ones(2, 3), 0, t.ones(2)), ShapeError, "setitem", "[2]", "[3]"),
    bad("set-shape-mask", lambda t: set_item(t.ones(4), t.ones(4) > 0, t.ones(3)), ShapeError, "setitem", "[3]", "[4]"),
    bad("set-text", lambda t: set_item(t.ones(2), 0, "a"), ArgumentTypeError, "setitem", "'a'", "numbers"),
    bad("set-none", lambda t: set_item(t.ones(2), 0, None), ArgumentTypeError, "setitem", "None", "numbers"),
    bad("set-range", lambda t: set_item(t.ones(2), 2, 0.0), IndexOutOfRange, "index 2", "size 2"),
    bad("set-ragged", lambda t: set_item(t.ones(2), slice(None), [[1], [1, 2]]), ArgumentTypeError, "setitem", "numbers"),
    bad("set-expanded", lambda t: set_item(t.ones(1).expand(3), 0, 2.0), ShapeError, "setitem", "expanded", "clone()", torch=None),
    bad("set-leaf", lambda t: set_item(t.ones(2, requires_grad=True), 0, 2.0), GradError, "setitem", "leaf", "no_grad"),
    bad("set-float-index", lambda t: set_item(t.ones(2), 0.5, 2.0), IndexTypeError, "index", "0.5", "integers", torch=...),
    # along a dimension
    bad("gather-float-index", lambda t: t.gather(t.ones(2, 3), 1, t.ones(2, 1)), DTypeError, "gather", "int64", ".long()"),
    bad("gather-dims", lambda t: t.gather(t.ones(2, 3), 1, t.tensor([0])), ShapeError, "gather", "[2, 3]", "unsqueeze"),
    bad("gather-index-range", lambda t: t.gather(t.ones(2, 3), 1, t.tensor([[3]])), IndexOutOfRange, "gather", "3", "0 to 2"),
    bad("gather-index-negative", lambda t: t.gather(t.ones(2, 3), 1, t.tensor([[-1]])), IndexOutOfRange, "gather", "-1", "0 to 2"),
    bad("gather-dim-range", lambda t: t.gather(t.ones(2, 3), 2, t.tensor([[0]])), IndexOutOfRange, "gather", "dim 2"),
    bad("gather-wide", lambda t: t.gather(t.ones(2, 3), 1, t.zeros(3, 1, dtype=t.int64)), ShapeError, "gather", "[3, 1]", "[2, 3]"),
    bad("gather-list", lambda t: t.gather(t.ones(2, 3), 1, [[0]]), ArgumentTypeError, "gather", "list", "cutaway.tensor"),
    bad("scatter-range", lambda t: t.scatter(t.zeros(3), 0, t.tensor([3]), t.ones(1)), IndexOutOfRange, "scatter", "3", "0 to 2"),
    bad("scatter-src-small", lambda t: t.scatter(t.zeros(3), 0, t.tensor([0, 1]), t.ones(1)), ShapeError, "scatter", "[2]", "[1]"),
    bad("scatter-src-dtype", lambda t: t.scatter(t.zeros(3), 0, t.tensor([0]), t.ones(1, dtype=t.float64)), DTypeError, "scatter", "float64", ".to()"),
    bad("scatter-reduce", lambda t: t.zeros(3).scatter_(0, t.tensor([0]), t.ones(1), reduce="max"), ArgumentError, "scatter", "'max'", "'add'"),
    bad("scatter-nothing", lambda t: t.scatter(t.zeros(3), 0, t.tensor([0])), ArgumentTypeError, "scatter", "src"),
    bad("scatter-add-range", lambda t: t.zeros(3).scatter_add_(0, t.tensor([5]), t.ones(1)), IndexOutOfRange, "scatter", "5", "0 to 2"),
    bad("index-select-range", lambda t: t.index_select(t.ones(2, 3), 1, t.tensor([3])), IndexOutOfRange, "index", "3", "size 3"),
    bad("index-select-float", lambda t: t.index_select(t.ones(2, 3), 1, t.tensor([0.0])), IndexOutOfRange, "index_select", "float32", "integers"),
    bad("index-select-matrix", lambda t: t.index_select(t.ones(2, 3), 1, t.tensor([[0]])), IndexOutOfRange, "index_select", "[1, 1]", "vector"),
    bad("index-select-list", lambda t: t.index_select(t.ones(2, 3), 1, [0]), ArgumentTypeError, "index_select", "Tensor", "list"),
    bad("index-add-range", lambda t: t.zeros(3).index_add_(0, t.tensor([3]), t.ones(1)), IndexOutOfRange, "index", "3"),
    bad("index-add-shape", lambda t: t.zeros(3, 2).index_add_(0, t.tensor([0]), t.ones(1, 3)), ShapeError, "index_add", "[1, 3]"),
    bad("masked-select-float", lambda t: t.masked_select(t.ones(2), t.ones(2)), DTypeError, "masked_select", "float32[2]", ".bool()"),
    bad("masked-select-shape", lambda t: t.masked_select(t.ones(2), t.ones(3) > 0), ShapeError, "masked_select", "[2]", "[3]"),
    bad("take-array", lambda t: t.gather(array(2, 3), 1, t.tensor([[0]])), ArgumentTypeError, "gather", "NumPy", "cutaway.tensor"),
]
