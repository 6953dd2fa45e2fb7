"""DataLoader: batches, orders and workers' random numbers of PyTorch, errors, and no process left behind."""

import gc
import itertools
import multiprocessing
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cutaway
from cutaway import data
from cutaway.core.accelerate import at_once
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError, WorkerError
from cutaway.data import DataLoader, IterableDataset, Subset, TensorDataset

WORKERS = [0, 2]


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    if multiprocessing.active_children():
        gc.collect()  # for the test with a reference cycle
    assert multiprocessing.active_children() == []


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
def test_three_epochs_are_pytorchs(options, workers):
    torch = pytest.importorskip("torch")
    options = dict(options)
    own = options.pop("own", False)
    result = []
    for library, loader_class, w in ((cutaway, DataLoader, workers), (torch, torch.utils.data.DataLoader, 0)):
        library.manual_seed(7)
        generator = library.Generator().manual_seed(8) if own else None
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


@pytest.mark.parametrize("workers", [0, 1])
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
    if not workers:
        assert sorted(dataset.read) == sorted(itertools.chain(*whole[4:]))  # what was passed over was not read
    assert generator.get_state().tolist() == after.tolist()
    assert lists(loader.starting_at(7)) == []


def test_a_stream_continues_in_its_middle():
    assert lists(DataLoader(Stream(7), batch_size=2).starting_at(2)) == [[4, 5], [6]]


# ---- workers


class Told(data.Dataset):
    """i -> what there is to know in the place where item i is made."""

    def __init__(self, library):
        self.library = library

    def __getitem__(self, i):
        info = self.library.utils.data.get_worker_info()
        return i, info.id, info.num_workers, info.seed, self.library.rand(1).item(), random.random(), np.random.rand()

    def __len__(self):
        return 7


class Shares(IterableDataset):
    """Worker w of n gives w, w + n, ...; but the first ends early."""

    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(info.id, 11, info.num_workers) if info.id else (0, 2))


@pytest.mark.parametrize("options", [{}, {"persistent_workers": True, "prefetch_factor": 3}], ids=str)
def test_random_numbers_in_workers_are_pytorchs(options):
    torch = pytest.importorskip("torch")
    result = []
    for library, loader_class in ((cutaway, DataLoader), (torch, torch.utils.data.DataLoader)):
        library.manual_seed(3)
        loader = loader_class(Told(library), 2, shuffle=True, num_workers=2, multiprocessing_context="fork", **options)
        result.append([[[column.tolist() for column in batch] for batch in loader] + [library.rand(1).item()] for _ in range(2)])
    assert result[0] == result[1]


@pytest.mark.parametrize("options", [{"batch_size": 2}, {"batch_size": None, "persistent_workers": True}], ids=str)
def test_streams_that_end_at_different_times_are_interleaved_as_pytorchs(options):
    torch = pytest.importorskip("torch")

    class Theirs(torch.utils.data.IterableDataset):
        __iter__ = Shares.__iter__

    ours = DataLoader(Shares(), num_workers=2, **options)
    theirs = torch.utils.data.DataLoader(
        Theirs(), num_workers=2, multiprocessing_context="fork", worker_init_fn=_as_ours, **options
    )
    for _ in range(2):
        assert lists(ours) == [b.tolist() if hasattr(b, "tolist") else b for b in theirs]


def _as_ours(i):
    """In a worker of PyTorch's, for a dataset that asks Cutaway who it is."""
    import torch

    data.worker._info = torch.utils.data.get_worker_info()


def test_there_is_no_worker_here():
    assert data.get_worker_info() is None


@pytest.mark.parametrize("size", [3, 50_000])  # in the pipe, in shared memory
def test_what_a_worker_sends_arrives_as_it_was(size):
    def collate(items):
        i = items[0]
        return {"x": cutaway.full((size,), i), "half": cutaway.ones(size).bfloat16(), "a": np.zeros((2, 0)), "s": [("t", i)]}

    batches = list(DataLoader(range(3), num_workers=2, collate_fn=collate))
    for i, b in enumerate(batches):
        assert b["x"].tolist() == [i] * size and b["x"].dtype == cutaway.int64 and b["s"] == [("t", i)]
        assert b["half"].dtype == cutaway.bfloat16 and b["half"].sum() == size and b["a"].shape == (2, 0)
        b["x"].add_(1)  # one's own memory
    assert batches[0]["x"][0] == 1


def test_batches_are_made_ahead_but_not_too_far():
    made = multiprocessing.get_context("fork").Value("i", 0)

    class Counted(Items):
        def __getitem__(self, i):
            with made.get_lock():
                made.value += 1
            return i

    iterator = iter(DataLoader(Counted(100), batch_size=1, num_workers=1, prefetch_factor=3, multiprocessing_context="fork"))
    next(iterator)
    deadline = time.monotonic() + 5
    while made.value < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert made.value == 4


def test_workers_work_at_the_same_time():
    barrier = multiprocessing.get_context("fork").Barrier(2, timeout=10)

    class Meeting(Items):
        def __getitem__(self, i):
            barrier.wait()  # passes only if two items are under way together
            return i

    assert lists(DataLoader(Meeting(4), num_workers=2, multiprocessing_context="fork")) == [[i] for i in range(4)]


@pytest.mark.parametrize("in_order", [True, False])
def test_later_batches_that_are_ready_first(in_order):
    class Slowing(Items):
        def __getitem__(self, i):
            time.sleep(0.3 if i == 0 else 0)
            return i

    read = lists(DataLoader(Slowing(5), num_workers=2, in_order=in_order))
    assert sorted(read) == [[i] for i in range(5)] and (read[0] == [0]) == in_order


def test_worker_init_runs_once_in_each_worker():
    seen = multiprocessing.get_context("fork").SimpleQueue()
    list(DataLoader(Items(9), num_workers=2, multiprocessing_context="fork", worker_init_fn=lambda i: seen.put((i, os.getpid()))))
    first, second = sorted([seen.get(), seen.get()])
    assert (first[0], second[0]) == (0, 1) and len({first[1], second[1], os.getpid()}) == 3 and seen.empty()


def test_workers_that_persist_are_the_same_in_each_epoch():
    loader = DataLoader(range(4), num_workers=2, persistent_workers=True, collate_fn=lambda items: os.getpid())
    first = list(loader)
    for _ in loader:
        break  # an epoch that is left
    assert list(loader) == first and len(set(first)) == 2
    assert set(DataLoader(range(2), num_workers=1, collate_fn=lambda items: os.getpid())).isdisjoint(first)


def test_workers_started_anew_read_what_can_be_pickled():
    loader = DataLoader(
        TensorDataset(cutaway.arange(6.0)), 4, shuffle=True, num_workers=1, multiprocessing_context="spawn"
    )
    cutaway.manual_seed(1)
    spawned = [x.tolist() for (x,) in loader]
    cutaway.manual_seed(1)
    assert spawned == [x.tolist() for (x,) in DataLoader(loader.dataset, 4, shuffle=True)]


def test_compiled_code_runs_in_a_worker_after_it_ran_here():
    pytest.importorskip("llvmlite")
    with at_once():
        layer, x = cutaway.nn.Linear(64, 64), cutaway.randn(512, 64)
        here = layer(x).detach()  # the pool of threads is up
        there = next(iter(DataLoader([0], num_workers=1, collate_fn=lambda _: layer(x).detach())))
        assert cutaway.allclose(here, there)


# ---- errors


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("error", [ValueError, KeyError, TimeoutError, MemoryError])
def test_an_error_in_an_item_reaches_the_caller_in_its_place(workers, error):
    seen = []
    with pytest.raises(error, match="item 5 is bad") as e:
        for batch in DataLoader(Items(20, bad=5, error=error), batch_size=2, num_workers=workers):
            seen.append(batch.tolist())
    assert seen == [[0, 1], [2, 3]]
    where = str(e.value) if workers else str([entry.name for entry in e.traceback])
    assert "__getitem__" in where  # the place in the user's code
    if workers:
        assert re.match(rf"Caught {error.__name__} in DataLoader worker process 0\.\nOriginal Traceback \(most", str(e.value))


@pytest.mark.parametrize("workers", WORKERS)
def test_a_stop_iteration_in_an_item_does_not_pass_for_the_end(workers):
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(DataLoader(Items(6, bad=3, error=StopIteration), num_workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
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


def test_an_error_that_cannot_be_made_again():
    class Wanting(Exception):
        def __init__(self, a, b):
            super().__init__(a)

    with pytest.raises(WorkerError, match=r"(?s)Caught Wanting in .*two of them") as e:
        list(DataLoader(Items(3, bad=0, error=lambda text: Wanting(text + ", two of them", 2)), num_workers=1))
    assert isinstance(e.value, RuntimeError)


def test_the_loop_goes_on_after_a_bad_batch():
    iterator = iter(DataLoader(Items(4, bad=1), num_workers=2))
    assert next(iterator) == 0
    with pytest.raises(ValueError, match="item 1 is bad"):
        next(iterator)
    assert [b.item() for b in iterator] == [2, 3]


def test_a_tensor_with_a_history_is_refused():
    with pytest.raises(RuntimeError, match=r"write x\.detach\(\)"):
        list(DataLoader(range(2), num_workers=1, collate_fn=lambda _: cutaway.ones(2, requires_grad=True) * 2))


def test_shapes_that_disagree_in_a_worker():
    with pytest.raises(ShapeError, match="item 1 of the batch has shape"):
        list(DataLoader([cutaway.ones(2), cutaway.ones(3)], 2, num_workers=1))


@pytest.mark.parametrize("end, how", [(lambda: os._exit(3), "with exit code 3"), (lambda: os.kill(os.getpid(), 9), "SIGKILL")])
def test_a_worker_that_dies_is_told(end, how):
    with pytest.raises(RuntimeError, match=rf"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly, .*{how}"):
        list(DataLoader(range(4), num_workers=2, collate_fn=lambda items: end() if items == [1] else items))


def test_waiting_too_long_is_told():
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.2 seconds") as e:
        next(iter(DataLoader(Items(3, delay=2.0), num_workers=1, timeout=0.2)))
    assert isinstance(e.value, TimeoutError)


# ---- no process is left (each test also ends with no_process_is_left)


def test_leaving_a_loop_early_ends_the_workers():
    for _ in DataLoader(Items(1000, delay=0.001), num_workers=2):
        assert len(multiprocessing.active_children()) == 2
        break


def test_dropping_an_iterator_before_its_start_ends_the_workers():
    iterator = iter(DataLoader(Items(1000, delay=0.001), num_workers=2))
    assert multiprocessing.active_children()
    del iterator


def test_an_exhausted_iterator_has_ended_its_workers():
    iterator = iter(DataLoader(Items(4), num_workers=2))
    assert len(list(iterator)) == 4
    assert multiprocessing.active_children() == []
    assert list(iterator) == []


def test_an_iterator_in_a_reference_cycle_ends_its_workers():
    class Holder:
        pass

    holder = Holder()
    holder.me, holder.iterator = holder, iter(DataLoader(Items(100), num_workers=2))
    next(holder.iterator)
    del holder


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "os.kill(os.getpid(), signal.SIGINT)", "os.kill(os.getpid(), 9)"])
def test_a_program_ends_though_an_iterator_is_still_held(end):
    code = f"""if True:
        import os, signal
        from cutaway.data import DataLoader
        iterator = iter(DataLoader(range(10**6), num_workers=2, collate_fn=lambda items: os.getpid()))
        print(next(iterator), next(iterator), flush=True)
        {end}
    """
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=180, text=True)
    assert process.returncode in (3, -2, 130, -9) and "Exception ignored" not in process.stderr
    deadline = time.monotonic() + 10
    left = [int(pid) for pid in process.stdout.split()]
    while left and time.monotonic() < deadline:
        left = [pid for pid in left if _lives(pid)]
        time.sleep(0.01)
    assert left == []


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" not in status.read_text()  # of a zombie, whom nobody has asked yet


def test_ctrl_c_reaches_the_program_and_no_worker():
    code = """if True:
        import os, signal, time
        from cutaway.data import DataLoader
        os.setpgrp()
        iterator = iter(DataLoader(range(4), num_workers=2))
        next(iterator)
        try:
            os.killpg(0, signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            print([b.item() for b in iterator])  # it may go on
    """
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=180, text=True)
    assert process.stdout.strip() == "[1, 2, 3]" and process.stderr == ""


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
        ({"multiprocessing_context": "fork"}, "multiprocessing_context needs num_workers > 0"),
        ({"num_workers": 1, "multiprocessing_context": "knife"}, "multiprocessing_context must be one of"),
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
    with pytest.warns(UserWarning, match="pin_memory"):
        assert lists(loader) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("workers", [0, 1])
def test_pinned_memory_is_warned_of_when_an_epoch_begins(workers):
    torch = pytest.importorskip("torch")
    for loader_class in (DataLoader, torch.utils.data.DataLoader):
        loader = loader_class([1, 2], pin_memory=True, num_workers=workers)
        with pytest.warns(UserWarning, match="pin_memory.*no accelerator"):
            assert len(list(loader)) == 2
