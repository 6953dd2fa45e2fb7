"""autocast: a region in which products are made in bfloat16 or float16, and losses in float32."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from cutaway.amp.policy import WEIGHTS, Rule, rule
from cutaway.core.dtypes import as_dtype, bfloat16, float16
from cutaway.core.dtypes import dtype as DType
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.op import CAST
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor

DEVICES = {"cpu": bfloat16, "cuda": float16, "mps": float16, "xpu": float16}  # and their lower precision, unless told
LOWER = (bfloat16, float16)

_dtype: ContextVar[DType] = ContextVar("autocast_dtype", default=bfloat16)
_depth: ContextVar[int] = ContextVar("autocast_depth", default=0)


class autocast:
    """A context manager and decorator: inside, products (linear, matmul, convolution, attention) are made in `dtype`, losses
    in float32; other functions take what they are given. The lists are PyTorch's for the CPU (amp/policy.py).

    with autocast("cpu", dtype=cutaway.bfloat16): loss = criterion(model(x), y)

    Gradients reach float32 weights as float32. A weight is converted once in a region (cache_enabled).
    Another device than the CPU warns, as in PyTorch where there is none, and so does another dtype than bfloat16 or float16;
    nothing is changed then.  Raises ArgumentError for unknown devices and for no device's name.
    """

    def __init__(
        self,
        device_type: str = "cpu",
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ArgumentError(f"autocast: the device must be a name such as 'cpu', got {type(device_type).__name__}")
        _known("autocast", device_type)
        self.device, self._enabled = device_type, bool(enabled)
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else as_dtype(dtype, "autocast")
        self._cached = True if cache_enabled is None else bool(cache_enabled)
        if device_type != "cpu" and enabled:
            warnings.warn(f"autocast: there is no {device_type} here; nothing is changed", UserWarning, stacklevel=2)
            self._enabled = False
        elif enabled and self.fast_dtype not in LOWER:
            warnings.warn(
                f"autocast: the lower precision must be bfloat16 or float16, got {self.fast_dtype}; nothing is changed",
                UserWarning,
                stacklevel=2,
            )
            self._enabled = False
        self._tokens: list[tuple[Token[Any], Token[DType], Token[int]]] = []

    def __enter__(self) -> autocast:
        if self.device == "cpu":
            observer = rule(self.fast_dtype, self._cached) if self._enabled else None
            self._tokens.append((CAST.set(observer), _dtype.set(self.fast_dtype), _depth.set(_depth.get() + 1)))
        return self

    def __exit__(self, *error: object) -> None:
        if self.device == "cpu":
            scope, lower, depth = self._tokens.pop()
            CAST.reset(scope)
            _dtype.reset(lower)
            _depth.reset(depth)
            if not _depth.get():
                WEIGHTS.clear()

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, run inside."""

        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return fn(*args, **kwargs)

        return call


# --- asking, and setting without a region -----------------------------------------------------------------------------


def _known(name: str, device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ArgumentTypeError(f"{name}: the device is text such as 'cpu', got {describe(device_type)}")
    if device_type not in DEVICES:
        raise ArgumentError(f"{name}: unknown device {device_type!r}; write 'cpu'")


def is_autocast_available(device_type: str) -> bool:
    """True for "cpu".  Raises ArgumentError for unknown devices."""
    _known("is_autocast_available", device_type)
    return device_type == "cpu"


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this is inside autocast for a device: the CPU's must be asked for by its name, as in PyTorch."""
    _known("is_autocast_enabled", device_type)
    return device_type == "cpu" and isinstance(CAST.get(), Rule)


def get_autocast_dtype(device_type: str) -> DType:
    """The lower precision of a device, here and now.  Raises ArgumentError for unknown devices."""
    _known("get_autocast_dtype", device_type)
    return _dtype.get() if device_type == "cpu" else DEVICES[device_type]


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Turn it on or off from here on.  A `with` is better: it ends by itself."""
    _known("set_autocast_enabled", device_type)
    if device_type == "cpu":
        CAST.set(rule(_dtype.get(), is_autocast_cache_enabled()) if enabled else None)


def set_autocast_dtype(device_type: str, dtype: DType) -> None:
    """Choose the CPU's lower precision from here on.  Raises ArgumentTypeError unless it is bfloat16 or float16."""
    _known("set_autocast_dtype", device_type)
    if dtype not in LOWER:
        raise ArgumentTypeError(f"set_autocast_dtype: expected bfloat16 or float16, got {dtype!r}")
    if device_type == "cpu":
        _dtype.set(dtype)
        if is_autocast_enabled("cpu"):
            set_autocast_enabled("cpu", True)


def is_autocast_cache_enabled() -> bool:
    """Whether a weight is converted once in a region."""
    observer = CAST.get()
    return observer.cached if isinstance(observer, Rule) else True


def clear_autocast_cache() -> None:
    """Forget the converted weights."""
    WEIGHTS.clear()


# --- for autograd.Function --------------------------------------------------------------------------------------------


def custom_fwd(fwd: Any = None, *, device_type: str = "cpu", cast_inputs: DType | None = None) -> Any:
    """A decorator of a Function's forward: inside autocast, tensors come in as `cast_inputs` and autocast is off.

    Without `cast_inputs` forward runs as its surroundings. `custom_bwd` gives backward the same precision.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def call(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._dtype, ctx._fwd_used_autocast = get_autocast_dtype(device_type), is_autocast_enabled(device_type)
        if cast_inputs is None or not ctx._fwd_used_autocast:
            return fwd(ctx, *args, **kwargs)
        ctx._fwd_used_autocast = False
        with autocast(device_type, enabled=False):
            return fwd(ctx, *_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))

    return call


def custom_bwd(bwd: Any = None, *, device_type: str = "cpu") -> Any:
    """A decorator of a Function's backward: it runs under the autocast that forward ran under."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def call(ctx: Any, *args: Any) -> Any:
        if device_type != "cpu":
            return bwd(ctx, *args)
        with autocast(device_type, ctx._dtype, ctx._fwd_used_autocast):
            return bwd(ctx, *args)

    return call


def _cast(x: Any, d: DType) -> Any:
    if isinstance(x, Tensor):
        return x.to(d) if x.is_floating_point() and x.itemsize < 8 else x
    if isinstance(x, dict):
        return {k: _cast(v, d) for k, v in x.items()}
    return type(x)([_cast(v, d) for v in x]) if type(x) in (list, tuple) else x


__all__ = [
    "autocast", "clear_autocast_cache", "custom_bwd", "custom_fwd", "get_autocast_dtype", "is_autocast_available",
    "is_autocast_cache_enabled", "is_autocast_enabled", "set_autocast_dtype", "set_autocast_enabled",
]  # fmt: skip
