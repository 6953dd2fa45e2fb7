"""Which functions autocast changes on the CPU, and how: PyTorch's lists, by the names that functions have here."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cutaway.core.autograd import RECORDING, Leaf
from cutaway.core.dtypes import FLOATING, dtype, float32
from cutaway.core.op import CAST, STAGE, perform
from cutaway.core.tensor import Tensor

# In the lower precision: products, and what is made of them.
LOWER = frozenset(
    """
    linear matmul mm bmm addmm baddbmm einsum conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    scaled_dot_product_attention prelu rnn_tanh rnn_relu lstm
    """.split()
)
# In float32: losses, and sums and products that lose digits or overflow.
SINGLE = frozenset(
    """
    mse_loss l1_loss smooth_l1_loss huber_loss cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits
    kl_div hinge_embedding_loss margin_ranking_loss triplet_margin_loss cosine_embedding_loss multi_margin_loss
    soft_margin_loss poisson_nll_loss ctc_loss multilabel_margin_loss prod trace avg_pool3d local_response_norm grid_sample
    cdist pad polar stft istft fft ifft fft2 ifft2 fftn ifftn rfft irfft rfft2 irfft2 rfftn irfftn hfft ihfft hfft2 ihfft2
    hfftn ihfftn
    """.split()
)
# In float32, and the result as the first argument was: torchvision's.
BACK = frozenset("roi_align roi_pool ps_roi_align ps_roi_pool deform_conv2d".split())
# Made of functions above, which change by themselves. A user's own composites are taken for such, too.
OPEN = frozenset(
    "rnn_tanh_cell rnn_relu_cell lstm_cell gru_cell gru recurrence multi_head_attention_forward sigmoid_focal_loss".split()
)

WEIGHTS: dict[int, tuple[Tensor, int, Tensor]] = {}  # leaves that want gradients: id -> itself, its version, converted


class Rule:
    """What happens to a call inside autocast, as `CAST` asks for it. One object a lower dtype."""

    def __init__(self, lower: dtype, cached: bool) -> None:
        self.lower, self.cached = lower, cached

    def __call__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call, on converted tensors."""
        name = fn.__name__
        ours = fn.__module__.startswith("cutaway.")
        if not ours or name in OPEN:
            return perform(fn, self._gru(args) if ours and name == "gru" else args, kwargs, whole=False)
        if name in LOWER and (name != "einsum" or _sums(*args)):
            args, kwargs = self._to(args, self.lower), self._to(kwargs, self.lower)
        elif name in SINGLE and (name != "pad" or _looks_at_the_border(*args, **kwargs)):
            args, kwargs = self._to(args, float32), self._to(kwargs, float32)
        elif name in BACK:
            return self._and_back(fn, args, kwargs)
        token = CAST.set(None)
        try:
            return perform(fn, args, kwargs)
        finally:
            CAST.reset(token)

    def _and_back(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """In float32, and the result in the dtype of the first argument."""
        first = args[0] if args else kwargs.get("input")
        token = CAST.set(None)
        try:
            y = perform(fn, self._to(args, float32), self._to(kwargs, float32))
            return y.to(first.dtype) if isinstance(first, Tensor) else y
        finally:
            CAST.reset(token)

    def _gru(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Its state keeps its precision from step to step."""
        return (self._to(args[0], self.lower), args[1], self._to(args[2], self.lower), *args[3:])

    def _to(self, x: Any, d: dtype) -> Any:
        if isinstance(x, Tensor):
            given = x._data.dtype if x._strided else x.dtype.np
            if given.kind not in FLOATING or given.itemsize == 8 or given == d.np:
                return x
            return self._weight(x) if type(x._node) is Leaf and d is self.lower else x.to(d)
        if isinstance(x, dict):
            return {k: self._to(v, d) for k, v in x.items()}
        if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
            return type(x)([self._to(v, d) for v in x])
        return x

    def _weight(self, x: Tensor) -> Tensor:
        """A leaf converted; once, if it is used again before it is written."""
        if not self.cached or STAGE.get() is not None or not RECORDING.get():
            return x.to(self.lower)
        known = WEIGHTS.get(id(x))
        if known is None or known[0] is not x or known[1] != x._cell[0] or known[2].dtype is not self.lower:
            known = WEIGHTS[id(x)] = (x, x._cell[0], x.to(self.lower))
        return known[2]


@lru_cache
def rule(lower: dtype, cached: bool) -> Rule:
    """The rule for a lower dtype."""
    return Rule(lower, cached)


def _sums(equation: str, *operands: Any) -> bool:
    """True for an einsum in which two operands are multiplied and summed."""
    sides, arrow, out = equation.replace(" ", "").partition("->")
    labels = sides.split(",")
    if not arrow:
        out = "".join(c for c in sides if sides.count(c) == 1)
    shared = {c for i, a in enumerate(labels) for b in labels[i + 1 :] for c in a if c in b and c.isalpha()}
    return bool(shared - set(out))


def _looks_at_the_border(input: Any, pad: Any = (), mode: str = "constant", value: Any = None) -> bool:
    """True for the paddings that PyTorch computes in float32."""
    return mode == "replicate" or (mode == "reflect" and len(pad) < 6)
