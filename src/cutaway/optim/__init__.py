"""Optimisers: how a parameter follows its gradient. One rule a file, each a pure function; PyTorch's names.

The book's chapter 6 compares SGD, `Momentum`, Adagrad and Adam; `Nesterov` and RMSprop are in its repository.
Learning rates that change with time are in `cutaway.optim.lr_scheduler`.
"""

from cutaway.optim import lr_scheduler, swa_utils
from cutaway.optim.adadelta import Adadelta
from cutaway.optim.adafactor import Adafactor
from cutaway.optim.adagrad import Adagrad
from cutaway.optim.adam import Adam, AdamW
from cutaway.optim.adamax import Adamax
from cutaway.optim.asgd import ASGD
from cutaway.optim.lbfgs import LBFGS
from cutaway.optim.muon import Muon
from cutaway.optim.nadam import NAdam
from cutaway.optim.optimizer import Optimizer
from cutaway.optim.radam import RAdam
from cutaway.optim.rmsprop import RMSprop
from cutaway.optim.rprop import Rprop
from cutaway.optim.sgd import SGD, Momentum, Nesterov
from cutaway.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Momentum", "Muon", "NAdam",
    "Nesterov", "Optimizer", "RAdam", "RMSprop", "Rprop", "SparseAdam", "lr_scheduler", "swa_utils",
]  # fmt: skip


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.optim", name, __all__)
