"""The Kullback-Leibler divergence KL(p || q) = E_p[log p - log q], in closed form (nats)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cutaway.core.derived import where
from cutaway.core.errors import NotWritten
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import Bernoulli
from cutaway.distributions.categorical import Categorical
from cutaway.distributions.distribution import Distribution
from cutaway.distributions.normal import Normal
from cutaway.functional import softplus

_rules: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Callable[[Any, Any], Tensor]], Callable[[Any, Any], Tensor]]:
    """A decorator: the function computes the divergence of two such distributions, and of their subclasses."""

    def register(rule: Callable[[Any, Any], Tensor]) -> Callable[[Any, Any], Tensor]:
        _rules[type_p, type_q] = rule
        return rule

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q) of each pair of the batch.  Raises NotWritten for kinds without a rule (see `register_kl`)."""
    for a in type(p).__mro__:
        for b in type(q).__mro__:
            rule = _rules.get((a, b))
            if rule is not None:
                return rule(p, q)
    raise NotWritten(
        f"kl_divergence: no rule for {type(p).__name__} and {type(q).__name__}; write one under @register_kl, or average "
        "p.log_prob(x) - q.log_prob(x) over draws x of p"
    )


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    distance = ((p.loc - q.loc) / q.scale) ** 2
    return 0.5 * (ratio + distance - 1 - ratio.log())


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    one = where(q.probs == 0, math.inf, one)
    one = where(p.probs == 0, 0.0, one)
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    zero = where(q.probs == 1, math.inf, zero)
    zero = where(p.probs == 1, 0.0, zero)
    return one + zero


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    each = p.probs * (p.logits - q.logits)
    each = where((q.probs == 0).expand(each.shape), math.inf, each)
    each = where((p.probs == 0).expand(each.shape), 0.0, each)
    return each.sum(-1)
