"""Which ONNX node an op or a composite becomes. An op that is in no table here has the node that its record names."""

from __future__ import annotations

from cutaway.interop.onnx.nodes import (
    activation,
    convolution,
    elementwise,
    index,
    movement,
    normalization,
    product,
    recurrent,
    reduce,
    shaping,
    window,
)  # fmt: skip
from cutaway.interop.onnx.write import CompositeConverter, OpConverter

OPS: dict[str, OpConverter] = {
    **elementwise.TABLE, **reduce.TABLE, **movement.TABLE, **index.TABLE, **window.TABLE, **product.OPS,
}  # fmt: skip
COMPOSITES: dict[str, CompositeConverter] = {
    **product.COMPOSITES, **convolution.COMPOSITES, **normalization.COMPOSITES, **activation.COMPOSITES,
    **recurrent.COMPOSITES, **shaping.COMPOSITES,
}  # fmt: skip

__all__ = ["COMPOSITES", "OPS"]
