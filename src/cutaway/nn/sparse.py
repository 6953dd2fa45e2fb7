"""Embedding: a table of vectors that is looked up by index."""

from __future__ import annotations

from typing import Any

from cutaway import functional as F
from cutaway.core.autograd import no_grad
from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.tensor import Tensor
from cutaway.nn import init
from cutaway.nn.linear import counts
from cutaway.nn.module import Module
from cutaway.nn.parameter import Parameter, blank


class Embedding(Module):
    """x[...] int -> y[..., embedding_dim]; weight[num_embeddings, embedding_dim], drawn from N(0, 1).

    padding_idx: a row that stays zero and gets no gradient.  max_norm: rows that are looked up are shortened to it.
    Raises IndexOutOfRange for an index outside the table, ArgumentError for impossible sizes.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        counts("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if scale_grad_by_freq:
            raise ArgumentError(
                "Embedding: scale_grad_by_freq=True is not offered; divide the rows of weight.grad by how often they occur"
            )
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ArgumentError(
                    f"Embedding: padding_idx {padding_idx} is outside the {num_embeddings} rows of the table"
                )
            padding_idx %= num_embeddings
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if _weight is None:
            self.weight = blank((num_embeddings, embedding_dim), device, dtype)
            self.reset_parameters()
            self.weight.requires_grad_(not _freeze)
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                raise ShapeError(
                    f"Embedding: the weight {show(_weight)} does not have the shape [{num_embeddings}, {embedding_dim}]"
                )
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer around a given table [V, D]; freeze=True does not train it.  Raises ShapeError unless it is 2-d."""
        if embeddings.ndim != 2:
            raise ShapeError(f"Embedding.from_pretrained: expected a table [V, D], got {show(embeddings)}")
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, usual in (("padding_idx", None), ("max_norm", None), ("norm_type", 2)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        for name in ("scale_grad_by_freq", "sparse"):
            if getattr(self, name):
                text += f", {name}=True"
        return text
