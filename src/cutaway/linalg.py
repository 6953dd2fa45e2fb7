"""`cutaway.linalg`: linear algebra under PyTorch's names, with gradients; see core/topics/linear.py."""

from cutaway.core.absent import absent
from cutaway.core.refusal import function
from cutaway.core.topics import linear

__all__ = [
    "cholesky", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "lstsq", "matrix_norm", "matrix_power",
    "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "vecdot", "vector_norm",
]  # fmt: skip

globals().update({name: function(getattr(linear, name)) for name in __all__})


def __getattr__(name: str) -> object:
    raise absent("cutaway.linalg", name, __all__)
