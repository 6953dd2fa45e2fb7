"""What a parameter or a value may be: `constraints.positive.check(x)` says of each element, or vector, whether it holds.

`event_dim` is how many last dimensions one answer is about, `is_discrete` whether values are apart from each other. Of some
distributions these depend on their parameters: `dependent` stands for such.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.derived import cat as concatenated
from cutaway.core.derived import stack as stacked
from cutaway.core.errors import ArgumentError, AssertedError, NotWritten
from cutaway.core.functions import full
from cutaway.core.limits import finfo
from cutaway.core.tensor import Tensor


class Constraint:
    """A set of numbers, vectors or matrices.  `words` say in an error what must hold."""

    is_discrete: Any = False
    event_dim: Any = 0
    words = "inside its constraint"

    def check(self, value: Tensor) -> Tensor:
        """Where it holds."""
        raise NotWritten(f"{type(self).__name__} has no check")

    def __repr__(self) -> str:
        given = [f"{word}={self.__dict__[word]}" for word in ("lower_bound", "upper_bound") if word in self.__dict__]
        return f"{type(self).__name__.removeprefix('_')}({', '.join(given)})"


class _Bounded(Constraint):
    """Between bounds, of which there may be one."""

    form = "{lower_bound} .. {upper_bound}"

    @property
    def words(self) -> str:  # type: ignore[override]
        """With the bounds."""
        return self.form.format(**self.__dict__)


class _Above(_Bounded):
    def __init__(self, lower_bound: Any) -> None:
        self.lower_bound = lower_bound


class _Below(_Bounded):
    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound


class _Between(_Bounded):
    def __init__(self, lower_bound: Any, upper_bound: Any) -> None:
        self.lower_bound, self.upper_bound = lower_bound, upper_bound


class _GreaterThan(_Above):
    """Above `lower_bound`."""

    form = "above {lower_bound}"

    def check(self, value: Tensor) -> Tensor:
        """Where it holds."""
        return value > self.lower_bound


class _GreaterThanEq(_Above):
    """At least `lower_bound`."""

    form = "{lower_bound} or more"

    def check(self, value: Tensor) -> Tensor:
        """Where it holds."""
        return value >= self.lower_bound


class _LessThan(_Below):
    """Below `upper_bound`."""

    form = "below {upper_bound}"

    def check(self, value: Tensor) -> Tensor:
        """Where it holds."""
        return value < self.upper_bound


class _Interval(_Between):
    """From `lower_bound` to `upper_bound`."""

    form = "in {lower_bound} .. {upper_bound}"

    def check(self, value: Tensor) -> Tensor:
        """Where it holds."""
        return (value >= self.lower_bound) & (value <= self.upper_bound)


class _HalfOpenInterval(_Between):
    """From `lower_bound` to below `upper_bound`."""

    form = "at least {lower_bound} and below {upper_bound}"

    def check(self, value: Tensor) -> Tensor:
        """Where it holds."""
        return (value >= self.lower_bound) & (value < self.upper_bound)


class _IntegerInterval(_Between):
    """A whole number from `lower_bound` to `upper_bound`."""

    is_discrete = True
    form = "a whole number, {lower_bound} .. {upper_bound}"

    def check(self, value: Tensor) -> Tensor:
        """Where it holds."""
        return (value % 1 == 0) & (value >= self.lower_bound) & (value <= self.upper_bound)


class _IntegerGreaterThan(_Above):
    """A whole number of at least `lower_bound`."""

    is_discrete = True
    form = "a whole number, {lower_bound} or more"

    def check(self, value: Tensor) -> Tensor:
        """Where it holds."""
        return (value % 1 == 0) & (value >= self.lower_bound)


class _Multinomial(_Below):
    """Vectors of counts whose sum is at most `upper_bound`."""

    is_discrete, event_dim = True, 1
    form = "counts of at most {upper_bound} in all"

    def check(self, value: Tensor) -> Tensor:
        """Of each vector, whether it holds."""
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)

    def __repr__(self) -> str:
        return "Multinomial()"


class _Plain(Constraint):
    """One without parameters: a function says where it holds."""

    def __init_subclass__(
        cls, words: str = "", holds: Callable[[Any], Any] | None = None, event_dim: int = 0, is_discrete: bool = False
    ) -> None:
        cls.words, cls.event_dim, cls.is_discrete = words, event_dim, is_discrete
        if holds is not None:
            cls.check = lambda self, value: holds(value)  # type: ignore[method-assign]


def _every(x: Tensor) -> Tensor:
    """Of matrices, whether it holds everywhere."""
    return x.all(-1).all(-1)


def _lower(x: Tensor) -> Tensor:
    return _every(x.tril() == x)


def _lower_positive(x: Tensor) -> Tensor:
    return _lower(x) & (x.diagonal(0, -2, -1) > 0).all(-1)


def _unit_rows(x: Tensor) -> Tensor:
    least = finfo(x.dtype).eps * x.shape[-1] * 10
    return ((x.detach().square().sum(-1).sqrt() - 1.0).abs() <= least).all(-1)


def _square(x: Tensor) -> Tensor:
    return full(tuple(x.shape[:-2]), x.shape[-2] == x.shape[-1])  # type: ignore[no-any-return]


def _symmetric(x: Tensor) -> Tensor:
    square = _square(x)
    return _every(x.isclose(x.transpose(-1, -2), atol=1e-6)) if x.shape[-2] == x.shape[-1] else square


def _eigenvalues(holds: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Whether it holds of the smallest eigenvalue of symmetric matrices."""

    def check(x: Tensor) -> Tensor:
        from cutaway.core.topics.linear import eigvalsh

        fine = _symmetric(x)
        with no_grad():
            return holds(eigvalsh(x.detach())).all(-1) if bool(fine.all()) else fine

    return check


class _Real(_Plain, words="a number, not NaN", holds=lambda x: x == x):
    """Any number."""


class _Boolean(_Plain, words="0 or 1", holds=lambda x: (x == 0) | (x == 1), is_discrete=True):
    """0 or 1."""


class _OneHot(
    _Plain,
    words="a 1 among zeros",
    holds=lambda x: ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1),
    event_dim=1,
    is_discrete=True,
):
    """A 1 among zeros."""


class _Simplex(
    _Plain,
    words="0 or more in each row, with a sum of 1",
    holds=lambda p: (p >= 0).all(-1) & ((p.sum(-1) - 1).abs() < 1e-6),
    event_dim=1,
):
    """Vectors of probabilities."""


class _LowerTriangular(_Plain, words="a lower triangle", holds=_lower, event_dim=2):
    """Matrices with zeros above the diagonal."""


class _LowerCholesky(_Plain, words="a lower triangle with a positive diagonal", holds=_lower_positive, event_dim=2):
    """Lower triangles with a positive diagonal."""


class _CorrCholesky(
    _Plain,
    words="a lower triangle with a positive diagonal and rows of length 1",
    holds=lambda x: _lower_positive(x) & _unit_rows(x),
    event_dim=2,
):
    """Cholesky factors of correlations."""


class _Square(_Plain, words="a square matrix", holds=_square, event_dim=2):
    """Square matrices."""


class _Symmetric(_Square, words="a symmetric matrix", holds=_symmetric, event_dim=2):
    """Symmetric matrices."""


class _PositiveSemidefinite(
    _Symmetric,
    words="a symmetric matrix without negative eigenvalues",
    holds=_eigenvalues(lambda values: values >= 0),
    event_dim=2,
):
    """Symmetric matrices without negative eigenvalues."""


class _PositiveDefinite(
    _Symmetric,
    words="a symmetric positive definite matrix",
    holds=_eigenvalues(lambda values: values > 0),
    event_dim=2,
):
    """Symmetric matrices of positive eigenvalues."""


class _Dependent(Constraint):
    """Stands for a constraint that the distribution's parameters decide; not to be checked."""

    words = "inside a constraint that depends on other values"

    def __init__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented) -> None:
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def _said(self, name: str) -> Any:
        value = getattr(self, f"_{name}")
        if value is NotImplemented:
            raise NotWritten(f"{name} of this constraint is known of an instance only")
        return value

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """As given.  Raises NotWritten."""
        return self._said("is_discrete")  # type: ignore[no-any-return]

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """As given.  Raises NotWritten."""
        return self._said("event_dim")  # type: ignore[no-any-return]

    def __call__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented) -> _Dependent:
        return _Dependent(
            is_discrete=self._is_discrete if is_discrete is NotImplemented else is_discrete,
            event_dim=self._event_dim if event_dim is NotImplemented else event_dim,
        )

    def check(self, value: Tensor) -> Tensor:
        """Raises ArgumentError."""
        raise ArgumentError("a dependent constraint cannot be checked; ask a distribution for its support")

    def __repr__(self) -> str:
        return f"{type(self).__name__.removeprefix('_')}()"


class _DependentProperty(property, _Dependent):
    """A property of distributions that is a `dependent` constraint of their class."""

    def __init__(self, fn: Any = None, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented) -> None:
        super().__init__(fn)
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def __call__(self, fn: Any) -> _DependentProperty:  # type: ignore[override]
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


class _IndependentConstraint(Constraint):
    """The same of all elements in the last `reinterpreted_batch_ndims` dimensions.  Raises AssertedError."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int) -> None:
        if not isinstance(base_constraint, Constraint) or not isinstance(reinterpreted_batch_ndims, int):
            raise AssertedError("independent: needs a constraint and a number of dimensions")
        if reinterpreted_batch_ndims < 0:
            raise AssertedError(f"independent: 0 dimensions or more, got {reinterpreted_batch_ndims}")
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims
        self.words = base_constraint.words
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Tensor:
        """Of each event, whether it holds.  Raises ArgumentError for a value of too few dimensions."""
        y, n = self.base_constraint.check(value), self.reinterpreted_batch_ndims
        if y.ndim < n:
            raise ArgumentError(f"the value needs {self.event_dim} dimensions or more, got {list(value.shape)}")
        return y.reshape((*y.shape[: y.ndim - n], -1)).all(-1)

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(Constraint):
    """What holds of every component of a mixture.  Raises AssertedError for what is no constraint."""

    def __init__(self, base_constraint: Constraint) -> None:
        if not isinstance(base_constraint, Constraint):
            raise AssertedError(f"MixtureSameFamilyConstraint: needs a constraint, got {type(base_constraint).__name__}")
        self.base_constraint, self.words = base_constraint, base_constraint.words
        self.is_discrete, self.event_dim = base_constraint.is_discrete, base_constraint.event_dim

    def check(self, value: Tensor) -> Tensor:
        """Of each value, whether all components could have drawn it."""
        y = self.base_constraint.check(value.unsqueeze(-1 - self.event_dim))
        kept = value.ndim - self.event_dim
        if kept < 0:
            raise ArgumentError(f"the value needs {self.event_dim} dimensions or more, got {list(value.shape)}")
        return y.reshape((*y.shape[:kept], -1)).all(-1)

    def __repr__(self) -> str:
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"


class _Several(Constraint):
    """Several constraints, each of its part of dimension `dim`.  Raises AssertedError for what is no constraint."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0) -> None:
        if not all(isinstance(c, Constraint) for c in cseq):
            raise AssertedError(f"{type(self).__name__.removeprefix('_').lower()}: all parts must be constraints")
        self.cseq, self.dim = list(cseq), dim
        self.is_discrete = any(c.is_discrete for c in self.cseq)
        self.event_dim = max(c.event_dim for c in self.cseq)
        self.words = ", ".join(c.words for c in self.cseq)

    def _has_dim(self, value: Tensor) -> None:
        if not -value.ndim <= self.dim < value.ndim:
            raise AssertedError(f"dimension {self.dim} of a value of shape {list(value.shape)}")

    def __repr__(self) -> str:
        return f"{type(self).__name__.removeprefix('_')}()"


class _Cat(_Several):
    """Parts that lie one after the other, `lengths` long."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0, lengths: Sequence[int] | None = None) -> None:
        super().__init__(cseq, dim)
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.cseq):
            raise AssertedError(f"cat: {len(self.lengths)} lengths for {len(self.cseq)} constraints")

    def check(self, value: Tensor) -> Tensor:
        """Of each part by its constraint."""
        self._has_dim(value)
        starts = [sum(self.lengths[:i]) for i in range(len(self.lengths))]
        parts = zip(self.cseq, starts, self.lengths, strict=True)
        return concatenated([c.check(value.narrow(self.dim, start, n)) for c, start, n in parts], self.dim)


class _Stack(_Several):
    """One constraint an index."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0) -> None:
        super().__init__(cseq, dim)
        if dim + self.event_dim < 0:
            self.event_dim += 1

    def check(self, value: Tensor) -> Tensor:
        """Of each index by its constraint."""
        self._has_dim(value)
        return stacked([c.check(value.select(self.dim, i)) for i, c in enumerate(self.cseq)], self.dim)


def is_dependent(constraint: Any) -> bool:
    """Whether it stands for one that is known of an instance only."""
    return isinstance(constraint, _Dependent)


dependent, dependent_property, independent = _Dependent(), _DependentProperty, _IndependentConstraint
real, boolean, one_hot, simplex = _Real(), _Boolean(), _OneHot(), _Simplex()
real_vector = independent(real, 1)
positive, nonnegative = _GreaterThan(0.0), _GreaterThanEq(0.0)
greater_than, greater_than_eq, less_than = _GreaterThan, _GreaterThanEq, _LessThan
interval, half_open_interval, unit_interval = _Interval, _HalfOpenInterval, _Interval(0.0, 1.0)
integer_interval, multinomial = _IntegerInterval, _Multinomial
nonnegative_integer, positive_integer = _IntegerGreaterThan(0), _IntegerGreaterThan(1)
lower_triangular, lower_cholesky, corr_cholesky = _LowerTriangular(), _LowerCholesky(), _CorrCholesky()
square, symmetric = _Square(), _Symmetric()
positive_semidefinite, positive_definite = _PositiveSemidefinite(), _PositiveDefinite()
cat, stack = _Cat, _Stack
