"""`torch.utils.hooks`: what registering a hook gives."""

from cutaway.nn.hooks import RemovableHandle

__all__ = ["RemovableHandle"]
