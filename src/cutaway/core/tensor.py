"""Tensor: a handle on a NumPy array, with PyTorch's methods. Each method is one line on the op or composite it calls."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, TypeVar

import numpy as np

from cutaway.core import dtypes
from cutaway.core.absent import Absent
from cutaway.core.aval import normalize_dim, numel, row_major
from cutaway.core.conversion import Conversions
from cutaway.core.diary import note
from cutaway.core.dtypes import CPU, FLOATING, FROM_NUMPY, INEXACT, META, check_device
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, GradError, NoData, NotWritten, ShapeError
from cutaway.core.grad_names import tell
from cutaway.core.handle import RemovableHandle
from cutaway.core.layouts import check_format, layout, strided
from cutaway.core.meta import is_meta
from cutaway.core.methods import Methods
from cutaway.core.op import STAGE
from cutaway.core.overriding import asked, subclass
from cutaway.core.package import package
from cutaway.core.refusal import describe, guard_methods
from cutaway.core.strict import warn_once
from cutaway.core.topics import (
    Complex,
    Drawing,
    Layout,
    Memory,
    Order,
    Places,
    Products,
    Replaced,
    Sparsity,
    Special,
    Statistics,
    Writing,
)
from cutaway.core.watched import CHANGES

T = TypeVar("T", bound="Tensor")
_blank = object.__new__


class Size(tuple[int, ...]):
    """A shape: a tuple of ints, with PyTorch's `numel()`.  Parts and sums are shapes, too."""

    def __new__(cls, sizes: Any = ()) -> Size:
        """The sizes, which must be integers."""
        made = super().__new__(cls, sizes)
        for n in made:
            if type(n) is not int and not hasattr(n, "__index__"):
                raise ArgumentTypeError(f"Size: expected integers, got {n!r}")
            if isinstance(n, Tensor):
                return super().__new__(cls, map(int, made))
        return made

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return Size(found) if type(key) is slice else found

    def __add__(self, other: Any) -> Any:
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: Any) -> Any:
        return Size(tuple.__add__(other, self))

    def __mul__(self, times: Any) -> Any:
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def numel(self) -> int:
        """Number of elements."""
        return numel(self)

    def __repr__(self) -> str:
        return f"{package()}.Size({list(self)})"


class Tensor(
    Methods, Conversions, Complex, Drawing, Layout, Memory, Order, Places, Products, Replaced, Sparsity, Special,
    Statistics, Writing,
):  # fmt: skip
    """A multi-dimensional array that can remember how it was computed.

    `Tensor(2, 3)` makes float32 of that shape (zeros), `Tensor([1, 2])` float32 from data; `cutaway.tensor` keeps dtypes.

    _data    the NumPy array             _node   the Node that made it (Leaf if it only requires grad), or None
    _cell    [writes, recorded writes], shared by all views of one memory
    _epoch   recorded writes when this handle was made; -1 if it was detached
    _view    True for a view that the user took: its strides are NumPy's, others report row-major strides
    _base    of a view: the tensor that it shows a part of, and `_path` the operations from there (core/views.py)
    """

    _node: Any = None
    _grad: Tensor | None = None
    _view = False
    _base: Tensor | None = None
    _path: views.Path = ()
    _epoch = 0
    _strided = True  # False of sparse tensors, which have no _data (core/sparse/base.py)
    _data: np.ndarray
    _cell: list[int]

    __array_priority__ = 1000

    def __new__(cls, *args: Any, dtype: Any = None, device: Any = None) -> Any:
        """As in PyTorch, all is done here: a subclass may have an `__init__` of its own."""
        check_device(device)
        from cutaway.core.creation import tensor, zeros

        if cls is not Tensor:
            subclass.check(cls.__name__, cls)
        of_data = len(args) == 1 and not isinstance(args[0], (int, np.integer, Size))
        if of_data and isinstance(args[0], (float, bool)):
            raise ArgumentTypeError(f"Tensor: expected sizes or a list, got {args[0]!r}; use cutaway.tensor({args[0]!r})")
        if of_data and isinstance(args[0], Tensor) and args[0].dtype is dtypes.get_default_dtype():
            return subclass.as_subclass(args[0], cls)
        made = tensor(args[0], dtype=dtypes.get_default_dtype()) if of_data else zeros(*(args or [0]))
        return made if cls is Tensor else subclass.handle(cls, made)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        subclass.defined(cls)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What functions give where a tensor of a subclass is among their arguments: theirs, as tensors of class `cls`.

        A subclass that has its own calls this one by `super()`. NotImplemented if `types` holds a class that is no base of
        `cls`.
        """
        return subclass.default(cls, func, types, args, kwargs)

    def as_subclass(self, cls: type[T]) -> T:
        """The same memory and history as a tensor of class `cls`.  Raises ArgumentTypeError if that is no Tensor."""
        made: T = subclass.as_subclass(self, cls)
        return made

    @staticmethod
    def _make_subclass(cls: type[T], data: Tensor, require_grad: bool = False) -> T:
        made: T = subclass.make_subclass(cls, data, require_grad)
        return made

    @staticmethod
    def _make_wrapper_subclass(cls: type[T], *args: Any, **kwargs: Any) -> T:
        raise NotWritten(
            f"_make_wrapper_subclass: {cls.__name__} would be a tensor without memory, whose operations go through "
            "__torch_dispatch__, and Cutaway does not have it; keep the tensor as an attribute of a class of your own that "
            "defines __torch_function__"
        )

    # What a program sees is what it has set; the fields above are the machine's.
    __dict__ = property(subclass.attributes, subclass.replace)

    @staticmethod
    def _wrap(array: np.ndarray) -> Tensor:
        """A Tensor on this very array, without history."""
        t = _blank(Tensor)
        t._data = array
        t._cell = [0, 0]
        return t

    # --- what it is -----------------------------------------------------------------------------------------------

    @property
    def _numbers(self) -> np.ndarray:
        """The array of the elements, or of a sparse tensor's entries: for who looks at numbers wherever they stand."""
        return self._data

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return tuple.__new__(Size, self._data.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of the elements."""
        return FROM_NUMPY[self._data.dtype]

    @property
    def device(self) -> dtypes.device:
        """The CPU, or meta."""
        return META if is_meta(self) else CPU

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._data.ndim

    @property
    def itemsize(self) -> int:
        """Bytes an element."""
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes in all."""
        return self._data.nbytes

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False

    @property
    def is_sparse(self) -> bool:
        """False."""
        return False

    @property
    def is_meta(self) -> bool:
        """True for a tensor on the device meta, which has no data."""
        return is_meta(self)

    is_mps = is_quantized = is_xpu = is_sparse_csr = is_sparse

    @property
    def layout(self) -> layout:
        """`strided`; sparse tensors have others."""
        return strided

    def get_device(self) -> int:
        """-1: the CPU."""
        return -1

    def is_pinned(self, device: Any = None) -> bool:
        """False: there is no GPU to pin memory for."""
        return False

    def is_shared(self) -> bool:
        """False: other processes get copies."""
        return False

    def is_inference(self) -> bool:
        """True for a tensor that was made in inference_mode, and no view of another."""
        return autograd._inference.is_inference(self)

    def pin_memory(self, device: Any = None) -> Tensor:
        """Itself: there is no GPU to pin memory for, and PyTorch without one raises."""
        return self

    def dim(self) -> int:
        """Number of dimensions."""
        return self._data.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self._data.shape[normalize_dim(dim, self._data.ndim, "size")]

    def numel(self) -> int:
        """Number of elements."""
        return self._data.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes an element."""
        return self._data.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Elements between neighbours, for each dimension or one. A tensor that is no view is row-major."""
        if self._view:
            strides = tuple(s // self._data.itemsize for s in self._data.strides)
            if 0 in strides:  # of a new dimension NumPy says 0, PyTorch as if it had more elements
                shape, above = self._data.shape, 1
                told = list(strides)
                for d in reversed(range(len(told))):
                    if not told[d] and shape[d] == 1:
                        told[d] = above
                    above = told[d] * shape[d]
                strides = tuple(told)
        else:
            strides = row_major(self._data.shape)
        return strides if dim is None else strides[normalize_dim(dim, self._data.ndim, "stride")]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """True if the elements lie in row-major order, whatever format is asked for."""
        check_format("is_contiguous", memory_format)
        return not self._view or bool(self._data.flags.c_contiguous)

    def _is_view(self) -> bool:
        """True for a view of another tensor, `_base`."""
        return self._base is not None

    def is_floating_point(self) -> bool:
        """True for a floating dtype."""
        return self._data.dtype.kind in FLOATING

    def is_complex(self) -> bool:
        """True for complex64 and complex128."""
        return self._data.dtype.kind == "c"

    def data_ptr(self) -> int:
        """The address of the first element; 0 on the device meta."""
        if is_meta(self):
            return 0
        return int(self._settle()._data.__array_interface__["data"][0])

    def __len__(self) -> int:
        if not self._data.ndim:
            raise ArgumentTypeError("len: a 0-d tensor has no length; use .item() for its value")
        return len(self._data)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from cutaway.core.printing import show

        return show(self)

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec) if self._data.ndim else format(self.item(), spec)

    # --- gradients ------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """True if a gradient can reach this tensor."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for a gradient, or no longer.  Raises GradError for integers and for results of other operations."""
        if requires_grad and self._node is None:
            if requires_grad is not True and not isinstance(requires_grad, (int, np.bool_)):
                raise ArgumentTypeError(f"requires_grad: must be True or False, got {requires_grad!r}")
            if self._data.dtype.kind not in INEXACT:
                raise GradError(
                    f"requires_grad: only floating and complex tensors can require gradients, got {self.dtype}; use .float()"
                )
            if type(self._cell[0]) is not int and not autograd.INFERENCE.get():
                raise GradError(
                    "requires_grad: Setting requires_grad=True on inference tensor outside InferenceMode is not allowed; "
                    "clone() it first"
                )
            self._node = Leaf(self)
            CHANGES.count += 1
        elif not requires_grad and self._node is not None:
            if not self.is_leaf:
                raise GradError("requires_grad: can only be switched off on leaf tensors; use detach() for a result")
            self._node = None
            CHANGES.count += 1
            note("freeze", self, through=True)
        return self

    @property
    def is_leaf(self) -> bool:
        """True for a tensor that no recorded operation made."""
        return self._node is None or isinstance(self._node, Leaf)

    @property
    def grad_fn(self) -> Any:
        """The Node that made this tensor; None for a leaf."""
        return None if self.is_leaf else autograd._nodes.named(self._node)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` left here."""
        if self._grad is None and not self.is_leaf and not self.retains_grad:
            warnings.warn(
                "the .grad of a tensor that is not a leaf is not kept: call retain_grad() on it before backward()",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise ArgumentTypeError(f"grad: expected a Tensor or None, got {type(value).__name__}")
            if not value._strided:
                autograd.SPARSE_GRADIENTS[0] += 1
            if value.shape != self.shape:
                raise ShapeError(f"grad: shape {list(value.shape)} differs from the tensor's {list(self.shape)}")
            if value.dtype is not self.dtype:
                raise DTypeError(f"grad: {value.dtype} differs from the tensor's {self.dtype}; convert with .to()")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def retains_grad(self) -> bool:
        """True if `retain_grad` was called on a non-leaf."""
        return not self.is_leaf and self._node.retain is not None and self._node.retain() is self

    def retain_grad(self) -> None:
        """Keep `.grad` of a result, too."""
        if self._node is None:
            raise GradError(
                "retain_grad: the tensor does not require grad; set requires_grad=True on what it is computed from"
            )
        if not self.is_leaf:
            import weakref

            self._node.retain = weakref.ref(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook(grad)` when the gradient arrives; what it returns, if not None, replaces it."""
        if self._node is None:
            raise GradError("register_hook: the tensor does not require grad; no gradient will arrive")
        if not callable(hook):
            raise ArgumentTypeError(
                f"register_hook: the hook must be a function of the gradient, got {hook!r}; pass hook, not hook(...)"
            )
        if self._node.hooks is None:
            self._node.hooks = {}
        if isinstance(self._node, Leaf):
            Leaf.hooked.add(self._node)
        return RemovableHandle.of(self._node.hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call `hook(tensor)` after each backward that has added to `.grad`: a leaf may take its optimiser's step there.

        Raises GradError for what is no leaf that requires a gradient.
        """
        if not isinstance(self._node, Leaf):
            raise GradError("register_post_accumulate_grad_hook: only leaves that require grad have a .grad to wait for")
        if self._node.after is None:
            self._node.after = {}
        Leaf.hooked.add(self._node)
        return RemovableHandle.of(self._node.after, hook)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Carry the gradient of this tensor back to all leaves; see `cutaway.autograd.backward`."""
        autograd.backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same memory without history."""
        if self._node is not None:
            note("detach", self._node, self._data, detail=("detach()", self._data.shape, self._data.dtype))
        t = Tensor._wrap(self._data)
        t._cell, t._view, t._epoch = self._cell, self._view, -1
        return t

    def detach_(self) -> Tensor:
        """Forget the history, in place."""
        if self._view:
            raise GradError("detach_: not on a view; use detach()")
        if self._node is not None:
            note("detach", self._node, self._data, detail=("detach_()", self._data.shape, self._data.dtype))
        self._node = None
        CHANGES.count += 1
        return self

    @property
    def data(self) -> Tensor:
        """The same memory without history; assigning replaces the memory (not seen by backward: prefer no_grad)."""
        if self._node is not None:
            note("detach", self._node, self._data, detail=(".data", self._data.shape, self._data.dtype))
        t = self.detach()
        t._cell = [0, 0]  # as in PyTorch, writes through .data are not counted
        return t

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise ArgumentTypeError(f"data: expected a Tensor, got {type(value).__name__}")
        self._data, self._cell, self._view, self._epoch = value._data, [0, 0], value._view, 0
        self._base = None
        if isinstance(self._node, Leaf):
            self._node.meta = (value._data.shape, value._data.dtype)
        CHANGES.count += 1

    @property
    def _version(self) -> int:
        """How often the memory was written in place.  Raises GradError for a tensor of inference mode."""
        if type(self._cell[0]) is not int:
            raise GradError("_version: Inference tensors do not track version counter; clone() it outside the mode")
        return self._cell[0]

    # No __getattr__: with one, Python 3.11 takes three times as long for every attribute. It suggests names itself.
    gelu, layer_norm, one_hot, chalf, to_sparse_bsr, to_sparse_bsc = [Absent() for _ in range(6)]

    # --- memory and in-place machinery ----------------------------------------------------------------------------

    def _settle(self) -> Tensor:
        """Bring memory that only the machine ordered (channels-last, say) into the row-major order that strides promise."""
        if not self._view and not self._data.flags.c_contiguous:
            self._data = np.ascontiguousarray(self._data)
            CHANGES.count += 1
        return self

    def _recording(self, *others: Tensor) -> bool:
        return autograd.RECORDING.get() and (self._node is not None or any(o._node is not None for o in others))

    def _assign_check(self, name: str, y: Tensor | None = None) -> None:
        if not self._data.flags.writeable:
            raise ShapeError(
                f"{name}: several elements of this tensor share one place in memory (it was expanded), or it is read-only; "
                "clone() it before writing in place"
            )
        write = autograd.WRITE.get()
        if write is not None:
            write(self, y)

    def _assign(self, y: Tensor, name: str) -> Tensor:
        """Write `y` here. While recording, this handle takes y's history; saved values notice the write by its version."""
        if y._data.shape != self._data.shape:
            raise ShapeError(
                f"{name}: the result has shape {list(y._data.shape)}, "
                f"but the tensor written to has {list(self._data.shape)}; "
                "in-place methods never change the shape: use the method without the underscore"
            )
        if FROM_NUMPY[y._data.dtype].category > FROM_NUMPY[self._data.dtype].category:
            raise DTypeError(
                f"{name}: a result of {y.dtype} cannot be stored in a tensor of {self.dtype}; convert it first"
            )
        self._assign_check(name, y)
        if self._view and self._base is not None:
            if autograd.RECORDING.get():
                views.refresh(name, self)
            if type(self._data) is not np.ndarray:
                views.write_staged(self, y, name)
                return self
            if y._node is not None or (self._base._node is not None and autograd.RECORDING.get()):
                views.write(self, y, name)
                return self
        if y._node is None and self._node is not None and autograd.RECORDING.get():
            y = elementwise.where(True, y, self)  # a constant: from here on, no gradient reaches what stood here before
        recorded = y._node is not None
        if recorded and isinstance(self._node, Leaf):
            raise GradError(
                f"{name}: a leaf tensor that requires grad is written in place while gradients are recorded; "
                "wrap the write in `with no_grad():`, or write x = x + 1 for x += 1"
            )
        if recorded:
            autograd.keep_overwritten(y._node, self._cell)
        stage = STAGE.get()
        if stage is None:
            self._cell[0] += 1  # first: a tensor of inference mode refuses
            np.copyto(self._data, y._data, casting="unsafe")
        else:
            stage.store(self, y)
            self._cell[0] += 1
        if recorded:
            self._cell[1] += 1
            self._epoch = self._cell[1]
            self._node = y._node if y._data.dtype == self._data.dtype else y.to(self.dtype)._node
            CHANGES.count += 1
        return self

    def _become(self, y: Tensor, name: str) -> Tensor:
        """Take over the memory and history of `y`, which is a view of this tensor in another shape."""
        if self._node is not None and (isinstance(self._node, Leaf) or not autograd.RECORDING.get()):
            raise GradError(
                f"{name}: a tensor that requires grad cannot change its shape in place "
                f"(what was recorded knows the old one); write x = x.{name[:-1]}(), or detach() it first"
            )
        self._node = y._node
        self._data, self._view, self._path = y._data, y._view, y._path if self._base is not None else ()
        CHANGES.count += 1
        return self

    # --- leaving for elsewhere ------------------------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The NumPy array on the same memory.

        Raises GradError if a gradient is recorded (use detach()), ArgumentTypeError for bfloat16, which NumPy lacks.
        """
        if is_meta(self):
            raise NoData("numpy: can't convert meta device type tensor to numpy: it has no data")
        if self._node is not None and not force and autograd.RECORDING.get():
            raise GradError("numpy: the tensor requires grad, and NumPy records nothing; call .detach().numpy()")
        if self._data.dtype.kind == "V":
            raise ArgumentTypeError(f"numpy: NumPy has no {self.dtype.name} numbers; call .float().numpy()")
        array: np.ndarray = np.asarray(self._settle()._data)  # the same array; a symbol has none, and says so
        return array

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Tensor:
        """What NumPy's own functions give for a Tensor is a Tensor."""
        return Tensor._wrap(np.asarray(array))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        a = self.numpy()
        return a.astype(dtype) if dtype is not None and a.dtype != dtype else a.copy() if copy else a

    def item(self) -> Any:
        """The one element, as a Python number.  Raises ShapeError for any other count."""
        if self._data.size != 1:
            raise ShapeError(
                f"item: only one element can become a number, the tensor has shape {list(self.shape)}; "
                "reduce or index it first"
            )
        return self._data.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._data.tolist()

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ShapeError(
                f"bool: the truth of a tensor of shape {list(self.shape)} is ambiguous; "
                "use .any() or .all(), or & | ~ for masks"
            )
        return bool(self._data.item())

    def __float__(self) -> float:
        self._warn_of_history()
        return float(self._number("float"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __complex__(self) -> complex:
        self._warn_of_history()
        return complex(self._number("complex"))

    def _warn_of_history(self) -> None:
        if self.requires_grad and autograd.is_grad_enabled():
            warn_once("a number made of a tensor that requires grad has no gradient; write x.detach() first, or x.item()")

    def _number(self, name: str) -> Any:
        if self._data.size != 1:
            raise ArgumentError(
                f"{name}: only one element can become a number, the tensor has shape {list(self.shape)}; "
                "reduce or index it first"
            )
        found = self._data.item()
        if type(found) is complex and name != "complex":
            if found.imag:
                raise DTypeError(f"{name}: {found} has an imaginary part; take .real, .imag or .abs() first")
            return found.real
        return found

    def __index__(self) -> int:
        if self._data.size != 1 or self._data.dtype.kind not in "iub":
            raise ArgumentTypeError(
                f"index: only an integer tensor of one element can be an index, got {self.dtype}{list(self.shape)}"
            )
        return int(self.item())

    def __contains__(self, x: Any) -> bool:
        if not isinstance(x, (Tensor, int, float, complex, np.number, np.bool_)):
            raise ArgumentError(f"in: a tensor holds numbers, got {describe(x)}; ask for a number or a Tensor")
        narrow = dtypes.is_narrow(self._data.dtype) and type(x) in (int, float)  # a number is rounded before
        return bool((self._data == (x._data if isinstance(x, Tensor) else self._data.dtype.type(x) if narrow else x)).any())

    def __delitem__(self, key: Any) -> None:
        raise ArgumentTypeError("del: a tensor keeps its size; select what should stay, as in x[x > 0]")

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            raise ArgumentTypeError("iter: cannot iterate over a 0-d tensor; use .item()")
        return iter([tell(self[i], "Unbind", (), {}) for i in range(len(self._data))])

    def __reduce_ex__(self, protocol: Any) -> Any:
        kind, own = type(self), dict(subclass.attributes(self))
        return _rebuild, (None if kind is Tensor else kind, self._settle()._data, self.requires_grad, own)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) in memo:
            found: Tensor = memo[id(self)]
            return found
        if not self.is_leaf:
            raise GradError("deepcopy: only leaf tensors can be copied deeply; use detach().clone() for a result")
        copy = _rebuild(type(self), self._settle()._data.copy(), self.requires_grad, {})
        if self._grad is not None:
            copy._grad = Tensor._wrap(self._grad._data.copy())
        memo[id(self)] = copy
        own = subclass.attributes(self)
        if own:
            subclass.replace(copy, deepcopy(dict(own), memo))
        return copy


def _rebuild(cls: type[Tensor] | None, array: np.ndarray, requires_grad: bool, extra: dict[str, Any]) -> Tensor:
    t: Tensor = _blank(cls or Tensor)
    dtypes.from_numpy_dtype(array.dtype)
    t._data, t._cell = array, [0, 0]
    if extra:
        subclass.attributes(t).update(extra)
    return t.requires_grad_(requires_grad) if requires_grad else t


asked.PLAIN.update((Tensor, Size, dtypes.dtype, dtypes.device))
QUICK = frozenset("detach dim element_size is_complex is_contiguous is_floating_point numel nelement size".split())
for _class in (Tensor, Conversions):
    guard_methods(_class, [n for n, f in vars(_class).items() if callable(f) and n[0] != "_" and n not in QUICK])
guard_methods(Tensor, ["__contains__"])

# Last: the graph is built upon Tensors.
from cutaway.core import autograd, views
from cutaway.core.autograd import Leaf
from cutaway.core.ops import elementwise
