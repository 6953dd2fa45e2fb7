"""`torch.utils.data._utils`, which programs name for its `collate`."""

from cutaway.data import collate

__all__ = ["collate"]
