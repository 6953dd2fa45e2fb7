"""`x[key]` and `x[key] = v` against PyTorch, for keys that Hypothesis draws and for those a person writes."""

from __future__ import annotations

import warnings
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given

import cutaway
from cutaway.core.strict import set_lenient

from .against import agree, raises, torch

# --- keys -------------------------------------------------------------------------------------------------------------


class Array:
    """An index tensor to be: an array of one key, made anew for each library."""

    def __init__(self, values: Any, listed: bool = False) -> None:
        self.values, self.listed = np.asarray(values), listed

    def __repr__(self) -> str:
        return f"{'list' if self.listed else 'tensor'}({self.values.tolist()})"

    def of(self, t: Any) -> Any:
        return self.values.tolist() if self.listed else t.tensor(self.values)


def key_of(key: tuple[Any, ...], t: Any) -> Any:
    made = tuple(k.of(t) if isinstance(k, Array) else k for k in key)
    return made[0] if len(made) == 1 else made


def slices(n: int) -> st.SearchStrategy[slice]:
    bound = st.none() | st.integers(-n - 2, n + 2)
    return st.builds(slice, bound, bound, st.none() | st.integers(1, 3))


@st.composite
def keys(draw: Any, shape: tuple[int, ...], advanced: bool = True) -> tuple[Any, ...]:
    """A key for `shape`: an integer, slice, array or mask for each dimension; None and Ellipsis come between."""
    key: list[Any] = []
    left = draw(st.integers(0, len(shape)))  # the dimensions that the key names before the Ellipsis or the end
    wide = draw(st.lists(st.integers(1, 3), max_size=2))  # index arrays broadcast to this
    d, dots = 0, draw(st.booleans())
    while d < left:
        n = shape[d]
        kinds = ["slice"] + ["integer"] * (n > 0) + ["array", "mask", "list"] * (advanced and n > 0)
        kind = draw(st.sampled_from(kinds))
        if draw(st.integers(0, 5)) == 0:
            key.append(None)
        if kind == "slice":
            key.append(draw(slices(n)))
        elif kind == "integer":
            key.append(draw(st.integers(-n, n - 1)))
        elif kind == "mask":
            over = draw(st.integers(1, min(2, left - d)))
            size = int(np.prod(shape[d : d + over]))
            bits = draw(st.lists(st.booleans(), min_size=size, max_size=size))
            key.append(Array(np.array(bits, bool).reshape(shape[d : d + over])))
            d += over - 1
        else:
            at = [1 if draw(st.booleans()) else m for m in wide]
            at = at[draw(st.integers(0, len(at))) :]
            size = int(np.prod(at))
            values = np.array(draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size)), np.int64).reshape(
                at
            )
            key.append(Array(values, listed=kind == "list" and values.ndim == 1))
        d += 1
    if dots:
        key.append(Ellipsis)
        if draw(st.booleans()) and left < len(shape):
            key.append(draw(slices(shape[-1])))
    if not key:
        key.append(Ellipsis)
    return tuple(key)


SHAPES = st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple) | st.lists(
    st.integers(1, 4), min_size=1, max_size=4
).map(tuple)
SHAPES_AND_KEYS = SHAPES.flatmap(lambda s: st.tuples(st.just(s), keys(s)))
BASIC = SHAPES.flatmap(lambda s: st.tuples(st.just(s), keys(s, advanced=False)))


def counted(shape: tuple[int, ...], t: Any, requires_grad: bool = False) -> Any:
    """0, 1, 2, ... in a shape: every element can be told from the others."""
    return t.tensor(np.arange(np.prod(shape), dtype=np.float64).reshape(shape), requires_grad=requires_grad)


def theirs(shape: tuple[int, ...], key: tuple[Any, ...]) -> Any:
    """PyTorch's answer; examples that PyTorch refuses (masks that do not broadcast, say) are refused here too."""
    try:
        return counted(shape, torch)[key_of(key, torch)]
    except (IndexError, RuntimeError):
        with pytest.raises(cutaway.CutawayError):
            _ = counted(shape, cutaway)[key_of(key, cutaway)]
        assume(False)


# --- drawn ------------------------------------------------------------------------------------------------------------


@given(SHAPES_AND_KEYS)
def test_get(case):
    shape, key = case
    z = theirs(shape, key)
    x = counted(shape, cutaway, requires_grad=True)
    y = x[key_of(key, cutaway)]
    assert tuple(y.shape) == tuple(z.shape)
    np.testing.assert_array_equal(y.detach().numpy(), z.numpy())
    (y * y).sum().backward()
    u = counted(shape, torch, requires_grad=True)
    (u[key_of(key, torch)] ** 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), u.grad.numpy())


@given(BASIC)
def test_basic_keys_give_views(case):
    shape, key = case
    z, x = theirs(shape, key), counted(shape, cutaway)
    y = x[key_of(key, cutaway)]
    y.fill_(-1.0)
    u = counted(shape, torch)
    u[key_of(key, torch)].fill_(-1.0)
    np.testing.assert_array_equal(x.numpy(), u.numpy())
    if z.numel() > 1:  # of a dimension of size 0 or 1 the stride says nothing
        assert [s for s, n in zip(y.stride(), y.shape) if n > 1] == [s for s, n in zip(z.stride(), z.shape) if n > 1]


def value_for(data: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A value that broadcasts to the indexed region."""
    cut = data.draw(st.integers(0, len(shape)))
    at = [1 if data.draw(st.integers(0, 2)) == 0 else n for n in shape[cut:]]
    return -1.0 - np.arange(np.prod(at), dtype=np.float64).reshape(at)


@given(SHAPES_AND_KEYS, st.data())
def test_set(case, data):
    shape, key = case
    z = theirs(shape, key)
    assume(_names_no_element_twice(shape, key))
    v = value_for(data, tuple(z.shape))
    u = counted(shape, torch)
    try:
        u[key_of(key, torch)] = torch.tensor(v)
    except (IndexError, RuntimeError):
        assume(False)
    x = counted(shape, cutaway)
    memory = x.numpy()
    x[key_of(key, cutaway)] = cutaway.tensor(v)
    np.testing.assert_array_equal(x.numpy(), u.numpy())
    assert x.numpy() is memory
    x = counted(shape, cutaway)
    x[key_of(key, cutaway)] = v  # a NumPy array, too
    np.testing.assert_array_equal(x.numpy(), u.numpy())


@given(SHAPES_AND_KEYS, st.data())
def test_set_while_recording(case, data):
    shape, key = case
    z = theirs(shape, key)
    assume(_names_no_element_twice(shape, key))
    v = value_for(data, tuple(z.shape))
    found = []
    for t in (torch, cutaway):
        a, b = counted(shape, t, requires_grad=True), t.tensor(v, requires_grad=True)
        x = a * 2
        try:
            x[key_of(key, t)] = b
        except (IndexError, RuntimeError):
            assert t is torch
            assume(False)
        (x * x).sum().backward()
        found.append([x.detach().numpy(), a.grad.numpy(), np.zeros(b.shape) if b.grad is None else b.grad.numpy()])
    for mine, other in zip(found[1], found[0]):
        np.testing.assert_array_equal(mine, other)


def _names_no_element_twice(shape: tuple[int, ...], key: tuple[Any, ...]) -> bool:
    """Which of two values written to one place stays is no one's promise."""
    places = counted(shape, torch)[key_of(key, torch)].reshape(-1)
    return len(places) == len(places.unique())


@given(SHAPES, st.data())
def test_out_of_range(shape, data):
    d = data.draw(st.integers(0, len(shape) - 1))
    n = shape[d]
    i = data.draw(st.sampled_from([n, n + 3, -n - 1]))
    x = counted(shape, cutaway)
    for key in (i, cutaway.tensor(i), cutaway.tensor([i]), [i]):
        with pytest.raises(cutaway.IndexOutOfRange, match=f"index {i} is out of range for dimension {d} of size {n}"):
            _ = x[(slice(None),) * d + (key,)]
        with pytest.raises(cutaway.IndexOutOfRange, match=f"index {i} is out of range for dimension {d} of size {n}"):
            x[(slice(None),) * d + (key,)] = 0.0


# --- written ----------------------------------------------------------------------------------------------------------

T = np.random.default_rng(0).standard_normal((3, 4, 5))


@pytest.mark.parametrize(
    "source",
    [
        "a[0]", "a[-1]", "a[1, 2]", "a[1, 2, 3]", "a[..., 0]", "a[:, None]", "a[None, ..., None]", "a[1:]", "a[::2]",
        "a[:, 1:3]", "a[:, :, -2:]", "a[5:]", "a[-9:9]", "a[2:1]", "a[:-1]", "a[...]", "a[()]", "a[[0, 2]]",
        "a[[0, 2], [1, 3]]",
        "a[t.tensor([2, 0])]", "a[:, t.tensor([3, 3, 0])]", "a[t.tensor([0, 1]), :, t.tensor([4, 2])]",
        "a[0, :, t.tensor([1, 2])]", "a[:, 0, t.tensor([1, 2])]", "a[t.tensor([[0], [2]]), t.tensor([1, 3])]",
        "a[a > 0]", "a[a[:, 0, 0] > 0]", "a[:, a[0, :, 0] > 0]", "a[a[:, :, 0] > 0]", "a[a[:, :, 0] > 0, 2:]",
        "a[t.tensor([True, False, True])]", "a[[True, False, True]]", "a[np.array([1, 2])]",
        "a[np.array([True, False, True])]",
        "a[t.tensor(1)]", "a[t.tensor(1), 1:]", "a[t.tensor(-1), ..., t.tensor(2)]", "a[np.int64(1)]",
        "a[t.tensor([], dtype=t.long)]", "a[[]]", "a[t.zeros(3, dtype=t.bool)]", "a[None, [0, 1]]",
        "a[:, None, [0, 1]]",
        "a[0][1][2]", "a[1:][:, 2:][..., ::2]", "a[t.tensor([1, 0], dtype=t.int32)]", "a[a > 9]",
        "a[a.argmax(0) if False else 0]", "a[range(2)]", "a[slice(0, 2), 1]", "a[(0, 1)]",
        "a[t.arange(3), t.arange(3), t.arange(3)]",
        "a[:, [1, 1, 1]]", "a[:, :, None, 2]", "a[0, None, 1]", "a[(a > 0) & (a < 1)]", "a[~(a > 0)]", "a[a.isnan()]",
        "a[t.tensor(1):t.tensor(3)]", "a[0:3:2, ..., [0, 1]]", "a[[0, 1], ..., [0, 1]]", "a[1, [0, 1], None]",
    ],
)  # fmt: skip
def test_get_as_written(source):
    agree(source, T)


@pytest.mark.parametrize(
    "source",
    [
        "y[0] = 1", "y[:] = 0", "y[...] = 2.5", "y[0, 1] = t.arange(5.0).double()", "y[:, 0] = b[:, 1]",
        "y[1:] = y[:1]", "y[y > 0] = 0", "y[y < 0] *= 2", "y[[0, 1]] += b[:2]", "y[[0, 2]] = 1",
        "y[t.tensor([2, 0])] = b[:2]",
        "y[t.arange(3), t.tensor([0, 1, 2])] = b[0, 0]", "y[None] = 3", "y[0, 0, 0] = b[0, 0, 0]",
        "y[1, ::2] = b[0, :2]", "y[[0, 1], :, [2, 3]] = b[0, :, :1].T", "y[y > 9] = 5", "y[[]] = 1",
        "y[t.tensor(True)] = 4",
        "y[0] = b[0] * 2; y[0] = y[0] + b[1]", "y[0] = 1; y[1] = y[0] * 3", "y[:, :, 1:] = y[:, :, :-1].clone()",
        "y[b > 0] = b[b > 0]", "y[t.tensor([True, False, True])] = b[1]", "y[-1, -1, -1] = 7", "y[2] = b[0, 0]",
        "y[0] = b[:1]",
        "y[0, 0] = [1.0, 2.0, 3.0, 4.0, 5.0] if t.__name__ == 'cutaway' else t.tensor([1.0, 2, 3, 4, 5])",
        "y[..., None] = 1", "y[:, [1, 2]] = 0", "y[t.tensor([0, 1], dtype=t.int32)] = 1", "y[0] = t.tensor(3)",
        "y[0] = t.ones(5)", "y[0] = True",
    ],
)  # fmt: skip
def test_set_as_written(source):
    agree(f"y = a.clone()\n{source}", T, T[::-1].copy())  # recorded
    agree(f"y = a.clone()\n{source}", T, T[::-1].copy(), recorded=False)


def test_set_in_integers_and_bools():
    whole = np.arange(6).reshape(2, 3)
    agree("y = a.clone()\ny[0] = 7", whole)
    agree("y = a.clone()\ny[0] = 2.9", whole)
    agree("y = a.clone()\ny[a > 2] = t.tensor(5)", whole)
    agree("y = a > 2\ny[0] = True", whole)
    agree("y = a > 2\ny[0] = 2", whole)
    agree("y = a.clone()\ny[0, 0] += 3", whole)
    agree("y = a.float()\ny[a == 3] = float('nan')", whole)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("a[3]", "index 3 is out of range for dimension 0 of size 3"),
        ("a[0, -5]", "index -5 is out of range for dimension 1"), ("a[0, 0, 0, 0]", "too many indices"),
        ("a[0.5]", "no index"), ("a['x']", "no index"), ("a[t.tensor([0.5])]", "integer or bool"),
        ("a[::-1]", "flip"), ("a[t.tensor([True, False])]", "mask of shape"), ("a[[0, 1], [0, 1, 2]]", "broadcast"),
        ("a[t.tensor([5])]", "out of range"), ("a[[[0, 1], [2]]]", "equal lengths"), ("a[0:2:0]", "step"),
        ("y = a.clone(); y[0] = t.ones(3)", "does not broadcast to the indexed region"),
        ("y = a.clone(); y[7] = 0", "out of range"), ("y = a.clone(); y[a > 0] = t.ones(2)", "does not broadcast"),
        ("y = a.clone(); y[0] = 'x'", "cannot store"), ("y = a.clone(); y[0] = None", "cannot store"),
        ("y = a.detach().clone(); y[0] = t.ones(3)", "does not broadcast to the indexed region"),
        ("y = a.detach().clone(); y[a > 0] = t.ones(2)", "does not broadcast"),
        ("y = a.detach().clone(); y[[0, 1]] = t.ones(3, 4, 5)", "does not broadcast"),
        ("y = a; y[0] = 1", "leaf"), ("y = a; y[a > 0] = 1", "leaf"), ("y = a.sum(); y[0] = 1", "too many"),
        ("a.sum()[0]", "too many"), ("a[a.sum()]", "integer or bool"), ("a[{}]", "no index"),
    ],
)  # fmt: skip
def test_bad_keys(source, match):
    raises(source, T, match=match)


def test_a_single_bool_is_refused():
    """PyTorch adds a dimension of size 0 or 1, which is hardly ever what was meant."""
    x = cutaway.tensor(T)
    for key in (True, False, np.True_, (0, True)):
        with pytest.raises(cutaway.ArgumentTypeError, match="a single bool is no index"):
            _ = x[key]
    agree("a[t.tensor(True)]", T)
    agree("a[t.tensor(False)]", T)
    agree("a[a[0, 0, 0] > 0, 1]", T)
    agree("a[0, 0, 0][a[0, 0, 0] > -9]", T)


def test_nested_lists_are_one_index_array():
    """As NumPy has it, and as PyTorch announces to have it (it still reads the outer list as a tuple, and warns)."""
    x = cutaway.arange(12).reshape(4, 3)
    assert x[[[0, 1], [2, 0]]].tolist() == x.numpy()[[[0, 1], [2, 0]]].tolist()
    assert x[[cutaway.tensor(0), cutaway.tensor(2)]].tolist() == [[0, 1, 2], [6, 7, 8]]
    with pytest.raises(cutaway.IndexOutOfRange, match="second"):
        _ = x[..., ..., 0]


def test_in_place_on_an_indexed_view():
    agree(
        "y = a.clone(); y[0] += 1; y[:, 1] -= b[:, 0]; y[..., 0] /= 2; y[0].mul_(3); y[1][2].fill_(5)",
        T,
        T,
        recorded=False,
    )
    agree("y = a * 2; y[0] += 1; y[:, 1] -= b[:, 0]; y[1][2].mul_(b[0, 0]); y = y * y", T, T)
    agree("y = a * 2; y[0] = y[0] + 1; y[:, 1] = y[:, 1] - b[:, 0]", T, T)


def test_repeated_places_add_up_in_the_gradient():
    x = cutaway.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[[0, 0, 2, 0]].sum().backward()
    assert x.grad.tolist() == [3, 0, 1]


def test_assignment_of_a_tensor_that_shares_memory():
    """The right side is read before the left is written."""
    agree("y = a.detach().clone()\ny[1:] = y[:-1].clone()", T, recorded=False)
    x = cutaway.arange(5)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]
    x = cutaway.arange(5)
    x[[4, 3, 2, 1, 0]] = x
    assert x.tolist() == [4, 3, 2, 1, 0]


def test_infinity_is_not_stored_in_integers():
    x = cutaway.arange(3)
    with pytest.raises(cutaway.DTypeError, match="not finite"):
        x[0] = float("nan")
    assert x.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "key",
    [
        "[0, t.tensor(1)]", "[[0, 1], [1, 2]]", "[t.tensor([0, 1]), [1, 2]]", "[0, slice(None)]", "[None, 0]", "[..., 0]",
        "[t.tensor([True, False, True])]", "[(0, 1)]", "[0, 1]", "[True, False, True]",
    ],
)  # fmt: skip
def test_lists_of_parts_are_tuples_where_pytorch_s_programs_run(key):
    found = []
    for t in (cutaway, torch):
        set_lenient(True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                x = t.arange(12.0).reshape(3, 4)
                got = x[eval(key)].tolist()
                x[eval(key)] = -1.0
        finally:
            set_lenient(False)
        found.append((got, x.tolist()))
    assert found[0] == found[1]


def test_a_list_of_parts_read_as_a_tuple_warns():
    set_lenient(True)
    try:
        with pytest.warns(UserWarning, match="read as a tuple"):
            cutaway.arange(12.0).reshape(3, 4)[[0, cutaway.tensor(1)]]
    finally:
        set_lenient(False)
