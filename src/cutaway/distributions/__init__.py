"""Probability distributions under PyTorch's names: what is drawn, how likely a value is, how far two are apart.

Arguments and values are checked unless `validate_args=False`, or inside a compiled function, which has no values yet.
"""

from cutaway.core.absent import absent
from cutaway.distributions.bernoulli import Bernoulli
from cutaway.distributions.categorical import Categorical
from cutaway.distributions.distribution import Distribution
from cutaway.distributions.divergence import kl_divergence, register_kl
from cutaway.distributions.normal import Normal

__all__ = ["Bernoulli", "Categorical", "Distribution", "Normal", "kl_divergence", "register_kl"]


def __getattr__(name: str) -> object:
    raise absent("cutaway.distributions", name, __all__)
