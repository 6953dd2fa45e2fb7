"""`cutaway.linalg`: linear algebra under PyTorch's names, with gradients; see core/topics/linear.py."""

from cutaway.core.absent import absent
from cutaway.core.errors import LinAlgError
from cutaway.core.topics.factors import lu, matrix_exp, solve_triangular
from cutaway.core.topics.linear import (
    cholesky,
    cond,
    cross,
    det,
    diagonal,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    inv,
    lstsq,
    matrix_norm,
    matrix_power,
    matrix_rank,
    multi_dot,
    norm,
    pinv,
    qr,
    slogdet,
    solve,
    svd,
    svdvals,
    vecdot,
    vector_norm,
)  # fmt: skip
from cutaway.core.topics.packed import (
    cholesky_ex,
    inv_ex,
    lu_factor,
    lu_factor_ex,
    lu_solve,
    tensorinv,
    tensorsolve,
    vander,
)
from cutaway.core.topics.reflections import householder_product, matmul, solve_ex

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul",
    "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve",
    "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip


def __getattr__(name: str) -> object:
    raise absent("cutaway.linalg", name, __all__)
