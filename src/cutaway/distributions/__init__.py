"""Probability distributions under PyTorch's names: what is drawn, how likely a value is, how far two are apart.

Arguments and values are checked unless `validate_args=False`, or inside a compiled function, which has no values yet.
"""

from cutaway.core.absent import absent
from cutaway.distributions import constraints, transforms
from cutaway.distributions.bernoulli import Bernoulli
from cutaway.distributions.categorical import Categorical
from cutaway.distributions.counts import Binomial, NegativeBinomial, Poisson
from cutaway.distributions.dirichlet import Beta, Dirichlet
from cutaway.distributions.distribution import Distribution
from cutaway.distributions.divergence import kl_divergence, register_kl
from cutaway.distributions.exponential import Exponential, Laplace
from cutaway.distributions.gamma import Gamma
from cutaway.distributions.geometric import Geometric
from cutaway.distributions.independent import Independent
from cutaway.distributions.mixture import MixtureSameFamily
from cutaway.distributions.multivariate_normal import MultivariateNormal
from cutaway.distributions.normal import Normal
from cutaway.distributions.one_hot import OneHotCategorical
from cutaway.distributions.relaxed import RelaxedBernoulli, RelaxedOneHotCategorical
from cutaway.distributions.tails import Cauchy, Chi2, HalfNormal, StudentT
from cutaway.distributions.transformed import Gumbel, LogNormal, TransformedDistribution
from cutaway.distributions.transforms import (
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    SigmoidTransform,
    TanhTransform,
    Transform,
)
from cutaway.distributions.uniform import Uniform

__all__ = [
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "Independent",
    "Laplace",
    "LogNormal",
    "MixtureSameFamily",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "Poisson",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "SigmoidTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "constraints",
    "kl_divergence",
    "register_kl",
    "transforms",
]  # fmt: skip


def __getattr__(name: str) -> object:
    raise absent("cutaway.distributions", name, __all__)
