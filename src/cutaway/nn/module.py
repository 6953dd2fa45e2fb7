"""Module: a node of the tree that a network is. It owns parameters, buffers and child modules, all named, in order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from cutaway.core.autograd import no_grad
from cutaway.core.creation import zeros_like
from cutaway.core.diary import note
from cutaway.core.dtypes import bfloat16, check_device, dtype, float16, float32, float64, goes_to_meta
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    CutawayError,
    DTypeError,
    GradError,
    KindError,
    MissingAttribute,
    NameRefused,
    NotWritten,
    ShapeError,
)
from cutaway.core.handle import RemovableHandle, StateHooks
from cutaway.core.op import SCOPE
from cutaway.core.refusal import RAW, describe, explain, guard_class, guard_methods
from cutaway.core.tensor import Tensor
from cutaway.core.watched import CHANGES, Watched
from cutaway.nn.adopted import adopted
from cutaway.nn.hooks import Hooks, call_with_hooks, registered
from cutaway.nn.parameter import Buffer, Parameter
from cutaway.nn.state import EXTRA, Bound, IncompatibleKeys, Returning, load, load_own, told
from cutaway.nn.state import IncompatibleKeys as _IncompatibleKeys  # noqa: F401 - a name that programs import

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")

TABLES = ("_parameters", "_buffers", "_modules")


class Module:
    """Base class of all layers and networks.

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(784, 10)

            def forward(self, x):            # x[N, 784] -> [N, 10]
                return self.fc(x)

    A Parameter, Buffer or Module that is assigned to an attribute is registered under that name. Calling the module
    calls `forward`; an error that leaves it says in which layer it arose.
    """

    training: bool
    _version: int = 1
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]  # Module or None
    _non_persistent_buffers_set: set[str]
    _hooks: Hooks | None
    _state_hooks: StateHooks | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            given = ", ".join([*(repr(a) for a in args), *kwargs])
            raise ArgumentTypeError(f"{type(self).__name__}: Module.__init__ takes no arguments, got {given}")
        put = super().__setattr__
        put("training", True)
        put("_parameters", Watched())
        put("_buffers", Watched())
        put("_non_persistent_buffers_set", set())
        put("_modules", Watched())
        put("_hooks", None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        guard_class(cls)

    # --- calling ------------------------------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass writes its own."""
        raise NotWritten(
            f"{type(self).__name__}: this module has no forward; write `def forward(self, x): ...` in its class"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            observer = SCOPE.get()
            if observer is not None:
                return observer(self._called, args, kwargs)
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return call_with_hooks(self, args, kwargs)
        except CutawayError as error:
            say_where(error, self, args, kwargs)
            raise
        except RAW as error:
            refusal = explain(type(self).forward, (self, *args), kwargs, error)
            if refusal is None:
                raise
            say_where(refusal, self, args, kwargs)
            raise refusal from error

    def _called(self, *args: Any, **kwargs: Any) -> Any:
        """Forward, with hooks."""
        return self.forward(*args, **kwargs) if self._hooks is None else call_with_hooks(self, args, kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """From now on `forward` is what `cutaway.compile` makes of it, with its options; the module stays what it is.

        Copies and files of the module have the forward of its class.
        """
        forward = type(self).forward.__get__(self)
        self.__dict__["forward"] = import_module("cutaway").compile(forward, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: all but a forward that `compile` has made, and what `jit.script` has put here."""
        state = self.__dict__.copy()
        for name, mark in (("forward", "graph"), ("save", "scripted")):
            if hasattr(state.get(name), mark):
                del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what `__getstate__` gave, or what PyTorch's pickled module holds."""
        self.__dict__.update(state if "_hooks" in state else adopted(type(self), state))

    # --- attributes ---------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:  # only called for what is not found in the usual way
        state = self.__dict__
        if "_modules" in state:
            # Written out, parameters first: each layer comes through here for its weight on every call.
            if name in (table := state["_parameters"]):
                return table[name]
            if name in (table := state["_modules"]):
                return table[name]
            if name in (table := state["_buffers"]):
                return table[name]
            if name in Hooks.THERE:
                return getattr(self._hook_table(), Hooks.THERE[name])
            if name in StateHooks.THERE:
                return getattr(self._state_hook_table(), StateHooks.THERE[name])
            if hasattr(type(self), name):  # a property that failed: let its own error out
                return object.__getattribute__(self, name)
            raise self._missing(name)
        if name in TABLES or name in ("_hooks", "training"):
            raise _not_set_up(self, f"use {name!r} of")
        raise MissingAttribute(f"{type(self).__name__} has no attribute {name!r}")

    def _missing(self, name: str) -> MissingAttribute:
        own = ", ".join(k for table in TABLES for k in self.__dict__.get(table, ())) or "nothing"
        # With name and obj given, Python's traceback adds "Did you mean: 'weight'?"; hasattr pays nothing for it.
        text = f"{type(self).__name__} has no attribute {name!r}; registered in it: {own}"
        return MissingAttribute(text, name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if isinstance(value, Tensor) and isinstance(value, Parameter):
            if "_parameters" not in state:
                raise _not_set_up(self, f"assign the parameter {name!r} to")
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if "_modules" not in state:
                raise _not_set_up(self, f"assign the module {name!r} to")
            self._forget(name, "_modules")
            self.register_module(name, value)
        elif isinstance(value, Buffer):
            if "_buffers" not in state:
                raise _not_set_up(self, f"assign the buffer {name!r} to")
            self._forget(name, "_buffers")
            self.register_buffer(name, value, value.persistent)
        elif "_modules" in state and any(name in state[table] for table in TABLES):
            self._assign_plain(name, value)
        else:
            super().__setattr__(name, value)
            if name == "training" or name in TABLES:
                CHANGES.count += 1

    def _assign_plain(self, name: str, value: Any) -> None:
        """Assign what is no Parameter, Module or Buffer to a name that is registered as one."""
        table = next(t for t in TABLES if name in self.__dict__[t])
        if table == "_parameters" and value is not None:
            raise ArgumentTypeError(
                f"{type(self).__name__}: {name!r} is a parameter; assign an nn.Parameter or None, "
                f"not {type(value).__name__}. To change its values write `with no_grad(): module.{name}.copy_(values)`"
            )
        if table == "_modules" and value is not None:
            raise ArgumentTypeError(
                f"{type(self).__name__}: {name!r} is a child module; assign a Module or None, "
                f"not {type(value).__name__}"
            )
        if table == "_buffers" and value is not None and not isinstance(value, Tensor):
            raise ArgumentTypeError(
                f"{type(self).__name__}: {name!r} is a buffer; assign a Tensor or None, not {type(value).__name__}"
            )
        if value is None:
            _gone(self, name, self.__dict__[table][name])
        self.__dict__[table][name] = value if table == "_parameters" else registered(self, table, name, value)

    def __delattr__(self, name: str) -> None:
        for table in TABLES:
            if name in self.__dict__.get(table, ()):
                _gone(self, name, self.__dict__[table].pop(name))
                self._non_persistent_buffers_set.discard(name)
                return
        if name not in self.__dict__:
            raise self._missing(name)
        super().__delattr__(name)

    def _forget(self, name: str, keep: str) -> None:
        """Free `name` from wherever else it is registered."""
        self.__dict__.pop(name, None)
        for table in TABLES:
            if table != keep:
                _gone(self, name, self.__dict__[table].pop(name, None))
        self._non_persistent_buffers_set.discard(name)

    def __dir__(self) -> list[str]:
        state = self.__dict__
        names = {*dir(type(self)), *state, *(k for table in TABLES for k in state.get(table, ()))}
        return sorted(n for n in names if n.isidentifier())

    # --- registering --------------------------------------------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Own `param` under `name`; None keeps the name for later.

        Raises ArgumentTypeError for what is not a Parameter, ArgumentError for a bad name or a tensor with a history.
        """
        self._check_name("register_parameter", name, "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise ArgumentTypeError(
                    f"register_parameter: {name!r} must be an nn.Parameter or None, got {type(param).__name__}; "
                    "wrap the tensor with nn.Parameter(...)"
                )
            if param.grad_fn is not None:
                raise ArgumentError(
                    f"register_parameter: {name!r} is the result of a computation; a parameter must be a leaf. "
                    "Wrap its values with nn.Parameter(t.detach())"
                )
            param = registered(self, "_parameters", name, param)
        _gone(self, name, self._parameters.get(name), param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Own `tensor` under `name`: saved with the module unless persistent=False, moved with it, never optimised.

        Raises ArgumentTypeError for what is not a Tensor, ArgumentError for a bad name.
        """
        self._check_name("register_buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise ArgumentTypeError(
                f"register_buffer: {name!r} must be a Tensor or None, got {type(tensor).__name__}; "
                "wrap it with cutaway.tensor(...)"
            )
        self._buffers[name] = registered(self, "_buffers", name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Own `module` as the child called `name`.  Raises ArgumentTypeError, ArgumentError for a bad name."""
        self._check_name("add_module", name, "_modules")
        if module is not None and not isinstance(module, Module):
            raise ArgumentTypeError(
                f"add_module: {name!r} must be a Module or None, got {describe(module)}{_make_one(module)}"
            )
        module = registered(self, "_modules", name, module)
        _gone(self, name, self._modules.get(name), module)
        self._modules[name] = module

    add_module = register_module

    def _check_name(self, op: str, name: str, table: str) -> None:
        if "_modules" not in self.__dict__:
            raise _not_set_up(self, f"register {name!r} in")
        if not isinstance(name, str):
            raise ArgumentTypeError(f"{op}: a name must be a string, got {type(name).__name__}")
        if "." in name or not name:
            raise NameRefused(
                f"{op}: the name {name!r} must not be empty or hold a dot; dots separate the levels of a path"
            )
        # Not hasattr: a subclass may have a __getattr__ of its own, which looks into the child that is just registered.
        taken = name in self.__dict__ or hasattr(type(self), name) or any(name in self.__dict__[t] for t in TABLES)
        if taken and name not in self.__dict__[table]:
            raise NameRefused(f"{op}: {type(self).__name__} already has an attribute {name!r}; choose another name")

    # --- hooks --------------------------------------------------------------------------------------------------------

    def _hook_table(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; a result other than None replaces the arguments."""
        return self._hook_table().put("before", hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; a result other than None replaces the output."""
        return self._hook_table().put("after", hook, prepend, with_kwargs, always_call)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the gradient reaches the output; a result replaces it."""
        return self._hook_table().put("grad_output", hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradient has passed; a result replaces grad_input.

        Both are tuples, one entry a positional argument or output, None where there is no gradient (PyTorch: zeros, for
        an input that needs none beside one that does).
        """
        return self._backward_hook(hook, prepend, True)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """PyTorch's older name: as a full backward hook, with the module's gradients and not its last operation's.

        Raises GradError beside full ones.
        """
        return self._backward_hook(hook, False, False)

    def _backward_hook(self, hook: Callable[..., Any], prepend: bool, full: bool) -> RemovableHandle:
        hooks = self._hook_table()
        if hooks.full is not None and hooks.full is not full:
            raise GradError(
                f"{type(self).__name__}: Cannot use both regular backward hooks and full backward hooks on a single Module. "
                "Please use only one of them: register_full_backward_hook"
            )
        hooks.full = full
        return hooks.put("grad_input", hook, prepend)

    # --- walking the tree ---------------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module and of all below it, parents first; a shared one once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, parents first."""
        for _, m in self.named_modules():
            yield m

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct children; a shared one once."""
        seen = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The direct children."""
        for _, child in self.named_children():
            yield child

    def _named_members(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, owner in owners:
            for name, member in getattr(owner, table).items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) of this module and, unless recurse=False, of all below it; a shared one once."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """What an optimiser is given."""
        for _, p in self.named_parameters(recurse=recurse):
            yield p

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(path, buffer) of this module and, unless recurse=False, of all below it."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers."""
        for _, b in self.named_buffers(recurse=recurse):
            yield b

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "features.3"; "" is this one.  Raises MissingAttribute."""
        m: Module = self
        for i, name in enumerate(target.split(".") if target else ()):
            child = m._modules.get(name)
            if child is None:
                at = ".".join(target.split(".")[:i])
                raise MissingAttribute(
                    f"get_submodule: {type(m).__name__}{f' at {at!r}' if at else ''} has no child {name!r}; "
                    f"it has {', '.join(map(repr, m._modules)) or 'none'}"
                )
            m = child
        return m

    def set_submodule(self, target: str, module: Module) -> None:
        """Put `module` at a path such as "features.3".  Raises MissingAttribute unless there is a module already."""
        path, _, name = target.rpartition(".")
        self.get_submodule(target)
        self.get_submodule(path).register_module(name, module)

    def get_parameter(self, target: str) -> Any:
        """The parameter at a path such as "features.3.weight".  Raises MissingAttribute."""
        return self._member("get_parameter", "_parameters", target)

    def get_buffer(self, target: str) -> Any:
        """The buffer at a path such as "bn.running_mean".  Raises MissingAttribute."""
        return self._member("get_buffer", "_buffers", target)

    def _member(self, op: str, table: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if owner.__dict__[table].get(name) is None:
            raise MissingAttribute(
                f"{op}: {type(owner).__name__}{f' at {path!r}' if path else ''} has no {name!r} among its "
                f"{table[1:]}; it has {', '.join(map(repr, owner.__dict__[table])) or 'none'}"
            )
        return owner.__dict__[table][name]

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn(module)` on everything below this module, then on itself."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # --- modes --------------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Training mode (dropout drops, batch norm uses the batch), for this module and all below it."""
        if not isinstance(mode, bool):
            raise KindError(f"train: mode must be True or False, got {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let gradients be computed for all parameters, or freeze them."""
        if not isinstance(requires_grad, bool):
            raise ArgumentTypeError(f"requires_grad_: must be True or False, got {requires_grad!r}")
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def share_memory(self) -> Self:
        """Itself, and a warning: other processes get copies of the parameters (see `Tensor.share_memory_`)."""
        for t in [*self.parameters(), *self.buffers()]:
            t.share_memory_()
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters (or fill them with zeros)."""
        note("zero_grad", self, detail=set_to_none, through=True)
        for p in self.parameters():
            if p.grad is None:
                continue
            if set_to_none:
                p.grad = None
            else:
                p.grad = p.grad.detach()
                p.grad.zero_()

    # --- dtype and device ---------------------------------------------------------------------------------------------

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace every parameter, gradient and buffer t by fn(t), the Parameter objects staying the same."""
        if recurse:
            for child in self.children():
                child._apply(fn)
        with no_grad():
            for p in self._parameters.values():
                if p is None:
                    continue
                grad, p.grad = p.grad, None
                p.data = fn(p.detach())
                if grad is not None:
                    p.grad = fn(grad)
            for name, b in self._buffers.items():
                if b is not None:
                    self._buffers[name] = fn(b)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """`to(dtype)`, `to(device)`, `to(device, dtype)`, `to(tensor)`: convert all floating parameters and buffers.

        The device can only be the CPU, or meta, where nothing has data.  Raises DTypeError for an integer dtype, DeviceError
        for another device, NoData from meta to the CPU: call to_empty and load the values.
        """
        kwargs.pop("non_blocking", None)
        kwargs.pop("memory_format", None)
        target = kwargs.pop("dtype", None)
        device = kwargs.pop("device", None)
        if kwargs:
            raise ArgumentTypeError(f"to: unknown argument {next(iter(kwargs))!r}; use device or dtype")
        for a in args:
            if isinstance(a, dtype):
                target = a
            elif isinstance(a, Tensor):
                target, device = a.dtype, a.device
            elif a is not None and not isinstance(a, bool):
                device = a
        if device is not None:
            goes_to_meta(device)
            self._apply(lambda t: t.to(device))
        if target is None:
            return self
        if not isinstance(target, dtype):
            raise ArgumentTypeError(f"to: {target!r} is not a dtype; use one such as cutaway.float64")
        if target.category < 2:
            raise DTypeError(f"to: a module can only be given a floating or complex dtype, got {target}")
        return self._apply(lambda t: t.to(target) if t.dtype.category > 1 else t)

    def _floats(self, target: dtype) -> Self:
        return self._apply(lambda t: t.to(target) if t.dtype.is_floating_point else t)

    def type(self, dst_type: dtype) -> Self:
        """Cast all parameters and buffers to `dst_type`."""
        return self._apply(lambda t: t.to(dst_type))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Parameters and buffers in new memory, whose values are not to be relied on: zeros here.  Raises DeviceError."""
        to_meta = goes_to_meta(device)
        return self._apply(lambda t: zeros_like(t, device="meta" if to_meta else "cpu"), recurse)

    def float(self) -> Self:
        """All floating parameters and buffers as float32."""
        return self._floats(float32)

    def double(self) -> Self:
        """All floating parameters and buffers as float64."""
        return self._floats(float64)

    def half(self) -> Self:
        """All floating parameters and buffers as float16."""
        return self._floats(float16)

    def bfloat16(self) -> Self:
        """All floating parameters and buffers as bfloat16."""
        return self._floats(bfloat16)

    def cpu(self) -> Self:
        """The CPU is where everything is."""
        return self

    def cuda(self, device: Any = None) -> Self:
        """Raises DeviceError: there is no GPU here."""
        check_device("cuda" if device is None else device)
        return self

    # --- saving and loading -------------------------------------------------------------------------------------------

    def _state_hook_table(self) -> StateHooks:
        if self._state_hooks is None:
            self._state_hooks = StateHooks()
        return self._state_hooks

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before this module writes itself into a state_dict."""
        return RemovableHandle.of(self._state_hook_table().saving, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` when this module and its children stand in the state_dict,
        which the hook may change in place. state_dict() raises ArgumentError if it returns something.
        """
        return RemovableHandle.of(self._state_hook_table().saved, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The same, where what the hook returns is the state_dict from there on."""
        return RemovableHandle.of(self._state_hook_table().saved, Returning(hook))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)` before
        this module takes its values out of the state_dict: the place to translate names in it.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook: Callable[..., Any], with_module: bool = False) -> RemovableHandle:
        """The same, without the module in front unless with_module."""
        return RemovableHandle.of(self._state_hook_table().loading, Bound(hook, self) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` when this module and its children are loaded; it may change the two lists
        in place, and strict=True looks at what they hold then. load_state_dict raises AssertedError if it returns something.
        """
        return RemovableHandle.of(self._state_hook_table().loaded, hook)

    def state_dict(
        self,
        *args: Any,
        destination: OrderedDict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> OrderedDict[str, Any]:
        """All parameters and persistent buffers, by path. They share the module's memory: clone to keep a moment.

        keep_vars=True gives the Parameters themselves rather than detached tensors.
        """
        if args:
            given: tuple[Any, ...] = args + (destination, prefix, keep_vars)[len(args) :]
            destination, prefix, keep_vars = given
        out = OrderedDict() if destination is None else destination
        if not hasattr(out, "_metadata"):
            out._metadata = OrderedDict()  # type: ignore[attr-defined]
        local = out._metadata[prefix[:-1]] = {"version": self._version}  # type: ignore[attr-defined]
        hooks = self._state_hooks
        if hooks is not None:
            for hook in hooks.saving.values():
                hook(self, prefix, keep_vars)
        self._save_to_state_dict(out, prefix, keep_vars)
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(destination=out, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return out if hooks is None else told(self, hooks, out, prefix, local)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Write what this module itself owns, without its children."""
        for name, p in self._parameters.items():
            if p is not None:
                destination[prefix + name] = p if keep_vars else p.detach()
        for name, b in self._buffers.items():
            if b is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = b if keep_vars else b.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + EXTRA] = self.get_extra_state()

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values by path; with assign=True the tensors themselves take the parameters' places.

        strict=True refuses missing and unexpected names; a shape that differs is always refused.
        Returns the names that were missing and unexpected.
        Raises StateError that lists every problem, ArgumentTypeError for what is no dict.
        """
        return load(self, state_dict, strict, assign)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load what this module itself owns; a subclass may translate the names of an old version first."""
        if self._state_hooks is not None:
            for hook in self._state_hooks.loading.values():
                hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get("assign_to_params_buffers", False)
        load_own(self, state_dict, prefix, assign, missing_keys, unexpected_keys, error_msgs)
        if type(self).set_extra_state is not Module.set_extra_state:
            if prefix + EXTRA in state_dict:
                self.set_extra_state(state_dict[prefix + EXTRA])
            else:
                missing_keys.append(prefix + EXTRA)
        elif prefix + EXTRA in state_dict:
            unexpected_keys.append(prefix + EXTRA)

    def get_extra_state(self) -> Any:
        """Something besides tensors to keep in the state_dict; write it together with set_extra_state."""
        raise NotWritten(f"{type(self).__name__}: get_extra_state is not written")

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state gave."""
        raise NotWritten(f"{type(self).__name__}: set_extra_state is not written")

    # --- looking ------------------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses of the repr, such as "in_features=3, out_features=4"."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        lines = [f"({name}): {_indent(repr(child))}" for name, child in self._modules.items()]
        return _framed(self._get_name(), extra, lines)


def _framed(name: str, extra: list[str], lines: list[str]) -> str:
    """`Name(extra)` on one line where nothing lies below, otherwise one indented line an entry."""
    if not lines and len(extra) <= 1:
        return f"{name}({''.join(extra)})"
    return f"{name}(\n  " + "\n  ".join(extra + lines) + "\n)"


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


def _gone(owner: Module, name: str, before: Any, now: Any = None) -> None:
    """Write down for `inspect.why` that the parameters of `before` are in `owner` no longer; `now` takes their place."""
    if before is None or before is now:
        return
    lost = [*before.parameters()] if isinstance(before, Module) else [before] if isinstance(before, Parameter) else []
    if lost:
        kind = "gone" if now is None else "module" if isinstance(now, Module) else "tensor"
        note("assign", owner, *lost, detail=(name, kind), through=True)


def _not_set_up(module: Module, doing: str) -> MissingAttribute:
    name = type(module).__name__
    return MissingAttribute(
        f"{name}: cannot {doing} it before Module.__init__; write super().__init__() first in {name}.__init__"
    )


def say_where(error: CutawayError, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Note in which layer `error` arose, as a path from `module`, and the shapes that led there.

    Called at each level while the error rises.
    """
    if isinstance(error, ShapeError):  # by name: what lies above is not imported from here
        error.story = import_module("cutaway.inspect.shapestory").told(error, module, args, kwargs)
    if not error.layer:
        error._layer_id = id(module)  # type: ignore[attr-defined]
        error.layer = type(module).__name__
        return
    for path, m in module.named_modules():
        if path and id(m) == getattr(error, "_layer_id", None):
            error.layer = f"{path} ({type(m).__name__})"
            return


# What is left to Python: `forward`, and what checks all that it is given itself.
_CHECKED = ("forward", "register_parameter", "register_buffer", "register_module", "add_module")
def _make_one(x: Any) -> str:
    """For an error text: the fix, if a class stands where an instance is meant."""
    return f"; make one: {x.__name__}()" if isinstance(x, type) else ""


guard_methods(Module, [n for n, f in vars(Module).items() if callable(f) and n[0] != "_" and n not in _CHECKED])

# Last: they are for all Modules. These are names of `torch.nn.modules.module`.
from cutaway.nn.everywhere import *  # noqa: E402, F403
