"""Layout: other shapes, parts and turns of the same elements."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from cutaway.core import derived as d
from cutaway.core.aval import normalize_dim, show
from cutaway.core.errors import ArgumentError, ShapeError


class Layout:
    """Movements beyond reshape, permute and split."""

    def tile(self: Any, *dims: Any) -> Any:
        """Laid side by side as often as `dims` say, from the last dimension on (a copy)."""
        times = d.sizes_of("tile", dims)
        return d.repeat(self, (1,) * (self._data.ndim - len(times)) + times)

    def broadcast_to(self: Any, size: Any) -> Any:
        """Stretched to a size without a copy."""
        return d.expand(self, size)

    def swapdims(self: Any, dim0: int, dim1: int) -> Any:
        """Two dimensions swapped (a view)."""
        return d.transpose(self, dim0, dim1)

    def moveaxis(self: Any, source: Any, destination: Any) -> Any:
        """Dimensions moved (a view)."""
        return d.movedim(self, source, destination)

    def tensor_split(self: Any, indices_or_sections: Any, dim: int = 0) -> Any:
        """Views along `dim`: so many of nearly equal size, or parted before the places listed."""
        if not self._data.ndim:
            raise ShapeError("tensor_split: a 0-d tensor has no dimension to split")
        at = normalize_dim(dim, self._data.ndim, "tensor_split")
        n = self._data.shape[at]
        if isinstance(indices_or_sections, (int, np.integer)):
            k = int(indices_or_sections)
            if k < 1:
                raise ArgumentError(f"tensor_split: the number of parts must be positive, got {k}")
            ends = np.cumsum([n // k + (i < n % k) for i in range(k)])[:-1].tolist()
        else:
            ends = [int(i) for i in indices_or_sections]
        cuts = [0, *[max(0, min(n, i + n if i < 0 else i)) for i in ends], n]
        return tuple(self.narrow(at, a, max(b - a, 0)) for a, b in pairwise(cuts))

    def split_with_sizes(self: Any, split_sizes: Any, dim: int = 0) -> Any:
        """Views along `dim` of the sizes listed."""
        return d.split(self, [*split_sizes], dim)

    def sum_to_size(self: Any, *size: Any) -> Any:
        """The sum over the dimensions that a tensor of that size would be stretched along."""
        shape = d.sizes_of("sum_to_size", size)
        lead = self._data.ndim - len(shape)
        wide = [n for n, want in zip(self._data.shape[max(lead, 0):], shape) if want not in (1, n)]
        if lead < 0 or wide:
            raise ShapeError(f"sum_to_size: {show(self)} is not what {list(shape)} stretches to")
        along = [k for k, n in enumerate(self._data.shape) if k < lead or (shape[k - lead] == 1 and n != 1)]
        return d.sum(self, along).reshape(shape) if along else self

    def is_same_size(self: Any, other: Any) -> bool:
        """True if both shapes are equal."""
        return bool(self._data.shape == other._data.shape)

    def is_signed(self: Any) -> bool:
        """True for a dtype that has negative numbers."""
        return self._data.dtype.kind in "ifc"

    def is_nonzero(self: Any) -> bool:
        """Whether the one element is not 0.  Raises ShapeError for any other count."""
        return bool(self)

    def hsplit(self: Any, indices_or_sections: Any) -> Any:
        """tensor_split along the second dimension, or the only one."""
        return _split("hsplit", self, indices_or_sections, 1, 1 if self._data.ndim > 1 else 0)

    def vsplit(self: Any, indices_or_sections: Any) -> Any:
        """tensor_split along the first dimension."""
        return _split("vsplit", self, indices_or_sections, 2, 0)

    def dsplit(self: Any, indices_or_sections: Any) -> Any:
        """tensor_split along the third dimension."""
        return _split("dsplit", self, indices_or_sections, 3, 2)

    def fliplr(self: Any) -> Any:
        """Reversed along the second dimension."""
        if self._data.ndim < 2:
            raise ShapeError(f"fliplr: needs at least 2 dimensions, got {show(self)}")
        return d.flip(self, 1)

    def flipud(self: Any) -> Any:
        """Reversed along the first dimension."""
        if not self._data.ndim:
            raise ShapeError("flipud: needs at least one dimension, got a 0-d tensor")
        return d.flip(self, 0)

    def rot90(self: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
        """Turned k times by 90 degrees in the plane of `dims`, from the first towards the second."""
        if self._data.ndim < 2 or len(dims) != 2:
            raise ShapeError(f"rot90: needs two dims of a tensor of at least 2 dimensions, got {show(self)} and dims {dims}")
        a, b = (normalize_dim(k, self._data.ndim, "rot90") for k in dims)
        if a == b:
            raise ShapeError(f"rot90: the two dims must differ, got {dims}")
        if k % 4 == 1:
            return d.transpose(d.flip(self, b), a, b)
        if k % 4 == 2:
            return d.flip(self, a, b)
        return d.flip(d.transpose(self, a, b), b) if k % 4 else self.clone()

    def diag_embed(self: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
        """The last dimension as the diagonal of two new ones, zero elsewhere."""
        n = self._data.shape[-1] + abs(offset)
        wide = self._data.ndim + 1
        a, b = normalize_dim(dim1, wide, "diag_embed"), normalize_dim(dim2, wide, "diag_embed")
        if a == b:
            raise ShapeError(f"diag_embed: the two dims must differ, got {dim1} and {dim2}")
        k = np.arange(self._data.shape[-1])
        zeros = d.constant(np.zeros((n, n, *self._data.shape[:-1]), self._data.dtype))
        rows, columns = d.constant(k - min(offset, 0)), d.constant(k + max(offset, 0))
        y = zeros.index_put((rows, columns), self.movedim(-1, 0), accumulate=True)
        return d.owned(y.movedim((0, 1), (a, b)))

    def diagflat(self: Any, offset: int = 0) -> Any:
        """All elements as the diagonal of a matrix."""
        return d.diag(self.reshape(-1), offset)

    def unfold(self: Any, dimension: int, size: int, step: int) -> Any:
        """All windows of `size` along a dimension, `step` apart, as a new last dimension (a view)."""
        at = normalize_dim(dimension, self._data.ndim, "unfold")
        n = self._data.shape[at] if self._data.ndim else 1
        if not 0 <= size <= n or step < 1:
            raise ShapeError(f"unfold: windows of {size}, {step} apart, do not fit dimension {dimension} of size {n}")
        start = np.arange(0, n - size + 1, step)
        places = d.constant(start[:, None] + np.arange(size)).reshape(-1)
        picked = (self if self._data.ndim else self.reshape(1)).index_select(at, places)
        y = picked.unflatten(at, (len(start), size)).movedim(at + 1, -1)
        every = (slice(None),) * at + (slice(None, None, step),)
        return d.onto(self, y, lambda a: sliding_window_view(np.atleast_1d(a), size, at, writeable=True)[every])

    def as_strided(self: Any, size: Any, stride: Any, storage_offset: int = 0) -> Any:
        """Elements of the memory by strides: out[i, j] = memory[offset + i stride[0] + j stride[1]] (a view)."""
        if not self.is_contiguous():
            raise ShapeError(f"as_strided: needs a contiguous tensor, got strides {self.stride()}; call contiguous() first")
        size, stride = d.sizes_of("as_strided", (size,)), d.sizes_of("as_strided", (stride,))
        if len(size) != len(stride):
            raise ShapeError(f"as_strided: size {list(size)} and stride {list(stride)} must be equally many")
        places = np.asarray(storage_offset)
        for n, step in zip(size, stride, strict=True):
            places = places[..., None] + np.arange(n) * step
        if places.size and (places.max() >= self._data.size or places.min() < 0):
            raise ShapeError(f"as_strided: size {list(size)} and stride {list(stride)} leave the {self._data.size} elements")
        steps = [step * self._data.itemsize for step in stride]
        apart = len(set(places.flat)) == places.size  # else several elements share a place: not to be written to
        see = lambda a: as_strided(a.reshape(-1)[storage_offset:], size, steps)
        return d.onto(self, self.reshape(-1)[d.constant(places)], see, apart)


def _split(name: str, x: Any, parts: Any, least: int, at: int) -> Any:
    if x._data.ndim < least:
        raise ShapeError(f"{name}: needs at least {least} dimensions, got {show(x)}")
    if isinstance(parts, (int, np.integer)) and (parts < 1 or x._data.shape[at] % parts):
        raise ShapeError(f"{name}: dimension {at} of {show(x)} does not divide into {parts} equal parts")
    return x.tensor_split(parts, at)
