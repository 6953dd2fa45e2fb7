"""PyTorch's module path `utils.hooks`; holds no code of its own."""

from cutaway.core.handle import RemovableHandle

__all__ = ["RemovableHandle"]
