"""PyTorch's name for `cutaway.functional`."""

from cutaway.functional import *  # noqa: F403
