"""What a parameter or a value may be: `constraints.positive.check(x)` says of each element whether it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cutaway.core.tensor import Tensor


class Constraint(NamedTuple):
    """What must hold, in words, and where it does; of vectors and matrices one answer each."""

    words: str
    holds: Callable[[Tensor], Tensor]

    def check(self, value: Tensor) -> Tensor:
        """Where it holds."""
        return self.holds(value)


def all_of(constraint: Constraint, dims: int) -> Constraint:
    """The same of all elements in the last `dims` dimensions."""

    def holds(x: Tensor) -> Tensor:
        y = constraint.holds(x)
        for _ in range(dims):
            y = y.all(-1)
        return y

    return Constraint(constraint.words, holds)


def greater_than_eq(low: Tensor | float) -> Constraint:
    """At least `low`."""
    return Constraint(f"at least {low}", lambda x: x >= low)


def interval(low: Tensor | float, high: Tensor | float) -> Constraint:
    """From `low` to `high`."""
    return Constraint(f"in {low} .. {high}", lambda x: (x >= low) & (x <= high))


real = Constraint("a number, not NaN", lambda x: x == x)
positive = Constraint("above 0", lambda x: x > 0)
nonnegative = Constraint("0 or more", lambda x: x >= 0)
nonnegative_integer = Constraint("a whole number, 0 or more", lambda x: (x % 1 == 0) & (x >= 0))
unit_interval = Constraint("in 0 .. 1", lambda x: (x >= 0) & (x <= 1))
boolean = Constraint("0 or 1", lambda x: (x == 0) | (x == 1))
simplex = Constraint(
    "0 or more in each row, with a sum of 1", lambda p: (p >= 0).all(-1) & ((p.sum(-1) - 1).abs() < 1e-6)
)
real_vector = Constraint("numbers", all_of(real, 1).holds)
one_hot = Constraint("a 1 among zeros", lambda x: boolean.holds(x).all(-1) & (x.sum(-1) == 1))
lower_cholesky = Constraint(
    "a lower triangle with a positive diagonal",
    lambda x: (x == x.tril()).all(-1).all(-1) & (x.diagonal(0, -2, -1) > 0).all(-1),
)
