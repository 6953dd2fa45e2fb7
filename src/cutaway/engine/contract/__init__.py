"""One generator of contractions: matrix products, batched ones, and convolution in all its directions."""

from cutaway.engine.contract.emit import emit, scratch_bytes
from cutaway.engine.contract.kernel import Place
from cutaway.engine.contract.maps import Convolution, matmul, split
from cutaway.engine.contract.problem import Clip, Operand, Problem
from cutaway.engine.contract.schedule import Schedule, plan

__all__ = [
    "Clip",
    "Convolution",
    "Operand",
    "Place",
    "Problem",
    "Schedule",
    "emit",
    "matmul",
    "plan",
    "scratch_bytes",
    "split",
]
