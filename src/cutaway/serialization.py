"""PyTorch's module path `serialization`; holds no code of its own."""

from cutaway.interop.checkpoint import load, save
from cutaway.interop.checkpoint.known import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save"]
