"""The divergence KL(p || q) of two distributions of different kinds, in closed form (nats).

A row of a table is a pair and its formula; where p has values that q cannot have, it is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cutaway.core.derived import where
from cutaway.core.tensor import Tensor
from cutaway.distributions.bernoulli import Bernoulli
from cutaway.distributions.continuous_bernoulli import ContinuousBernoulli
from cutaway.distributions.counts import Binomial, Poisson
from cutaway.distributions.dirichlet import Beta
from cutaway.distributions.divergence import register_kl
from cutaway.distributions.exponential import Exponential, Laplace
from cutaway.distributions.gamma import Gamma, x_log_y
from cutaway.distributions.normal import Normal
from cutaway.distributions.pareto import Pareto
from cutaway.distributions.transformed import EULER, Gumbel
from cutaway.distributions.uniform import Uniform

Rule = Callable[[Any, Any], Tensor]
HALF_LINES = (Exponential, Gamma)
# q lives on less than p does
NARROWER: dict[type, tuple[type, ...]] = {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Pareto, Uniform, *HALF_LINES),
    Laplace: (Beta, ContinuousBernoulli, Pareto, Uniform, *HALF_LINES),
    Normal: (Beta, ContinuousBernoulli, Pareto, Uniform, *HALF_LINES),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}


def _infinite(p: Any, q: Any) -> Tensor:
    name = next(name for name in (*p.arg_constraints, "probs") if name != "logits")
    return (getattr(p, name) * 0).detach() + math.inf


for _p, _narrow in NARROWER.items():
    for _q in _narrow:
        register_kl(_p, _q)(_infinite)


def _unless(outside: Tensor, value: Tensor) -> Tensor:
    """Infinite where p reaches outside of q."""
    return where(outside, math.inf, value)


def _mean_log(p: Uniform) -> Tensor:
    """E[log x] of a uniform x."""
    width = p.high - p.low
    return (x_log_y(p.high, p.high) - x_log_y(p.low, p.low) - width) / width


def _gaussian(mean: Tensor, variance: Tensor, q: Normal) -> Tensor:
    """-E[log q(x)] of a normal q, x of this mean and variance."""
    return 0.5 * math.log(2 * math.pi) + q.scale.log() + 0.5 * (variance + (mean - q.loc).pow(2)) / q.scale.pow(2)


def _gammas(q: Gamma, mean: Tensor, mean_log: Tensor) -> Tensor:
    """-E[log q(x)] of a gamma q."""
    c = q.concentration
    return c.lgamma() - c * q.rate.log() + (1 - c) * mean_log + q.rate * mean


def _pareto_exponential(p: Pareto, q: Exponential) -> Tensor:
    a, product = p.alpha, p.scale * q.rate
    return _unless(a <= 1, (a / product).log() - a.reciprocal() + a * product / (a - 1) - 1)


def _pareto_gamma(p: Pareto, q: Gamma) -> Tensor:
    a, mean_log = p.alpha, p.scale.log() + p.alpha.reciprocal()
    return _unless(a <= 1, a.log() - mean_log + _gammas(q, a * p.scale / (a - 1), mean_log) - 1)


def _pareto_normal(p: Pareto, q: Normal) -> Tensor:
    a, part = p.alpha, p.scale / (p.alpha - 1)
    norm = (math.sqrt(2 * math.pi) * q.scale * a / p.scale).log() - a.reciprocal() - 1
    square = a * part.pow(2) / (a - 2) + (a * part - q.loc).pow(2)
    return _unless(a <= 2, norm + square / (2 * q.scale.pow(2)))


def _uniform_beta(p: Uniform, q: Beta) -> Tensor:
    a, b = q.concentration1, q.concentration0
    rest = Uniform(1 - p.high, 1 - p.low, validate_args=False)
    norm = a.lgamma() + b.lgamma() - (a + b).lgamma()
    value = norm - (p.high - p.low).log() - (a - 1) * _mean_log(p) - (b - 1) * _mean_log(rest)
    return _unless((p.high > 1) | (p.low < 0), value)


def _gamma_gumbel(p: Gamma, q: Gumbel) -> Tensor:
    c, product, ratio = p.concentration, p.rate * q.scale, q.loc / q.scale
    own = (c - 1) * c.digamma() - c.lgamma() - c
    return own + product.log() + c / product + ratio.exp() * (1 + product.reciprocal()).pow(-c) - ratio


def _exponential_gumbel(p: Exponential, q: Gumbel) -> Tensor:
    product, ratio = p.rate * q.scale, q.loc / q.scale
    return product.log() - 1 - ratio + ratio.exp() * product / (product + 1) + product.reciprocal()


def _normal_laplace(p: Normal, q: Laplace) -> Tensor:
    d = p.loc - q.loc
    z = d / p.scale
    distance = math.sqrt(2 / math.pi) * p.scale * (-0.5 * z.pow(2)).exp() + d * (math.sqrt(0.5) * z).erf()
    return distance / q.scale - (p.scale / q.scale).log() - 0.5 * (1 + math.log(0.5 * math.pi))


def _normal_gumbel(p: Normal, q: Gumbel) -> Tensor:
    square, shift = (p.scale / q.scale).pow(2), (p.loc - q.loc) / q.scale
    return shift + (0.5 * square - shift).exp() - 0.5 * square.log() - 0.5 * (1 + math.log(2 * math.pi))


def _uniform_gumbel(p: Uniform, q: Gumbel) -> Tensor:
    part, high, low = q.scale / (p.high - p.low), (p.high - q.loc) / q.scale, (p.low - q.loc) / q.scale
    return part.log() + 0.5 * (high + low) - part * ((-high).exp() - (-low).exp())


def _continuous(p: Any, q: ContinuousBernoulli) -> Tensor:
    """-E[log q(x)] - entropy, for an x from 0 to 1."""
    return -p.entropy() - p.mean * q.logits - (-q.probs).log1p() - q._log_norm()


RULES: dict[tuple[type, type], Rule] = {
    (Bernoulli, Poisson): lambda p, q: q.rate - p.probs * q.rate.log() - p.entropy(),
    (Beta, ContinuousBernoulli): _continuous,
    (Beta, Exponential): lambda p, q: q.rate * p.mean - q.rate.log() - p.entropy(),
    (Beta, Gamma): lambda p, q: _gammas(
        q, p.mean, p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    )
    - p.entropy(),
    (Beta, Normal): lambda p, q: _gaussian(p.mean, p.variance, q) - p.entropy(),
    (Beta, Uniform): lambda p, q: _unless((q.low > 0) | (q.high < 1), (q.high - q.low).log() - p.entropy()),
    (ContinuousBernoulli, Exponential): lambda p, q: q.rate * p.mean - q.rate.log() - p.entropy(),
    (ContinuousBernoulli, Normal): lambda p, q: _gaussian(p.mean, p.variance, q) - p.entropy(),
    # PyTorch's condition, which makes it infinite for a q that holds all of 0 .. 1 from exactly 0 or to exactly 1
    (ContinuousBernoulli, Uniform): lambda p, q: _unless(
        (q.low >= 0) | (q.high <= 1), (q.high - q.low).log() - p.entropy()
    ),
    (Exponential, Gamma): lambda p, q: (
        q.rate / p.rate
        - q.concentration * (q.rate / p.rate).log()
        + q.concentration.lgamma()
        + q.concentration * EULER
        - (1 + EULER)
    ),
    (Exponential, Gumbel): _exponential_gumbel,
    (Exponential, Normal): lambda p, q: _gaussian(p.mean, p.variance, q) - p.entropy(),
    (Gamma, Exponential): lambda p, q: q.rate * p.mean - q.rate.log() - p.entropy(),
    (Gamma, Gumbel): _gamma_gumbel,
    (Gamma, Normal): lambda p, q: _gaussian(p.mean, p.variance, q) - p.entropy(),
    (Gumbel, Normal): lambda p, q: _gaussian(p.mean, p.variance, q) - p.entropy(),
    (Laplace, Normal): lambda p, q: _gaussian(p.mean, p.variance, q) - p.entropy(),
    (Normal, Gumbel): _normal_gumbel,
    (Normal, Laplace): _normal_laplace,
    (Pareto, Exponential): _pareto_exponential,
    (Pareto, Gamma): _pareto_gamma,
    (Pareto, Normal): _pareto_normal,
    (Uniform, Beta): _uniform_beta,
    (Uniform, ContinuousBernoulli): lambda p, q: _unless((p.high >= 1) | (p.low <= 0), _continuous(p, q)),
    (Uniform, Exponential): lambda p, q: _unless(
        p.low < 0, q.rate * (p.high + p.low) / 2 - ((p.high - p.low) * q.rate).log()
    ),
    (Uniform, Gamma): lambda p, q: _unless(p.low < 0, _gammas(q, p.mean, _mean_log(p)) - p.entropy()),
    (Uniform, Gumbel): _uniform_gumbel,
    (Uniform, Normal): lambda p, q: _gaussian(p.mean, p.variance, q) - p.entropy(),
    (Uniform, Pareto): lambda p, q: _unless(
        p.low < q.scale, (q.alpha + 1) * _mean_log(p) - (q.alpha * q.scale.pow(q.alpha) * (p.high - p.low)).log()
    ),
}
for _pair, _rule in RULES.items():
    register_kl(*_pair)(_rule)
