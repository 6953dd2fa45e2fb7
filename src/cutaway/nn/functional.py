"""PyTorch's name for `cutaway.functional`."""

from cutaway.functional import *  # noqa: F403
from cutaway.functional import __getattr__ as __getattr__
