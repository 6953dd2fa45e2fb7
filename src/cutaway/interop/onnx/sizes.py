"""Sizes that are known only when the file runs: what they were in each of several traces says how they follow the input's.

A program is traced once as given, once more for each dynamic axis with that one at another size, and once with all of them
changed. A number that came out alike everywhere is a number; another one is a `Size`, and `fit` finds its formula.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple


class Size(int):
    """A number that follows the dynamic axes. As an int it is that of the first trace; `seen` holds those of all."""

    seen: tuple[int, ...]

    def __new__(cls, seen: Sequence[int]) -> Size:
        """From the numbers seen in all traces."""
        made = super().__new__(cls, seen[0])
        made.seen = tuple(seen)
        return made

    def __add__(self, other: Any) -> Any:
        return each(operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return each(operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return each(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return each(operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return each(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return each(operator.mul, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return each(operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return each(operator.floordiv, other, self)


def number(seen: Sequence[int]) -> int:
    """An int where all traces agree, else a Size."""
    return int(seen[0]) if all(n == seen[0] for n in seen) else Size(seen)


def each(f: Callable[..., int], *numbers: int) -> int:
    """`f` of these numbers, in every trace."""
    traces = [len(n.seen) for n in numbers if isinstance(n, Size)]
    if not traces:
        return f(*numbers)
    return number([f(*(at(n, k) for n in numbers)) for k in range(traces[0])])


def at(n: int, trace: int) -> int:
    """A number as it was in one trace."""
    return n.seen[trace] if isinstance(n, Size) else n


def same(a: int, b: int) -> bool:
    """True if two numbers are equal in every trace."""
    return getattr(a, "seen", int(a)) == getattr(b, "seen", int(b))


class Symbol(NamedTuple):
    """A dynamic axis: its name, the (input, axis) places that share it, and its size in each trace."""

    name: str
    places: tuple[tuple[int, int], ...]
    seen: tuple[int, ...]


class Formula(NamedTuple):
    """(constant + sum of c s, or constant + c times the product of all s) // divisor, over the symbols s in `terms`."""

    terms: tuple[tuple[int, int], ...]  # (c, number of the symbol)
    product: bool
    constant: int
    divisor: int


def fit(n: Size, symbols: Sequence[Symbol]) -> Formula | None:
    """The formula of a size, or None if neither a product nor a sum of the symbols gives it."""
    seen = n.seen
    moved = [k for k in range(len(symbols)) if seen[k + 1] != seen[0]]
    if not moved:
        return None

    def values(trace: int) -> list[int]:
        return [symbols[k].seen[trace] for k in moved]

    def gives(f: Formula) -> bool:
        return all(v == compute(f, [s.seen[j] for s in symbols]) for j, v in enumerate(seen))

    ratio = Fraction(seen[0], math.prod(values(0)))
    slope = Fraction(seen[moved[0] + 1] - seen[0], math.prod(values(moved[0] + 1)) - math.prod(values(0)))
    for c, more in ((ratio, Fraction(0)), (slope, seen[0] - slope * math.prod(values(0)))):
        divisor = math.lcm(c.denominator, more.denominator)
        product = Formula(tuple((int(c * divisor), k) for k in moved), True, int(more * divisor), divisor)
        if gives(product):
            return product
    slopes = [Fraction(seen[k + 1] - seen[0], symbols[k].seen[k + 1] - symbols[k].seen[0]) for k in moved]
    rest = seen[0] - sum(c * s for c, s in zip(slopes, values(0)))
    divisor = math.lcm(rest.denominator, *(c.denominator for c in slopes))
    terms = tuple((int(c * divisor), k) for c, k in zip(slopes, moved))
    total = Formula(terms, False, int(rest * divisor), divisor)
    return total if gives(total) else None


def compute(f: Formula, sizes: Sequence[int]) -> int:
    """The value of a formula."""
    if f.product:
        return (f.terms[0][0] * math.prod(sizes[k] for _, k in f.terms) + f.constant) // f.divisor
    return (sum(c * sizes[k] for c, k in f.terms) + f.constant) // f.divisor
