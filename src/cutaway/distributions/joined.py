"""Several transforms side by side, each of its part of a dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from cutaway.core.derived import cat, stack
from cutaway.core.errors import AssertedError
from cutaway.core.tensor import Tensor
from cutaway.distributions import constraints
from cutaway.distributions.constraints import Constraint
from cutaway.distributions.independent import sum_last
from cutaway.distributions.transform import Transform


class _Joined(Transform):
    """What both have: `transforms`, along `dim`.  Raises AssertedError for what is no transform."""

    def __init__(self, tseq: Sequence[Transform], dim: int, cache_size: int) -> None:
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertedError(f"{type(self).__name__}: all parts must be transforms")
        super().__init__(cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)
        self.dim = dim

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """Whether all are."""
        return all(t.bijective for t in self.transforms)

    def _has(self, x: Tensor, n: int) -> None:
        if not -x.ndim <= self.dim < x.ndim or x.shape[self.dim] != n:
            raise AssertedError(f"{type(self).__name__}: needs {n} in dimension {self.dim}, got {list(x.shape)}")


class CatTransform(_Joined):
    """Transforms of parts that lie one after the other along `dim`, `lengths` long (each 1 if not given)."""

    def __init__(
        self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None, cache_size: int = 0
    ) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertedError(f"CatTransform: {len(self.lengths)} lengths for {len(self.transforms)} transforms")

    @cached_property
    def event_dim(self) -> int:  # type: ignore[override]
        """The largest of the parts."""
        return max(t.event_dim for t in self.transforms)

    @cached_property
    def length(self) -> int:
        """That of all parts."""
        return sum(self.lengths)

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """Those of the parts."""
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @property
    def codomain(self) -> Constraint:  # type: ignore[override]
        """Those of the parts."""
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """Each part with that cache."""
        return self if self._cache_size == cache_size else CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _parts(self, x: Tensor) -> Iterator[Tensor]:
        self._has(x, self.length)
        start = 0
        for n in self.lengths:
            yield x.narrow(self.dim, start, n)
            start += n

    def _call(self, x: Tensor) -> Tensor:
        return cat([t(part) for t, part in zip(self.transforms, self._parts(x), strict=True)], self.dim)

    def _inverse(self, y: Tensor) -> Tensor:
        return cat([t.inv(part) for t, part in zip(self.transforms, self._parts(y), strict=True)], self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Of each part; their sum where `dim` belongs to one event."""
        each = [
            sum_last(t.log_abs_det_jacobian(a, b), self.event_dim - t.event_dim)
            for t, a, b in zip(self.transforms, self._parts(x), self._parts(y), strict=True)
        ]
        dim = (self.dim - x.ndim if self.dim >= 0 else self.dim) + self.event_dim
        return cat(each, dim) if dim < 0 else sum(each[1:], each[0])


class StackTransform(_Joined):
    """One transform an index of `dim`."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(tseq, dim, cache_size)

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """Those of the parts."""
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @property
    def codomain(self) -> Constraint:  # type: ignore[override]
        """Those of the parts."""
        return constraints.stack([t.codomain for t in self.transforms], self.dim)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """Each part with that cache."""
        return self if self._cache_size == cache_size else StackTransform(self.transforms, self.dim, cache_size)

    def _each(self, of: Callable[..., Tensor], *values: Tensor) -> Any:
        for x in values:
            self._has(x, len(self.transforms))
        return stack([of(t, *(x.select(self.dim, i) for x in values)) for i, t in enumerate(self.transforms)], self.dim)

    def _call(self, x: Tensor) -> Tensor:
        return self._each(lambda t, part: t(part), x)  # type: ignore[no-any-return]

    def _inverse(self, y: Tensor) -> Tensor:
        return self._each(lambda t, part: t.inv(part), y)  # type: ignore[no-any-return]

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Of each index."""
        return self._each(lambda t, a, b: t.log_abs_det_jacobian(a, b), x, y)  # type: ignore[no-any-return]
