"""How alike two vectors are."""

from __future__ import annotations

from cutaway import functional as F
from cutaway.core.tensor import Tensor
from cutaway.nn.module import Module


class CosineSimilarity(Module):
    """The cosine of the angle between x1 and x2 along dim.  x1[..., D, ...], x2[..., D, ...] -> y[...]."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last dimension.  x1[N, D], x2[N, D] -> y[N]."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
