"""Attention with several heads."""

from __future__ import annotations

from typing import Any

from cutaway import functional as F
from cutaway.core.aval import show
from cutaway.core.errors import AssertedError, ShapeError
from cutaway.core.tensor import Tensor
from cutaway.nn import init
from cutaway.nn.linear import NonDynamicallyQuantizableLinear, counts
from cutaway.nn.module import Module
from cutaway.nn.parameter import blank
from cutaway.nn.sdpa import SDPBackend as SDPBackend
from cutaway.nn.sdpa import sdpa_kernel as sdpa_kernel


class MultiheadAttention(Module):
    """Several attentions side by side, each in its own projection (Vaswani et al. 2017, arXiv 1706.03762, 3.2.2).

    forward(query[L, N, E], key[S, N, K], value[S, N, V]) -> (y[L, N, E], weights[N, L, S]); N first with batch_first,
    or no N at all.  in_proj_weight[3E, E] holds the projections of query, key and value; with other kdim or vdim they
    are q_proj_weight[E, E], k_proj_weight[E, K], v_proj_weight[E, V].  Initial values: Xavier uniform, biases 0.
    Raises ArgumentError unless num_heads divides embed_dim, ShapeError for inputs that do not fit.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        counts("MultiheadAttention", embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise AssertedError(f"MultiheadAttention: embed_dim={embed_dim} does not divide into num_heads={num_heads}")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        together = self._qkv_same_embed_dim
        for name, shape, used in (
            ("in_proj_weight", (3 * embed_dim, embed_dim), together),
            ("q_proj_weight", (embed_dim, embed_dim), not together),
            ("k_proj_weight", (embed_dim, self.kdim), not together),
            ("v_proj_weight", (embed_dim, self.vdim), not together),
            ("in_proj_bias", (3 * embed_dim,), bias),
        ):
            self.register_parameter(name, blank(shape, device, dtype) if used else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, blank((1, 1, embed_dim), device, dtype) if add_bias_kv else None)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            if (p := self._parameters[name]) is not None:
                init.xavier_uniform_(p)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for name in ("bias_k", "bias_v"):
            if (p := self._parameters[name]) is not None:
                init.xavier_normal_(p)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The result and, with need_weights, the weights (a mean over heads unless average_attn_weights=False).

        key_padding_mask[N, S] and attn_mask[L, S] or [N heads, L, S]: True means *may not look*; floats are added.
        """
        if query.ndim not in (2, 3):
            layout = "[N, L, E]" if self.batch_first else "[L, N, E]"
            raise ShapeError(f"MultiheadAttention: expected query {layout} or [L, E], got {show(query)}")
        turn = self.batch_first and query.ndim == 3
        if turn:  # the same tensor stays the same: then one product serves for all three projections
            turned = {id(t): t.transpose(0, 1) for t in (query, key, value)}
            query, key, value = (turned[id(t)] for t in (query, key, value))
        y, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (y.transpose(0, 1) if turn else y), weights
