"""PyTorch's name for `cutaway.functional`."""

from cutaway.functional import *  # noqa: F403
from cutaway.functional import __getattr__ as __getattr__
from cutaway.functional.in_place import *  # noqa: F403
from cutaway.functional.with_indices import *  # noqa: F403
