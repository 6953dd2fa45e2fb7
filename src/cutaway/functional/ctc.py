"""Connectionist temporal classification: a sequence of classes against a longer one of frames, all alignments summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ShapeError, TraceError
from cutaway.core.functions import from_numpy, stack
from cutaway.core.op import composite
from cutaway.core.ops.elementwise import where
from cutaway.functional._check import floating, is_tensor, known, reduction_name

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

IMPOSSIBLE = -1e30  # ln 0 that can still be subtracted from itself


@composite(r"-\ln \sum_{\pi:\, B(\pi) = t} \prod_\tau p_{\tau, \pi_\tau}")
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-ln of the probability that the frames spell the targets, once repeated classes are merged and blanks left out.

    log_probs[T, N, C] or [T, C], from log_softmax; targets int [N, S], or the sequences one after the other; lengths [N].
    "mean" divides each loss by the length of its target first. A target that is too long for its frames costs infinity,
    or nothing with zero_infinity=True.
    Graves et al. 2006, section 4.1.  Raises ShapeError, ArgumentError for lengths, blank or targets out of range,
    TraceError where targets and lengths are not known.
    """
    op = "ctc_loss"
    reduction = reduction_name(op, reduction)
    is_tensor(op, log_probs=log_probs, targets=targets)
    floating(op, log_probs)
    batched = log_probs.ndim == 3
    if log_probs.ndim not in (2, 3):
        raise ShapeError(f"{op}: expected log_probs[T, N, C] or [T, C], got {show(log_probs)}")
    x = log_probs if batched else log_probs.unsqueeze(1)
    frames, n, classes = x.shape
    if not 0 <= blank < classes:
        raise ArgumentError(f"{op}: blank must be one of the {classes} classes, got {blank}")
    ins, outs = _lengths(op, "input_lengths", input_lengths, n), _lengths(op, "target_lengths", target_lengths, n)
    if ins.size and ins.max() > frames:
        raise ArgumentError(f"{op}: input_lengths must be at most the {frames} frames, got {ins.tolist()}")
    labels = _rows(op, targets, outs, classes)
    loss = _forward(x, labels, ins, outs, blank)
    unreachable = loss.detach() > -IMPOSSIBLE / 2
    loss = loss.masked_fill(unreachable, 0.0 if zero_infinity else float("inf"))
    if reduction == "mean":
        return (loss / from_numpy(np.maximum(outs, 1)).to(loss.dtype)).mean()
    if reduction == "sum":
        return loss.sum()
    return loss if batched else loss.squeeze(0)


def _forward(x: Tensor, labels: np.ndarray, ins: np.ndarray, outs: np.ndarray, blank: int) -> Tensor:
    """The loss of each sequence, by sums over prefixes: alpha[n, s] is the probability of having reached place s."""
    frames, n, _ = x.shape
    places = np.full((n, 2 * labels.shape[1] + 1), blank)
    places[:, 1::2] = labels  # blank, label, blank, label, ..., blank
    skips = np.zeros(places.shape, bool)  # a blank between two different labels may be left out
    skips[:, 2:] = (places[:, 2:] != blank) & (places[:, 2:] != places[:, :-2])
    at, may_skip = from_numpy(places.astype(np.int64)), from_numpy(skips)
    start = from_numpy(np.broadcast_to(np.arange(places.shape[1]) < 2, places.shape).copy())
    alpha = x[0].gather(1, at).masked_fill(~start, IMPOSSIBLE)
    for t in range(1, frames):
        one, two = _shifted(alpha, 1), _shifted(alpha, 2).masked_fill(~may_skip, IMPOSSIBLE)
        after = stack([alpha, one, two]).logsumexp(0) + x[t].gather(1, at)
        alpha = where(from_numpy((t < ins)[:, None]), after, alpha)
    last = alpha.gather(1, from_numpy((2 * outs)[:, None]))
    before = alpha.gather(1, from_numpy(np.maximum(2 * outs - 1, 0)[:, None]))
    before = before.masked_fill(from_numpy((outs == 0)[:, None]), IMPOSSIBLE)
    return -stack([last, before]).logsumexp(0).squeeze(1)


def _shifted(alpha: Tensor, by: int) -> Tensor:
    """alpha[n, s - by], impossible before the first place."""
    from cutaway.functional.padding import pad

    return pad(alpha, (by, -by), value=IMPOSSIBLE) if alpha.shape[1] > by else alpha * 0 + IMPOSSIBLE


def _lengths(op: str, name: str, given: Any, n: int) -> np.ndarray:
    """Lengths as int64[N]."""
    values = known(given) if hasattr(given, "requires_grad") else np.asarray(given)
    if values is None:
        raise TraceError(f"{op}: {name} must be known while a program is traced; give a tuple of ints")
    lengths: np.ndarray = np.asarray(values, np.int64).reshape(-1)
    if lengths.size != n or (lengths < 0).any():
        raise ArgumentError(f"{op}: {name} must hold one length for each of {n} sequences, got {lengths.tolist()}")
    return lengths


def _rows(op: str, targets: Tensor, outs: np.ndarray, classes: int) -> np.ndarray:
    """The labels as int64[N, longest], filled up with 0."""
    values = known(targets)
    if values is None:
        raise TraceError(f"{op}: targets must be known while a program is traced")
    longest = int(outs.max(initial=0))
    rows = np.zeros((len(outs), longest), np.int64)
    flat = values.ndim == 1
    if (flat and values.size != outs.sum()) or (not flat and (len(values) != len(outs) or values.shape[1] < longest)):
        raise ArgumentError(f"{op}: targets {show(targets)} do not hold sequences of the lengths {outs.tolist()}")
    ends = np.cumsum(outs)
    for i, size in enumerate(outs):
        rows[i, :size] = values[ends[i] - size : ends[i]] if flat else values[i, :size]
    if rows.size and not (rows.min() >= 0 and rows.max() < classes):
        raise ArgumentError(f"{op}: targets must be classes 0 to {classes - 1}, got up to {rows.max()}")
    return rows
