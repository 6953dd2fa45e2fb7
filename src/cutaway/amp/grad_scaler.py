"""GradScaler: losses scaled up, so that small gradients do not vanish in half precision."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from cutaway.core.dtypes import is_narrow
from cutaway.core.errors import ArgumentError, ArgumentTypeError, AssertedError, StateError
from cutaway.core.tensor import Tensor


class GradScaler:
    """Multiplies losses so that small gradients do not vanish in half precision, and leaves out steps that overflow.

    scaler.scale(loss).backward();  scaler.step(optimizer);  scaler.update()

    After `growth_interval` good steps the factor grows by `growth_factor`; after an infinite or NaN gradient it shrinks by
    `backoff_factor`. `enabled=False`, or a device that is not there (a warning says so), makes all of it pass through.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and str(device) != "cpu":
            warnings.warn(f"GradScaler: there is no {device} here; nothing is scaled", UserWarning, stacklevel=2)
            enabled = False
        if enabled and not growth_factor > 1:
            raise AssertedError(f"GradScaler: growth_factor must be above 1, got {growth_factor}")
        if enabled and not backoff_factor < 1:
            raise AssertedError(f"GradScaler: backoff_factor must be below 1, got {backoff_factor}")
        self._enabled, self._device = bool(enabled), str(device)
        self._scale, self._growth_tracker = float(init_scale), 0
        self._growth_factor, self._backoff_factor, self._growth_interval = (
            growth_factor,
            backoff_factor,
            growth_interval,
        )
        self._seen: dict[int, _Step] = {}

    def scale(self, outputs: Any) -> Any:
        """Tensors, or lists of them, times the factor.  Raises ArgumentTypeError for anything else."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(x) for x in outputs)
        raise ArgumentTypeError(f"GradScaler.scale: expected a Tensor or a list of them, got {type(outputs).__name__}")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimiser's parameters by the factor (to clip them before `step`).

        Raises StateError when that was done already, or after `step`.
        """
        if not self._enabled:
            return
        step = self._seen.setdefault(id(optimizer), _Step())
        if step.unscaled or step.stepped:
            raise StateError(
                "GradScaler.unscale_: called a second time since the last update(); call update() after step()"
            )
        step.unscaled = True
        given = [p._grad._numbers for p in _parameters(optimizer) if p._grad is not None]
        if any(g.dtype == np.float16 for g in given):
            raise ArgumentError(
                "GradScaler.unscale_: the gradients are float16, whose range a scale cannot widen; keep the parameters in "
                "float32 and compute inside autocast"
            )
        for gradient in given:
            step.overflow = step.overflow or not bool(np.isfinite(gradient).all())
            by = np.float32 if is_narrow(gradient.dtype) else gradient.dtype.type
            gradient[...] = (gradient * by(1.0 / self._scale)).astype(gradient.dtype)

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step()` on gradients divided by the factor; nothing if one of them is infinite or NaN.

        Raises StateError after another `step` without `update`, or if no gradient was found.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or args:
            raise ArgumentError(
                "GradScaler.step: an optimizer with a closure cannot be scaled; call optimizer.step(closure)"
            )
        step = self._seen.setdefault(id(optimizer), _Step())
        if step.stepped:
            raise StateError(
                "GradScaler.step: called a second time since the last update(); call update() after step()"
            )
        if not step.unscaled:
            self.unscale_(optimizer)
        if not any(p._grad is not None for p in _parameters(optimizer)):
            raise StateError("GradScaler.step: no parameter of the optimizer has a gradient; call backward() before")
        step.stepped = True
        return None if step.overflow else optimizer.step()

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Change the factor after all steps of an iteration, or set it.  Raises StateError if nothing was unscaled."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._seen:
            raise StateError("GradScaler.update: no optimizer was stepped since the last update(); call step() before")
        elif any(step.overflow for step in self._seen.values()):
            self._scale, self._growth_tracker = self._scale * self._backoff_factor, 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                self._scale, self._growth_tracker = self._scale * self._growth_factor, 0
        self._seen = {}

    def get_scale(self) -> float:
        """The factor; 1 if not enabled."""
        return self._scale if self._enabled else 1.0

    def is_enabled(self) -> bool:
        """True unless it passes everything through."""
        return self._enabled

    def get_growth_factor(self) -> float:
        """What the factor grows by."""
        return self._growth_factor

    def get_backoff_factor(self) -> float:
        """What the factor shrinks by."""
        return self._backoff_factor

    def get_growth_interval(self) -> int:
        """How many good steps it grows after."""
        return self._growth_interval

    def state_dict(self) -> dict[str, Any]:
        """The factor and its options, PyTorch's keys; empty if not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`.  Raises StateError for an empty one, as of a scaler that was not enabled."""
        if not self._enabled:
            return
        if not state_dict:
            raise StateError(
                "GradScaler.load_state_dict: the state is empty; it was saved from a scaler that was not enabled"
            )
        self._scale, self._growth_tracker = float(state_dict["scale"]), int(state_dict["_growth_tracker"])
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]


class _Step:
    """What was done for one optimiser since the last update."""

    def __init__(self) -> None:
        self.unscaled = self.stepped = self.overflow = False


def _parameters(optimizer: Any) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]
