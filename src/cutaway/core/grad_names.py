"""What PyTorch calls the gradient of an operation: programs print `y.grad_fn` and `y.grad_fn.name()`."""

from __future__ import annotations

# Where it is not the operation's own name: here one record stands for what are several there, or the other way round.
THERE = {
    "batch_norm": "NativeBatchNorm", "binary_cross_entropy_with_logits": "BinaryCrossEntropyWithLogits", "copy": "Clone",
    "cross_entropy": "NllLoss", "group_norm": "NativeGroupNorm", "layer_norm": "NativeLayerNorm", "linear": "Addmm",
    "matmul": "Mm", "max_pool2d": "MaxPool2DWithIndices", "reshape": "View",
    **{f"conv{turned}{n}d": "Convolution" for turned in ("", "_transpose") for n in (1, 2, 3)},
}  # fmt: skip


class Name(str):
    """The operation's name; called, PyTorch's name of its gradient.

    >>> Name("mul"), Name("mul")()
    ('mul', 'MulBackward0')
    """

    __slots__ = ()

    def __call__(self) -> str:
        """PyTorch's name: the operation's in capitals, and Backward0; a class of the user's has its own."""
        if self in ("AccumulateGrad", "CopySlices"):
            return f"torch::autograd::{self}"
        if self.endswith("Backward"):
            return str(self)
        return THERE.get(self, "".join(word[:1].upper() + word[1:] for word in self.split("_"))) + "Backward0"
