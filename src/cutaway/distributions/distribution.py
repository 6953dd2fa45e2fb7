"""Distribution: the base class. A batch of distributions has `batch_shape`, one draw from one of them `event_shape`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from cutaway.core.autograd import enable_grad, no_grad
from cutaway.core.aval import broadcast_shapes
from cutaway.core.creation import tensor
from cutaway.core.dtypes import get_default_dtype
from cutaway.core.errors import ArgumentError, ArgumentTypeError, KindError, NotWritten, ShapeError
from cutaway.core.op import STAGE
from cutaway.core.tensor import Size, Tensor
from cutaway.distributions import constraints
from cutaway.distributions.certain import certain
from cutaway.distributions.constraints import Constraint

Check = Constraint
REAL, POSITIVE, PROBABILITY, BOOLEAN = constraints.real, constraints.positive, constraints.unit_interval, constraints.boolean


class Distribution:
    """A batch of distributions.  A subclass defines what it can: rsample or sample, log_prob, entropy, mean, variance.

    arg_constraints  what must hold of each parameter      support  what must hold of a value
    Raises ArgumentError for a parameter, or later a value, outside.
    """

    arg_constraints: ClassVar[dict[str, Check]] = {}
    has_rsample = False
    has_enumerate_support = False
    _validate_args = True

    def __init__(
        self, batch_shape: Sequence[int] = (), event_shape: Sequence[int] = (), validate_args: bool | None = None
    ):
        self.batch_shape, self.event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args and STAGE.get() is None:
            for name, constraint in self.arg_constraints.items():
                known = name in self.__dict__ or isinstance(getattr(type(self), name, None), property)
                if known and not constraints.is_dependent(constraint):
                    value = getattr(self, name)
                    self._refuse_unless(value, constraint, f"parameter {name}")

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Check arguments and values by default, or not.  Raises ArgumentError unless True or False."""
        if value not in (True, False):
            raise ArgumentError(f"set_default_validate_args: True or False, got {value!r}")
        Distribution._validate_args = value

    def _refuse_unless(self, value: Tensor, constraint: Check, what: str) -> None:
        if certain(constraint, value):
            return
        with no_grad():
            bad = ~constraint.check(value.detach())
        if bool(bad.any()):
            first = value.detach().masked_select(bad)[0].tolist() if bad.shape == value.shape else value.tolist()
            raise ArgumentError(
                f"{type(self).__name__}: {what}, {value.dtype.name}{list(value.shape)}, must be {constraint.words}, but "
                f"{first} is not; validate_args=False leaves the check out"
            )

    def _checked(self, value: Any) -> Tensor:
        """`value` as log_prob may take it.  Raises ArgumentError."""
        if not isinstance(value, Tensor):
            if self._validate_args:
                raise ArgumentError(
                    f"{type(self).__name__}: the value must be a Tensor, got {type(value).__name__}; wrap it with "
                    "cutaway.tensor(...)"
                )
            value = tensor(value)
        if self._validate_args:
            try:
                broadcast_shapes(tuple(value.shape), (*self.batch_shape, *self.event_shape), op="log_prob")
            except ShapeError:
                raise ArgumentError(
                    f"{type(self).__name__}: a value of shape {list(value.shape)} does not broadcast with "
                    f"batch_shape + event_shape {[*self.batch_shape, *self.event_shape]}"
                ) from None
            if STAGE.get() is None:
                self._refuse_unless(value, self.support, "the value")
        return value

    def _validate_sample(self, value: Any) -> None:
        """PyTorch's name for the check of a value, which subclasses of users call."""
        self._checked(value)

    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        """PyTorch's name for the shape of a sample."""
        return Size(self._extended(sample_shape))

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        """A new object for `expand`, without __init__.  Raises NotWritten for a subclass whose __init__ differs."""
        if _instance is None and getattr(type(self), "__init__") is not getattr(cls, "__init__"):  # noqa: B009
            raise NotWritten(f"{type(self).__name__} has an __init__ of its own and must define expand")
        return type(self).__new__(type(self)) if _instance is None else _instance

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`, as older programs say it."""
        return self.sample((n,))

    def _extended(self, sample_shape: Any) -> tuple[int, ...]:
        """The shape of a sample: sample_shape, batch_shape, event_shape.  Raises ArgumentTypeError."""
        if isinstance(sample_shape, int):
            raise ArgumentTypeError(
                f"{type(self).__name__}.sample: sample_shape must be a tuple of sizes, got {sample_shape}; "
                f"write ({sample_shape},)"
            )
        return (*sample_shape, *self.batch_shape, *self.event_shape)

    # --- what a subclass defines --------------------------------------------------------------------------------------

    @property
    def support(self) -> Check:
        """What must hold of a value."""
        raise self._missing("support")

    @property
    def mean(self) -> Tensor:
        """Its mean."""
        raise self._missing("mean")

    @property
    def mode(self) -> Tensor:
        """Its most likely value."""
        raise self._missing("mode")

    @property
    def variance(self) -> Tensor:
        """Its variance."""
        raise self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """Its standard deviation."""
        return self.variance.sqrt()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws through which gradients reach the parameters: [sample_shape, batch_shape, event_shape]."""
        raise self._missing("rsample")

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws without history: [sample_shape, batch_shape, event_shape]."""
        with no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or probability, at `value` (nats)."""
        raise self._missing("log_prob")

    def entropy(self) -> Tensor:
        """Its entropy (nats)."""
        raise self._missing("entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return self.entropy().exp()

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a draw up to `value`."""
        raise self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The number below which a draw lies with probability `value`."""
        raise self._missing("icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values, along the first dimension."""
        raise self._missing("enumerate_support")

    def expand(self, batch_shape: Sequence[int]) -> Distribution:
        """The same distributions in a larger batch."""
        raise self._missing("expand")

    def _missing(self, name: str) -> NotWritten:
        return NotWritten(f"{type(self).__name__} has no {name}")

    def __repr__(self) -> str:
        parts = [
            f"{name}: {value if value.numel() == 1 else value.shape}"
            for name in self.arg_constraints
            if (value := self.__dict__.get(name)) is not None
        ]
        return f"{type(self).__name__}({', '.join(parts)})"


def computed_once(compute: Callable[[Any], Tensor]) -> Any:
    """A parameter computed of another when first asked for, with its history even where `sample` asks, under no_grad."""
    return cached_property(enable_grad()(compute))


def parameter(value: Any, op: str) -> Tensor:
    """A parameter as a Tensor; Python's numbers in the default dtype.  Raises ArgumentTypeError."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, (int, float)):
        raise KindError(
            f"{op}: expected a Tensor or a number, got {type(value).__name__}; wrap it with cutaway.tensor(...)"
        )
    return tensor(float(value), dtype=get_default_dtype())  # type: ignore[no-any-return]


def either(op: str, probs: Any, logits: Any) -> None:
    """Raise ArgumentError unless exactly one of the two is given."""
    if (probs is None) == (logits is None):
        raise ArgumentError(f"{op}: give either probs or logits, and not both")


def both(op: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Two parameters as Tensors of one shape and dtype.  Raises ShapeError, KindError."""
    x, y = parameter(a, op), parameter(b, op)
    if not isinstance(a, Tensor):
        x = x.to(y.dtype)
    if not isinstance(b, Tensor):
        y = y.to(x.dtype)
    shape = broadcast_shapes(tuple(x.shape), tuple(y.shape), op=op)
    return expanded(x, shape), expanded(y, shape)


def expanded(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x itself where it has that shape."""
    return x if tuple(x.shape) == tuple(shape) else x.expand(tuple(shape))
