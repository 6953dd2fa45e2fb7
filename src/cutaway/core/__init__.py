"""The machine: tensors, ops and automatic differentiation, on NumPy and nothing else."""

# The order matters: Tensor first, then the interpreter that computes with it.
from cutaway.core import tensor as tensor  # isort: skip
from cutaway.core import eager as eager  # isort: skip
