"""Pruning: weights held at 0 by a mask (PyTorch's `nn.utils.prune`).

A pruned parameter `weight` becomes `weight_orig` (trained) and `weight_mask` (a buffer); before each call the module's
`weight` is made of both. Pruning again masks more of what is left.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ArgumentTypeError, IndexOutOfRange, NotWritten, ShapeError
from cutaway.core.functions import cat, ones_like, rand_like, randperm
from cutaway.core.tensor import Tensor
from cutaway.nn.module import Module

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip


class BasePruningMethod:
    """A rule: write `compute_mask(t, default_mask)`, which gives a mask for t where default_mask says what is left.

    PRUNING_TYPE says what t is when there is a mask already: "unstructured", what is left of it, as a vector; "structured",
    its channels along `dim` that are left; "global", all of it.
    """

    PRUNING_TYPE = "unstructured"
    _tensor_name: str

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask, 0 for what is pruned."""
        raise NotWritten(f"{type(self).__name__} has no compute_mask(t, default_mask)")

    def apply_mask(self, module: Module) -> Tensor:
        """name_orig times name_mask."""
        mask, original = getattr(module, self._tensor_name + "_mask"), getattr(module, self._tensor_name + "_orig")
        return mask.to(original.dtype) * original

    def __call__(self, module: Module, inputs: Any) -> None:
        """The hook."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    @classmethod
    def apply(cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any) -> Any:
        """Prune `module.name` by this rule, made of the other arguments; the rule, or the container of all so far.

        importance_scores, of the shape of the parameter: what is judged in its place.
        """
        method = cls(*args, **kwargs)
        method._tensor_name = name
        before = _found(module, name)
        current = getattr(module, name)
        if importance_scores is not None and importance_scores.shape != current.shape:
            raise ShapeError(f"prune: importance_scores {show(importance_scores)} must be shaped as {name}, {show(current)}")
        scores = (current if importance_scores is None else importance_scores).detach()
        if before is None:
            original = module._parameters.get(name)
            if original is None:
                raise ArgumentError(f"prune: {type(module).__name__} has no parameter {name!r}")
            del module._parameters[name]
            module.register_parameter(name + "_orig", original)
            mask = method.compute_mask(scores, ones_like(original.detach()))
            module.register_buffer(name + "_mask", mask)
            hook: Any = method
            module.register_forward_pre_hook(method)
        else:
            mask = _combined(method, scores, getattr(module, name + "_mask"))
            setattr(module, name + "_mask", mask)
            hook = before
            if not isinstance(before, PruningContainer):
                hook = PruningContainer(before)
                hooks = module._hook_table().before
                for key, h in hooks.items():
                    if h is before:
                        hooks[key] = hook
            hook.add_pruning_method(method)
        setattr(module, name, hook.apply_mask(module))
        return hook

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """t with what this rule prunes at 0."""
        scores = t if importance_scores is None else importance_scores
        mask = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores.detach(), mask)

    def remove(self, module: Module) -> None:
        """Make the pruned tensor a plain parameter."""
        weight = self.apply_mask(module).detach()
        original = module._parameters.pop(self._tensor_name + "_orig")
        del module._buffers[self._tensor_name + "_mask"]
        delattr(module, self._tensor_name)
        assert original is not None
        original.data = weight
        module.register_parameter(self._tensor_name, original)


class PruningContainer(BasePruningMethod):
    """Several rules, one after the other."""

    def __init__(self, *methods: BasePruningMethod) -> None:
        self._methods = list(methods)
        self._tensor_name = methods[0]._tensor_name if methods else ""

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """One more."""
        self._methods.append(method)

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """What the last rule leaves of `default_mask`."""
        return _combined(self._methods[-1], t, default_mask)

    def __len__(self) -> int:
        return len(self._methods)

    def __iter__(self) -> Any:
        return iter(self._methods)

    def __getitem__(self, i: int) -> BasePruningMethod:
        return self._methods[i]


class Identity(BasePruningMethod):
    """Prunes nothing."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """As it was."""
        return default_mask


class RandomUnstructured(BasePruningMethod):
    """`amount` weights by chance: a number of them, or a part of all."""

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The weights with the highest of random numbers."""
        return self._without(t, default_mask, lambda n: rand_like(t).reshape(-1).topk(n).indices)

    def _without(self, t: Tensor, default_mask: Tensor, choose: Any) -> Tensor:
        n = _number(self.amount, t.numel())
        mask = default_mask.clone()
        if n:
            flat = mask.reshape(-1).clone()
            flat[choose(n)] = 0
            mask = flat.reshape(mask.shape)
        return mask


class L1Unstructured(RandomUnstructured):
    """The `amount` smallest weights."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """By magnitude."""
        return self._without(t, default_mask, lambda n: t.abs().reshape(-1).topk(n, largest=False).indices)


class RandomStructured(BasePruningMethod):
    """`amount` channels along `dim` by chance."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        _check_amount(amount)
        self.amount, self.dim = amount, dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The channels with the lowest of random numbers."""
        return self._channels(t, default_mask, lambda n, size: randperm(size)[:n])

    def _channels(self, t: Tensor, default_mask: Tensor, choose: Any) -> Tensor:
        if t.ndim < 2:
            raise ShapeError(f"prune: channels need at least 2 dimensions, got {show(t)}")
        if not -t.ndim <= self.dim < t.ndim:
            raise IndexOutOfRange(f"prune: dim={self.dim} is no dimension of {show(t)}")
        size = t.shape[self.dim]
        n = _number(self.amount, size)
        mask = default_mask.clone()
        if n:
            return mask.index_fill(self.dim, choose(n, size), 0)
        return mask


class LnStructured(RandomStructured):
    """The `amount` channels along `dim` of the smallest n-norm."""

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """By their norm."""

        def smallest(k: int, size: int) -> Tensor:
            rest = [d for d in range(t.ndim) if d != self.dim % t.ndim]
            norms = t.norm(self.n, rest)
            return norms.topk(k, largest=False).indices

        return self._channels(t, default_mask, smallest)


class CustomFromMask(BasePruningMethod):
    """The mask that is given."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Both masks together."""
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module: Module, name: str) -> Module:
    """`module`, with a mask that prunes nothing."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """`module`, with `amount` weights of `name` pruned by chance."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount: float, importance_scores: Tensor | None = None) -> Module:
    """`module`, with the `amount` smallest weights of `name` pruned."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """`module`, with `amount` channels of `name` along `dim` pruned by chance."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None
) -> Module:
    """`module`, with the `amount` channels of the smallest n-norm pruned."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """`module`, with `name` pruned where `mask` is 0."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]], pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune several parameters as one vector: what is judged is all of them together.  Raises ArgumentTypeError."""
    if not isinstance(parameters, Iterable):
        raise ArgumentTypeError("global_unstructured: parameters must be an iterable of (module, name)")
    pairs = list(parameters)
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise ArgumentTypeError(f"global_unstructured: {type(method).__name__} prunes channels; use an unstructured method")
    scores, masks = [], []
    for module, name in pairs:
        current = getattr(module, name)
        given = None if importance_scores is None else importance_scores.get((module, name))
        scores.append((current if given is None else given).detach().reshape(-1))
        mask = getattr(module, name + "_mask", None)
        masks.append((ones_like(current) if mask is None else mask).detach().reshape(-1))
    whole = _combined(method, cat(scores), cat(masks))
    for (module, name), mask in zip(pairs, whole.split([s.numel() for s in scores]), strict=True):
        custom_from_mask(module, name, mask.reshape(getattr(module, name).shape))


def remove(module: Module, name: str) -> Module:
    """`module`, whose pruned `name` is a plain parameter again, zeros included.  Raises ArgumentError if it is none."""
    method = _found(module, name)
    if method is None:
        raise ArgumentError(f"prune.remove: {name!r} of {type(module).__name__} is not pruned")
    hooks = module._hook_table().before
    for key in [k for k, h in hooks.items() if h is method]:
        del hooks[key]
    method.remove(module)
    return module


def is_pruned(module: Module) -> bool:
    """True if any parameter in `module` is pruned."""
    return any(
        isinstance(h, BasePruningMethod) for m in module.modules() for h in m._hook_table().before.values()
    )


def _found(module: Module, name: str) -> BasePruningMethod | None:
    for h in module._hook_table().before.values():
        if isinstance(h, BasePruningMethod) and h._tensor_name == name:
            return h
    return None


def _combined(method: BasePruningMethod, t: Tensor, mask: Tensor) -> Tensor:
    """`mask` with what `method` prunes of what it leaves."""
    kind = method.PRUNING_TYPE
    if kind == "unstructured":
        left: Any = mask == 1
    elif kind == "structured":
        dim = method.dim % t.ndim  # type: ignore[attr-defined]
        rest = [d for d in range(t.ndim) if d != dim]
        keep = (mask.sum(rest) != 0).nonzero().reshape(-1)
        left = (*[slice(None)] * dim, keep)
    else:
        left = (slice(None),) * t.ndim
    new = mask.clone()
    new[left] = method.compute_mask(t[left], mask[left]).to(mask.dtype)
    return new


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise ArgumentTypeError(f"prune: amount must be a number of weights or a part of all, got {amount!r}")
    if (isinstance(amount, numbers.Integral) and amount < 0) or (
        not isinstance(amount, numbers.Integral) and not 0 <= float(amount) <= 1
    ):
        raise ArgumentError(f"prune: amount must be an int >= 0 or between 0.0 and 1.0, got {amount}")


def _number(amount: Any, size: int) -> int:
    if isinstance(amount, numbers.Integral):
        if int(amount) > size:
            raise ArgumentError(f"prune: amount={amount} is more than the {size} that there are")
        return int(amount)
    return round(amount * size)


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.nn.utils.prune", name, __all__)
