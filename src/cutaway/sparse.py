"""`cutaway.sparse`: products, sums and softmax of sparse tensors under PyTorch's names; see core/sparse."""

from typing import Any

from cutaway.core import dtypes
from cutaway.core.absent import absent
from cutaway.core.sparse.functions import SparseType, addmm, log_softmax, mm, sampled_addmm, softmax, spdiags, sum
from cutaway.core.sparse.invariants import check_sparse_tensor_invariants

__all__ = ["addmm", "check_sparse_tensor_invariants", "log_softmax", "mm", "sampled_addmm", "softmax", "spdiags", "sum"]

for _dtype in [d for d in dtypes.ALL if not d.is_complex and d is not dtypes.bool_]:
    _name = f"{dtypes.type_name(_dtype)}Tensor"
    _text = f"Sparse tensors of {_dtype.name}: `{_name}(indices, values, size)`; isinstance looks at the dtype."
    globals()[_name] = SparseType(_name, (), {"dtype": _dtype, "__doc__": _text, "__module__": "cutaway.sparse"})
    __all__ += [_name]


def __getattr__(name: str) -> Any:
    raise absent("cutaway.sparse", name, __all__)
