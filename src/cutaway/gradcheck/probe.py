"""A function under test, seen as arrays: evaluate it, move one element of an input, pull a gradient back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cutaway.core import autograd
from cutaway.core.dtypes import FLOATING, limits
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.tensor import Tensor
from cutaway.gradcheck.numerical import Index, movable, moved, name_of

Arrays = list[np.ndarray]


class Probe:
    """`func` at the point `inputs`. The inputs are moved in place, and are afterwards what they were before.

    wanted        positions of the inputs that require grad
    picked        positions of the outputs that are checked
    outputs       its differentiable outputs (or, if none is, all floating ones), with the recorded graph
    connected     whether those outputs depend, for autograd, on any input
    eps           the coarsest epsilon of all dtypes that the graph passes through
    """

    def __init__(
        self,
        func: Callable[..., Any],
        inputs: Any,
        op: str = "gradcheck",
        input_names: Sequence[str] = (),
        output_names: Sequence[str] = (),
    ) -> None:
        self.func, self.op = func, op
        self.inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
        self.wanted = [k for k, t in enumerate(self.inputs) if isinstance(t, Tensor) and t.requires_grad]
        if not self.wanted:
            raise ArgumentError(
                f"{op}: none of the {len(self.inputs)} inputs requires grad, so there is nothing to check; "
                "call x.requires_grad_() on those whose gradient you want checked"
            )
        for k in self.wanted:
            movable(self.inputs[k], op)
        self._input_names = list(input_names) or [f"input {k}" for k in range(len(self.inputs))]
        self._output_names = list(output_names)
        before = [self.inputs[k]._data.copy() for k in self.wanted]
        every = self._call()
        for k, held in zip(self.wanted, before, strict=True):
            if not np.array_equal(self.inputs[k]._data, held, equal_nan=True):
                raise ArgumentError(f"{op}: func writes to its {self.input_name(k)} in place; let it work on x.clone()")
        self.picked = [k for k, y in enumerate(every) if y.requires_grad]
        self.connected = bool(self.picked)
        if not self.connected:
            self.picked = [k for k, y in enumerate(every) if y.is_floating_point()]
        self.outputs = [every[k] for k in self.picked]
        self.eps = self._coarsest()

    # --- names ----------------------------------------------------------------------------------------------------

    def input_name(self, i: int) -> str:
        """What a report calls input i."""
        return self._input_names[i]

    def output_name(self, o: int) -> str:
        """What a report calls the o-th checked output."""
        k = self.picked[o]
        return self._output_names[k] if self._output_names else f"output {k}"

    # --- forward --------------------------------------------------------------------------------------------------

    def _call(self) -> list[Tensor]:
        # Recording stays on: func may itself ask for gradients.
        with autograd.enable_grad():
            out = self.func(*self.inputs)
        ys = list(out) if isinstance(out, (tuple, list)) else [out]
        for y in ys:
            if not isinstance(y, Tensor):
                kind = type(y).__name__
                raise ArgumentTypeError(f"{self.op}: func must return a Tensor or a tuple of Tensors, got {kind}")
        return ys

    def values(self) -> Arrays:
        """The outputs as new float64 arrays.  Raises ArgumentError if their number or shapes change between calls."""
        every = self._call()
        found = [np.array(every[k]._data, np.float64) for k in self.picked if k < len(every)]
        if [y.shape for y in found] != [y._data.shape for y in self.outputs]:
            raise ArgumentError(
                f"{self.op}: func returned {', '.join(map(name_of, self.outputs))} and, called again, "
                f"{', '.join(map(name_of, every))}; it must return the same shapes each time"
            )
        return found

    def moved(self, i: int, index: Index, h: float) -> tuple[Arrays, float]:
        """The outputs with element `index` of input i moved by h, and the step that rounding left of h."""
        return moved(self.inputs[i], index, h, self.values)

    def shifted(self, i: int, direction: np.ndarray, h: float) -> tuple[Arrays, np.ndarray]:
        """The outputs with the whole of input i moved by h·direction, and the steps that rounding left."""
        x = self.inputs[i]._data
        before = x.copy()
        try:
            x += (h * direction).astype(x.dtype)
            return self.values(), x.astype(np.float64) - before
        finally:
            x[...] = before

    # --- backward -------------------------------------------------------------------------------------------------

    def pullback(self, o: int, v: np.ndarray, others: bool = False) -> list[np.ndarray | None]:
        """vᵀJ: the gradient that arrives at each wanted input when v arrives at output o; None where nothing arrives.

        The other outputs' gradients are undefined or, with `others`, zeros.
        """
        return self._pull(self.outputs, o, v, others)

    def slope(self, i: int, index: Index, o: int, v: np.ndarray, shift: float) -> float:
        """The same towards one element, with the point moved by `shift` along that element."""

        def there() -> float:
            ys = self._call()
            got = self._pull([ys[k] for k in self.picked], o, v)[self.wanted.index(i)]
            return 0.0 if got is None else float(got[index])

        slope: float = moved(self.inputs[i], index, shift, there)[0]
        return slope

    def _pull(self, outputs: list[Tensor], o: int, v: np.ndarray, others: bool = False) -> list[np.ndarray | None]:
        if not outputs[o].requires_grad:
            return [None] * len(self.wanted)
        ys, gs = [outputs[o]], [Tensor._wrap(v.astype(outputs[o]._data.dtype))]
        if others:
            for k, y in enumerate(outputs):
                if k != o and y.requires_grad:
                    ys.append(y)
                    gs.append(Tensor._wrap(np.zeros_like(y._data)))
        try:
            found = autograd.grad(ys, [self.inputs[k] for k in self.wanted], gs, retain_graph=True, allow_unused=True)
        except Exception as error:
            if len(outputs) > 1 and not others:
                error.add_note(
                    f"{self.op}: a gradient arrived at {self.output_name(o)} alone, so those of the other outputs "
                    "may be None; leave set_materialize_grads(True), or handle None in backward"
                )
            raise
        return [None if g is None else np.array(g._data, np.float64) for g in found]

    def _coarsest(self) -> float:
        roots = [y._node for y in self.outputs if y._node is not None]
        # A user's Function holds no dtype of its own: its inputs and outputs do.
        nodes = [n for n in autograd._reachable(roots) if not isinstance(n, autograd.FunctionNode)]
        dtypes = {n.meta[1] for n in nodes} | {self.inputs[k]._data.dtype for k in self.wanted}
        return max(float(limits(d).eps) for d in dtypes if d.kind in FLOATING)
