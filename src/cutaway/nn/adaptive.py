"""Adaptive softmax (Grave et al. 2017, arXiv 1609.04309): rare classes are predicted in clusters, of smaller vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cutaway.core.aval import show
from cutaway.core.creation import zeros
from cutaway.core.derived import cat, where
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.functions import arange
from cutaway.core.tensor import Tensor
from cutaway.nn.container import ModuleList, Sequential
from cutaway.nn.linear import Linear
from cutaway.nn.module import Module


class ASMoutput(NamedTuple):
    """output[N]: log p of each target.  loss: the mean of their negatives."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """x[N, in_features], target[N] -> (output[N], loss); or one x[in_features] and its target.

    cutoffs     classes 0 .. cutoffs[0] - 1 are predicted directly, those between two cutoffs in a cluster
    div_value   by how much vectors of the next cluster are smaller
    Raises ArgumentError for cutoffs that do not rise within n_classes, ShapeError for other inputs and targets.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        whole = all(isinstance(c, int) and 0 < c <= n_classes - 1 for c in cutoffs)
        if not cutoffs or not whole or cutoffs != sorted(set(cutoffs)):
            raise ArgumentError(
                f"AdaptiveLogSoftmaxWithLoss: cutoffs must be ints that rise, from 1 to {n_classes - 1}, got {cutoffs}"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = self.cutoffs[0], len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            inner, size = int(in_features // div_value ** (i + 1)), self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(Linear(in_features, inner, False, device, dtype), Linear(inner, size, False, device, dtype))
            )

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        self.head.reset_parameters()
        for first, second in self.tail:
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> ASMoutput:
        """log p of each target, and the loss."""
        alone = target_.ndim == 0
        x, target = (input_.unsqueeze(0), target_.unsqueeze(0)) if alone else (input_, target_)
        if target_.ndim > 1 or x.ndim != 2 or x.shape[0] != target.shape[0]:
            raise ShapeError(f"AdaptiveLogSoftmaxWithLoss: input {show(input_)} and target {show(target_)} do not fit")
        if bool(((target < 0) | (target >= self.n_classes)).any()):
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: targets must be in 0 .. {self.n_classes - 1}, got "
                f"{target.min().item()} .. {target.max().item()}"
            )
        head = self.head(x).log_softmax(1)
        near = target.clamp(max=self.shortlist_size - 1)
        output = head.gather(1, near.unsqueeze(1)).squeeze(1)
        for i, (low, high) in enumerate(zip(self.cutoffs, self.cutoffs[1:], strict=False)):
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if not rows.numel():
                continue
            within = self.tail[i](x.index_select(0, rows)).log_softmax(1)
            found = within.gather(1, (target[rows] - low).unsqueeze(1)).squeeze(1)
            found = found + head.index_select(0, rows)[:, self.shortlist_size + i]
            chosen = zeros(target.shape[0], dtype=head.dtype).index_copy(0, rows, found)
            mine = (arange(target.shape[0]).unsqueeze(1) == rows).any(1)
            output = where(mine, chosen, output)
        loss = (-output).mean()
        return ASMoutput(output.squeeze(0) if alone else output, loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """log p of all classes, [N, n_classes]."""
        head = self.head(input).log_softmax(1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            parts.append(tail(input).log_softmax(1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The likeliest class of each row, [N]."""
        return self.log_prob(input).argmax(1)
