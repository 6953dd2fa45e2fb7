"""Sparse: what tensors share that keep their entries only: identity, gradients, dtypes, functions of each entry.

The entries' values are a dense Tensor `_what`, and what is done to a sparse tensor is done to it in Tensor operations: the
gradient is theirs, of any order. A sparse tensor has no array of its own. Whoever asks for one (`_data`) is an operation of
dense tensors, and gets NotForSparse, which the wrappers of functions (core/refusal.py) turn into an answer, or an error that
names the function: so that dense tensors are never asked what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core import dtypes
from cutaway.core.autograd import RECORDING, SPARSE_GRADIENTS, Leaf
from cutaway.core.aval import normalize_dim, numel
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, GradError, NotForSparse, ShapeError
from cutaway.core.grad_names import tell
from cutaway.core.handle import RemovableHandle
from cutaway.core.layouts import layout
from cutaway.core.ops.movement import reshape
from cutaway.core.overriding.asked import DISABLED
from cutaway.core.overriding.subclass import fields
from cutaway.core.package import package
from cutaway.core.tensor import Size, Tensor


def alias(values: Tensor) -> Tensor:
    """The values as a result of their own: what is computed of a leaf is none."""
    if values.is_leaf and values._node is not None and RECORDING.get():
        return reshape(values, shape=values._data.shape)
    return values


def shown(values: Tensor) -> Tensor:
    """The values for the user: a handle of their own on the same memory."""
    return tell(alias(values), "Values", (), {}) if values._node is not None else values.detach()


class Sparse(Tensor):
    """A tensor of which only some entries are kept, the others being 0.

    _what   the values of the entries, a dense Tensor            _size   the whole shape
    """

    _what: Tensor
    _size: tuple[int, ...]
    _strided = False
    _known_grad: tuple[Any, int, Any] = None, 0, None  # the gradient towards the values, its version, `.grad` of it
    __torch_function__ = DISABLED

    # --- what a kind of sparse tensor says of itself ------------------------------------------------------------------

    def _like(self, values: Tensor) -> Any:
        """Other values at the same places."""
        raise NotImplementedError

    def _parts(self) -> list[tuple[str, Tensor]]:
        """The names and tensors that describe it, in the order in which it prints."""
        raise NotImplementedError

    def _gradient(self, g: Tensor) -> Any:
        """What `.grad` is, from the gradient towards the values."""
        return self._like(g)

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def _data(self) -> Any:  # type: ignore[override]
        raise NotForSparse

    def __getattr__(self, name: str) -> Any:
        if name == "_data" or hasattr(type(self), name):  # or a property that asked for _data
            raise NotForSparse("" if name == "_data" else name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    @property
    def _numbers(self) -> np.ndarray:
        return self._what._data

    @property
    def _cell(self) -> Any:  # type: ignore[override]
        return self._what._cell

    @property
    def _node(self) -> Any:
        return self._what._node

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return tuple.__new__(Size, self._size)

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of the values."""
        return self._what.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._size)

    @property
    def itemsize(self) -> int:
        """Bytes a value."""
        return self._what.itemsize

    @property
    def nbytes(self) -> int:
        """Raises ArgumentError: indices and values are tensors, each with its bytes."""
        raise ArgumentError("nbytes: not defined for sparse tensors; add those of the indices and the values")

    @property
    def layout(self) -> layout:
        """`sparse_coo` or `sparse_csr`."""
        raise NotImplementedError

    def dim(self) -> int:
        """Number of dimensions."""
        return len(self._size)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self._size[normalize_dim(dim, len(self._size), "size")]

    def numel(self) -> int:
        """Number of elements, zeros included."""
        return numel(self._size)

    nelement = numel

    def element_size(self) -> int:
        """Bytes a value."""
        return self._what.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """0: the elements do not lie at equal distances."""
        return 0 if dim is not None else (0,) * len(self._size)

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """False."""
        return False

    def contiguous(self, memory_format: Any = None) -> Any:
        """Itself."""
        return self

    def is_floating_point(self) -> bool:
        """True for values of a floating dtype."""
        return self._what.is_floating_point()

    def is_complex(self) -> bool:
        """True for complex values."""
        return self._what.is_complex()

    def is_signed(self) -> bool:
        """True for a dtype that has negative numbers."""
        return bool(self._what.is_signed())

    def is_same_size(self, other: Tensor) -> bool:
        """True if both shapes are equal."""
        return self.shape == other.shape

    def storage_offset(self) -> int:
        """0."""
        return 0

    def _nnz(self) -> int:
        """Number of entries that are kept."""
        raise NotImplementedError

    def _values(self) -> Tensor:
        """The values as they are, without history."""
        return self._what.detach()

    def dense_dim(self) -> int:
        """Number of dimensions that an entry's value has itself."""
        return self._what._data.ndim - 1

    def sparse_dim(self) -> int:
        """Number of dimensions that the indices are of."""
        return len(self._size) - self.dense_dim()

    def __len__(self) -> int:
        if not self._size:
            raise ArgumentTypeError("len: a 0-d tensor has no length; use .to_dense().item() for its value")
        return self._size[0]

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        from cutaway.core.printing import show_sparse

        return show_sparse(self, self._parts())

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec) if self._size else format(self.item(), spec)

    # --- gradients ----------------------------------------------------------------------------------------------------

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Ask for a gradient towards the values, or no longer.  Raises GradError as of a dense tensor."""
        self._what.requires_grad_(requires_grad)
        SPARSE_GRADIENTS[0] += 1
        return self

    @property
    def is_leaf(self) -> bool:
        """True for a tensor that no recorded operation made."""
        return self._what.is_leaf

    @property
    def grad(self) -> Any:
        """The gradient, a sparse tensor with the same entries, each place once."""
        g = self._what.grad
        if g is None:
            return None
        if self._known_grad[0] is not g or self._known_grad[1] != g._version:
            self._known_grad = g, g._version, self._gradient(g)
        return self._known_grad[2]

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is None:
            self._what.grad = None
            return
        if not isinstance(value, Tensor):
            raise ArgumentTypeError(f"grad: expected a Tensor or None, got {type(value).__name__}")
        if value.shape != self.shape:
            raise ShapeError(f"grad: shape {list(value.shape)} differs from the tensor's {list(self.shape)}")
        if value.dtype != self.dtype:
            raise DTypeError(f"grad: {value.dtype} differs from the tensor's {self.dtype}; convert with .to()")
        self._what.grad = self._at_places(value)

    @grad.deleter
    def grad(self) -> None:
        self._what.grad = None

    @property
    def _grad(self) -> Any:
        return self.grad

    @_grad.setter
    def _grad(self, value: Any) -> None:
        self.grad = value

    def _at_places(self, x: Any) -> Tensor:
        """The values that `x`, sparse or dense, has at our places."""
        raise NotImplementedError

    @property
    def retains_grad(self) -> bool:
        """True if `retain_grad` was called on a non-leaf."""
        return self._what.retains_grad

    def retain_grad(self) -> None:
        """Keep `.grad` of a result, too."""
        self._what.retain_grad()

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call `hook(grad)` when the gradient arrives; what it returns, if not None, replaces it."""

        def of_values(g: Tensor) -> Tensor | None:
            changed = hook(self._like(g))
            return None if changed is None else self._at_places(changed)

        return self._what.register_hook(of_values)

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Carry a gradient of this tensor's shape, sparse or dense, back to all leaves."""
        if gradient is None:
            raise GradError(
                "backward: grad can be implicitly created only for scalar outputs, got a sparse tensor of "
                f"{list(self._size)}; sum it with sparse.sum(), or pass gradient="
            )
        self._what.backward(self._at_places(gradient), retain_graph, create_graph, inputs)

    def detach(self) -> Any:
        """The same entries without history."""
        return self._like(self._what.detach())

    def detach_(self) -> Any:
        """Forget the history, in place."""
        self._what = self._what.detach()
        return self

    @property
    def data(self) -> Any:
        """The same entries without history; assigning replaces them."""
        return self._like(self._what.data)

    @data.setter
    def data(self, value: Any) -> None:
        if type(value) is not type(self):
            raise ArgumentTypeError(f"data: expected a tensor of {self.layout}, got {type(value).__name__}")
        node = self._what._node
        self._take(value)
        if isinstance(node, Leaf):
            self._what = self._what.detach().requires_grad_()

    def _take(self, other: Any) -> Any:
        """Become `other`, a sparse tensor of this kind, in place."""
        own = fields(self)
        for name in [name for name in own if name[:1] == "_"]:
            del own[name]
        own.update({name: v for name, v in fields(other).items() if name[:1] == "_"})
        return self

    def _written(self, name: str, y: Any) -> Any:
        """The in-place method `name`: become `y`.  Raises GradError for a leaf while gradients are recorded."""
        if self._what._node is not None and self._what.is_leaf and RECORDING.get():
            raise GradError(
                f"{name}: a leaf tensor that requires grad is written in place while gradients are recorded; "
                "wrap the write in `with no_grad():`"
            )
        if y.dtype is not self.dtype:
            raise DTypeError(f"{name}: a result of {y.dtype} cannot be stored in a tensor of {self.dtype}; convert it first")
        if self._what._node is None and y._what._node is None and y._what._data.shape == self._what._data.shape:
            self._what.copy_(y._what)  # whoever shares the values sees the change
            y = y._like(self._what)
        elif isinstance(self._what._node, Leaf):  # under no_grad it stays the leaf that it is
            y = y._like(y._what.detach().requires_grad_())
        return self._take(y)

    # --- other dtypes, copies -----------------------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """In another dtype; a device is accepted if it is the CPU.  Returns itself where nothing changes."""
        args = tuple(a._what if isinstance(a, Sparse) else a for a in args)
        changed = self._what.to(*args, **kwargs)
        return self if changed is self._what else self._like(changed)

    def type(self, dtype: Any = None) -> Any:
        """The name of the type, or the tensor in another dtype."""
        if dtype is None:
            return f"{package()}.sparse.{dtypes.type_name(self.dtype)}Tensor"
        return self.to(dtypes.from_type_name(dtype) if isinstance(dtype, str) else getattr(dtype, "dtype", dtype))

    def clone(self, *, memory_format: Any = None) -> Any:
        """A copy."""
        return self._like(self._what.clone())

    def cpu(self) -> Any:
        """Itself."""
        return self

    # --- leaving for elsewhere ----------------------------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """Raises ArgumentTypeError: NumPy has no sparse arrays."""
        raise ArgumentTypeError("numpy: a sparse tensor cannot become a NumPy array; call .to_dense() first")

    def item(self) -> Any:
        """The one element, as a Python number.  Raises ShapeError for any other count."""
        if self.numel() != 1:
            raise ShapeError(
                f"item: only one element can become a number, the tensor has shape {list(self._size)}; "
                "sum it with sparse.sum(), or index it"
            )
        return self._what.detach().sum().item()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise ShapeError(f"bool: the truth of a sparse tensor of shape {list(self._size)} is ambiguous; use .any()")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise GradError("deepcopy: only leaf tensors can be copied deeply; use detach().clone() for a result")
        copy = self._like(self._what.detach().clone())
        memo[id(self)] = copy
        return copy.requires_grad_() if self.requires_grad else copy

    # --- functions of each entry --------------------------------------------------------------------------------------

    def _summed(self) -> Any:
        """With each place once, as a function that is not linear needs it."""
        return self

    def _map(self, f: Callable[[Any], Any]) -> Any:
        """f, of which f(0) = 0, of each value."""
        each = self._summed()
        return each._like(f(each._what))

    def neg(self) -> Any:
        """-x."""
        return self._like(-self._what)

    def __neg__(self) -> Any:
        return self.neg()

    negative = neg

    def positive(self) -> Any:
        """Itself."""
        return self

    def __abs__(self) -> Any:
        return self.abs()

    def pow(self, exponent: Any) -> Any:
        """Each value to a power.  Raises ArgumentError for 0, of which all elements would be 1."""
        if isinstance(exponent, Tensor):
            exponent = exponent.item()
        if exponent == 0:
            raise ArgumentError("pow: the zeroth power of a sparse tensor is dense; call .to_dense() first")
        return self._map(lambda v: v.pow(exponent))

    def __pow__(self, exponent: Any) -> Any:
        return self.pow(exponent)

    def any(self) -> Tensor:  # type: ignore[override]
        """Whether an entry is not 0."""
        return self._what.any()

    def norm(self, p: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
        """The p-norm of all elements."""
        if dim is not None:
            raise NotForSparse("norm along a dimension")
        return self._summed()._what.norm(p, dtype=dtype)  # type: ignore[no-any-return]

    def coalesce(self) -> Any:
        """Raises ShapeError unless the layout is sparse_coo."""
        return _only_coo("coalesce", self)

    def is_coalesced(self) -> bool:
        """Raises ShapeError unless the layout is sparse_coo."""
        return bool(_only_coo("is_coalesced", self))

    def indices(self) -> Tensor:
        """Raises ShapeError unless the layout is sparse_coo."""
        return _only_coo("indices", self)  # type: ignore[no-any-return]


def _only_coo(name: str, x: Sparse) -> Any:
    raise ShapeError(f"{name}: needs a tensor of {package()}.sparse_coo, got {x.layout}; call .to_sparse_coo() first")


# Functions that give 0 for 0.
OF_ENTRIES = (
    "abs absolute arcsin arcsinh arctan arctanh asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac isinf isnan "
    "isneginf isposinf log1p nan_to_num rad2deg relu round sgn sign signbit sin sinh sqrt square tan tanh trunc"
).split()


def _of_entries(name: str) -> Callable[..., Any]:
    dense = getattr(Tensor, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._map(lambda v: dense(v, *args, **kwargs))

    method.__name__, method.__qualname__ = name, f"Sparse.{name}"
    method.__doc__ = f"`{name}` of each entry."
    return method


def _in_place(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._written(name, getattr(self, name[:-1])(*args, **kwargs))

    method.__name__, method.__qualname__ = name, f"Sparse.{name}"
    method.__doc__ = f"`{name[:-1]}` of this tensor, in place."
    return method


for _name in OF_ENTRIES:
    setattr(Sparse, _name, _of_entries(_name))
for _name in (*OF_ENTRIES, "neg", "pow"):
    if hasattr(Tensor, f"{_name}_"):
        setattr(Sparse, f"{_name}_", _in_place(f"{_name}_"))
