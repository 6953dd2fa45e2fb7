"""DataLoader: batches and orders of PyTorch, prefetching, errors, and no thread left behind."""

import gc
import itertools
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import cutaway
from cutaway import data
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.data import DataLoader, IterableDataset, Subset, TensorDataset

WORKERS = [0, 1, 3]


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("cutaway-data")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    if threads():
        gc.collect()  # for the test with a reference cycle
    deadline = time.monotonic() + 5
    while threads() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert threads() == []


class Items(data.Dataset):
    """i -> i; counts its reads; raises at `bad`."""

    def __init__(self, n, bad=None, error=ValueError, delay=0.0):
        self.n, self.bad, self.error, self.delay = n, bad, error, delay
        self.read = []

    def __getitem__(self, i):
        time.sleep(self.delay)
        if i == self.bad:
            raise self.error(f"item {i} is bad")
        self.read.append(i)
        return i

    def __len__(self):
        return self.n


class Stream(IterableDataset):
    def __init__(self, n, bad=None):
        self.n, self.bad = n, bad

    def __iter__(self):
        for i in range(self.n):
            if i == self.bad:
                raise ValueError(f"item {i} is bad")
            yield i


def lists(loader):
    return [batch.tolist() if isinstance(batch, cutaway.Tensor) else batch for batch in loader]


# ---- the same batches as PyTorch


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 4},
        {"batch_size": 4, "drop_last": True},
        {"batch_size": 4, "shuffle": True},
        {"batch_size": 3, "shuffle": True, "own": True},
        {"batch_size": 100, "shuffle": True},
        {"batch_size": None, "shuffle": True},
        {"sampler": [3, 1, 1], "batch_size": 2},
        {"batch_sampler": [[1, 2], [], [0]][::2]},
    ],
    ids=str,
)
def test_three_epochs_are_pytorchs(options, seed, workers):
    torch = pytest.importorskip("torch")
    options = dict(options)
    own = options.pop("own", False)
    result = []
    for library, loader_class, w in ((cutaway, DataLoader, workers), (torch, torch.utils.data.DataLoader, 0)):
        library.manual_seed(seed)
        generator = library.Generator().manual_seed(seed + 1) if own else None
        loader = loader_class(range(10), generator=generator, num_workers=w, **options)
        epochs = [[b.tolist() if isinstance(b, library.Tensor) else b for b in loader] for _ in range(3)]
        result.append((epochs, len(loader), library.rand(2).tolist()))
    assert result[0] == result[1]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_training_loop_sees_pytorchs_batches(workers):
    torch = pytest.importorskip("torch")
    x, y = np.random.default_rng(0).random((50, 3), np.float32), np.arange(50)
    cutaway.manual_seed(5), torch.manual_seed(5)
    ours = DataLoader(
        TensorDataset(cutaway.tensor(x), cutaway.tensor(y)), batch_size=8, shuffle=True, num_workers=workers
    )
    theirs = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y)), batch_size=8, shuffle=True
    )
    for _ in range(2):
        for a, b in zip(ours, theirs, strict=True):
            assert type(a) is list and all(np.array_equal(s.numpy(), t.numpy()) for s, t in zip(a, b, strict=True))
    assert ours.dataset[0][1].item() == 0


def test_an_iterator_that_is_made_early_draws_as_pytorchs_does():
    torch = pytest.importorskip("torch")
    result = []
    for library, loader_class in ((cutaway, DataLoader), (torch, torch.utils.data.DataLoader)):
        library.manual_seed(1)
        iterator = iter(loader_class(range(6), shuffle=True))
        between = library.rand(1).item()
        result.append((between, [b.item() for b in iterator]))
    assert result[0] == result[1]


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("options", [{}, {"batch_size": 3}, {"batch_size": 3, "drop_last": True}, {"batch_size": None}])
def test_a_stream_is_read_once(options, workers):
    torch = pytest.importorskip("torch")

    class Theirs(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(8))

    loader = DataLoader(Stream(8), num_workers=workers, **options)
    expected = [b if isinstance(b, int) else b.tolist() for b in torch.utils.data.DataLoader(Theirs(), **options)]
    assert lists(loader) == expected == lists(loader)
    with pytest.raises(TypeError):
        len(loader)


# ---- reading in one go


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "wrap", [lambda d: d, lambda d: Subset(d, range(9, -1, -1)), lambda d: Subset(Subset(d, range(8)), [7, 0, 3])]
)
def test_the_fast_path_gives_the_same_batches(wrap, workers):
    inner = TensorDataset(cutaway.tensor(np.arange(20.0).reshape(10, 2)), cutaway.tensor(np.arange(10)))
    dataset = wrap(inner)
    fast = DataLoader(dataset, batch_size=3, num_workers=workers)
    slow = DataLoader(dataset, batch_size=3, collate_fn=lambda items: data.default_collate(items))
    for a, b in zip(fast, slow, strict=True):
        assert [t.tolist() for t in a] == [t.tolist() for t in b]


def test_the_fast_path_reads_once_per_batch():
    calls = []

    class Counting(TensorDataset):
        def __getitem__(self, i):
            raise AssertionError("item by item")

        def gather(self, indices):
            calls.append(list(indices))
            return super().gather(indices)

    assert len(list(DataLoader(Counting(cutaway.zeros(10)), batch_size=4))) == 3
    assert calls == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_tensor_is_a_dataset_of_rows():
    rows = cutaway.eye(3)  # its method `gather` is not what is meant
    for dataset in (rows, Subset(rows, [0, 1, 2])):
        assert lists(DataLoader(dataset, batch_size=2)) == [[[1, 0, 0], [0, 1, 0]], [[0, 0, 1]]]


def test_indices_may_be_tensors_or_arrays():
    dataset = TensorDataset(cutaway.arange(5.0))
    for indices in (cutaway.tensor([4, 2, 0]), np.array([4, 2, 0])):
        for d in (Subset(dataset, indices), Subset([0.0, 1.0, 2.0, 3.0, 4.0], indices)):
            assert [x[0].tolist() if isinstance(x, list) else x.tolist() for x in DataLoader(d, batch_size=3)] == [
                [4, 2, 0]
            ]
        batches = [x.tolist() for (x,) in DataLoader(dataset, sampler=data.SubsetRandomSampler(indices), batch_size=3)]
        assert sorted(batches[0]) == [0, 2, 4]


def test_getitems_is_asked_for_a_list_of_items():
    class Many(Items):
        def __getitems__(self, indices):
            return [10 * i for i in indices]

    # defined beside an inherited __getitem__: the class knows what it does
    assert lists(DataLoader(Many(3), batch_size=2)) == [[0, 10], [20]]


# ---- resuming


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_continues_in_its_middle(workers):
    dataset = Items(20)
    generator = cutaway.Generator().manual_seed(3)
    loader = DataLoader(dataset, batch_size=3, shuffle=True, generator=generator, num_workers=workers)
    state = generator.get_state()
    whole = lists(loader)
    after = generator.get_state()
    generator.set_state(state)
    dataset.read.clear()
    assert lists(loader.starting_at(4)) == whole[4:]
    assert sorted(dataset.read) == sorted(itertools.chain(*whole[4:]))  # what was passed over was not read
    assert generator.get_state().tolist() == after.tolist()
    assert lists(loader.starting_at(7)) == []


def test_a_stream_continues_in_its_middle():
    assert lists(DataLoader(Stream(7), batch_size=2).starting_at(2)) == [[4, 5], [6]]


# ---- ahead of need


def test_batches_are_made_ahead_but_not_too_far():
    dataset = Items(100)
    iterator = iter(DataLoader(dataset, batch_size=1, num_workers=1, prefetch_factor=3))
    next(iterator)
    deadline = time.monotonic() + 5
    while len(dataset.read) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert dataset.read == [0, 1, 2, 3]


def test_threads_work_at_the_same_time():
    barrier = threading.Barrier(3, timeout=10)

    class Meeting(Items):
        def __getitem__(self, i):
            barrier.wait()  # passes only if three items are under way together
            return i

    assert lists(DataLoader(Meeting(6), num_workers=3)) == [[i] for i in range(6)]


def test_the_order_holds_when_later_batches_are_ready_first():
    class Slowing(Items):
        def __getitem__(self, i):
            time.sleep(0.02 if i % 3 == 0 else 0)
            return i

    assert lists(DataLoader(Slowing(12), num_workers=3)) == [[i] for i in range(12)]


def test_worker_init_runs_once_in_each_thread():
    seen = []
    loader = DataLoader(
        Items(20, delay=0.002), num_workers=2, worker_init_fn=lambda i: seen.append((i, threading.get_ident()))
    )
    list(loader)
    assert sorted(i for i, _ in seen) == list(range(len(seen))) and len({t for _, t in seen}) == len(seen) <= 2
    assert threading.get_ident() not in {t for _, t in seen}


def test_no_worker_has_a_copy_of_the_dataset():
    seen = []
    list(DataLoader(Items(2), num_workers=1, collate_fn=lambda b: seen.append(data.get_worker_info())))
    assert seen == [None, None]


# ---- errors


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("error", [ValueError, KeyError, TimeoutError, MemoryError])
def test_an_error_in_an_item_reaches_the_caller_in_its_place(workers, error):
    seen = []
    with pytest.raises(error, match="item 5 is bad") as e:
        for batch in DataLoader(Items(20, bad=5, error=error), batch_size=2, num_workers=workers):
            seen.append(batch.tolist())
    assert seen == [[0, 1], [2, 3]]
    assert any(entry.name == "__getitem__" for entry in e.traceback)  # the place in the user's code


@pytest.mark.parametrize("workers", WORKERS)
def test_a_stop_iteration_in_an_item_does_not_pass_for_the_end(workers):
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(DataLoader(Items(6, bad=3, error=StopIteration), num_workers=workers))


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_in_a_stream_reaches_the_caller_in_its_place(workers):
    iterator = iter(DataLoader(Stream(9, bad=5), batch_size=2, num_workers=workers))
    assert [next(iterator).tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="item 5 is bad"):
        next(iterator)
    assert list(iterator) == []


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_in_a_sampler_comes_after_the_batches_before_it(workers):
    def sampler():
        yield 1
        yield 2
        raise LookupError("no more indices")

    class Bad(data.Sampler):
        def __iter__(self):
            return sampler()

    seen = []
    with pytest.raises(LookupError, match="no more indices"):
        for batch in DataLoader(Items(9), sampler=Bad(), num_workers=workers):
            seen.append(batch.tolist())
    assert seen == [[1], [2]]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_index_beyond_the_dataset(workers):
    loader = DataLoader(TensorDataset(cutaway.zeros(3)), sampler=[0, 3], batch_size=2, num_workers=workers)
    with pytest.raises(IndexError, match="TensorDataset: index 3 is out of range for 3 items"):
        list(loader)


def test_an_error_in_worker_init_reaches_the_caller():
    def fail(i):
        raise OSError("no such disk")

    with pytest.raises(OSError, match="no such disk"):
        list(DataLoader(Items(3), num_workers=1, worker_init_fn=fail))


def test_waiting_too_long_is_told():
    release = threading.Event()

    class Stuck(Items):
        def __getitem__(self, i):
            release.wait(10)
            return i

    try:
        with pytest.raises(TimeoutError, match=r"DataLoader: no batch within 0\.05 s"):
            next(iter(DataLoader(Stuck(3), num_workers=1, timeout=0.05)))
    finally:
        release.set()


# ---- no thread is left (each test also ends with no_thread_is_left)


def test_leaving_a_loop_early_ends_the_threads():
    for _ in DataLoader(Items(1000, delay=0.001), num_workers=3):
        assert threads()
        break


def test_dropping_an_iterator_before_its_start_ends_the_threads():
    iterator = iter(DataLoader(Items(1000, delay=0.001), num_workers=2))
    assert threads()
    del iterator


def test_an_exhausted_iterator_has_ended_its_threads():
    iterator = iter(DataLoader(Items(4), num_workers=2))
    assert len(list(iterator)) == 4
    assert threads() == []
    assert list(iterator) == []


def test_an_iterator_in_a_reference_cycle_ends_its_threads():
    class Holder:
        pass

    holder = Holder()
    holder.me, holder.iterator = holder, iter(DataLoader(Items(100), num_workers=2))
    next(holder.iterator)
    del holder


def test_many_abandoned_epochs_do_not_pile_up_threads():
    loader = DataLoader(Items(50), num_workers=2)
    for _ in range(30):
        next(iter(loader))
    deadline = time.monotonic() + 5
    while len(threads()) > 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert len(threads()) <= 2


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "raise KeyboardInterrupt", "os._exit(3)"])
def test_a_program_ends_though_an_iterator_is_still_held(end):
    code = f"""if True:
        import os
        from cutaway.data import DataLoader
        iterator = iter(DataLoader(range(10**6), num_workers=3))
        next(iterator)
        {end}
    """
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=180)
    assert process.returncode in (3, -2, 130) and b"cutaway-data" not in process.stderr


# ---- arguments


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 0}, "batch_size must be a positive int, got 0"),
        ({"batch_size": -1}, "batch_size"),
        ({"batch_size": 2.0}, "batch_size must be a positive int, got 2.0"),
        ({"num_workers": -1}, "num_workers must be an int >= 0, got -1"),
        ({"num_workers": 1.0}, "num_workers"),
        ({"timeout": -1}, "timeout must be >= 0"),
        ({"prefetch_factor": 2}, "prefetch_factor=2 with num_workers=0"),
        ({"num_workers": 1, "prefetch_factor": -2}, "prefetch_factor=-2"),
        ({"persistent_workers": True}, "persistent_workers needs num_workers > 0"),
        ({"shuffle": True, "sampler": [0]}, "shuffle and sampler contradict each other"),
        ({"sampler": [0], "batch_sampler": [[0]]}, "sampler and batch_sampler contradict"),
        ({"shuffle": True, "batch_sampler": [[0]]}, "shuffle and batch_sampler"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "leave out batch_size and drop_last"),
        ({"batch_sampler": [[0]], "drop_last": True}, "leave out batch_size and drop_last"),
        ({"batch_size": None, "drop_last": True}, "drop_last needs batches"),
    ],
    ids=str,
)
def test_contradictions_are_told(options, message):
    with pytest.raises(ArgumentError, match=message):
        DataLoader(range(3), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_a_stream_has_no_order_to_choose(options):
    with pytest.raises(ArgumentError, match=f"order of its own; leave out {next(iter(options))}"):
        DataLoader(Stream(3), **options)


def test_an_empty_dataset():
    assert list(DataLoader([])) == [] and len(DataLoader([])) == 0
    with pytest.raises(ArgumentError, match="the dataset is empty"):
        DataLoader([], shuffle=True)


def test_a_thing_that_is_no_dataset():
    with pytest.raises(ArgumentTypeError, match="generator is no dataset"):
        DataLoader(i for i in range(3))


def test_what_was_chosen_cannot_be_changed_later():
    loader = DataLoader(range(3))
    with pytest.raises(ArgumentError, match="batch_size cannot be changed"):
        loader.batch_size = 2
    loader.note = "anything else can"
    assert loader.note and loader.batch_size == 1


def test_pytorchs_other_arguments_are_accepted():
    loader = DataLoader(
        range(4), 2, False, None, None, 1, None, True, persistent_workers=True, pin_memory_device="", in_order=True
    )
    assert lists(loader) == [[0, 1], [2, 3]]
