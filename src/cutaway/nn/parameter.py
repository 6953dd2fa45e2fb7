"""Parameter: a tensor that a Module owns and an optimiser changes. Buffer: one that it owns and nobody optimises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from cutaway.core import meta
from cutaway.core.dtypes import as_dtype, get_default_dtype, goes_to_meta
from cutaway.core.errors import ArgumentError, ArgumentTypeError, GradError, NotForSparse
from cutaway.core.overriding.asked import DISABLED, DisableTorchFunctionSubclass, asks
from cutaway.core.overriding.subclass import fields
from cutaway.core.tensor import Size, Tensor


class ParameterType(type):
    """The type of Parameter: tensors of a program's own class that are marked count as its instances."""

    def __instancecheck__(cls, x: Any) -> bool:
        return super().__instancecheck__(x) or (cls is Parameter and isinstance(x, Tensor) and "_is_param" in fields(x))


class Parameter(Tensor, metaclass=ParameterType):
    """A tensor that counts as a parameter when it is assigned to an attribute of a Module.

    `Parameter(data, requires_grad=True)` shares the memory of `data` and is a leaf. Of a tensor whose class has a
    `__torch_function__` it is that class's detached tensor, marked as a parameter: `isinstance(p, Parameter)` holds.
    Raises ArgumentTypeError when `data` is not a Tensor, GradError when integers should require a gradient.
    """

    __torch_function__ = DISABLED  # type: ignore[assignment]

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True, *args: Any, **kwargs: Any) -> Self:
        """As in PyTorch, all is done here: a subclass may have a `__new__` or an `__init__` with more arguments."""
        if asks(type(data)) and isinstance(data, Tensor):
            return _marked(data, requires_grad)
        made = object.__new__(cls)
        _share(made, data, "Parameter")
        if requires_grad and asks(cls):
            with DisableTorchFunctionSubclass():
                made.requires_grad_()
        elif requires_grad:
            made.requires_grad_()
        return made

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True, *args: Any, **kwargs: Any) -> None:
        pass


class Buffer(Tensor):
    """A tensor that is kept with a Module but not optimised (a running mean).  persistent=False: not saved either.

    Raises ArgumentTypeError when `data` is not a Tensor.
    """

    __torch_function__ = DISABLED  # type: ignore[assignment]

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Self:
        """On the memory of `data`."""
        made = object.__new__(cls)
        _share(made, data, "Buffer")
        made.persistent = persistent
        return made

    persistent: bool


_NO_SHAPE = "this parameter of a lazy layer has no shape yet; call the model once on an input, then its sizes are known"


class UninitializedParameter(Parameter):
    """A parameter of a lazy layer, whose shape is not known yet.  `materialize(shape)` makes it a Parameter."""

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Self:  # type: ignore[override]
        """Without values."""
        return super().__new__(cls, _empty((0,), device, dtype), requires_grad)

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        pass

    @property
    def shape(self) -> Size:
        """Raises GradError: there is no shape yet."""
        raise GradError(_NO_SHAPE)

    def numel(self) -> int:
        """Raises ArgumentError: a count of the parameters would leave these out."""
        raise ArgumentError(f"numel: {_NO_SHAPE}")

    @property
    def data(self) -> Tensor:
        """A Tensor of no elements: initial values that a program writes there are lost, the layer draws its own."""
        return _empty((0,), None, self.dtype)

    @data.setter
    def data(self, value: Tensor) -> None:
        Tensor.data.__set__(self, value)  # type: ignore[attr-defined]  # mypy sees what a property gives, not the property

    def detach(self) -> Tensor:
        """Itself, so that a state_dict shows that there are no values yet."""
        return self

    def materialize(self, shape: Sequence[int]) -> None:
        """Take a shape (the values are yet to be drawn) and become a Parameter."""
        self.data = _empty(tuple(shape), None, self.dtype)
        self.__class__ = Parameter  # type: ignore[assignment]

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return "<UninitializedParameter>"


def blank(shape: Sequence[int], device: Any = None, dtype: Any = None) -> Parameter:
    """A parameter whose values are yet to be drawn."""
    return Parameter(_empty(tuple(shape), device, dtype))


def _empty(shape: tuple[int, ...], device: Any, dtype: Any) -> Tensor:
    to_meta = goes_to_meta(device)
    kind = get_default_dtype() if dtype is None else as_dtype(dtype, "Parameter")
    return meta.empty(shape, kind.np) if to_meta else Tensor._wrap(np.zeros(shape, kind.np))


def _marked(data: Tensor, requires_grad: bool) -> Any:
    """A leaf of its class that is a parameter, too."""
    made = data.detach().requires_grad_(requires_grad)
    if type(made) is not type(data):
        raise GradError(
            f"Parameter: detach() of a {type(data).__name__} gave a {type(made).__name__}; let its __torch_function__ give "
            "the same class, or pass data.as_subclass(Tensor)"
        )
    made._is_param = True  # type: ignore[attr-defined]
    return made


def _share(t: Tensor, data: Tensor | None, kind: str) -> None:
    """Give `t` the memory of `data`."""
    if data is None:
        data = _empty((0,), None, None)
    if not isinstance(data, Tensor):
        raise ArgumentTypeError(
            f"{kind}: expected a Tensor, got {type(data).__name__}; wrap it with cutaway.tensor(...)"
        )
    if not data._strided:
        raise NotForSparse(kind)
    t._data, t._cell, t._view = data._data, data._cell, data._view
