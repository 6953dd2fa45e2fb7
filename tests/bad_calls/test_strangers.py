"""A stranger calls everything with anything: what comes back is a value or a named error, never a slip from inside.

Arguments are drawn at random, the same ones on every run, from a pool of values of all types. Calls that do not fit the
signature are left out: that refusal is Python's own.
"""

from __future__ import annotations

import inspect
import random
import traceback
import warnings
import zlib

import numpy as np
import pytest

import cutaway as t
from cutaway import data, nn, optim
from cutaway.core.errors import CutawayError
from cutaway.optim import lr_scheduler

F = nn.functional
CALLS = 24  # of each function
LEFT_OUT = {"save", "load", "mnist", "fashion_mnist", "cifar10", "set_default_dtype", "set_num_threads", "set_printoptions", "import_module", "seed"}
QUICK = {
    "detach",
    "dim",
    "element_size",
    "is_complex",
    "is_contiguous",
    "is_floating_point",
    "numel",
    "nelement",
    "size",
}


def tensors():
    return [
        t.ones(2, 3), t.ones(3), t.tensor(2.0), t.arange(4), t.tensor([True, False]), t.zeros(0, 3), t.ones(1, 1, 4, 4),
        t.ones(2, 3, 4), t.ones(2, requires_grad=True),
    ]  # fmt: skip


def others():
    return [
        None, "a", 1.5, -1, 0, 2, [1, 2], (), (2, 3), {}, object(), True, float("nan"), b"x", len, np.ones(3), t.float64,
        "cuda", [t.ones(2)], (1, "b"),
    ]  # fmt: skip


def public(module, keep=inspect.isfunction):
    names = [n for n in dir(module) if not n.startswith("_") and n not in LEFT_OUT and hasattr(module, n)]
    return {n: getattr(module, n) for n in names if keep(getattr(module, n))}


def classes_below(base):
    return lambda f: inspect.isclass(f) and issubclass(f, base)


AREAS = {
    "cutaway": public(t),
    "Tensor": {n: f for n, f in public(t.Tensor).items() if n not in QUICK}
    | {
        n: getattr(t.Tensor, n)
        for n in ("__getitem__", "__setitem__", "__add__", "__rsub__", "__matmul__", "__lt__", "__and__")
    },
    "functional": public(F),
    "nn": public(nn, classes_below(nn.Module)),
    "init": {
        n: f for n, f in public(nn.init).items() if f.__module__ == "cutaway.nn.init" and n + "_" not in dir(nn.init)
    },
    "clipping": {n: f for n, f in public(nn.utils).items() if n != "clip_grad_norm"},
    "optim": public(optim, classes_below(optim.Optimizer)),
    "schedules": public(lr_scheduler, classes_below(lr_scheduler.LRScheduler)),
    "data": {n: getattr(data, n) for n in data.__all__ if n not in LEFT_OUT and callable(getattr(data, n))},
}


def fits(f, args, named):
    try:
        inspect.signature(f).bind(*args, **named)
    except TypeError:
        return False
    return True


def draw(rng, area, f):
    """Positional and named arguments for one call."""
    pool = tensors() + others()
    parameters = [p for p in inspect.signature(f).parameters.values() if p.name != "self" or area == "Tensor"]
    needed = sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    args = [rng.choice(pool) for _ in range(needed + rng.choice((0, 0, 0, 1, 2)))]
    named = {p.name: rng.choice(pool) for p in parameters if p.default is not p.empty and rng.random() < 0.15}
    if args and area == "Tensor":
        args[0] = rng.choice(tensors())
    elif args and area == "optim" and rng.random() < 0.7:
        args[0] = [t.ones(2, requires_grad=True)]
    elif args and area == "schedules" and rng.random() < 0.8:
        args[0] = optim.SGD([t.ones(2, requires_grad=True)], lr=0.1)
    return args, named


def attempt(rng, area, name, f):
    """One call; and where a layer was made, one call of the layer.  What went wrong, or nothing."""
    args, named = draw(rng, area, f)
    if not fits(f, args, named):
        return None
    try:
        made = f(*args, **named)
        if isinstance(made, nn.Module):
            inputs = [rng.choice(tensors() + others()) for _ in range(rng.choice((1, 1, 2)))]
            if fits(made.forward, inputs, {}):
                made(*inputs)
    except CutawayError as error:
        if not str(error).strip():
            return f"{name}: {type(error).__name__} without a text"
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"{name}{tuple(args)!r:.120} {named!r:.80}: {type(error).__name__}: {error} ({at.filename}:{at.lineno})"
    return None


@pytest.mark.parametrize("area", AREAS)
def test_no_slip_from_inside(area):
    state = t.get_rng_state()
    slips = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, f in AREAS[area].items():
                rng = random.Random(zlib.crc32(name.encode()))
                slips += [slip for _ in range(CALLS) if (slip := attempt(rng, area, name, f))]
    finally:
        t.set_rng_state(state)
        t.set_grad_enabled(True)
    assert not slips, "\n".join(slips[:20])
    assert len(AREAS[area]) > 3
