"""`torch.utils.dlpack`."""

from cutaway.core.topics.memory import from_dlpack, to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
