"""The machine: tensors, ops and automatic differentiation, on NumPy and nothing else."""

import os

# OpenBLAS's threads spin for some 20 ms after each product, on the cores that the engine's threads are about to need; so
# told, they block at once. It is read when NumPy is loaded: a program that imports NumPy first keeps OpenBLAS's own way.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

# The order matters: Tensor first, then the interpreter that computes with it.
from cutaway.core import tensor as tensor  # isort: skip
from cutaway.core import eager as eager  # isort: skip
