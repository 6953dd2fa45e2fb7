"""The logarithms of densities that programs ask for at every step, as composites: one native program in the place of ops."""

from __future__ import annotations

import math

from cutaway.core.op import composite
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import EPSILON

LARGEST = {"float16": 65504.0, "float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}


@composite(r"\frac{p}{\sum p}")
def normalized(weights: Tensor) -> Tensor:
    """weights[.., K] with a sum of 1 along the last dimension."""
    return weights / weights.sum(-1, keepdim=True)


def class_logits(probs: Tensor) -> Tensor:
    """log p[.., K], finite for a probability of 0."""
    tiny = EPSILON[probs.dtype.name]
    return probs.clamp(tiny, 1 - tiny).log()


def chosen(rows: Tensor, x: Tensor) -> Tensor:
    """Of rows[.., K] the column x[..]."""
    return rows.gather(-1, x.unsqueeze(-1)).squeeze(-1)


@composite(r"\log p_x")
def class_log_prob(probs: Tensor, x: Tensor) -> Tensor:
    """log p of the class x[..], of probs[.., K]; x was checked."""
    return chosen(class_logits(probs), x)


@composite(r"-\sum p \log p")
def class_entropy(probs: Tensor, logits: Tensor) -> Tensor:
    """-sum p log p of [.., K]; a class of probability 0 adds nothing."""
    return -(logits.clamp(min=-LARGEST[logits.dtype.name]) * probs).sum(-1)


@composite(r"-\frac{(x-\mu)^2}{2\sigma^2} - \log \sigma - \log \sqrt{2\pi}")
def normal_log_prob(x: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """The log density of the normal distribution at x."""
    return -((x - loc) ** 2) / (2 * scale.pow(2)) - scale.log() - math.log(math.sqrt(2 * math.pi))
