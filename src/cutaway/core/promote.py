"""Inputs of an op: from what a user wrote to Tensors of one dtype. A conversion is a `cast` op, so gradients pass it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.aval import show
from cutaway.core.dtypes import (
    FLOATING,
    default_complex,
    from_numpy_dtype,
    get_default_dtype,
    is_narrow,
    result_np,
    wrapped,
)
from cutaway.core.errors import ArgumentTypeError, ComplexError, DTypeError
from cutaway.core.strict import refuse_or_warn

if TYPE_CHECKING:
    from cutaway.core.op import Op
    from cutaway.core.tensor import Tensor

INT64, BOOL, F32 = np.dtype(np.int64), np.dtype(bool), np.dtype(np.float32)
KEEPING = ("", "same")  # equal dtypes stay as they are, whatever they are
# Without "ordered" as their promotion: what NumPy would compute of complex numbers, and PyTorch refuses.
REAL_ONLY = frozenset("floor_divide remainder relu erf atan2 floor ceil trunc round logsumexp".split())
# The operators: x + array is a Tensor, as in PyTorch.
WITH_ARRAYS = frozenset(
    "add sub mul div floor_divide remainder pow eq ne lt le gt ge bitwise_and bitwise_or bitwise_xor".split()
)


def coerce(op: Op, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """The op's inputs as Tensors; numbers become constants.

    Raises ArgumentTypeError for what is no tensor, DTypeError where dtypes must be equal and are not.
    """
    promote = op.promote
    if len(inputs) == 2 and promote:  # the common cases, quickly
        a, b = inputs
        if isinstance(a, Tensor):
            d = a._data.dtype
            if isinstance(b, Tensor):
                if b._data.dtype is d and (d.kind in FLOATING or promote in KEEPING):
                    return inputs
            elif (type(b) is float or type(b) is int) and d.kind in FLOATING and promote != "equal":
                return a, Tensor._wrap(np.asarray(b, F32 if d.itemsize == 2 and op.scales else d))
    elif (
        len(inputs) == 1 and isinstance(inputs[0], Tensor) and (promote in KEEPING or inputs[0]._data.dtype.kind in FLOATING)
    ):
        return inputs
    if promote == "ordered":
        return _ordered(op.name, inputs)
    if not promote:
        for x in inputs:
            if not isinstance(x, Tensor):
                raise not_a_tensor(op.name, x)
        return inputs
    if promote == "branches":  # the condition keeps its own dtype
        condition = inputs[0] if isinstance(inputs[0], Tensor) else _constant(op.name, inputs[0], BOOL)
        if condition._data.dtype != BOOL:
            raise DTypeError(
                f"{op.name}: the condition must be bool, got {condition.dtype}; compare first, as in where(x > 0, ...)"
            )
        return condition, *_common(op.name, inputs[1:], "same")
    if promote == "equal":
        return _equal(op.name, inputs)
    return _common(op.name, inputs, promote, op.scales)


def _ordered(name: str, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    found: tuple[Tensor, ...]
    if len(inputs) == 1 and isinstance(inputs[0], Tensor):
        found = inputs
    elif len(inputs) == 2 and isinstance(inputs[0], Tensor) and isinstance(inputs[1], Tensor):
        a, b = inputs
        found = inputs if a._data.dtype is b._data.dtype else _common(name, inputs, "same")
    else:
        found = _common(name, inputs, "same")
    if found and found[0]._data.dtype.kind == "c":
        raise real_only(name, inputs)
    return found


def real_only(name: str, inputs: tuple[Any, ...]) -> ComplexError:
    """The error for complex numbers where only real ones have a meaning."""
    listed = " and ".join(show(x) for x in inputs)
    return ComplexError(f"{name}: not defined for complex numbers, got {listed}; take .abs(), .real or .imag first")


def _equal(name: str, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    if len(inputs) == 2 and isinstance(inputs[0], Tensor) and isinstance(inputs[1], Tensor):
        dtype = inputs[0]._data.dtype
        if dtype is inputs[1]._data.dtype and dtype is not BOOL:
            return inputs
    for x in inputs:
        if not isinstance(x, Tensor):
            raise not_a_tensor(name, x)
        if x._data.dtype != inputs[0]._data.dtype:
            listed = " and ".join(f"{t._data.dtype.name}{list(t._data.shape)}" for t in inputs)
            raise DTypeError(f"{name}: operands must have the same dtype, got {listed}; convert one with .to(dtype)")
    if inputs[0]._data.dtype == BOOL:
        listed = " and ".join(show(x) for x in inputs)
        raise DTypeError(f"{name}: not implemented for 'Bool', got {listed}; convert with .int() or .float()")
    return inputs


def _common(name: str, inputs: tuple[Any, ...], promote: str, scales: bool = False) -> tuple[Tensor, ...]:
    if not inputs:  # the shape rule says what is missing
        return ()
    if len(inputs) == 1 and not isinstance(inputs[0], Tensor):
        raise not_a_tensor(name, inputs[0])
    target = result_np(standing(name, x) for x in inputs)
    if target.kind == "c":
        if name in REAL_ONLY:
            raise real_only(name, inputs)
    elif promote == "float" and target.kind not in FLOATING:
        target = get_default_dtype().np
    if (target == BOOL and promote in ("number", "signed")) or (
        promote == "signed" and any(standing(name, x)[0] == BOOL for x in inputs)
    ):
        listed = " and ".join(show(x) for x in inputs)
        raise DTypeError(
            f"{name}: not defined for bools, got {listed}; convert with .int() or .float(), or use ~ ^ & | for masks"
        )
    out = []
    for i, x in enumerate(inputs):
        if scales and i and is_narrow(target) and standing(name, x)[1] < standing(name, inputs[0])[1]:
            target = F32
        if not isinstance(x, Tensor):
            out.append(_constant(name, x, target))
        elif x._data.dtype is target or x._data.dtype == target:
            out.append(x)
        else:
            out.append(cast(x, dtype=target))
    return tuple(out)


def standing(name: str, x: Any) -> tuple[np.dtype, int]:
    """(dtype, standing) of an operand, as `result_np` wants it."""
    if isinstance(x, Tensor):
        return x._data.dtype, 2 if x._data.ndim else 1
    if isinstance(x, np.ndarray) and name in WITH_ARRAYS and x.dtype.kind in "biufc":
        return from_numpy_dtype(x.dtype, name).np, 2
    if isinstance(x, (bool, np.bool_)):
        return BOOL, 0
    if isinstance(x, (int, np.integer)):
        return INT64, 0
    if isinstance(x, (float, np.floating)):
        return get_default_dtype().np, 0
    if isinstance(x, (complex, np.complexfloating)):
        return default_complex().np, 0
    raise not_a_tensor(name, x)


def _constant(name: str, x: Any, dtype: np.dtype) -> Tensor:
    if isinstance(x, np.ndarray):
        return Tensor._wrap(x.astype(dtype, copy=False))
    if not isinstance(x, (bool, int, float, complex, np.number, np.bool_)):
        raise not_a_tensor(name, x)
    try:
        return Tensor._wrap(np.asarray(x, dtype))
    except OverflowError:
        assert isinstance(x, int)
        error = DTypeError(f"{name}: the number {x} does not fit {dtype.name}; convert the tensor to a wider dtype")
    if name not in WITH_ARRAYS or not -(2**63) <= x < 2**64:
        raise error
    refuse_or_warn(error, "it is taken modulo the dtype's range")
    return Tensor._wrap(np.asarray(wrapped(x, dtype), dtype))


def not_a_tensor(name: str, x: Any) -> ArgumentTypeError:
    """The error for an input that is neither a Tensor nor a number."""
    kind = type(x).__name__
    fix = (
        "wrap it with cutaway.tensor(...)" if isinstance(x, (list, tuple, np.ndarray)) else "pass a Tensor or a number"
    )
    return ArgumentTypeError(f"{name}: expected a Tensor, got {kind}; {fix}")


# Last, since the table of ops and the Tensor class need this module's names.
from cutaway.core.ops.elementwise import cast
from cutaway.core.tensor import Tensor
