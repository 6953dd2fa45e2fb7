"""Probability distributions under PyTorch's names: what is drawn, how likely a value is, how far two are apart.

Arguments and values are checked unless `validate_args=False`, or inside a compiled function, which has no values yet.
"""

from cutaway.core.absent import absent
from cutaway.distributions import constraints, transforms, utils
from cutaway.distributions import cross_divergence as cross_divergence  # registers what it defines
from cutaway.distributions.bernoulli import Bernoulli
from cutaway.distributions.categorical import Categorical
from cutaway.distributions.constraint_registry import biject_to, transform_to
from cutaway.distributions.continuous_bernoulli import ContinuousBernoulli
from cutaway.distributions.counts import Binomial, NegativeBinomial, Poisson
from cutaway.distributions.dirichlet import Beta, Dirichlet
from cutaway.distributions.distribution import Distribution
from cutaway.distributions.divergence import kl_divergence, register_kl
from cutaway.distributions.exponential import Exponential, Laplace
from cutaway.distributions.exponential_family import ExponentialFamily
from cutaway.distributions.gamma import Gamma
from cutaway.distributions.geometric import Geometric
from cutaway.distributions.halves import HalfCauchy, HalfNormal
from cutaway.distributions.independent import Independent
from cutaway.distributions.lkj import LKJCholesky
from cutaway.distributions.logistic_normal import LogisticNormal
from cutaway.distributions.low_rank import LowRankMultivariateNormal
from cutaway.distributions.mixture import MixtureSameFamily
from cutaway.distributions.multinomial import Multinomial
from cutaway.distributions.multivariate_normal import MultivariateNormal
from cutaway.distributions.normal import Normal
from cutaway.distributions.one_hot import OneHotCategorical, OneHotCategoricalStraightThrough
from cutaway.distributions.pareto import GeneralizedPareto, Pareto
from cutaway.distributions.powers import InverseGamma, Kumaraswamy, Weibull
from cutaway.distributions.relaxed import RelaxedBernoulli, RelaxedOneHotCategorical
from cutaway.distributions.tails import Cauchy, Chi2, FisherSnedecor, StudentT
from cutaway.distributions.transformed import Gumbel, LogNormal, TransformedDistribution
from cutaway.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from cutaway.distributions.uniform import Uniform
from cutaway.distributions.von_mises import VonMises
from cutaway.distributions.wishart import Wishart

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "ContinuousBernoulli",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowRankMultivariateNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "constraints",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transform_to",
    "transforms",
    "utils",
]  # fmt: skip


def __getattr__(name: str) -> object:
    raise absent("cutaway.distributions", name, __all__)
