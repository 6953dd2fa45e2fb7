"""Samplers: the same indices as PyTorch's from the same seed."""

import pytest

import cutaway
from cutaway import data
from cutaway.core.errors import ArgumentError, ArgumentTypeError


def both(make, seed, generator: bool):
    """Three epochs of `make(module, generator)` with our module and with PyTorch's."""
    torch = pytest.importorskip("torch")
    result = []
    for library, module in ((cutaway, data), (torch, torch.utils.data)):
        library.manual_seed(seed)
        sampler = make(module, library.Generator().manual_seed(seed + 1) if generator else None)
        result.append([list(sampler) for _ in range(3)])
    return result


@pytest.mark.parametrize("generator", [True, False])
@pytest.mark.parametrize("seed", [0, 2**40 + 3])
@pytest.mark.parametrize(
    "make",
    [
        lambda m, g: m.RandomSampler(range(1), generator=g),
        lambda m, g: m.RandomSampler(range(100), generator=g),
        lambda m, g: m.RandomSampler(range(7), num_samples=20, generator=g),
        lambda m, g: m.RandomSampler(range(7), num_samples=14, generator=g),
        lambda m, g: m.RandomSampler(range(50), num_samples=3, generator=g),
        lambda m, g: m.RandomSampler(range(10), replacement=True, generator=g),
        lambda m, g: m.RandomSampler(range(1000), replacement=True, num_samples=100, generator=g),
        lambda m, g: m.RandomSampler(range(1000), replacement=True, num_samples=64, generator=g),
        lambda m, g: m.SubsetRandomSampler([5, 9, 2, 2, 7], generator=g),
        lambda m, g: m.SubsetRandomSampler([], generator=g),
        lambda m, g: m.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 10, generator=g),
        lambda m, g: m.BatchSampler(m.RandomSampler(range(10), generator=g), 3, False),
    ],
)
def test_the_order_is_pytorchs(make, seed, generator):
    ours, theirs = both(make, seed, generator)
    assert ours == theirs
    assert all(type(i) is int for epoch in ours for i in epoch if not isinstance(i, list))


@pytest.mark.parametrize("generator", [True, False])
def test_weights_without_replacement_are_pytorchs(generator):
    torch = pytest.importorskip("torch")
    g = torch.Generator().manual_seed(0)
    torch.empty(10).exponential_(generator=g)
    after = torch.rand(1, generator=g)
    torch.rand(20, generator=g.manual_seed(0))
    if after != torch.rand(1, generator=g):
        pytest.skip("PyTorch takes exponential numbers from MKL here")
    weights = [0.9, 0.0, 0.05, 0.2, 0.3, 0.1]
    ours, theirs = both(lambda m, g: m.WeightedRandomSampler(weights, 5, replacement=False, generator=g), 1, generator)
    assert ours == theirs and all(len({*epoch}) == 5 and 1 not in epoch for epoch in ours)


def test_a_large_permutation_is_pytorchs():
    ours, theirs = both(lambda m, g: m.RandomSampler(range(60_000), generator=g), 3, True)
    assert ours == theirs
    assert sorted(ours[0]) == list(range(60_000)) and ours[0] != ours[1]


def test_sequential():
    sampler = data.SequentialSampler([5, 5, 5])
    assert list(sampler) == [0, 1, 2] and len(sampler) == 3


@pytest.mark.parametrize("n, size", [(10, 3), (9, 3), (2, 3), (0, 3), (5, 1)])
@pytest.mark.parametrize("drop_last", [True, False])
def test_batches_of_indices(n, size, drop_last):
    torch = pytest.importorskip("torch")
    ours = data.BatchSampler(range(n), size, drop_last)
    theirs = torch.utils.data.BatchSampler(range(n), size, drop_last)
    assert list(ours) == list(theirs) and len(ours) == len(theirs) == len(list(ours))


def test_weights_of_any_kind():
    for weights in ([0, 1.0, 0], cutaway.tensor([0.0, 2.0, 0.0]), cutaway.tensor([0, 7, 0]).numpy(), (0, 1, 0)):
        assert list(data.WeightedRandomSampler(weights, 4)) == [1, 1, 1, 1]


def test_num_samples_follows_a_dataset_that_grows():
    items = [1, 2]
    sampler = data.RandomSampler(items)
    items.append(3)
    assert len(sampler) == 3 and sorted(sampler) == [0, 1, 2]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: data.RandomSampler([]), "the dataset is empty"),
        (lambda: data.RandomSampler([1], num_samples=0), "num_samples=0"),
        (lambda: data.RandomSampler([1], num_samples=1.5), "num_samples=1.5"),
        (lambda: data.RandomSampler([1], replacement=1), "replacement must be True or False, got 1"),
        (lambda: data.WeightedRandomSampler([1.0], 0), "num_samples must be a positive int, got 0"),
        (lambda: data.WeightedRandomSampler([1.0], True), "num_samples must be a positive int"),
        (lambda: data.WeightedRandomSampler([1.0], 1, "yes"), "replacement"),
        (lambda: data.WeightedRandomSampler([[1.0]], 1), r"weights\[N\], one per item, got shape \[1, 1\]"),
        (lambda: data.WeightedRandomSampler([1.0, -1.0], 1), "negative"),
        (lambda: data.WeightedRandomSampler([1.0, float("nan")], 1), "finite"),
        (lambda: data.WeightedRandomSampler([0.0, 0.0], 1), "all zero"),
        (lambda: data.WeightedRandomSampler([], 1), "all zero"),
        (lambda: data.WeightedRandomSampler([1.0, 1.0], 3, False), "cannot draw 3 of 2 items without replacement"),
        (lambda: data.BatchSampler([1], 0, False), "batch_size must be a positive int, got 0"),
        (lambda: data.BatchSampler([1], 2.0, False), "batch_size must be a positive int, got 2.0"),
        (lambda: data.BatchSampler([1], True, False), "batch_size"),
        (lambda: data.BatchSampler([1], 2, 1), "drop_last must be True or False, got 1"),
    ],
)
def test_impossible_arguments_are_told(make, message):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=rf"(Random|Batch|Weighted)\w*Sampler: .*{message}"):
        make()


def test_a_sampler_must_say_its_order():
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(data.Sampler())
