"""Activations: what a neuron does with its weighted sum.  Elementwise, x[...] -> y[...], unless said otherwise."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cutaway.core import derived
from cutaway.core.autograd import is_grad_enabled
from cutaway.core.aval import normalize_dim, show
from cutaway.core.creation import rand
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.functions import zeros
from cutaway.core.narrow import in_single
from cutaway.core.op import STAGE, composite
from cutaway.core.ops.elementwise import where
from cutaway.core.ops.random import uniform
from cutaway.functional._check import floating, inexact, is_tensor, known

if TYPE_CHECKING:
    from cutaway.core.dtypes import dtype as DType
    from cutaway.core.tensor import Tensor

UNIFORM = np.dtype(np.float32)  # of the numbers that rrelu draws
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _give(input: Tensor, y: Tensor, inplace: bool) -> Tensor:
    """`y`, written over `input` when asked to."""
    return input.copy_(y) if inplace else y


def _kept(input: Tensor, inplace: bool) -> Tensor:
    """What a formula may read whose gradient needs x itself: a copy of `input` where that is written over while recorded."""
    return input.clone() if inplace and input.requires_grad and is_grad_enabled() else input


@composite(r"[x > 0]")
def step(input: Tensor) -> Tensor:
    """Heaviside's step: 1 where x > 0, else 0; the neuron of the perceptron (book, section 3.2).

    The gradient is zero everywhere: why networks of steps cannot learn by gradient descent.
    """
    return input.relu().sign()


@composite(r"x")
def identity(input: Tensor) -> Tensor:
    """The input itself: the output layer of regression (book, section 3.5)."""
    return input


@composite(r"\frac{1}{1 + e^{-x}}")
def sigmoid(input: Tensor) -> Tensor:
    """Logistic function, from 0 to 1 (book, section 3.2.4)."""
    return input.sigmoid()


@composite(r"\tanh x")
def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent, from -1 to 1."""
    return input.tanh()


@composite(r"\max(0, x)")
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Rectified linear unit (book, section 3.2.7).  The gradient at 0 is 0, as in PyTorch."""
    y = input.relu()
    return input.copy_(y) if inplace else y


@composite(r"\begin{cases} x & x > 0 \\ \alpha x & x \le 0 \end{cases}")
@in_single
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """ReLU that leaks: slope `negative_slope` below zero (Maas et al. 2013)."""
    floating("leaky_relu", input)
    return _give(input, where(input > 0, input, input * negative_slope), inplace)


@composite(r"\begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}")
@in_single
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Leaky ReLU with a learned slope.  x[N, C, ...], weight[C] or weight[1] (He et al. 2015, arXiv 1502.01852).

    Raises ShapeError when weight holds neither one slope nor one a channel.
    """
    is_tensor("prelu", input=input, weight=weight)
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise ShapeError(
            f"prelu: weight {show(weight)} does not fit input {show(input)}; give one slope, or {channels}: one "
            "a channel"
        )
    slope = weight.reshape((1, -1) + (1,) * (input.ndim - 2)) if input.ndim > 1 else weight.reshape(())
    return where(input > 0, input, input * slope)


@composite(r"\begin{cases} x & x > 0 \\ \alpha\,(e^{x} - 1) & x \le 0 \end{cases}")
@in_single
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Exponential linear unit (Clevert et al. 2015, arXiv 1511.07289)."""
    floating("elu", input)
    x = _kept(input, inplace)
    return _give(input, where(x > 0, x, _below(x).expm1() * alpha), inplace)


def _below(x: Tensor) -> Tensor:
    """x where it is negative or NaN, else 0: exp must not overflow where it is not taken, or backward meets 0 * inf."""
    return where(x > 0, 0.0, x)


@composite(r"\lambda \begin{cases} x & x > 0 \\ \alpha\,(e^{x} - 1) & x \le 0 \end{cases}")
@in_single
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """ELU scaled so that activations keep mean 0 and variance 1 (Klambauer et al. 2017, arXiv 1706.02515)."""
    floating("selu", input)
    x = _kept(input, inplace)
    y = where(x > 0, x * SELU_SCALE, _below(x).expm1() * (SELU_SCALE * SELU_ALPHA))
    return _give(input, y, inplace)


@composite(r"\begin{cases} x & x > 0 \\ \alpha\,(e^{x/\alpha} - 1) & x \le 0 \end{cases}")
@in_single
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """ELU with a continuous slope for every alpha (Barron 2017, arXiv 1704.07483).

    Raises ArgumentError for alpha = 0.
    """
    if alpha == 0:
        raise ArgumentError("celu: alpha must not be 0; use relu for the limit")
    floating("celu", input)
    x = _kept(input, inplace)
    return _give(input, where(x > 0, x, (_below(x) / alpha).expm1() * alpha), inplace)


@composite(r"x\,\Phi(x)")
@in_single
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    r"""Gaussian error linear unit: x weighted by the chance that a standard normal lies below it (arXiv 1606.08415).

    approximate="tanh" takes \Phi(x) \approx \tfrac12(1 + \tanh(\sqrt{2/\pi}\,(x + 0.044715\,x^3))).
    """
    floating("gelu", input)
    if approximate == "none":
        return input * 0.5 * ((input * math.sqrt(0.5)).erf() + 1.0)
    if approximate != "tanh":
        raise ArgumentError(f"gelu: approximate={approximate!r} is unknown; use 'none' or 'tanh'")
    inner = (input * input * 0.044715 + 1.0) * input * math.sqrt(2.0 / math.pi)
    return input * 0.5 * (inner.tanh() + 1.0)


@composite(r"x\,\sigma(x)")
@in_single
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Sigmoid-weighted linear unit, also called swish (arXiv 1606.08415)."""
    inexact("silu", input)
    x = _kept(input, inplace)
    return _give(input, x * x.sigmoid(), inplace)


@composite(r"x\,\tanh(\ln(1 + e^{x}))")
@in_single
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)) (Misra 2019, arXiv 1908.08681)."""
    floating("mish", input)
    x = _kept(input, inplace)
    return _give(input, x * softplus(x).tanh(), inplace)


@composite(r"\tfrac1\beta \ln(1 + e^{\beta x})")
@in_single
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """A smooth ReLU.  Where beta x > threshold it is x itself, as in PyTorch."""
    floating("softplus", input)
    z = input if beta == 1.0 else input * beta
    far = z > threshold
    curve = where(far, 0.0, z).exp().log1p()
    return where(far, input, curve if beta == 1.0 else curve / beta)


@composite(r"\ln \sigma(x)")
@in_single
def logsigmoid(input: Tensor) -> Tensor:
    """Logarithm of the sigmoid, without loss of digits where the sigmoid is near 0 or 1."""
    floating("logsigmoid", input)
    return -log1p_exp(-input)


def log1p_exp(z: Tensor) -> Tensor:
    """ln(1 + e^z) to full precision for every z, with a gradient that is right at 0 too.

    max(z, 0) + log1p(exp(-|z|)) would be one step shorter, but its two kinks at 0 give the gradient 0 instead of 1/2.
    """
    largest = 10.0 if z.dtype.itemsize == 2 else 40.0  # above it ln(1 + e^z) = z to the last digit
    far = z > largest
    return where(far, z, where(far, 0.0, z).exp().log1p())


@composite(r"\min(\max(x, a), b)")
@in_single
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x clipped to [min_val, max_val]; the gradient at the two corners is 0, as in PyTorch.

    Raises ArgumentError when min_val > max_val.
    """
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val={min_val} is larger than max_val={max_val}; swap them")
    inside = (input > min_val) & (input < max_val)
    return _give(input, where(inside, input, input.detach().clamp(min_val, max_val)), inplace)


@composite(r"\min(\max(x, 0), 6)")
@in_single
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """ReLU with a ceiling at 6 (Krizhevsky 2010)."""
    return hardtanh(
        input, 0.0 if input.dtype.is_floating_point else 0, 6.0 if input.dtype.is_floating_point else 6, inplace
    )


@composite(r"\mathrm{relu6}(x + 3) / 6")
@in_single
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Three straight lines in place of the sigmoid."""
    floating("hardsigmoid", input)
    return _give(input, relu6(input + 3.0) / 6.0, inplace)


@composite(r"x\,\mathrm{relu6}(x + 3) / 6")
@in_single
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x times the hard sigmoid (Howard et al. 2019, arXiv 1905.02244)."""
    floating("hardswish", input)
    x = _kept(input, inplace)
    return _give(input, x * (relu6(x + 3.0) / 6.0), inplace)


@composite(r"\frac{x}{1 + |x|}")
def softsign(input: Tensor) -> Tensor:
    """A sigmoid from -1 to 1 with slow tails."""
    return input / (input.abs() + 1)


@composite(r"x - \tanh x")
def tanhshrink(input: Tensor) -> Tensor:
    """x without its tanh."""
    return input - input.tanh()


@composite(r"\begin{cases} x & x > t \\ v & x \le t \end{cases}")
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it exceeds `threshold`, elsewhere `value`."""
    return _give(input, input.masked_fill(input <= threshold, value), inplace)


@composite(r"\begin{cases} x & |x| > \lambda \\ 0 & |x| \le \lambda \end{cases}")
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, but 0 where it lies between -lambd and lambd."""
    floating("hardshrink", input)
    return input.masked_fill((input >= -lambd) & (input <= lambd), 0.0)


@composite(r"\mathrm{sign}(x)\,\max(|x| - \lambda, 0)")
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x brought nearer to 0 by lambd; 0 where it is as near as that.  Raises ArgumentError for a negative lambd."""
    floating("softshrink", input)
    if lambd < 0:
        raise ArgumentError(f"softshrink: lambd must not be negative, got {lambd}")
    return where(input > lambd, input - lambd, where(input < -lambd, input + lambd, input * 0.0))


@composite(r"\begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases},\; a \sim U(l, u)")
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Leaky ReLU whose slope is drawn anew for each element while training, and the middle of its range otherwise.

    The numbers are drawn as dropout draws, not as PyTorch does (Xu et al. 2015, arXiv 1505.00853).
    Raises ArgumentError where lower > upper.
    """
    floating("rrelu", input)
    if lower > upper:
        raise ArgumentError(f"rrelu: lower={lower} is larger than upper={upper}; swap them")
    if not training or lower == upper:
        return _give(input, where(input > 0, input, input * ((lower + upper) / 2)), inplace)
    slope = (uniform(tuple(input.shape), UNIFORM) * (upper - lower) + lower).to(input.dtype)
    return _give(input, where(input > 0, input, input * slope), inplace)


@composite(r"a\,\sigma(b)")
@in_single
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Gated linear unit: the first half of `dim` times the sigmoid of the second (Dauphin et al. 2016, arXiv
    1612.08083).

    x[..., 2C, ...] -> y[..., C, ...].  Raises ShapeError when the dimension is odd.
    """
    dim = normalize_dim(dim, input.ndim, "glu")
    if input.ndim == 0 or input.shape[dim] % 2:
        raise ShapeError(f"glu: dim {dim} of {show(input)} cannot be halved; its size must be even")
    half = input.shape[dim] // 2
    return input.narrow(dim, 0, half) * input.narrow(dim, half, half).sigmoid()


# The methods' own bodies, so that a picture shows one box and not a softmax within a softmax.
_softmax: Callable[..., Tensor] = vars(derived.softmax)["__wrapped__"]
_log_softmax: Callable[..., Tensor] = vars(derived.log_softmax)["__wrapped__"]


def _softmax_dim(op: str, input: Tensor, dim: int | None) -> int:
    if dim is None:
        dim = 0 if input.ndim in (0, 1, 3) else 1
        warnings.warn(
            f"{op}: the dimension was not given and dim={dim} is assumed; write {op}(x, dim=...)", stacklevel=4
        )
    return normalize_dim(dim, input.ndim, op)


@composite(r"\frac{e^{x_i}}{\sum_j e^{x_j}}")
def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """Scores to probabilities along `dim` (book, section 3.5).  x[..., C, ...] -> p[..., C, ...], sums to 1.

    The largest score is subtracted first, so that exp cannot overflow.
    Raises DTypeError for integers without `dtype`, IndexOutOfRange for a bad dim.
    """
    x = input if dtype is None else input.to(dtype)
    floating("softmax", x, "convert it with .float(), or pass dtype=cutaway.float32")
    return _softmax(x, _softmax_dim("softmax", x, dim))


@composite(r"\frac{e^{-x_i}}{\sum_j e^{-x_j}}")
def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """Softmax of -x: the smallest value gets the most."""
    return softmax(-input, _softmax_dim("softmin", input, dim), dtype=dtype)


@composite(r"x_i - \ln \sum_j e^{x_j}")
def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """Logarithm of softmax, exact where the probability itself would round to 0.  x[..., C, ...] -> log p[..., C, ...].

    Raises DTypeError for integers without `dtype`, IndexOutOfRange for a bad dim.
    """
    x = input if dtype is None else input.to(dtype)
    floating("log_softmax", x, "convert it with .float(), or pass dtype=cutaway.float32")
    return _log_softmax(x, _softmax_dim("log_softmax", x, dim))


@composite(r"\mathrm{softmax}((z + g) / \tau),\; g \sim \mathrm{Gumbel}")
def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A random class along `dim` as numbers that sum to 1, nearer to one-hot the smaller tau; gradients reach logits.

    hard=True gives the one-hot vector, with the gradient of the soft one.  logits[..., C, ...] -> [..., C, ...].
    Jang, Gu & Poole 2017 (arXiv 1611.01144); Maddison, Mnih & Teh 2017 (arXiv 1611.00712).
    """
    is_tensor("gumbel_softmax", logits=logits)
    floating("gumbel_softmax", logits)
    known(logits)  # PyTorch's numbers are drawn one by one, so this is no program that could be kept
    shape, kind = tuple(logits.shape), logits.dtype
    if STAGE.get() is None:
        noise: Tensor = -zeros(shape, dtype=kind).exponential_().log()
    else:
        noise = -((1.0 - rand(shape, dtype=kind)).log().neg().log())
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.detach().max(dim, keepdim=True)[1]
    return zeros(shape, dtype=kind).scatter(dim, index, 1.0) - soft.detach() + soft
