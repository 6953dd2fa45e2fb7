"""PyTorch's module path `utils.data.distributed`; holds no code of its own."""

from cutaway.data.distributed import DistributedSampler

__all__ = ["DistributedSampler"]
