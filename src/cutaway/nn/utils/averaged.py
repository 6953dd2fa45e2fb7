"""A model that follows another: the mean of its weights, or their moving mean (PyTorch's `optim.swa_utils`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from itertools import chain
from typing import Any

from cutaway.core.autograd import no_grad
from cutaway.core.errors import ArgumentError
from cutaway.core.functions import tensor
from cutaway.core.tensor import Tensor
from cutaway.nn.batchnorm import _BatchNorm
from cutaway.nn.module import Module

Average = Callable[[Any, Any, Any], Any]


class AveragedModel(Module):
    """A copy `module` of `model`, whose parameters are the mean of what `update_parameters(model)` has been shown.

    avg_fn(averaged, current, n) -> the new average of one parameter, n updates before; multi_avg_fn(averaged, current, n)
    changes lists of them in place.  Without either: the plain mean (Izmailov et al. 2018, arXiv 1803.05407).
    use_buffers: buffers are averaged, too; else the copy takes the model's as they are.
    Raises ArgumentError for both functions.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Average | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError("AveragedModel: give avg_fn or multi_avg_fn, and not both")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take in the parameters that the model has now; the first time, they are the average."""
        ours, theirs = [*self._averaged(self.module)], [*self._averaged(model)]
        with no_grad():
            if not int(self.n_averaged):
                for a, p in zip(ours, theirs, strict=True):
                    a.copy_(p.detach())
            elif self.multi_avg_fn is not None:
                self.multi_avg_fn([a.detach() for a in ours], [p.detach() for p in theirs], self.n_averaged)
            elif self.avg_fn is not None:
                for a, p in zip(ours, theirs, strict=True):
                    a.copy_(self.avg_fn(a.detach(), p.detach(), self.n_averaged))
            else:
                get_swa_multi_avg_fn()(ours, theirs, self.n_averaged)
            if not self.use_buffers:
                for a, b in zip(self.module.buffers(), model.buffers(), strict=True):
                    a.copy_(b)
            self.n_averaged.add_(1)

    def _averaged(self, model: Module) -> Iterator[Tensor]:
        return chain(model.parameters(), model.buffers()) if self.use_buffers else iter(model.parameters())


def get_swa_avg_fn() -> Average:
    """The mean: a + (p - a) / (n + 1)."""
    return no_grad()(lambda a, p, n: a + (p - a) / (n + 1))


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The moving mean: decay a + (1 - decay) p.  Raises ArgumentError unless 0 <= decay <= 1."""
    _check("get_ema_avg_fn", decay)
    return no_grad()(lambda a, p, n: decay * a + (1 - decay) * p)


def get_swa_multi_avg_fn() -> Average:
    """The mean of lists of parameters, in place."""
    return _in_place(lambda n: 1 / (float(n) + 1))


def get_ema_multi_avg_fn(decay: float = 0.999) -> Average:
    """The moving mean of lists of parameters, in place.  Raises ArgumentError unless 0 <= decay <= 1."""
    _check("get_ema_multi_avg_fn", decay)
    return _in_place(lambda n: 1 - decay)


def _in_place(weight: Callable[[Any], float]) -> Average:
    @no_grad()
    def update(averaged: Iterable[Tensor], current: Iterable[Tensor], n: Any) -> None:
        for a, p in zip(averaged, current, strict=True):
            if a.is_floating_point():
                a.lerp_(p.to(a.dtype), weight(n))
            else:
                a.add_(((p - a) * weight(n)).to(a.dtype))

    return update


def _check(op: str, decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ArgumentError(f"{op}: decay must lie between 0 and 1, got {decay}")


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Running statistics of all batch norms anew: the mean over the batches of `loader` (of each, what comes first)."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        return
    momenta, training = [m.momentum for m in norms], model.training
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    model.train()
    for batch in loader:
        x = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(x if device is None else x.to(device))
    for m, momentum in zip(norms, momenta, strict=True):
        m.momentum = momentum
    model.train(training)
