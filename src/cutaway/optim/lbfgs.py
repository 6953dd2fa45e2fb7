"""L-BFGS: Newton's direction from the last few changes of the gradient, without the Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core.autograd import enable_grad
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.tensor import Tensor
from cutaway.optim.check import NOT_NEGATIVE, POSITIVE, plain
from cutaway.optim.line_search import Point, strong_wolfe
from cutaway.optim.optimizer import Group, Optimizer

Pair = tuple[np.ndarray, np.ndarray, float]  # y, s, 1 / (y . s)
CURVED = 1e-10  # a pair whose y . s is not above this says nothing about curvature


class LBFGS(Optimizer):
    """p <- p + t d,  d = -H g, where H is built from the last `history_size` pairs y = change of g, s = change of p.

    `step(closure)` computes the loss several times: closure clears the gradients, computes the loss, calls backward and
    returns the loss. A step makes up to `max_iter` iterations and ends early after `max_eval` losses, when no gradient
    is above `tolerance_grad`, or when parameters or loss change by less than `tolerance_change`.
    t is `lr`, or is searched for with line_search_fn="strong_wolfe". For whole data sets or large batches: the noise
    of small ones spoils y.
    Nocedal & Wright 2006, algorithms 7.4 and 7.5.
    """

    limits = {
        "lr": POSITIVE,
        "max_iter": POSITIVE,
        "max_eval": POSITIVE,
        "tolerance_grad": NOT_NEGATIVE,
        "tolerance_change": NOT_NEGATIVE,
        "history_size": POSITIVE,
    }

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    @property
    def _params(self) -> list[Tensor]:
        """The parameters: programs read what is remembered as `opt.state[opt._params[0]]`."""
        return self.param_groups[0]["params"]  # type: ignore[no-any-return]

    def add_param_group(self, param_group: Group) -> None:
        """The one group.  Raises ArgumentError for a second: the direction is one for all parameters."""
        if self.param_groups:
            raise ArgumentError(
                "LBFGS: has one group, as its direction is one for all parameters; put them into one list"
            )
        super().add_param_group(param_group)

    def _check(self, group: Group) -> None:
        super()._check(group)
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise ArgumentError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', got {search!r}")

    def _shape_of(self, name: str, p: Tensor) -> tuple[int, ...] | None:
        return None  # of all parameters together

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Minimise; gives the loss from before.  Raises ArgumentTypeError without a closure."""
        if closure is None:
            raise ArgumentTypeError(
                "LBFGS: step needs a closure that computes the loss anew: "
                "def closure(): opt.zero_grad(); loss = ...; loss.backward(); return loss"
            )
        with np.errstate(all="ignore"):
            return self._minimise(_Objective(self.param_groups[0]["params"], closure))

    def _minimise(self, objective: _Objective) -> Any:
        h = {name: plain(value) for name, value in self.param_groups[0].items() if name != "params"}
        memory = self.state[self.param_groups[0]["params"][0]]
        if not memory:
            memory.update(func_evals=0, n_iter=0, old_dirs=[], old_stps=[], ro=[], H_diag=1)

        first_loss, f, g = objective.evaluate()
        evaluations = 1
        d, t = _array(memory.get("d")), plain(memory.get("t"))
        flat = bool(np.abs(g).max() <= h["tolerance_grad"])
        before_g, before_f = _array(memory.get("prev_flat_grad")), memory.get("prev_loss")
        for iteration in range(1, 1 if flat else h["max_iter"] + 1):
            searched = 0
            memory["n_iter"] += 1
            if memory["n_iter"] == 1:
                d, t = -g, min(1.0, 1.0 / float(np.abs(g).sum())) * h["lr"]
            else:
                self._learn(memory, g - before_g, t * d, h["history_size"])
                memory.setdefault("al", [None] * h["history_size"])  # PyTorch's room for numbers of one step
                d, t = direction(g, _pairs(memory), plain(memory["H_diag"])), h["lr"]
            before_g, before_f = g, f
            slope = float(g @ d)
            if slope > -h["tolerance_change"]:
                break

            if h["line_search_fn"]:
                there, searched = strong_wolfe(
                    objective.along(d),
                    Point(0.0, f, g, slope),
                    t,
                    reach=float(np.abs(d).max()),
                    limit=h["max_eval"] - evaluations,
                )
                t, f, g = there.t, there.f, there.g
                objective.go(t * d)
            else:
                objective.go(t * d)
                if iteration != h["max_iter"]:
                    _, f, g = objective.evaluate()
                    searched = 1
            evaluations += searched
            if (
                evaluations >= h["max_eval"]
                or np.abs(g).max() <= h["tolerance_grad"]
                or np.abs(t * d).max() <= h["tolerance_change"]
                or abs(f - before_f) < h["tolerance_change"]
            ):
                break
        memory["func_evals"] += evaluations
        if d is not None:
            memory.update(d=Tensor._wrap(d), t=t, prev_flat_grad=Tensor._wrap(before_g), prev_loss=before_f)
        return first_loss

    @staticmethod
    def _learn(memory: dict[str, Any], y: np.ndarray, s: np.ndarray, history_size: int) -> None:
        """Keep the pair (y, s) if it shows upward curvature, and forget the oldest."""
        ys = float(y @ s)
        if not ys > CURVED:
            return
        for name, value in (("old_dirs", y), ("old_stps", s), ("ro", np.asarray(1.0 / ys, y.dtype))):
            memory[name] = [*memory[name], Tensor._wrap(value)][-history_size:]
        memory["H_diag"] = Tensor._wrap(np.asarray(ys / float(y @ y), y.dtype))


def direction(g: np.ndarray, pairs: list[Pair], scale: float) -> np.ndarray:
    """-H g by two loops over the pairs, where H starts as scale times the identity (algorithm 7.4)."""
    q, alphas = -g, []
    for y, s, rho in reversed(pairs):
        alphas.append(rho * (s @ q))
        q = q - alphas[-1] * y
    r = scale * q
    for (y, s, rho), alpha in zip(pairs, reversed(alphas)):
        r = r + (alpha - rho * (y @ r)) * s
    return r


class _Objective:
    """The loss as a function of all parameters end to end."""

    def __init__(self, params: list[Tensor], closure: Callable[[], Any]) -> None:
        self.params, self.closure = params, closure
        for p in params:
            p._assign_check("step")

    def evaluate(self) -> tuple[Any, float, np.ndarray]:
        """What the closure gives, the loss, and the gradient."""
        with enable_grad():
            loss = self.closure()
        if loss is None:
            raise ArgumentTypeError("LBFGS: the closure returned None; end it with `return loss`")
        grads = [np.zeros_like(_row(p._data)) if p._grad is None else _row(p._grad.to_dense()._data) for p in self.params]
        return loss, float(loss), np.concatenate(grads)

    def go(self, way: np.ndarray) -> None:
        """Move all parameters."""
        end = 0
        for p in self.params:
            row = _row(p._data)
            start, end = end, end + row.size
            step = way[start:end]
            if p._data.dtype.kind == "c":
                step = step.astype(row.dtype).view(p._data.dtype)
            p._data += step.reshape(p._data.shape)
            p._cell[0] += 1

    def along(self, d: np.ndarray) -> Callable[[float], Point]:
        """The loss as a function of the step t along d; the parameters are put back afterwards."""
        origin = [p._data.copy() for p in self.params]

        def at(t: float) -> Point:
            self.go(t * d)
            _, f, g = self.evaluate()
            for p, x in zip(self.params, origin):
                p._data[...] = x
                p._cell[0] += 1
            return Point(t, f, g, float(g @ d))

        return at


def _pairs(memory: dict[str, Any]) -> list[Pair]:
    return [(y._data, s._data, plain(rho)) for y, s, rho in zip(memory["old_dirs"], memory["old_stps"], memory["ro"])]


def _row(a: np.ndarray) -> np.ndarray:
    """All elements in a row; of complex ones both parts."""
    flat = a.reshape(-1)
    return flat.view(flat.real.dtype) if a.dtype.kind == "c" else flat


def _array(value: Tensor | None) -> Any:
    return None if value is None else value._data
