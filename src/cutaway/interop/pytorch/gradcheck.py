"""`torch.autograd.gradcheck`: a module to import from, and a function as an attribute of its package; here it is both."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from cutaway.core.errors import GradcheckError as GradcheckError
from cutaway.gradcheck import gradcheck as gradcheck
from cutaway.gradcheck import gradgradcheck as gradgradcheck


class Checker(ModuleType):
    """A module that can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        """What gradcheck says."""
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = Checker
