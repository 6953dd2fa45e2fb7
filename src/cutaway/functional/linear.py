"""Weighted sums: the affine layer and the bilinear one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cutaway.core.aval import show
from cutaway.core.errors import DTypeError, ShapeError
from cutaway.core.narrow import in_single
from cutaway.core.op import composite
from cutaway.core.ops.contract import einsum
from cutaway.functional._check import is_tensor

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor


SPECS = {2: "ni,oi->no", 3: "nmi,oi->nmo", 4: "nmli,oi->nmlo"}  # by the dimensions of the input


@composite(r"x W^\top + b")
@in_single
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Affine layer (book, section 5.6).  x[..., I], weight[O, I] or [I], bias[O] -> y[..., O].

    Raises ShapeError when the sizes of I disagree, DTypeError when the dtypes differ.
    """
    is_tensor("linear", input=input, weight=weight)
    x, w = input._data.shape, weight._data.shape
    if not x or not 1 <= len(w) <= 2 or x[-1] != w[-1]:
        raise ShapeError(_linear_hint(input, weight))
    d = weight._data.dtype
    if input._data.dtype != d or (bias is not None and bias._data.dtype != d):
        raise DTypeError(
            f"linear: input {show(input)}, weight {show(weight)}{'' if bias is None else f' and bias {show(bias)}'} "
            "must have the same dtype; convert the input with .to(weight.dtype)"
        )
    y = einsum(input, weight, spec=SPECS[len(x)]) if len(w) == 2 and len(x) in SPECS else input @ weight.t()
    if bias is None:
        return y
    if bias._data.ndim > 1 or bias._data.size not in (1, w[0]):
        raise ShapeError(f"linear: bias {show(bias)} must hold one number an output, [{weight.shape[0]}]")
    return y + bias


def _linear_hint(input: Tensor, weight: Tensor) -> str:
    if not input.ndim:
        return f"linear: input has no features, got {show(input)}; give x[..., {weight.shape[-1]}]"
    if not 1 <= weight.ndim <= 2:
        return f"linear: weight must be [out_features, in_features], got {show(weight)}"
    features = weight.shape[-1]
    count = 1
    for size in input.shape[1:]:
        count *= size
    fix = f"x[..., {features}] is expected"
    if count == features and input.ndim > 2:
        fix = "flatten it first: x.flatten(1)"
    elif weight.ndim == 2 and input.shape[-1] == weight.shape[0]:
        fix = "weight is [out_features, in_features]: pass weight.t() if it was made the other way round"
    return (
        f"linear: the last axis of input {show(input)} has {input.shape[-1]} features, weight {show(weight)} takes "
        f"{features}; {fix}"
    )


@composite(r"x_1^\top A\, x_2 + b")
@in_single
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Bilinear layer.  x1[..., I], x2[..., J], weight[O, I, J], bias[O] -> y[..., O].

    Raises ShapeError when a size disagrees, DTypeError when the dtypes differ.
    """
    is_tensor("bilinear", input1=input1, input2=input2, weight=weight)
    fits = weight.ndim == 3 and input1.ndim > 0 and input1.ndim == input2.ndim
    if (
        not fits
        or (input1.shape[-1], input2.shape[-1]) != tuple(weight.shape[1:])
        or input1.shape[:-1] != input2.shape[:-1]
    ):
        raise ShapeError(
            f"bilinear: expected x1[..., I], x2[..., J], weight[O, I, J], got {show(input1, input2, weight)}; "
            "the leading sizes of x1 and x2 must be equal, their last ones those of weight"
        )
    if not input1.dtype is input2.dtype is weight.dtype:
        raise DTypeError(f"bilinear: dtypes differ in {show(input1, input2, weight)}; convert with .to(weight.dtype)")
    batch = tuple(input1.shape[:-1])
    x1 = input1.reshape((-1, input1.shape[-1])) if len(batch) != 1 else input1
    x2 = input2.reshape((-1, input2.shape[-1])) if len(batch) != 1 else input2
    y = (einsum(x1, weight, spec="ni,oij->noj") * x2.unsqueeze(1)).sum(-1)
    if bias is not None:
        if tuple(bias.shape) != (weight.shape[0],):
            raise ShapeError(f"bilinear: bias {show(bias)} must hold one number an output, [{weight.shape[0]}]")
        y = y + bias
    return y if len(batch) == 1 else y.reshape((*batch, weight.shape[0]))
