"""An answer against the truth: the outcomes, the first that differs, the smallest input for which it does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.core.tensor import Tensor
from cutaway.course.exercise import Exercise

CHANGED = "it changed its input"
SIMPLER = 200  # tries to make a failing input simpler


@dataclass(frozen=True)
class Outcome:
    """What a call came to: the value, or the error; and the inputs as they are afterwards."""

    value: Any
    error: BaseException | None
    after: tuple[Any, ...]


@dataclass(frozen=True)
class Failure:
    """A case that went wrong: the inputs, what came of them, what should have, and in words how the two differ."""

    inputs: tuple[Any, ...]
    got: Outcome
    expected: Any
    why: str


@dataclass(frozen=True)
class Judgement:
    """All cases: inputs, outcomes, truths; the smallest failure, None if there is none; `begun`: it is no stub any more."""

    cases: Sequence[tuple[Any, ...]]
    got: Sequence[Outcome]
    expected: Sequence[Any]
    failure: Failure | None
    begun: bool = True


def judge(e: Exercise, answer: Callable[..., Any], tell: Callable[[tuple[Any, ...]], None] = lambda i: None) -> Judgement:
    """Try an answer on all inputs.  `tell` hears of each before it is tried, so that one which never ends is known."""
    got: list[Outcome] = []
    first: Failure | None = None
    cases, expected = known(e)
    with np.errstate(all="ignore"):
        for inputs, want in zip(cases, expected):
            tell(inputs)
            outcome = run(e, answer, inputs)
            if isinstance(outcome.error, NotImplementedError):
                return Judgement((), (), (), None, begun=False)
            got.append(outcome)
            why = wrong_with(e, inputs, outcome, want)
            if why and (first is None or _numbers(inputs) < _numbers(first.inputs)):
                first = Failure(inputs, outcome, want, why)
        if first is not None:
            first = simplest(e, answer, first, tell)
    return Judgement(cases, got, expected, first)


def known(e: Exercise) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """All inputs of an exercise and what is right for each; found once."""
    held = _KNOWN.get(id(e))
    if held is None:
        cases = list(e.inputs())
        held = _KNOWN[id(e)] = e, (cases, [truth(e, inputs) for inputs in cases])
    return held[1]


_KNOWN: dict[int, tuple[Exercise, Any]] = {}  # by id, with the exercise, so that no other takes its id


def run(e: Exercise, answer: Callable[..., Any], inputs: tuple[Any, ...]) -> Outcome:
    """The outcome of one call, on copies of the inputs."""
    own = copy.deepcopy(inputs)
    try:
        with np.errstate(all="ignore"):
            return Outcome(e.play(answer, *own), None, own)
    except Exception as error:
        return Outcome(None, error, own)


def truth(e: Exercise, inputs: tuple[Any, ...]) -> Any:
    """What is right.  Raises AssertionError where spec and oracle differ: the exercise itself is wrong then."""
    said = None
    with np.errstate(all="ignore"):
        if e.spec is not None:
            own = copy.deepcopy(inputs)
            said = e.play(e.spec, *own)
            if e.writes:
                said = said, own
        if e.oracle is not None:
            other = plain(e.oracle(*copy.deepcopy(inputs)))
            assert said is None or alike(said, other, 1e-4), f"{e.name}: spec {said} and oracle {other} at {inputs}"
            said = other if e.spec is None else said
    return said


def wrong_with(e: Exercise, inputs: tuple[Any, ...], got: Outcome, want: Any) -> str:
    """In words, how an outcome differs from the truth; "" if it does not."""
    if got.error is not None:
        return f"it raised {type(got.error).__name__}: {got.error}"
    if not e.writes and not alike(inputs, got.after, 0.0):
        return CHANGED
    value = (got.value, got.after) if e.writes else got.value
    return difference(value, want, e.rtol)


def plain(x: Any) -> Any:
    """Tensors as arrays, through tuples, lists and dicts."""
    if isinstance(x, Tensor):
        return x.detach().numpy()
    if isinstance(x, (tuple, list)):
        return type(x)(map(plain, x)) if type(x) in (tuple, list) else tuple(map(plain, x))
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return x


def alike(a: Any, b: Any, rtol: float) -> bool:
    """Whether two values are the same: structure, shapes, and numbers to `rtol`."""
    return not difference(a, b, rtol)


def difference(got: Any, want: Any, rtol: float) -> str:
    """In words, how two values differ; "" if they are the same."""
    got, want = plain(got), plain(want)
    if want is None or isinstance(want, str):
        return "" if type(got) is type(want) and got == want else f"it gave {kind(got)}, expected {kind(want)}"
    if got is None:
        return "it gave None; is there a return?"
    if isinstance(want, dict):
        if not isinstance(got, dict) or set(got) != set(want):
            return f"it gave {kind(got)}, expected {kind(want)}"
        return _first((repr(k), difference(got[k], want[k], rtol)) for k in want)
    if isinstance(want, tuple) or (isinstance(want, list) and not _numeric(want)):
        if not isinstance(got, (tuple, list)) or len(got) != len(want):
            return f"it gave {kind(got)}, expected {kind(want)}"
        return _first((f"result {i + 1}", difference(g, w, rtol)) for i, (g, w) in enumerate(zip(got, want)))
    try:
        a, b = np.asarray(got), np.asarray(want)
    except ValueError:
        return f"it gave {kind(got)}, expected {kind(want)}"
    if a.dtype.kind not in "biuf" or b.dtype.kind not in "biuf":
        if a.dtype.kind in "biuf" or b.dtype.kind in "biuf" or type(got) is not type(want):
            return f"it gave {kind(got)}, expected {kind(want)}"
        return "" if got == want else "the values differ"
    if a.shape != b.shape:
        return f"the shape is {list(a.shape)}, expected {list(b.shape)}"
    return "" if np.allclose(a, b, rtol=rtol, atol=max(rtol, 1e-12) / 10, equal_nan=True) else "the numbers differ"


def _numeric(x: list[Any]) -> bool:
    try:
        return np.asarray(x).dtype.kind in "biuf"
    except ValueError:
        return False


def _first(parts: Iterator[tuple[str, str]]) -> str:
    return next((f"{name}: {text}" for name, text in parts if text), "")


def kind(x: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(x, np.ndarray):
        return f"an array {list(x.shape)}"
    if isinstance(x, (tuple, list)):
        return f"{len(x)} values"
    if isinstance(x, dict):
        return f"a dict of {', '.join(map(str, x)) or 'nothing'}"
    return "None" if x is None else repr(x) if isinstance(x, str) else f"a {type(x).__name__}"


# --- the smallest failing input ---------------------------------------------------------------------------------------


def simplest(e: Exercise, answer: Callable[..., Any], f: Failure, tell: Callable[[tuple[Any, ...]], None]) -> Failure:
    """The failure with as many of its input's numbers made 0, 1 or whole as it stands. Inputs come from small to large, so
    the first that fails is of the smallest size already.
    """
    left = SIMPLER if e.free and e.draw is not None else 0
    changed = True
    while changed and left > 0:
        changed = False
        for inputs in _simpler(f.inputs):
            left -= 1
            if left <= 0:
                break
            tell(inputs)
            got = run(e, answer, inputs)
            try:
                want = truth(e, inputs)
            except Exception:  # outside what the exercise is about
                continue
            if not finite(want) and finite(f.expected):
                continue
            why = wrong_with(e, inputs, got, want)
            if why and why.partition(":")[0] == f.why.partition(":")[0]:
                f, changed = Failure(inputs, got, want, why), True
                break
    return f


def _numbers(inputs: tuple[Any, ...]) -> int:
    """How many numbers there are in the inputs."""
    return sum(_numbers(tuple(x)) if isinstance(x, (tuple, list)) else int(np.size(x)) for x in inputs)


def _simpler(inputs: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The inputs with one number of a float array or a float made simpler."""
    for i, x in enumerate(inputs):
        if isinstance(x, np.ndarray) and x.dtype.kind == "f":
            for at in np.ndindex(x.shape):
                for v in _simpler_numbers(float(x[at])):
                    y = x.copy()
                    y[at] = v
                    yield (*inputs[:i], y, *inputs[i + 1 :])


def _simpler_numbers(v: float) -> list[float]:
    """Of 0, 1, -1 and the whole number next to it, those that are simpler than it."""
    if v in (0.0, 1.0) or not np.isfinite(v):
        return [0.0] if v == 1.0 else []
    return [0.0, 1.0] if v in (-1.0, 2.0) else [0.0, 1.0, -1.0] + ([] if v == round(v) else [float(round(v))])


def finite(x: Any) -> bool:
    """Whether no number in a value is NaN or infinite."""
    x = plain(x)
    if isinstance(x, (tuple, list)) and not (isinstance(x, list) and _numeric(x)):
        return all(map(finite, x))
    if isinstance(x, dict):
        return all(map(finite, x.values()))
    a = np.asarray(x)
    return bool(np.isfinite(a).all()) if a.dtype.kind == "f" else True
