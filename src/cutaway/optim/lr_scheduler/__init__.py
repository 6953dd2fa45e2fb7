"""Learning rates that change with time: `schedule.step()` after each epoch, or each step, of training."""

from cutaway.optim.lr_scheduler.annealing import CosineAnnealingLR, CosineAnnealingWarmRestarts
from cutaway.optim.lr_scheduler.combined import ChainedScheduler, SequentialLR
from cutaway.optim.lr_scheduler.cyclic import CyclicLR
from cutaway.optim.lr_scheduler.free import LambdaLR, MultiplicativeLR
from cutaway.optim.lr_scheduler.one_cycle import OneCycleLR
from cutaway.optim.lr_scheduler.plateau import ReduceLROnPlateau
from cutaway.optim.lr_scheduler.ramp import ConstantLR, LinearLR, PolynomialLR
from cutaway.optim.lr_scheduler.schedule import LRScheduler
from cutaway.optim.lr_scheduler.stairs import ExponentialLR, MultiStepLR, StepLR

_LRScheduler = LRScheduler  # the name that older programs derive from

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.optim.lr_scheduler", name, __all__)
