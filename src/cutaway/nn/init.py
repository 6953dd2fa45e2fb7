"""Initial values of weights. Each function fills a tensor in place, without recording, and returns it.

They draw from the generator in the order in which PyTorch draws: the same seed gives the same network.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.autograd import no_grad
from cutaway.core.aval import numel, show
from cutaway.core.errors import ArgumentError, ArgumentTypeError, ShapeError
from cutaway.core.refusal import describe, guarded

if TYPE_CHECKING:
    from cutaway.core.random import Generator
    from cutaway.core.tensor import Tensor
    from cutaway.nn.module import Module

# By how much an activation shrinks the spread of a layer's output: the weights are made larger by it.
GAINS: dict[str, float] = {
    "linear": 1,
    "identity": 1,
    "conv1d": 1,
    "conv2d": 1,
    "conv3d": 1,
    "conv_transpose1d": 1,
    "conv_transpose2d": 1,
    "conv_transpose3d": 1,
    "sigmoid": 1,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4.0,
}


@guarded
def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain recommended for an activation; `param` is the slope of leaky_relu.  Raises ArgumentError."""
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ArgumentError(f"calculate_gain: the slope of leaky_relu must be a number, got {param!r}")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in GAINS:
        raise ArgumentError(
            f"calculate_gain: no gain is known for {nonlinearity!r}; use one of leaky_relu, {', '.join(GAINS)}"
        )
    return GAINS[nonlinearity]


@guarded
def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out): how many inputs an output sees, and the reverse.  weight[out, in, ...].  Raises ShapeError."""
    if tensor.ndim < 2:
        raise ShapeError(
            f"fan in and fan out: need a weight of at least 2 dimensions [out, in, ...], got {show(tensor)}"
        )
    field = numel(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


_calculate_fan_in_and_fan_out = fans  # the name under which programs call it


def _fan(tensor: Tensor, mode: str) -> int:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ArgumentError(f"kaiming: mode {mode!r} is unknown; use 'fan_in' or 'fan_out'")
    return fans(tensor)[mode.lower() == "fan_out"]


# --- plain values -----------------------------------------------------------------------------------------------------


@guarded
@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element `val`."""
    return tensor.fill_(val)


@guarded
@no_grad()
def ones_(tensor: Tensor) -> Tensor:
    """Every element 1."""
    return tensor.fill_(1.0)


@guarded
@no_grad()
def zeros_(tensor: Tensor) -> Tensor:
    """Every element 0."""
    return tensor.zero_()


@guarded
@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix.  tensor[N, M].  Raises ShapeError for another number of dimensions."""
    _matrix("eye_", tensor)
    return _set(tensor, np.eye(*tensor.shape))


@guarded
@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution that passes its input on: weight[out, in, ...] is 1 at the centre of channel i -> i.

    Raises ShapeError unless the weight has 3 to 5 dimensions, ArgumentError when `out` is no multiple of `groups`.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_: need a convolution's weight [out, in, ...] of 3 to 5 dimensions, got {show(tensor)}")
    out, channels = tensor.shape[:2]
    if out % groups:
        raise ArgumentError(f"dirac_: {out} output channels do not divide into {groups} groups")
    value = np.zeros(tensor.shape)
    centre = tuple(n // 2 for n in tensor.shape[2:])
    for g in range(groups):
        for i in range(min(out // groups, channels)):
            value[(g * (out // groups) + i, i, *centre)] = 1
    return _set(tensor, value)


# --- drawn values -----------------------------------------------------------------------------------------------------


@guarded
@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@guarded
@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with mean `mean` and standard deviation `std`."""
    return tensor.normal_(mean, std, generator=generator)


@guarded
@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, drawn again where it falls outside [a, b].

    Where less than 0.3 of the normal lies inside, points drawn uniformly from [a, b] are kept with the probability of
    their density instead: a far tail would be drawn again for ever.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"trunc_normal_: the mean {mean} lies more than 2 std from [{a}, {b}]; the values crowd at one end",
            stacklevel=2,
        )

    def below(x: float) -> float:
        return 0.5 * (1 + math.erf((x - mean) / (std * math.sqrt(2))))

    if below(b) - below(a) > 0.3:
        tensor.normal_(mean, std, generator=generator)
        if tensor.is_meta:
            return tensor
        low, high = tensor._data.dtype.type(a), tensor._data.dtype.type(b)
        while (outside := (tensor._data < low) | (tensor._data > high)).any():
            again = tensor.new_empty(tensor.shape).normal_(mean, std, generator=generator)
            _set(tensor, np.where(outside, again._data, tensor._data))
        return tensor
    if tensor.is_meta:
        return tensor
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    tensor.uniform_(a, b, generator=generator)
    log_u, point = tensor.new_empty(tensor.shape), tensor.detach().clone()
    pending = np.ones(tensor.shape, bool)
    while True:
        log_density = ((point - mean) / std) ** 2 * -0.5 - peak
        pending &= (log_u.uniform_(generator=generator).log() > log_density)._data
        if not pending.any():
            return tensor
        point.uniform_(a, b, generator=generator)
        _set(tensor, np.where(pending, point._data, tensor._data))


@guarded
@no_grad()
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform with variance gain² · 2 / (fan_in + fan_out) (Glorot & Bengio 2010, eq. 16; book, section 6.2.2)."""
    std = gain * math.sqrt(2.0 / float(sum(fans(tensor))))
    a = math.sqrt(3.0) * std
    return tensor.uniform_(-a, a, generator=generator)


@guarded
@no_grad()
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with variance gain² · 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""
    std = gain * math.sqrt(2.0 / float(sum(fans(tensor))))
    return tensor.normal_(0.0, std, generator=generator)


@guarded
@no_grad()
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform with variance gain² / fan (He et al. 2015, arXiv 1502.01852, eq. 10 and 14; book, section 6.2.3).

    `a` is the slope of leaky_relu (0: relu); mode="fan_in" keeps the spread forward, "fan_out" backward.
    """
    if _is_empty("kaiming_uniform_", tensor):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    bound = math.sqrt(3.0) * std
    return tensor.uniform_(-bound, bound, generator=generator)


@guarded
@no_grad()
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with variance gain² / fan (He et al. 2015); arguments as for kaiming_uniform_."""
    if _is_empty("kaiming_normal_", tensor):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return tensor.normal_(0.0, std, generator=generator)


@guarded
@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Rows (or columns, where those are fewer) at right angles, of length `gain` (Saxe et al. 2013, arXiv 1312.6120).

    weight[out, in, ...] is taken as [out, in · ...].  Raises ShapeError below 2 dimensions.
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: need at least 2 dimensions, got {show(tensor)}")
    if _is_empty("orthogonal_", tensor) or tensor.is_meta:
        return tensor
    rows, columns = tensor.shape[0], numel(tensor.shape[1:])
    draw = tensor.new_empty((rows, columns)).normal_(0.0, 1.0, generator=generator)._data
    q, r = np.linalg.qr(draw.T if rows < columns else draw)
    q = q * np.sign(np.diagonal(r))  # makes Q uniform among the orthogonal matrices (Mezzadri 2007, math-ph/0609050)
    q = q.T if rows < columns else q
    return _set(tensor, q.reshape(tensor.shape) * gain)


@guarded
@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal, with the fraction `sparsity` of each column set to 0 (Martens 2010).  tensor[N, M]."""
    from cutaway.core.random import randperm

    _matrix("sparse_", tensor)
    if not 0 <= sparsity <= 1:
        raise ArgumentError(f"sparse_: sparsity must lie between 0 and 1, got {sparsity}")
    tensor.normal_(0.0, std, generator=generator)
    if tensor.is_meta:
        return tensor
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    value = tensor._data.copy()
    for j in range(columns):
        value[randperm(rows)[:zeros], j] = 0
    return _set(tensor, value)


def _matrix(op: str, tensor: Tensor) -> None:
    if tensor.ndim != 2:
        raise ShapeError(f"{op}: need a tensor of 2 dimensions, got {show(tensor)}")


def _is_empty(op: str, tensor: Tensor) -> bool:
    if 0 in tensor.shape:
        warnings.warn(f"{op}: a tensor without elements, {show(tensor)}, needs no initial values", stacklevel=4)
        return True
    return False


def _set(tensor: Tensor, value: np.ndarray) -> Tensor:
    return tensor.copy_(type(tensor)._wrap(np.ascontiguousarray(value, dtype=tensor._data.dtype)))


# --- by name ----------------------------------------------------------------------------------------------------------


def _he_normal(w: Tensor) -> Tensor:
    return kaiming_normal_(w, nonlinearity="relu")


def _he_uniform(w: Tensor) -> Tensor:
    return kaiming_uniform_(w, nonlinearity="relu")


# "relu" and "sigmoid" are the book's names for the values that suit these activations.
_ALIASES: dict[Callable[[Tensor], Tensor], str] = {
    _he_normal: "he kaiming relu he_normal kaiming_normal",
    _he_uniform: "he_uniform kaiming_uniform",
    xavier_normal_: "xavier glorot sigmoid xavier_normal glorot_normal",
    xavier_uniform_: "xavier_uniform glorot_uniform",
    orthogonal_: "orthogonal",
    zeros_: "zeros",
}
BY_NAME = {name: fill for fill, names in _ALIASES.items() for name in names.split()}


def by_name(name: str) -> Callable[[Tensor], Tensor]:
    """The initialiser called "he", "xavier", "orthogonal", ..., or "std=0.01" for a normal of that spread.

    Raises ArgumentError for an unknown name, listing the known ones.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"init.by_name: a name must be a string, got {describe(name)}; pass 'he', or 'std=0.01'")
    key = name.strip().lower()
    if (plain := key.removesuffix("_").replace("-", "_")) in BY_NAME:
        return BY_NAME[plain]
    try:
        std = float(key.removeprefix("std="))
    except ValueError:
        std = math.nan
    if not 0 <= std < math.inf:
        raise ArgumentError(f"init: {name!r} is unknown; use one of {', '.join(BY_NAME)}, or std=0.01")
    return lambda w: normal_(w, 0.0, std)


def apply_(module: Module, name: str | Callable[[Tensor], Tensor]) -> Module:
    """Draw the weights of `module` and all below it with the initialiser `name`, and set the biases to zero.

    Weights are the parameters of 2 or more dimensions; the 1-d weights of normalisation layers stay as they are.
    Raises ArgumentError for an unknown name.
    """
    if not hasattr(module, "named_parameters"):
        raise ArgumentTypeError(f"init.apply_: expected a Module, got {describe(module)}")
    fill = name if callable(name) else by_name(name)
    for path, p in module.named_parameters():
        if p.ndim >= 2:
            fill(p)
        elif path.rpartition(".")[2].startswith("bias"):
            zeros_(p)
    return module


# --- the names of old -------------------------------------------------------------------------------------------------


def _old(new: Callable[..., Tensor]) -> Callable[..., Tensor]:
    name = new.__name__

    def old(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"nn.init.{name[:-1]} is the old name of nn.init.{name}", FutureWarning, stacklevel=2)
        return new(*args, **kwargs)

    old.__name__ = old.__qualname__ = name[:-1]
    old.__doc__ = f"The old name of {name}."
    return old


uniform, normal, constant = _old(uniform_), _old(normal_), _old(constant_)
eye, dirac, orthogonal, sparse = _old(eye_), _old(dirac_), _old(orthogonal_), _old(sparse_)
xavier_uniform, xavier_normal = _old(xavier_uniform_), _old(xavier_normal_)
kaiming_uniform, kaiming_normal = _old(kaiming_uniform_), _old(kaiming_normal_)
