"""The workloads of `cutaway bench`: PyTorch's numbers, memory that does not grow, any number of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import cutaway
from cutaway.bench.worker import load_file
from cutaway.bench.workloads import WORKLOADS

from .control import control

BATCH = {"W1": 100, "W2": 32, "W3": 20, "W4": 10, "W8": 64}  # less than the workload's where PyTorch takes long
STEPS = {"W4": 6}  # before a ReLU on the edge has changed everything behind it
# Of a gradient, relative to the largest in its tensor. Convolutions sum over an image's places, PyTorch's as well.
TOLERANCE = {"W1": 2e-6, "W2": 2e-6, "W3": 1e-5, "W4": 1e-5, "W8": 2e-6}


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


# --- PyTorch's numbers ------------------------------------------------------------------------------------------------


@cache
def figures(name: str, seed: int = 0) -> dict[str, float]:
    """Errors of gradients and parameters."""
    return control(name, seed, STEPS.get(name, 20), BATCH[name], ("compiled", "eager", "peer"))


@pytest.mark.parametrize("mode", ["compiled", "eager"])
@pytest.mark.parametrize("name", BATCH)
def test_first_gradients_are_pytorchs(name, mode, torch):
    f = figures(name)
    assert f[f"first apart {mode}"] < TOLERANCE[name]
    assert f[f"first {mode}"] < TOLERANCE[name]
    assert f[f"gradient {mode}"] < 1.5 * f["gradient peer"]


@pytest.mark.parametrize("mode", ["compiled", "eager"])
@pytest.mark.parametrize("name", ["W1", "W8"])
def test_parameters_after_20_steps_are_pytorchs(name, mode, torch):
    f = figures(name)
    assert f[f"apart {mode}"] < 1e-6
    assert f["moved peer"] > 1e-3  # it learned
    assert f[f"rms {mode}"] < 1.5 * f["rms peer"]


@pytest.mark.parametrize("mode", ["compiled", "eager"])
@pytest.mark.parametrize("name", ["W2", "W3", "W4"])
def test_errors_of_parameters_are_no_larger_than_pytorchs(name, mode, torch):
    """Of the median parameter, against float64.

    In which framework some ReLU on the edge goes the other way is chance: where one seed says no, the median of three says.
    """
    assert figures(name)["moved peer"] > 1e-3
    ratio = lambda seed: figures(name, seed)[f"middle {mode}"] / figures(name, seed)["middle peer"]
    assert ratio(0) < 1.5 or float(np.median([ratio(seed) for seed in range(3)])) < 1.5


# --- dropout ----------------------------------------------------------------------------------------------------------


def test_dropout_of_a_compiled_step_is_eager_modes():
    """W4 with dropout: the same elements are dropped, and the gradients agree."""
    seen: list[tuple[cutaway.Tensor, cutaway.Tensor]] = []
    runs = []
    for wrap in (cutaway.compile, lambda f: f):
        cutaway.manual_seed(3)
        model, step, (x, y) = load_file(WORKLOADS["W4"].path).build(cutaway)
        drops = [m for m in model if isinstance(m, cutaway.nn.Dropout)]
        assert len(drops) == 2
        for m in drops:
            m.register_forward_hook(lambda m, given, out: seen.append((given[0], out)))

        def whole(x, y, step=step, model=model):
            seen.clear()
            loss = step(x, y)
            return loss, list(seen), [p.grad for p in model.parameters()]

        cutaway.manual_seed(5)
        run = wrap(whole)
        runs.append([run(x[:10], y[:10]) for _ in range(2)])
    for (loss, pairs, grads), (eager_loss, eager_pairs, eager_grads) in zip(*runs, strict=True):
        for (before, after), (eager_before, eager_after) in zip(pairs, eager_pairs, strict=True):
            alive = (before.detach().numpy() != 0) & (eager_before.detach().numpy() != 0)  # ReLU's zeros tell nothing
            kept, eager_kept = (t.detach().numpy()[alive] != 0 for t in (after, eager_after))
            np.testing.assert_array_equal(kept, eager_kept)
            assert alive.mean() > 0.2 and 0.3 < kept.mean() < 0.7
        assert loss.item() == pytest.approx(eager_loss.item(), rel=1e-5)
        for g, want in zip(grads, eager_grads, strict=True):
            np.testing.assert_allclose(g.numpy(), want.numpy(), atol=2e-5 * float(np.abs(want.numpy()).max()))
    masks = [(run[1][1][1].detach().numpy() != 0) for run in runs[0]]
    assert not np.array_equal(*masks)  # each step draws anew


# --- memory -----------------------------------------------------------------------------------------------------------


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("name", "steps"), [("W8", 200), ("W3", 20)])
def test_a_steady_state_allocates_nothing(name, steps):
    cutaway.manual_seed(0)
    _, plain, data = load_file(WORKLOADS[name].path).build(cutaway)
    step = cutaway.compile(plain)
    for _ in range(5):
        step(*data)
    tracemalloc.start()
    try:
        step(*data)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(steps):
            loss = step(*data)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert loss.shape == () and np.isfinite(loss.item())
    assert after - before < 2048  # the last result, and what Python keeps of a loop
    assert peak - before < 16384  # less than any parameter of W8's middle layer


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc/self/statm says how much memory is resident")
@pytest.mark.parametrize(("name", "steps"), [("W8", 200), ("W3", 20)])
def test_resident_memory_does_not_grow(name, steps):
    cutaway.manual_seed(0)
    _, plain, data = load_file(WORKLOADS[name].path).build(cutaway)
    step = cutaway.compile(plain)
    for _ in range(10):
        step(*data)
    before = resident()
    for _ in range(steps):
        step(*data)
    assert resident() - before < 1 << 18


# --- threads ----------------------------------------------------------------------------------------------------------

ANY_NUMBER = """
import hashlib, json, time
import cutaway
from cutaway.bench.worker import load_file
from cutaway.bench.workloads import WORKLOADS
from cutaway.engine import program, threads

program.ALONE_BELOW = 0  # W8 is divided, too
out = {}
for name in ("W1", "W3", "W8"):
    model, plain, data = load_file(WORKLOADS[name].path).build(cutaway)
    start = {k: t.clone() for k, t in model.state_dict().items()}
    step = cutaway.compile(plain)
    optimizer = plain.__closure__[plain.__code__.co_freevars.index("optimizer")].cell_contents
    step(*data)
    memory = [t for p in optimizer.state for t in optimizer.state[p].values()]
    out[name] = []
    for n in (2, 1, 3, 4, 5, 6, 7, 8):
        threads.set_num_threads(n)
        model.load_state_dict(start)
        for t in memory:
            t.zero_()
        for _ in range(3):
            step(*data)
        bits = b"".join(t.detach().numpy().tobytes() for t in [*model.parameters(), *memory])
        used = list(step.variants.values())[-1].program.threads
        out[name].append([used, hashlib.sha256(bits).hexdigest()])
time.sleep(0.1)
before = time.process_time()
time.sleep(0.5)
out["idle"] = time.process_time() - before
print(json.dumps(out))
"""


def test_any_number_of_threads_gives_the_same_parameters_and_none_works_on():
    done = subprocess.run(
        [sys.executable, "-c", ANY_NUMBER], capture_output=True, text=True, encoding="utf-8", timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert out.pop("idle") < 0.005  # seconds of half a second, with seven workers there
    for name, runs in out.items():
        assert [n for n, _ in runs] == [2, 1, 3, 4, 5, 6, 7, 8], name
        assert len({bits for _, bits in runs}) == 1, name
