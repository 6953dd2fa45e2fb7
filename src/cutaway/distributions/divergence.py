"""The Kullback-Leibler divergence KL(p || q) = E_p[log p - log q], in closed form (nats)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cutaway.core.autograd import grad
from cutaway.core.derived import where
from cutaway.core.errors import ArgumentError, NotWritten
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import Bernoulli
from cutaway.distributions.categorical import Categorical
from cutaway.distributions.continuous_bernoulli import ContinuousBernoulli
from cutaway.distributions.counts import Binomial, Poisson
from cutaway.distributions.dirichlet import Beta, Dirichlet
from cutaway.distributions.distribution import Distribution
from cutaway.distributions.exponential import Exponential, Laplace
from cutaway.distributions.exponential_family import ExponentialFamily
from cutaway.distributions.gamma import Gamma
from cutaway.distributions.geometric import Geometric
from cutaway.distributions.independent import Independent, sum_last
from cutaway.distributions.low_rank import LowRankMultivariateNormal
from cutaway.distributions.multivariate_normal import MultivariateNormal, log_det, solve_lower
from cutaway.distributions.normal import Normal
from cutaway.distributions.one_hot import OneHotCategorical
from cutaway.distributions.pareto import Pareto
from cutaway.distributions.tails import Cauchy
from cutaway.distributions.transformed import EULER, Gumbel, TransformedDistribution
from cutaway.distributions.uniform import Uniform
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
    raise NotWritten(_no_rule(p, q))


def _no_rule(p: Distribution, q: Distribution) -> str:
    return (
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


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotWritten("kl_divergence: both Independent must take as many dimensions together")
    return sum_last(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    inside = (q.low <= p.low) & (q.high >= p.high)
    return where(inside, ((q.high - q.low) / (p.high - p.low)).log(), math.inf)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * (-distance / p.scale).exp() - 1


def _as_long(p: Any, q: Any) -> int:
    """The length of both's vectors.  Raises ArgumentError where it differs."""
    if tuple(p.event_shape) != tuple(q.event_shape):
        raise ArgumentError(
            f"kl_divergence: vectors of {list(p.event_shape)} and of {list(q.event_shape)} cannot be compared"
        )
    return p.event_shape[0]  # type: ignore[no-any-return]


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    n = _as_long(p, q)
    spread = solve_lower(q._factor, p._factor).pow(2).sum((-2, -1))
    z = solve_lower(q._factor, (q.loc - p.loc).unsqueeze(-1)).squeeze(-1)
    return log_det(q._factor) - log_det(p._factor) + 0.5 * (spread + z.pow(2).sum(-1) - n)


def _squares(x: Tensor) -> Tensor:
    """The trace of x x'."""
    return x.pow(2).sum((-2, -1))


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _low_ranks(p: LowRankMultivariateNormal, q: LowRankMultivariateNormal) -> Tensor:
    n, a = _as_long(p, q), q.whitened()
    spread = (p._d / q._d).sum(-1) + _squares(p._w * q._d.rsqrt().unsqueeze(-1))
    spread = spread - _squares(a * p._d.sqrt().unsqueeze(-2)) - _squares(a @ p._w)
    return 0.5 * (q.log_det() - p.log_det() + spread + q.distance(q.loc - p.loc) - n)


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _full_low_rank(p: MultivariateNormal, q: LowRankMultivariateNormal) -> Tensor:
    n, factor = _as_long(p, q), p._factor
    spread = _squares(factor * q._d.rsqrt().unsqueeze(-1)) - _squares(q.whitened() @ factor)
    return 0.5 * (q.log_det() - 2 * log_det(factor) + spread + q.distance(q.loc - p.loc) - n)


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _low_rank_full(p: LowRankMultivariateNormal, q: MultivariateNormal) -> Tensor:
    n, factor = _as_long(p, q), q._factor
    spread = _squares(solve_lower(factor, p._w)) + _squares(solve_lower(factor, p._d.sqrt().diag_embed()))
    z = solve_lower(factor, (q.loc - p.loc).unsqueeze(-1)).squeeze(-1)
    return 0.5 * (2 * log_det(factor) - p.log_det() + spread + z.pow(2).sum(-1) - n)


@register_kl(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    if p.transforms != q.transforms or tuple(p.event_shape) != tuple(q.event_shape):
        raise NotWritten("kl_divergence: both must be transformed in the same way")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio, shift = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return ratio * EULER - ratio.log() - shift + (shift + (1 + ratio).lgamma()).exp() - (1 + EULER)


@register_kl(Pareto, Pareto)
def _pareto(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    value = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return where(p.scale < q.scale, math.inf, value)


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    n = p.total_count
    value = n * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return where(n > q.total_count, math.inf, value)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    norms = p._log_norm() + (-p.probs).log1p() - q._log_norm() - (-q.probs).log1p()
    return p.mean * (p.logits - q.logits) + norms


@register_kl(ExponentialFamily, ExponentialFamily)
def _families(p: ExponentialFamily, q: ExponentialFamily) -> Tensor:
    if type(p) is not type(q):
        raise NotWritten(_no_rule(p, q))
    mine = [x.detach().requires_grad_() for x in p._natural_params]
    theirs = q._natural_params
    norm = p._log_normalizer(*mine)
    result = q._log_normalizer(*theirs) - norm
    for x, y, g in zip(mine, theirs, grad(norm.sum(), mine, create_graph=True), strict=True):
        term = (y - x) * g
        result = result - sum_last(term, term.ndim - len(p.batch_shape))
    return result


@register_kl(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    return b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma() + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    s = a.sum(-1)
    spread = s.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return spread + ((a - b) * (a.digamma() - s.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    return _dirichlet(p._dirichlet, q._dirichlet)
