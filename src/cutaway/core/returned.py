"""What functions with several results return: named tuples that print as PyTorch's `torch.return_types.max` do."""

from __future__ import annotations

from typing import Any, NamedTuple

from cutaway.core.absent import absent
from cutaway.core.package import package


class ValuesIndices(NamedTuple):
    """What max, min, sort, topk and median along a dimension return."""

    values: Any
    indices: Any


class MinMax(NamedTuple):
    """What aminmax returns."""

    min: Any
    max: Any


class SVDOld(NamedTuple):
    """What svd of `torch` returns: V, where that of linalg has Vh."""

    U: Any
    S: Any
    V: Any


class SVD(NamedTuple):
    """What svd returns."""

    U: Any
    S: Any
    Vh: Any


class SlogDet(NamedTuple):
    """What slogdet returns."""

    sign: Any
    logabsdet: Any


class ResultInfo(NamedTuple):
    """What solve_ex returns."""

    result: Any
    info: Any


class Reflections(NamedTuple):
    """What geqrf returns."""

    a: Any
    tau: Any


class Histogram(NamedTuple):
    """What histogram returns."""

    hist: Any
    bin_edges: Any


class QR(NamedTuple):
    """What qr returns."""

    Q: Any
    R: Any


class Eigh(NamedTuple):
    """What eigh and eig return."""

    eigenvalues: Any
    eigenvectors: Any


class LU(NamedTuple):
    """What lu returns."""

    P: Any
    L: Any
    U: Any


class LUFactor(NamedTuple):
    """What lu_factor returns."""

    LU: Any
    pivots: Any


class LUFactorEx(NamedTuple):
    """What lu_factor_ex returns."""

    LU: Any
    pivots: Any
    info: Any


class CholeskyEx(NamedTuple):
    """What cholesky_ex returns."""

    L: Any
    info: Any


class InvEx(NamedTuple):
    """What inv_ex returns."""

    inverse: Any
    info: Any


class Frexp(NamedTuple):
    """What frexp returns."""

    mantissa: Any
    exponent: Any


class LstSq(NamedTuple):
    """What lstsq returns."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


class _Printed:
    """A field a line, under the name of the function."""

    __slots__ = ()

    def __repr__(self: Any) -> str:
        fields = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"{package()}.return_types.{type(self).__name__}(\n{fields})"


PAIRS = "cummax cummin kthvalue max median min mode nanmedian sort topk".split()
OTHERS: dict[str, Any] = {
    "aminmax": MinMax, "linalg_eig": Eigh, "linalg_eigh": Eigh, "linalg_lstsq": LstSq, "linalg_lu": LU, "linalg_qr": QR,
    "frexp": Frexp, "linalg_cholesky_ex": CholeskyEx, "linalg_inv_ex": InvEx, "linalg_lu_factor": LUFactor, "lu_unpack": LU,
    "linalg_slogdet": SlogDet, "linalg_svd": SVD, "qr": QR, "slogdet": SlogDet, "svd": SVDOld,
    "linalg_lu_factor_ex": LUFactorEx,
    "geqrf": Reflections, "histogram": Histogram, "histogramdd": Histogram, "linalg_solve_ex": ResultInfo,
}  # fmt: skip
TYPES: dict[str, Any] = {
    name: type(name, (_Printed, base), {"__slots__": (), "__module__": __name__, "__doc__": base.__doc__})
    for name, base in [*((name, ValuesIndices) for name in PAIRS), *OTHERS.items()]
}


def __getattr__(name: str) -> Any:
    if name in TYPES:
        return TYPES[name]
    raise absent("cutaway.return_types", name, [*TYPES])
