"""Sequences of unequal length: padded to one tensor, or packed without the padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError
from cutaway.core.functions import arange, cat, empty_like, full, stack, tensor
from cutaway.core.tensor import Tensor


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


class PackedSequence(_Packed):
    """The time steps of several sequences, one time after the other, without padding.

    data[sum of lengths, ...]; batch_sizes[T]: how many sequences reach each time. The sequences are sorted by falling
    length: sorted_indices[N] says which came where, unsorted_indices[N] leads back (None: they were sorted already).
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With `data` in another dtype."""
        return self._replace(data=self.data.to(*args, **kwargs))

    @property
    def is_cuda(self) -> bool:
        """False: there is no CUDA here."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """False."""
        return self.data.is_pinned()

    def pin_memory(self) -> PackedSequence:
        """Itself, as Tensor.pin_memory."""
        return self._replace(data=self.data.pin_memory())


def _add_conversions() -> None:
    def by(name: str) -> Any:
        def convert(self: PackedSequence, *args: Any, **kwargs: Any) -> PackedSequence:
            return self._replace(data=getattr(self.data, name)(*args, **kwargs))

        convert.__name__ = name
        convert.__doc__ = f"With `data.{name}()`."
        return convert

    for name in "byte char cpu cuda double float half int long short".split():
        setattr(PackedSequence, name, by(name))


_add_conversions()


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one: y[permutation] = 0, 1, 2, ...; None for None."""
    if permutation is None:
        return None
    y = empty_like(permutation)
    y[permutation] = arange(len(permutation), dtype=permutation.dtype)
    return y


def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences [L_i, ...] as one tensor [T, N, ...] ([N, T, ...] with batch_first), filled up to the longest.

    Raises ShapeError when the sequences differ in more than length, or there is none.
    """
    if isinstance(sequences, Tensor) or not isinstance(sequences, Iterable):
        if not isinstance(sequences, Tensor):
            raise ArgumentTypeError(f"pad_sequence: expected several Tensors, got {type(sequences).__name__}")
        sequences = list(sequences)
    if padding_side not in ("left", "right"):
        raise ArgumentError(f"pad_sequence: padding_side {padding_side!r} is unknown; use 'left' or 'right'")
    found = list(sequences)
    if not found or any(s.ndim == 0 or tuple(s.shape[1:]) != tuple(found[0].shape[1:]) for s in found):
        raise ShapeError(
            f"pad_sequence: expected sequences [L_i, ...] that differ only in length, got {show(*found) or 'none'}"
        )
    longest = max(s.shape[0] for s in found)
    columns = []
    for s in found:
        missing = longest - s.shape[0]
        if missing:
            fill = full((missing, *s.shape[1:]), padding_value, dtype=s.dtype)
            s = cat([s, fill] if padding_side == "right" else [fill, s])
        columns.append(s)
    return stack(columns, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences [L_i, ...] of a padded tensor [T, N, ...]."""
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [x[i, :n] for i, n in enumerate(_sizes(lengths))]


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Padded sequences [T, N, ...] without their padding.

    enforce_sorted=True wants falling lengths (ArgumentError otherwise); False sorts here.
    Raises ArgumentError for lengths that do not fit the input.
    """
    x = input.transpose(0, 1) if batch_first else input
    sizes = _sizes(lengths)
    if x.ndim < 2 or sizes.shape != (x.shape[1],):
        raise ArgumentError(
            f"pack_padded_sequence: need one length for each sequence of {show(input)} "
            f"({'batch first' if batch_first else 'time first'}), got {sizes.size}"
        )
    if not sizes.size or sizes.min() < 1 or sizes.max() > x.shape[0]:
        raise ArgumentError(
            f"pack_padded_sequence: lengths must lie between 1 and {x.shape[0]}, the time steps of {show(input)}, "
            f"got {sizes.tolist()}"
        )
    order = back = None
    if enforce_sorted:
        if (np.diff(sizes) > 0).any():
            raise ArgumentError(
                f"pack_padded_sequence: lengths {sizes.tolist()} do not fall; sort the batch by length, "
                "or pass enforce_sorted=False"
            )
    else:
        ranks = np.argsort(-sizes, kind="stable")
        order, back = tensor(ranks), tensor(np.argsort(ranks))
        x, sizes = x.index_select(1, order), sizes[ranks]
    time, sequence = _places(sizes)
    return PackedSequence(x[tensor(time), tensor(sequence)], tensor(_batch_sizes(sizes)), order, back)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """(padded[T, N, ...], lengths[N]) of a packed sequence, in the order in which the sequences were packed.

    Raises ArgumentError when total_length is shorter than the longest sequence.
    """
    x, sizes = unpack(sequence, batch_first, padding_value)
    lengths = tensor(sizes)
    if total_length is not None:
        time = 1 if batch_first else 0
        if total_length < x.shape[time]:
            raise ArgumentError(
                f"pad_packed_sequence: total_length={total_length} is shorter than the longest of {x.shape[time]} steps"
            )
        if total_length > x.shape[time]:
            shape = list(x.shape)
            shape[time] = total_length - x.shape[time]
            x = cat([x, full(shape, padding_value, dtype=x.dtype)], time)
    if sequence.unsorted_indices is not None:
        x = x.index_select(0 if batch_first else 1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices]
    return x, lengths


def pack_sequence(sequences: Iterable[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences [L_i, ...] packed.  Raises as pad_sequence and pack_padded_sequence do."""
    found = list(sequences)
    return pack_padded_sequence(pad_sequence(found), [s.shape[0] for s in found], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences [L_i, ...] of a packed sequence."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


# --- for the recurrent layers -----------------------------------------------------------------------------------------


def unpack(packed: PackedSequence, batch_first: bool, padding_value: float = 0.0) -> tuple[Tensor, np.ndarray]:
    """Padded steps and lengths, the sequences still sorted by falling length."""
    batch_sizes = packed.batch_sizes._data
    sizes = (batch_sizes[:, None] > np.arange(batch_sizes[0])).sum(0)
    time, sequence = _places(sizes)
    shape = (len(batch_sizes), len(sizes))
    # Where each step comes from; padding comes from one row behind the last.
    source = np.full(shape, packed.data.shape[0], np.int64)
    source[time, sequence] = np.arange(len(time))
    blank = full((1, *packed.data.shape[1:]), padding_value, dtype=packed.data.dtype)
    return cat([packed.data, blank])[tensor(source.T if batch_first else source)], sizes


def repack(y: Tensor, like: PackedSequence, batch_first: bool) -> PackedSequence:
    """Padded steps, sorted by falling length, packed as `like` is."""
    batch_sizes = like.batch_sizes._data
    time, sequence = _places((batch_sizes[:, None] > np.arange(batch_sizes[0])).sum(0))
    first, second = (sequence, time) if batch_first else (time, sequence)
    return like._replace(data=y[tensor(first), tensor(second)])


def _sizes(lengths: Any) -> np.ndarray:
    sizes: np.ndarray = np.asarray(lengths.tolist() if isinstance(lengths, Tensor) else lengths, np.int64)
    return sizes


def _batch_sizes(sizes: np.ndarray) -> np.ndarray:
    """How many sequences reach each time."""
    reach: np.ndarray = (sizes > np.arange(sizes.max())[:, None]).sum(1)
    return reach


def _places(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(time, sequence) of each packed step."""
    time, sequence = np.nonzero(np.arange(sizes.max())[:, None] < sizes)
    return time, sequence
