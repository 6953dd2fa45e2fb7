"""Optimizer: the parameters, their hyper-parameters in groups, what is remembered of each, and the step."""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cutaway.core import accelerate
from cutaway.core.autograd import SPARSE_GRADIENTS, enable_grad
from cutaway.core.diary import note
from cutaway.core.dtypes import float32, float64, get_default_dtype
from cutaway.core.errors import ArgumentError, ArgumentTypeError, GradError, NotWritten
from cutaway.core.handle import RemovableHandle, StateHooks
from cutaway.core.op import SCOPE, STAGE
from cutaway.core.package import is_ours
from cutaway.core.refusal import guard_class, guarded
from cutaway.core.tensor import Tensor
from cutaway.core.watched import WatchedGroup, WatchedList, WatchedMemories
from cutaway.optim.advance import Job, Programs, advance
from cutaway.optim.check import Limit, check_group, list_of_groups, plain, tensors_of
from cutaway.optim.checkpoint import pack, unpack
from cutaway.optim.rows import sparse_step
from cutaway.optim.staged import staged_step

Group = dict[str, Any]
Value = Any  # a Tensor or a NumPy array: a rule uses only + - * / ** of them
Memory = dict[str, Value]

# PyTorch's ways of running the same rule; here there is one, so they are kept in the groups and make no difference.
IMPLEMENTATION = {"foreach": None, "fused": None, "capturable": False, "differentiable": False}


class Optimizer:
    """Changes parameters along their gradients, each subclass by its rule.

    params      a list of leaf Tensors, or of groups {"params": [...], "lr": ...}, or `model.named_parameters()`
    defaults    the hyper-parameters of groups that do not say their own

    A new rule is a subclass with `update`, and `start` if it remembers something:

        class Sign(Optimizer):
            def __init__(self, params, lr=1e-3):
                super().__init__(params, {"lr": lr})

            def update(self, p, g, s, t, h):
                return p - h["lr"] * g / abs(g), s

    Raises ArgumentTypeError, ArgumentError for parameters that cannot be optimised and impossible hyper-parameters.
    """

    limits: dict[str, Limit] = {}  # of the hyper-parameters
    counts = True  # whether the number of steps is remembered
    last: tuple[str, ...] = ()  # the last hyper-parameters, in PyTorch's order, those of IMPLEMENTATION among them
    scalars: tuple[str, ...] = ()  # which of the things remembered are one number, not one for each element

    _state_hooks: StateHooks | None = None
    _hooking = False  # within a subclass's own step() that stands between the hooks

    param_groups: list[Group]
    state: defaultdict[Tensor, dict[str, Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        guard_class(cls, ("__init__", "step", "load_state_dict"))
        _show_implementation(cls)
        if "step" in vars(cls):
            cls.step = _hooked_step(vars(cls)["step"])  # type: ignore[method-assign]

    @guarded
    def __init__(self, params: Any, defaults: Group, implementation: Group | None = None) -> None:
        given = implementation or {}
        for name in given:
            if name not in IMPLEMENTATION or name not in self.last:
                raise ArgumentTypeError(f"{self._name}: unknown argument {name!r}; it takes {', '.join(defaults)}")
        if given.get("differentiable"):
            raise ArgumentError(
                f"{self._name}: step() writes in place and cannot be differentiated; "
                "to differentiate a step, call the rule: p, s = optimizer.apply(p, g, s, t, h)"
            )
        if given.get("fused") and given.get("foreach"):
            raise ArgumentError(f"{self._name}: fused and foreach are two ways of one step; set at most one of them")
        every = {**IMPLEMENTATION, **defaults, **given}
        self.defaults = {n: v for n, v in defaults.items() if n not in self.last} | {n: every[n] for n in self.last}
        self.state = WatchedMemories()
        self.param_groups = WatchedList()
        self._steps = 0
        self._programs: dict[int, tuple[Any, Programs]] = {}  # of each group: what the rule was recorded as
        self._native: dict[Any, Any] = {}  # what core/accelerate.py's hook knows of this optimiser
        self._before: dict[int, Callable[..., Any]] = {}  # hooks of step()
        self._after: dict[int, Callable[..., Any]] = {}
        for group in list_of_groups(self._name, params):
            self.add_param_group(group)

    # --- the rule -------------------------------------------------------------------------------------------------

    def update(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """The rule, a pure function of parameter, gradient, what is remembered, step 1, 2, .., options: new p and s.

        p, g and what s holds are all Tensors or all NumPy arrays of one shape; the rule works on each element alone.
        """
        raise NotWritten(f"{self._name}: a subclass of Optimizer must define update(self, p, g, s, t, h) -> (p, s)")

    def start(self, h: Group) -> dict[str, float]:
        """What is remembered before the first step: a number a name, which fills the parameter's shape."""
        return {}

    def apply(self, p: Value, g: Value, s: Memory, t: int, h: Group) -> tuple[Value, Memory]:
        """The rule with what all rules share: `maximize` (climb) and weight decay.

        Weight decay is the gradient of an L2 penalty, or with `decoupled_weight_decay` shrinks the weights directly.
        """
        if h.get("maximize"):
            g = -g
        if decay := h.get("weight_decay", 0):
            if h.get("decoupled_weight_decay"):
                p = p * (1 - h["lr"] * decay)
            else:
                g = g + decay * p
        return self.update(p, g, s, t, h)

    # --- the step -------------------------------------------------------------------------------------------------

    @guarded
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, in place; gives what `closure`, if any, computes anew."""
        if (self._before or self._after) and not self._hooking:
            loss = self._hooked(closure)
        else:
            observer = SCOPE.get()
            loss = self._step(closure) if observer is None else observer(self._step, (closure,), {})
        self._steps += 1
        return loss

    def _hooked(self, closure: Callable[[], Any] | None) -> Any:
        """The step between the hooks."""

        def step(self: Optimizer, closure: Callable[[], Any] | None = None) -> Any:
            observer = SCOPE.get()
            return self._step(closure) if observer is None else observer(self._step, (closure,), {})

        return self._between_hooks(step, () if closure is None else (closure,), {})

    def _between_hooks(self, step: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`step(self, *args, **kwargs)`; hooks see these arguments with the optimiser in front, and may replace them."""
        args = (self, *args)
        for hook in [*self._before.values()]:
            changed = hook(self, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        result = step(*args, **kwargs)
        for hook in [*self._after.values()]:
            hook(self, args, kwargs)
        return result

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; a result (args, kwargs) replaces what step got."""
        return RemovableHandle.of(self._before, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return RemovableHandle.of(self._after, hook)

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        stage = STAGE.get()
        if stage is not None:
            staged_step(self, stage)
        elif SPARSE_GRADIENTS[0]:
            sparse_step(self)
        else:
            self._eagerly()
        return loss

    def rows(self, p: Any, g: Any, h: Group) -> None:
        """The step of a parameter with a sparse gradient g, which is coalesced.

        Raises GradError: a rule that changes every element at every step cannot do with some of them.
        """
        raise GradError(
            f"{self._name}: does not support sparse gradients; use SparseAdam, SGD or Adagrad, or leave out sparse=True"
        )

    def check_rows(self) -> None:
        """Raise GradError if there is no `rows`."""
        if type(self).rows is Optimizer.rows:
            self.rows(None, None, {})

    def _eagerly(self) -> None:
        """A step of all groups, at once."""
        native = accelerate.step
        if native is not None and native(self, _staged):
            return
        with np.errstate(all="ignore"):
            for n, group in enumerate(self.param_groups):
                h = {name: plain(value) for name, value in group.items() if name != "params"}
                jobs = [self._job(p, h) for p in group["params"] if p._grad is not None]
                known, programs = self._programs.get(n, (None, {}))
                if self.counts or known != h:  # a rule that asks neither for the step nor for new numbers stays recorded
                    programs = {}
                self._programs[n] = h, programs
                advance(self.apply, jobs, h, self.scalars, programs)

    def _job(self, p: Tensor, h: Group) -> Job:
        memory = self._memory(p, h)
        t = 0
        if self.counts:
            count = memory["step"]._data
            t = int(count) + 1
            count[...] = t
        return Job(p, memory, t)

    def memory_of(self, p: Tensor) -> dict[str, Any]:
        """What is remembered of parameter `p`, by name; made if this is its first step."""
        group = next(g for g in self.param_groups if any(q is p for q in g["params"]))
        return self._memory(p, {name: plain(value) for name, value in group.items() if name != "params"})

    def _memory(self, p: Tensor, h: Group) -> dict[str, Any]:
        """What is remembered of `p`, made at the first call."""
        memory = self.state[p]
        if not memory:
            d = p._data
            if self.counts:
                memory["step"] = Tensor._wrap(np.zeros((), _number_dtype()))
            for name, value in self.start(h).items():
                each = complex(value, value) if d.dtype.kind == "c" else value  # of a complex number, both parts
                made = np.array(value, _number_dtype()) if name in self.scalars else np.full(d.shape, each, d.dtype)
                memory[name] = Tensor._wrap(made)
        return memory

    def _shape_of(self, name: str, p: Tensor) -> tuple[int, ...] | None:
        """The shape of what is remembered of `p` under this name; None if any will do."""
        return p._data.shape

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; with set_to_none=False they become zeros."""
        note("zero_grad", self, detail=set_to_none, through=True)
        for p in self._parameters():
            if set_to_none:
                p._grad = None
            elif p._grad is not None:
                p._grad = p._grad.detach()
                p._grad.zero_()

    # --- groups ---------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Optimise more parameters, with their own hyper-parameters where the group has them.

        Raises as the constructor does, and ArgumentError if a parameter is already in another group.
        """
        tensors, names = tensors_of(self._name, param_group)
        group = WatchedGroup(param_group, params=WatchedList(tensors))
        if names:
            group["param_names"] = names
        if self.param_groups and ("param_names" in group) != ("param_names" in self.param_groups[0]):
            raise ArgumentError(f"{self._name}: some groups have named parameters and some have not; name all or none")
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        known = {id(p): i for i, g in enumerate(self.param_groups) for p in g["params"]}
        for i, p in enumerate(tensors):
            if id(p) in known:
                raise ArgumentError(
                    f"{self._name}: parameter {i} of the new group, {p.dtype.name}{list(p.shape)}, is already in group "
                    f"{known[id(p)]} and would take every step twice; list it once"
                )
        self._check(group)
        self.param_groups.append(group)

    def _check(self, group: Group) -> None:
        check_group(self._name, group, self.limits)

    def _parameters(self) -> Iterator[Tensor]:
        return (p for group in self.param_groups for p in group["params"])

    @property
    def _name(self) -> str:
        return type(self).__name__

    # --- checkpoints ----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number of a parameter: what is remembered}, "param_groups": [...]}, PyTorch's structure.

        Its Tensors are the optimiser's own memory, not copies.
        """
        hooks = self._state_hooks
        if hooks is None:
            return pack(self.param_groups, self.state)
        for hook in [*hooks.saving.values()]:
            hook(self)
        state = pack(self.param_groups, self.state)
        for hook in [*hooks.saved.values()]:
            state = _or(hook(self, state), state)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`, Cutaway's or PyTorch's. Tensors are copied, to the dtype of their parameter.

        Raises StateError where groups, parameters or shapes do not fit; then nothing was changed.
        """
        hooks = self._state_hooks
        if hooks is not None:
            state_dict = state_dict.copy()
            for hook in [*hooks.loading.values()]:
                state_dict = _or(hook(self, state_dict), state_dict)
        counted = is_ours(type(self)) or type(self).update is not Optimizer.update
        groups, state = unpack(self._name, state_dict, self.param_groups, self._shape_of, counted)
        for group in groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)
            self._check(group)
        self.param_groups, self.state = groups, state
        if hooks is not None:
            for hook in [*hooks.loaded.values()]:
                hook(self)

    def _state_hook_table(self) -> StateHooks:
        if self._state_hooks is None:
            self._state_hooks = StateHooks()
        return self._state_hooks

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before each state_dict()."""
        return RemovableHandle.of(self._state_hook_table().saving, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after each state_dict(); a dict that it returns takes its place."""
        return RemovableHandle.of(self._state_hook_table().saved, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before a state is loaded, with a shallow copy; a dict it returns is loaded."""
        return RemovableHandle.of(self._state_hook_table().loading, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` when a state was loaded."""
        return RemovableHandle.of(self._state_hook_table().loaded, hook, prepend)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_native": {}, "_programs": {}}  # made anew where they are needed

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)  # programs' own classes call this, and set what an older state lacks

    def __repr__(self) -> str:
        groups = [
            "".join(f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params")
            for group in self.param_groups
        ]
        return f"{self._name} (" + "".join(f"\nParameter Group {i}\n{g}" for i, g in enumerate(groups)) + ")"


def _show_implementation(cls: type[Optimizer]) -> None:
    """Name what `**implementation` takes in the signature: programs ask `"fused" in inspect.signature(AdamW).parameters`."""
    init = vars(cls).get("__init__")
    parameters = list(inspect.signature(init).parameters.values()) if init else []
    if parameters and parameters[-1].name == "implementation":
        more = [n for n in IMPLEMENTATION if n in cls.last]
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters[-1:] = [inspect.Parameter(n, kind, default=IMPLEMENTATION[n], annotation=Any) for n in more]
        init.__signature__ = inspect.Signature(parameters)  # type: ignore[union-attr]


def _or(made: Any, state: dict[str, Any]) -> dict[str, Any]:
    """What a hook made of the state, or the state."""
    return state if made is None else made


def _hooked_step(step: Callable[..., Any]) -> Callable[..., Any]:
    """A subclass's own step(), between the hooks; if it calls super().step(), they are called once."""

    @functools.wraps(step)
    def call(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        state = vars(self)  # of an optimiser that was made without __init__, there are no hooks
        if state.get("_hooking") or not (state.get("_before") or state.get("_after")):
            return step(self, *args, **kwargs)
        self._hooking = True
        try:
            return self._between_hooks(step, args, kwargs)
        finally:
            self._hooking = False

    return call


def _staged(optimizer: Optimizer) -> None:
    """The step as a trace sees it."""
    stage = STAGE.get()
    assert stage is not None
    staged_step(optimizer, stage)


def _number_dtype() -> np.dtype[Any]:
    """Of what is remembered as one number: PyTorch's choice."""
    return get_default_dtype().np if get_default_dtype() is float64 else float32.np
