"""Datasets: items, subsets, unions, and the split of PyTorch."""

import numpy as np
import pytest

import cutaway
from cutaway.core.errors import ArgumentError, ArgumentTypeError, IndexOutOfRange, ShapeError
from cutaway.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from cutaway.data.dataset import bulk_reader


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        return i * i

    def __len__(self):
        return self.n


class Stream(IterableDataset):
    def __init__(self, *items):
        self.items = items

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)


X = cutaway.tensor(np.arange(12.0).reshape(6, 2))
Y = cutaway.tensor(np.arange(6) % 3)


def test_a_tensor_dataset_gives_rows():
    data = TensorDataset(X, Y)
    x, y = data[4]
    assert len(data) == 6 and x.tolist() == [8, 9] and y.item() == 1
    assert [t.tolist() for t in data[1:3]] == [[[2, 3], [4, 5]], [1, 2]]
    assert [y.item() for _, y in data] == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("indices", [[0], [5, 0, 0, 3], [-1, -6], [], range(1, 5, 2)])
def test_gather_is_collating_item_by_item(indices):
    for data in (TensorDataset(X, Y), Subset(TensorDataset(X, Y), [3, 1, 5, 0, 2, 4])):
        got = data.gather(indices)
        if len(indices):
            expected = default_collate([data[i] for i in indices])
            assert type(got) is type(expected)
            assert [(t.dtype, t.tolist()) for t in got] == [(t.dtype, t.tolist()) for t in expected]
        else:
            assert [tuple(t.shape) for t in got] == [(0, 2), (0,)]


def test_gather_gives_new_memory():
    data = TensorDataset(X, Y)
    with cutaway.no_grad():
        data.gather(range(6))[0].zero_()
    assert data[5][0].tolist() == [10, 11]


def test_gather_keeps_the_history_of_a_tensor_that_needs_gradients():
    w = cutaway.tensor([[1.0], [2.0], [3.0]], requires_grad=True)
    (batch,) = TensorDataset(w).gather([2, 0, 2])
    batch.sum().backward()
    assert w.grad.tolist() == [[1], [0], [2]]


@pytest.mark.parametrize("index", [6, -7])
def test_an_index_beyond_the_end(index):
    for read in (lambda: TensorDataset(X, Y)[index], lambda: TensorDataset(X, Y).gather([0, index])):
        with pytest.raises(IndexOutOfRange, match=f"{index}"):
            read()


@pytest.mark.parametrize(
    "tensors, error, message",
    [
        ((X, Y[:5]), ShapeError, r"first dimensions disagree, got float64\[6, 2\], int64\[5\]"),
        ((), ShapeError, "no tensors"),
        ((cutaway.tensor(1.0),), ShapeError, r"float32\[\]"),
        ((X, [1, 2]), ArgumentTypeError, "list is no tensor"),
    ],
)
def test_tensors_that_make_no_dataset(tensors, error, message):
    with pytest.raises(error, match=message):
        TensorDataset(*tensors)


def test_a_subset_looks_through_its_indices():
    half = Subset(Squares(10), [9, 3, 5])
    assert list(half) == [81, 9, 25] and len(half) == 3 and half[-1] == 25
    assert half.__getitems__([2, 0]) == [25, 81]
    assert not hasattr(half, "gather")
    assert Subset(half, [1])[0] == 9
    assert [t.tolist() for t in Subset(TensorDataset(Y), [5, 1])[[0, 1]]] == [[2, 1]]


def test_a_subclass_that_redefines_the_item_is_read_item_by_item():
    class Doubled(TensorDataset):
        def __getitem__(self, i):
            return super().__getitem__(i)[0] * 2

    class First(Subset):
        def __getitem__(self, i):
            return super().__getitem__(i)[0]

    assert bulk_reader(Doubled(X), "gather") is None
    assert bulk_reader(First(TensorDataset(X), [0]), "gather") is None
    assert bulk_reader(First(TensorDataset(X), [0]), "__getitems__") is None
    assert bulk_reader(Subset(Doubled(X), [0]), "gather") is None
    assert bulk_reader(TensorDataset(X), "gather") and bulk_reader(Subset(TensorDataset(X), [0]), "gather")
    assert Subset(Doubled(X), [5]).__getitems__([0])[0].tolist() == [20, 22]


def test_concatenation():
    both = Squares(3) + Subset(Squares(10), [9]) + Squares(2)
    assert isinstance(both, ConcatDataset)
    assert list(both) == [0, 1, 4, 81, 0, 1] and len(both) == 6
    assert [both[i] for i in (-1, -3, -6, 3)] == [1, 81, 0, 81]
    assert list(ConcatDataset([Squares(0), Squares(2), Squares(0), Squares(1)])) == [0, 1, 0]
    for i in (6, -7):
        with pytest.raises(IndexOutOfRange, match=f"ConcatDataset: index {i} is out of range for 6 items"):
            both[i]


def test_a_chain_of_streams():
    chain = Stream(1, 2) + Stream() + Stream(3)
    assert isinstance(chain, ChainDataset) and len(chain) == 3
    assert list(chain) == [1, 2, 3] == list(chain)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: ConcatDataset([]), ArgumentError, "at least one"),
        (lambda: ConcatDataset([Squares(1), Stream()]), ArgumentTypeError, "Stream has no index; use ChainDataset"),
        (lambda: ChainDataset([Squares(1)]), ArgumentTypeError, "Squares is no IterableDataset"),
        (lambda: Dataset()[0], NotImplementedError, "__getitem__"),
        (lambda: iter(IterableDataset()), NotImplementedError, "__iter__"),
    ],
)
def test_misuse_is_told(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "n, lengths", [(10, [3, 7]), (10, [0.3, 0.3, 0.4]), (11, [0.5, 0.5]), (7, [0.1] * 10), (5, [5])]
)
@pytest.mark.parametrize("seed", [0, 42])
@pytest.mark.filterwarnings("ignore:.*empty")
def test_random_split_is_pytorchs(n, lengths, seed):
    torch = pytest.importorskip("torch")
    ours = random_split(range(n), lengths, generator=cutaway.Generator().manual_seed(seed))
    theirs = torch.utils.data.random_split(range(n), lengths, generator=torch.Generator().manual_seed(seed))
    assert [s.indices for s in ours] == [s.indices for s in theirs]
    cutaway.manual_seed(seed), torch.manual_seed(seed)
    ours, theirs = random_split(range(n), lengths), torch.utils.data.random_split(range(n), lengths)
    assert [list(s) for s in ours] == [list(s) for s in theirs]


@pytest.mark.parametrize(
    "lengths, message",
    [
        ([3, 8], r"lengths \[3, 8\] sum to 11, the dataset has 10 items"),
        ([0.5, 0.6], "sum to 1.1"),
        ([12, -2], "sum to 10"),
        ([5.0, 5.0], "give counts"),
        ([1.5, -0.5], "fraction 1.5 at index 0 is not between 0 and 1"),
    ],
)
def test_lengths_that_do_not_fit(lengths, message):
    with pytest.raises(ArgumentError, match=f"random_split: .*{message}"):
        random_split(range(10), lengths)


def test_an_empty_part_is_warned_of():
    with pytest.warns(UserWarning, match=r"part 2 of \[0.8, 0.2, 0.0\] is empty: only 10 items"):
        random_split(range(10), [0.8, 0.2, 0.0], generator=cutaway.Generator())
