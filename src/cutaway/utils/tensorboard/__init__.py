"""PyTorch's `torch.utils.tensorboard`: logs that TensorBoard shows, written by tensorboardX."""

from cutaway.utils.tensorboard.writer import SummaryWriter

__all__ = ["SummaryWriter"]
