"""A weight that stays orthogonal while it is trained (Lezcano-Casado 2019): a map from any matrix to an orthogonal one."""

from __future__ import annotations

from typing import Any, TypeVar

from cutaway.core.autograd import no_grad
from cutaway.core.creation import eye, randn, zeros_like
from cutaway.core.derived import cat, where
from cutaway.core.errors import ArgumentError, NotWritten
from cutaway.core.limits import finfo
from cutaway.core.tensor import Tensor
from cutaway.core.topics.factors import matrix_exp
from cutaway.core.topics.linear import solve
from cutaway.core.topics.reflections import geqrf, householder_product
from cutaway.nn.module import Module
from cutaway.nn.utils import parametrize

M = TypeVar("M", bound=Module)
MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    base: Any

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        x = X.transpose(-1, -2) if wide else X
        n, k = x.shape[-2:]
        if self.orthogonal_map == "householder":
            a = x.tril(-1)
            tau = 2.0 / (1.0 + (a * a).sum(-2))
            q = householder_product(a, tau) * x.diagonal(0, -2, -1).int().unsqueeze(-2)
        else:
            a = x.tril()
            if n != k:
                a = cat([a, a.new_zeros((*a.shape[:-1], n - k))], -1)
            skew = a - a.transpose(-1, -2)
            if self.orthogonal_map == "matrix_exp":
                q = matrix_exp(skew)
            else:
                one = eye(n, dtype=x.dtype)
                q = solve(one - 0.5 * skew, one + 0.5 * skew)
            q = q[..., :k] if n != k else q
        if "base" in self._buffers:
            q = self.base @ q
        return q.transpose(-1, -2) if wide else q  # type: ignore[no-any-return]

    def right_inverse(self, Q: Tensor) -> Tensor:
        """What `forward` brings to Q, or to the orthogonal matrix that is made of it.

        Raises ArgumentError for another shape, NotWritten for maps that cannot be inverted without a base.
        """
        if tuple(Q.shape) != tuple(self.shape):
            raise ArgumentError(f"orthogonal: expected a weight of shape {list(self.shape)}, got {list(Q.shape)}")
        with no_grad():
            wide = Q.shape[-2] < Q.shape[-1]
            q = Q.transpose(-1, -2) if wide else Q
            n, k = q.shape[-2:]
            if "base" not in self._buffers:
                if self.orthogonal_map != "householder":
                    raise NotWritten(
                        "orthogonal: a weight cannot be assigned to matrix_exp or cayley with use_trivialization=False"
                    )
                a, tau = geqrf(q)
                signs = a.diagonal(0, -2, -1).sign()
                signs = where(tau == 0, -signs, signs)
                a = a.tril(-1) + a.triu(1) + (eye(n, k, dtype=a.dtype) * signs.unsqueeze(-2))
                return a.transpose(-1, -2) if wide else a  # type: ignore[no-any-return]
            if n == k:
                self.base = q.clone() if _is_orthogonal(q) else _made_orthogonal(q)
            else:
                self.base = _made_orthogonal(cat([q, randn((*q.shape[:-2], n, n - k), dtype=q.dtype)], -1))
            negative: Tensor = zeros_like(Q)
            negative.diagonal(0, -2, -1).fill_(-1.0)
            return negative


def _made_orthogonal(a: Tensor) -> Tensor:
    """Q of its QR factors, with the signs that make R's diagonal positive."""
    x, tau = geqrf(a)
    return householder_product(x, tau) * x.diagonal(0, -2, -1).sign().unsqueeze(-2)  # type: ignore[no-any-return]


def _is_orthogonal(q: Tensor) -> bool:
    n, k = q.shape[-2:]
    least = 10 * n * finfo(q.dtype).eps
    return bool((q.transpose(-1, -2) @ q).allclose(eye(k, dtype=q.dtype).expand((*q.shape[:-2], k, k)), atol=least))


def orthogonal(
    module: M, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> M:
    """module.<name>[..., M, N] kept orthogonal: its rows or columns, whichever are fewer, are orthonormal.

    orthogonal_map        "matrix_exp" (the default for square ones), "cayley", or "householder" (the default for others)
    use_trivialization    the map is taken around the present weight, which trains more evenly
    Raises ArgumentError for an unknown name or map, and for a vector.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ArgumentError(f"orthogonal: {type(module).__name__} has no parameter or buffer {name!r}")
    if weight.ndim < 2:
        raise ArgumentError(f"orthogonal: needs a matrix or a batch of them, got {list(weight.shape)}")
    chosen = orthogonal_map or ("matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder")
    if chosen not in MAPS:
        raise ArgumentError(f"orthogonal: orthogonal_map must be one of {', '.join(MAPS)}, got {orthogonal_map!r}")
    made = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    parametrize.register_parametrization(module, name, made, unsafe=True)
    return module
