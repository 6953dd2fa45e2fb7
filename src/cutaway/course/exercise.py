"""The record of an exercise: all that checker, notebook and tests know about it. A chapter's check.py lists them.

An exercise is a function or class that the learner writes in a copy of the chapter's exercises.py. Its answer is judged by
what it gives for inputs drawn from small to large; what it should give is said by a slow, obvious spec, by an oracle, or by
both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

SIZES, DRAWS = 5, 6  # drawn inputs: so many of each size


class Wrong(NamedTuple):
    """A typical wrong answer, and what to say to those who give it.

    It is recognised by what it gives: a learner's answer that gives the same for every input gets this hint.
    """

    answer: Callable[..., Any]
    hint: str


@dataclass(frozen=True)
class Plug:
    """Parts of the library that a learner's passed answers take the place of.

    names   the exercises of the chapter that they are made of
    make    their answers -> the arguments of `cutaway.use`
    parts   the library's names that these are
    agents  whether they are parts of `cutaway.rl`: for `cutaway rl train --mine` only
    recipes the only ones that they are used for, if that is so
    """

    names: tuple[str, ...]
    make: Callable[..., dict[str, Any]]
    parts: tuple[str, ...]
    agents: bool = False
    recipes: tuple[str, ...] = ()


class Numbers:
    """Where a `draw` gets its inputs from: quarters, which a person can compute with, always the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def array(self, *shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
        """float64[shape] in quarters from `low` to `high`."""
        return self.random.integers(round(4 * low), round(4 * high) + 1, shape) / 4

    def apart(self, *shape: int) -> np.ndarray:
        """float64[shape] without zeros, for functions with a corner there."""
        return self.array(*shape, low=0.25) * self.random.choice([-1.0, 1.0], shape)

    def distinct(self, *shape: int) -> np.ndarray:
        """float64[shape] of different numbers, for functions with a corner where two are equal (max)."""
        n = int(np.prod(shape))
        return (self.random.permutation(n).reshape(shape) - n // 2) / 4

    def positive(self, *shape: int) -> np.ndarray:
        """float64[shape] from 0.25 to 2."""
        return self.array(*shape, low=0.25)

    def bits(self, *shape: int) -> np.ndarray:
        """float64[shape] of zeros and ones."""
        return self.random.integers(0, 2, shape).astype(float)

    def labels(self, n: int, classes: int) -> np.ndarray:
        """int64[n] below `classes`."""
        return self.random.integers(0, classes, n)

    def one_hot(self, n: int, classes: int) -> np.ndarray:
        """float64[n, classes], a single 1 in each row."""
        return np.eye(classes)[self.labels(n, classes)]

    def shares(self, n: int, classes: int) -> np.ndarray:
        """float64[n, classes], positive rows with sum 1."""
        x = self.positive(n, classes)
        return x / x.sum(1, keepdims=True)

    def integer(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return int(self.random.integers(low, high + 1))

    def number(self, low: float = -2.0, high: float = 2.0) -> float:
        """A quarter from `low` to `high`."""
        return float(self.array(low=low, high=high))


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    name        of the function or class in exercises.py; its docstring there is the task
    reference   an answer that passes
    wrong       typical wrong answers, at least five, each with a hint that no other has
    spec        what is right, slow and obvious, called as an answer is; usually it stands beside the stub in exercises.py
    oracle      what is right, by other means (the library): called with the inputs.  With both, both must agree
    cases       inputs that are always tried, first of all: corners, huge numbers
    draw        (Numbers, size 1..5) -> inputs, smaller for smaller sizes; drawn values are quarters
    play        (answer, *inputs) -> what is compared; by default the answer is called.  For answers that are classes, or
                of which several are right
    show        how answer and target are drawn: cells, curve, table ("" chooses)
    example     inputs of the drawing ("": one of the drawn ones); for a curve an array of places
    parts       names of what is compared, where it is several arrays: ("y", "gx")
    free        False: inputs may not be simplified one number at a time (one-hot rows, shares)
    writes      True: the answer is meant to write into its inputs, which are then compared, too
    rtol        how close numbers must be, relative; seconds: how long all of it may take
    hints       rules of this exercise's own: (inputs, got, expected) -> a hint or "", asked of every failing case
    """

    name: str
    title: str
    reference: Callable[..., Any]
    wrong: Sequence[Wrong]
    spec: Callable[..., Any] | None = None
    oracle: Callable[..., Any] | None = None
    cases: Sequence[tuple[Any, ...]] = ()
    draw: Callable[[Numbers, int], tuple[Any, ...]] | None = None
    play: Callable[..., Any] = lambda answer, *inputs: answer(*inputs)
    show: str = ""
    example: tuple[Any, ...] | None = None
    parts: Sequence[str] = ()
    free: bool = True
    writes: bool = False
    rtol: float = 1e-6
    seconds: float = 10.0
    hints: Sequence[Callable[[tuple[Any, ...], Any, Any], str]] = field(default=())

    def __post_init__(self) -> None:
        assert self.spec or self.oracle, f"{self.name}: nothing says what is right; give a spec or an oracle"
        assert self.cases or self.draw, f"{self.name}: there is nothing to try it on; give cases or draw"
        if self.draw is None and not self.cases[0]:
            assert len(self.cases) == 1, f"{self.name}: an answer without inputs has one case, ()"

    def inputs(self) -> Iterator[tuple[Any, ...]]:
        """All that an answer is tried on, the fixed cases first, then from small to large."""
        yield from self.cases
        if self.draw is not None:
            for size in range(1, SIZES + 1):
                for n in range(DRAWS):
                    yield self.draw(Numbers(100 * size + n), size)
