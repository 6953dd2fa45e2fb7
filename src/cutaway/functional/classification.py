"""Losses of classification: scores or probabilities against classes, and distances between distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cutaway.core.aval import show
from cutaway.core.creation import arange
from cutaway.core.errors import ArgumentError, DTypeError, IndexOutOfRange, ShapeError
from cutaway.core.narrow import in_single
from cutaway.core.op import composite
from cutaway.core.ops.elementwise import where
from cutaway.functional._check import floating, integer, is_tensor, known, reduced, reduction_name, same_shape
from cutaway.functional.activation import log1p_exp, log_softmax

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor


@composite(r"-\tfrac1N \sum_i \ln \mathrm{softmax}(z_i)_{t_i}")
@in_single
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean surprise, in nats, at the right class (book, section 4.2.2; Softmax-with-Loss of section 5.6.3).

    input[N, C] or [N, C, d1, ...] or [C] holds scores, not probabilities. target is one of
    class indices   int [N] or [N, d1, ...] or []; a target equal to ignore_index counts for nothing;
    probabilities   float, of the shape of input; a one-hot target is the special case.
    weight[C] weighs the classes; with reduction="mean" and class indices the sum is divided by the weights met.
    A one-hot target of integers is taken too (PyTorch wants floats).

    Raises ShapeError, DTypeError, IndexOutOfRange for a class outside 0 .. C-1, ArgumentError for label_smoothing
    outside [0, 1].
    """
    reduction = reduction_name("cross_entropy", reduction, size_average, reduce)
    is_tensor("cross_entropy", input=input, target=target)
    floating("cross_entropy", input)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"cross_entropy: label_smoothing must lie between 0 and 1, got {label_smoothing}")
    if tuple(input.shape) == tuple(target.shape) and input.ndim:
        if ignore_index >= 0:
            raise ArgumentError(
                f"cross_entropy: ignore_index={ignore_index} is for class indices, target {show(target)} holds "
                "probabilities; leave it out, or give a row of zeros to what is to be skipped"
            )
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    dim, target = _class_indices("cross_entropy", input, target)
    valid = _valid("cross_entropy", target, input.shape[dim], ignore_index)
    if weight is None and not label_smoothing:
        if valid is None:
            return surprise(input, target, dim, reduction)
        index = where(valid, target, 0).unsqueeze(dim)
        return _counted(_surprises(input, dim, index).squeeze(dim), valid, reduction)
    log_p = log_softmax(input, dim)
    loss = _pick("cross_entropy", log_p, target, weight, valid, dim, reduction)
    if not label_smoothing:
        return loss
    if weight is not None:
        log_p = log_p * _per_class("cross_entropy", weight, log_p, dim)
    smooth = -log_p.sum(dim)
    if reduction == "mean" and weight is not None:
        total = _class_weights(weight, target, valid).sum()
        smooth = (smooth if valid is None else smooth.masked_fill(~valid, 0.0)).sum() / total
    else:
        smooth = _counted(smooth, valid, reduction)
    return loss * (1.0 - label_smoothing) + smooth * (label_smoothing / input.shape[dim])


@composite(r"\ln \sum_j e^{z_{ij}} - z_{i, t_i}")
def surprise(input: Tensor, target: Tensor, dim: int, reduction: str) -> Tensor:
    """Cross entropy where every target is a class: scores z[N, C, ...], classes along `dim`, int64 t[N, ...]."""
    return _reduced_along(_surprises(input, dim, target.unsqueeze(dim)), dim, reduction)


def _surprises(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """ln sum_j e^z_j - z_t, of scores shifted by the largest: of scores around 1000 ln sum e^z has lost four digits."""
    z = input - input.detach().amax(dim, keepdim=True)
    return z.exp().sum(dim, keepdim=True).log() - z.gather(dim, index)


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    """Cross entropy against probabilities."""
    dim = 1 if input.ndim > 1 else 0
    classes = input.shape[dim]
    if not target.dtype.is_floating_point:
        target = _one_hot_only(target, dim).to(input.dtype)
    if smoothing:
        target = target * (1.0 - smoothing) + smoothing / classes
    log_p = log_softmax(input, dim)
    if weight is not None:
        log_p = log_p * _per_class("cross_entropy", weight, log_p, dim)
    loss = -(log_p * target).sum(dim)
    return reduced(loss, reduction)


def _one_hot_only(target: Tensor, dim: int) -> Tensor:
    """The target, when each of its rows of integers is one 1 among zeros.  Raises ArgumentError for other integers."""
    values = known(target)
    if values is not None and not (((values == 0) | (values == 1)).all() and (values.sum(dim) == 1).all()):
        raise ArgumentError(
            f"cross_entropy: target {show(target)} has the shape of the input and holds integers, but its rows are not "
            "one-hot; give class indices without the dimension of classes, or probabilities as floats"
        )
    return target


@composite(r"-\tfrac1N \sum_i x_{i, t_i}")
@in_single
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood: log-probabilities, from log_softmax, at the right class.

    input[N, C] or [N, C, d1, ...] or [C]; target int [N] or [N, d1, ...] or []; weight[C].
    Raises ShapeError, DTypeError, IndexOutOfRange for a class outside 0 .. C-1.
    """
    reduction = reduction_name("nll_loss", reduction, size_average, reduce)
    is_tensor("nll_loss", input=input, target=target)
    floating("nll_loss", input)
    dim, target = _class_indices("nll_loss", input, target)
    valid = _valid("nll_loss", target, input.shape[dim], ignore_index)
    return _pick("nll_loss", input, target, weight, valid, dim, reduction)


def _class_indices(op: str, input: Tensor, target: Tensor) -> tuple[int, Tensor]:
    """The dimension of the classes, and the target as int64, when it has every other dimension of `input`."""
    shape = tuple(input.shape)
    dim = 1 if len(shape) > 1 else 0
    expected = shape[:dim] + shape[dim + 1 :]
    if not shape:
        raise ShapeError(f"{op}: input has no dimension of classes, got {show(input)}; give scores [N, C]")
    if tuple(target.shape) != expected:
        fix = "target.squeeze(1)" if tuple(target.shape) == (*expected, 1) else "a target of that shape"
        raise ShapeError(
            f"{op}: input {show(input)} has {shape[dim]} classes in dim {dim}, so class indices have shape "
            f"{list(expected)} (or probabilities {list(shape)}), got target {show(target)}; pass {fix}"
        )
    integer(op, "target", target)
    return dim, target.long()


def _valid(op: str, target: Tensor, classes: int, ignore_index: int | None) -> Tensor | None:
    """Which targets count; None when all do.  Raises IndexOutOfRange for a class that is not there."""
    values = known(target)
    if values is not None:
        if not values.size:
            return None
        low, high = values.min(), values.max()
        if low >= 0 and high < classes and (ignore_index is None or not 0 <= ignore_index < classes):
            return None
        wrong = (values < 0) | (values >= classes)
        if ignore_index is not None:
            wrong &= values != ignore_index
        if wrong.any():
            first = [int(i) for i in np.argwhere(wrong)[0]]
            raise IndexOutOfRange(
                f"{op}: target{first or ''} is class {int(values[wrong][0])}, but there are {classes} classes, "
                "numbered 0 "
                f"to {classes - 1}. Widen the last layer, or correct the label"
                + ("" if ignore_index is None else f"; labels to be skipped must equal ignore_index ({ignore_index})")
            )
    return None if ignore_index is None else target != ignore_index


def _per_class(op: str, weight: Tensor, like: Tensor, dim: int) -> Tensor:
    """weight[C] shaped to multiply `like` along `dim`.  Raises ShapeError unless it has one number a class."""
    classes = like.shape[dim]
    if tuple(weight.shape) != (classes,):
        raise ShapeError(f"{op}: weight must hold one number a class, [{classes}], got {show(weight)}")
    return weight.reshape((classes,) + (1,) * (like.ndim - dim - 1))


def _class_weights(weight: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
    """The weight of each target's class; 0 where it is to be ignored."""
    if valid is None:
        return weight[target]
    return weight[where(valid, target, 0)].masked_fill(~valid, 0.0)


def _reduced_along(loss: Tensor, dim: int, reduction: str) -> Tensor:
    """The reduction of a loss that still has its dimension of classes, of size 1."""
    return reduced(loss.squeeze(dim) if reduction == "none" else loss, reduction)


def _counted(loss: Tensor, valid: Tensor | None, reduction: str) -> Tensor:
    """The reduction over the elements that count."""
    if valid is None:
        return reduced(loss, reduction)
    loss = loss.masked_fill(~valid, 0.0)
    return loss.sum() / valid.sum() if reduction == "mean" else reduced(loss, reduction)


def _pick(
    op: str, log_p: Tensor, target: Tensor, weight: Tensor | None, valid: Tensor | None, dim: int, reduction: str
) -> Tensor:
    """-log_p at the target's class, weighted and reduced."""
    index = target if valid is None else where(valid, target, 0)
    picked = log_p.gather(dim, index.unsqueeze(dim))
    if weight is None and valid is None:
        return -_reduced_along(picked, dim, reduction)
    loss = -picked.squeeze(dim)
    if weight is None:
        return _counted(loss, valid, reduction)
    _per_class(op, weight, log_p, dim)
    w = _class_weights(weight, target, valid)
    loss = loss * w if valid is None else (loss * w).masked_fill(~valid, 0.0)
    return loss.sum() / w.sum() if reduction == "mean" else reduced(loss, reduction)


def _log(q: Tensor) -> Tensor:
    """ln q as PyTorch takes it here: at least -100, its slope at most 1e12, and 0 at q = 1.

    Value and gradient stay finite where a sigmoid saturates, and the gradient vanishes where it does so rightly.
    """
    fixed = q.detach()
    bounded = where(fixed < 1.0, q + (fixed.clamp(min=1e-12) - fixed), fixed)
    return bounded.log() + (fixed.log().clamp(min=-100.0) - bounded.detach().log())


@composite(r"-\tfrac1N \sum_i t_i \ln p_i + (1 - t_i) \ln (1 - p_i)")
@in_single
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross entropy of two classes, given probabilities.  input[...] in [0, 1], target[...] in [0, 1] -> scalar (nats).

    Logarithms are held at -100, as in PyTorch. From scores rather than probabilities,
    binary_cross_entropy_with_logits is more exact.
    Raises ShapeError when the shapes differ, ArgumentError for an input outside [0, 1].
    """
    reduction = reduction_name("binary_cross_entropy", reduction, size_average, reduce)
    same_shape("binary_cross_entropy", input, target, may_stretch=False)
    floating("binary_cross_entropy", input)
    if target.dtype is not input.dtype:
        raise DTypeError(
            f"binary_cross_entropy: target {show(target)} must have the dtype of input {show(input)}; convert it with "
            ".to(input.dtype)"
        )
    values = known(input)
    if values is not None and values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ArgumentError(
            "binary_cross_entropy: input must hold probabilities between 0 and 1, got values from "
            f"{values.min():.4g} to {values.max():.4g}; apply sigmoid first, or use binary_cross_entropy_with_logits"
        )
    loss = (target - 1.0) * _log(1.0 - input) - target * _log(input)
    return reduced(loss if weight is None else loss * weight, reduction)


@composite(r"-\tfrac1N \sum_i t_i \ln \sigma(z_i) + (1 - t_i) \ln (1 - \sigma(z_i))")
@in_single
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Cross entropy of two classes, given scores.  input[...], target[...] in [0, 1] -> scalar (nats).

    pos_weight, broadcast against input, multiplies the loss of positive targets.
    Raises ShapeError when the shapes differ.
    """
    op = "binary_cross_entropy_with_logits"
    reduction = reduction_name(op, reduction, size_average, reduce)
    same_shape(op, input, target, may_stretch=False)
    floating(op, input)
    if not target.is_floating_point():
        raise DTypeError(f"{op}: target must hold floating numbers, got {show(target)}; convert it with .float()")
    if pos_weight is None:
        loss = (1.0 - target) * input + log1p_exp(-input)  # no difference of large numbers where target is near 1
    else:
        # ln sigma(z) = -ln(1 + e^-z), ln(1 - sigma(z)) = -z - ln(1 + e^-z)
        loss = (1.0 - target) * input + ((pos_weight - 1.0) * target + 1.0) * log1p_exp(-input)
    return reduced(loss if weight is None else loss * weight, reduction)


@composite(r"\sum_i t_i\,(\ln t_i - x_i)")
@in_single
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence of the distribution `target` from the log-probabilities `input`, both [N, ...].

    reduction="batchmean" divides the sum by N and is the divergence of the textbooks; "mean" divides by every element.
    Raises ShapeError where the shapes would broadcast to more than either.
    """
    if reduction != "batchmean" or size_average is not None or reduce is not None:
        reduction = reduction_name("kl_div", reduction, size_average, reduce)
    same_shape("kl_div", input, target)
    if log_target:
        loss = target.exp() * (target - input)
    else:
        zero = target == 0  # 0 ln 0 = 0; below 0 there is no logarithm
        loss = where(zero, target * 0.0, target * target.masked_fill(zero, 1.0).log()) - target * input
    if reduction == "batchmean":
        return loss.sum() / loss.shape[0] if loss.ndim else loss
    return reduced(loss, reduction)


@composite(r"\tfrac1{NC} \sum_i \sum_{j \ne t_i} \max(0,\, m - x_{i,t_i} + x_{i,j})^p")
@in_single
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Multiclass hinge: the right class should lead every other by the margin (CS231n's SVM loss, divided by C).

    input[N, C] or [C], target int [N] or []; weight[C].  p is 1 or 2.
    Raises ShapeError, DTypeError, IndexOutOfRange for a class that is not there, ArgumentError for another p.
    """
    op = "multi_margin_loss"
    reduction = reduction_name(op, reduction, size_average, reduce)
    is_tensor(op, input=input, target=target)
    floating(op, input)
    if p not in (1, 2):
        raise ArgumentError(f"{op}: p must be 1 or 2, got {p}")
    if input.ndim not in (1, 2):
        raise ShapeError(f"{op}: expected scores [N, C] or [C], got {show(input)}")
    if input.ndim == 1 and tuple(target.shape) == (1,):
        target = target.squeeze(0)
    dim, target = _class_indices(op, input, target)
    classes = input.shape[dim]
    _valid(op, target, classes, None)
    index = target.unsqueeze(dim)
    excess = (input - input.gather(dim, index) + margin).relu()
    if p == 2:
        excess = excess * excess
    if weight is not None:
        _per_class(op, weight, input, dim)
        excess = excess * weight[target].unsqueeze(dim)
    excess = excess.scatter(dim, index, 0.0)  # the right class is not compared with itself
    return reduced(excess.sum(dim) / classes, reduction)


@composite(r"\tfrac1N \sum_i \ln(1 + e^{-t_i x_i})")
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross entropy of two classes, 1 and -1, from scores.  input[...], target[...] -> scalar.  Raises ShapeError."""
    op = "soft_margin_loss"
    reduction = reduction_name(op, reduction, size_average, reduce)
    same_shape(op, input, target)
    floating(op, input)
    return reduced(log1p_exp(-(input * target)), reduction)


@composite(r"\tfrac1{NC} \sum_i \sum_{j \in T_i} \sum_{k \notin T_i} \max(0,\, 1 - x_{ij} + x_{ik})")
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Hinge of each right class against each wrong one.  input[N, C] or [C]; target int of the same shape: the right
    classes, then -1, then anything.

    Raises ShapeError where the shapes differ, IndexOutOfRange for a class that is not there, DTypeError.
    """
    op = "multilabel_margin_loss"
    reduction = reduction_name(op, reduction, size_average, reduce)
    is_tensor(op, input=input, target=target)
    floating(op, input)
    integer(op, "target", target)
    if tuple(input.shape) != tuple(target.shape) or input.ndim not in (1, 2):
        raise ShapeError(f"{op}: expected input[N, C] and target of its shape, got {show(input)} and {show(target)}")
    classes = input.shape[-1]
    values = known(target)
    if values is not None and values.size and not (values.min() >= -1 and values.max() < classes):
        raise IndexOutOfRange(f"{op}: target holds classes 0 to {classes - 1}, or -1 for the end; got {values.tolist()}")
    listed = (target < 0).long().cumsum(-1) == 0
    index = target.long().masked_fill(~listed, 0)
    right = (index.unsqueeze(-1) == arange(classes)) & listed.unsqueeze(-1)  # [N, place, class]
    wrong = ~right.any(-2)
    excess = (1.0 - input.gather(-1, index).unsqueeze(-1) + input.unsqueeze(-2)).relu()
    counted = excess.masked_fill(~(listed.unsqueeze(-1) & wrong.unsqueeze(-2)), 0.0)
    return reduced(counted.sum((-2, -1)) / classes, reduction)


@composite(r"-\tfrac1{NC} \sum_i \sum_j t_{ij} \ln \sigma(x_{ij}) + (1 - t_{ij}) \ln \sigma(-x_{ij})")
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross entropy of C yes-or-no questions, from scores, averaged over the last dimension.  input[..., C], target[..., C]
    in [0, 1]; weight[C].  Raises ShapeError.
    """
    op = "multilabel_soft_margin_loss"
    reduction = reduction_name(op, reduction, size_average, reduce)
    same_shape(op, input, target)
    floating(op, input)
    loss = target * log1p_exp(-input) + (1.0 - target) * log1p_exp(input)
    if weight is not None:
        loss = loss * weight
    return reduced(loss.mean(-1), reduction)
