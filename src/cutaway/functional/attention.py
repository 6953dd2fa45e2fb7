"""Attention: each query takes a weighted mean of the values, with weights that say how well its key fits."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cutaway.core.aval import broadcast_shapes, show
from cutaway.core.errors import ArgumentError, DTypeError, ShapeError
from cutaway.core.functions import cat, zeros
from cutaway.core.narrow import in_single
from cutaway.core.op import composite
from cutaway.functional._check import floating, is_tensor, probability
from cutaway.functional.dropout import dropout
from cutaway.functional.linear import linear

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor


@composite(r"\mathrm{softmax}\Big(\frac{Q K^\top}{\sqrt{E}} + M\Big) V")
@in_single
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention of Vaswani et al. 2017, arXiv 1706.03762, section 3.2.1.
    query[..., L, E], key[..., S, E], value[..., S, V], attn_mask broadcast to [..., L, S] -> [..., L, V].

    attn_mask: bool (True: may look) or floating (added to the scores). is_causal: position i looks at 0 .. i only.
    dropout_p drops weights always: pass 0 outside training. scale is 1 / sqrt(E) if not given.
    enable_gqa: key and value may have fewer heads (dimension -3), each serving a group of queries' heads.
    A query that may look nowhere gets zeros, as in PyTorch.

    Raises ShapeError when sizes disagree, ArgumentError for is_causal together with attn_mask.
    """
    op = "scaled_dot_product_attention"
    is_tensor(op, query=query, key=key, value=value)
    probability(op, dropout_p)
    floating(op, query)
    if not query.dtype is key.dtype is value.dtype:
        raise DTypeError(
            f"{op}: query, key and value must have one dtype, got {show(query, key, value)}; convert with .to()"
        )
    if (
        min(query.ndim, key.ndim, value.ndim) < 2
        or query.shape[-1] != key.shape[-1]
        or key.shape[-2] != value.shape[-2]
    ):
        raise ShapeError(
            f"{op}: expected query[..., L, E], key[..., S, E], value[..., S, V], got {show(query, key, value)}"
        )
    if is_causal and attn_mask is not None:
        raise ArgumentError(f"{op}: give either attn_mask or is_causal=True; a causal mask can be made with tril")
    if enable_gqa:
        key, value = _shared_heads(op, query, key, value)
    rows, columns = query.shape[-2], key.shape[-2]
    if is_causal:
        bias: Tensor | None = causal_mask(rows, columns, query)
    else:
        bias = None if attn_mask is None else _additive(op, attn_mask, query, rows, columns)
    y, _ = attend(query, key, value, bias, dropout_p, scale, attn_mask is not None)
    return y


def _shared_heads(op: str, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Every head of key and value repeated for its group of query heads (Ainslie et al. 2023, arXiv 2305.13245)."""
    if (
        min(query.ndim, key.ndim, value.ndim) < 3
        or query.shape[-3] % key.shape[-3]
        or query.shape[-3] % value.shape[-3]
    ):
        raise ShapeError(
            f"{op}: with enable_gqa the heads of query must be a multiple of those of key and value, got "
            f"{show(query, key, value)}"
        )
    heads = query.shape[-3]
    return (
        key.repeat_interleave(heads // key.shape[-3], -3),
        value.repeat_interleave(heads // value.shape[-3], -3),
    )


def attend(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, dropout_p: float, scale: float | None, may_be_blind: bool
) -> tuple[Tensor, Tensor]:
    """Result [..., L, V] and weights [..., L, S].  `may_be_blind`: a row of bias may be -inf throughout."""
    scores = (q * (1.0 / math.sqrt(q.shape[-1]) if scale is None else scale)) @ k.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    weights = _weights(scores, may_be_blind)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    return weights @ v, weights


def _weights(scores: Tensor, may_be_blind: bool) -> Tensor:
    """softmax over the last dimension; a row of -inf throughout gives zeros rather than NaN."""
    if not scores.shape[-1] or not scores.numel():
        return scores.exp()
    top = scores.detach().amax(-1, keepdim=True)
    if may_be_blind:
        top = top.masked_fill(top == -math.inf, 0.0)
    e = (scores - top).exp()
    total = e.sum(-1, keepdim=True)
    return e / (total.masked_fill(total == 0.0, 1.0) if may_be_blind else total)


@lru_cache(64)
def _causal(rows: int, columns: int, dtype: np.dtype) -> np.ndarray:
    mask: np.ndarray = np.triu(np.full((rows, columns), -np.inf, dtype), 1)
    mask.flags.writeable = False
    return mask


def causal_mask(rows: int, columns: int, like: Tensor) -> Tensor:
    """0 where position i may look (0 .. i), -inf elsewhere: [rows, columns], in the dtype of `like`."""
    return like._wrap(_causal(rows, columns, like.dtype.np))


def _barred(mask: Tensor, like: Tensor) -> Tensor:
    """-inf where the mask is True, 0 elsewhere, in the dtype of `like`."""
    bias: Tensor = zeros(tuple(mask.shape), dtype=like.dtype)
    return bias.masked_fill(mask, -math.inf)


def _additive(op: str, mask: Tensor, query: Tensor, rows: int, columns: int) -> Tensor:
    """What is added to the scores: a bool mask (True: may look) as 0 and -inf."""
    is_tensor(op, attn_mask=mask)
    broadcast_shapes(tuple(mask.shape), (*query.shape[:-2], rows, columns), op=f"{op}: attn_mask and scores")
    if mask.dtype.category == 0:
        return _barred(~mask, query)
    if mask.dtype is not query.dtype:
        raise DTypeError(f"{op}: attn_mask must be bool or {query.dtype.name}, got {show(mask)}; convert it with .to()")
    return mask


@composite(r"\mathrm{concat}_h\big(\mathrm{softmax}(Q_h K_h^\top / \sqrt{D})\, V_h\big)\, W^O")
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Several attentions side by side, each in its own projection (Vaswani et al. 2017, section 3.2.2).
    query[L, N, E] or [L, E], key[S, N, K], value[S, N, V] -> result[L, N, E], weights[N, L, S] (a mean over heads,
    or [N, heads, L, S] with average_attn_weights=False; None with need_weights=False).

    in_proj_weight[3E, E] holds the three projections; or q_proj_weight[E, E], k_proj_weight[E, K], v_proj_weight[E, V]
    with use_separate_proj_weight. attn_mask[L, S] or [N heads, L, S] and key_padding_mask[N, S]: bool, True means
    *may not look* (the other way round than in scaled_dot_product_attention), or floating and added to the scores.
    A query that may look nowhere gets zeros (PyTorch: NaN when need_weights is True).

    Raises ShapeError when sizes disagree, ArgumentError for is_causal without attn_mask.
    """
    op = "multi_head_attention_forward"
    is_tensor(op, query=query, key=key, value=value)
    if not (query.ndim == key.ndim == value.ndim and query.ndim in (2, 3)):
        raise ShapeError(
            f"{op}: expected query[L, N, E], key[S, N, K], value[S, N, V], or all without N, got "
            f"{show(query, key, value)}"
        )
    if is_causal and attn_mask is None:
        raise ArgumentError(f"{op}: is_causal=True is a hint about attn_mask; give the mask too")
    with_batch = query.ndim == 3
    if not with_batch:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    if width != embed_dim_to_check or width % num_heads:
        raise ShapeError(
            f"{op}: query {show(query)} must have {embed_dim_to_check} features, a multiple of num_heads={num_heads}"
        )
    if tuple(key.shape[:2]) != tuple(value.shape[:2]) or key.shape[1] != batch:
        raise ShapeError(
            f"{op}: key {show(key)} and value {show(value)} must agree in length, and with query {show(query)} in N"
        )
    if use_separate_proj_weight:
        q, k, v = _project_apart(op, query, key, value, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias)
    else:
        q, k, v = _project(op, query, key, value, in_proj_weight, in_proj_bias)
    if bias_k is not None and bias_v is not None:
        k, v = cat([k, bias_k.expand((1, batch, width))]), cat([v, bias_v.expand((1, batch, width))])
    added = bias_k is not None and bias_v is not None
    q = _heads(q, num_heads)
    k = _heads(k, num_heads) if static_k is None else _static(op, static_k, batch, num_heads, width)
    v = _heads(v, num_heads) if static_v is None else _static(op, static_v, batch, num_heads, width)
    if add_zero_attn:
        nothing = zeros((batch, num_heads, 1, width // num_heads), dtype=q.dtype)
        k, v = cat([k, nothing], 2), cat([v, nothing], 2)
    given = k.shape[2] - int(added) - int(add_zero_attn)
    bias = _mask(op, q, given, k.shape[2], attn_mask, key_padding_mask)
    y, weights = attend(q, k, v, bias, dropout_p if training else 0.0, None, bias is not None)
    y = linear(y.permute((2, 0, 1, 3)).reshape((length, batch, width)), out_proj_weight, out_proj_bias)
    if not with_batch:
        y = y.squeeze(1)
    if not need_weights:
        return y, None
    if average_attn_weights:
        weights = weights.mean(1)
    return y, weights if with_batch else weights.squeeze(0)


def _project(
    op: str, query: Tensor, key: Tensor, value: Tensor, weight: Tensor | None, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Three projections from one stacked weight [3E, E]; as one product where the inputs are the same tensor."""
    width = query.shape[-1]
    if weight is None or tuple(weight.shape) != (3 * width, width):
        found = "nothing" if weight is None else show(weight)
        raise ShapeError(
            f"{op}: in_proj_weight must be [{3 * width}, {width}], got {found}; or use_separate_proj_weight=True"
        )
    if query is key and key is value:
        q, k, v = linear(query, weight, bias).chunk(3, -1)
        return q, k, v
    w_q, w_k, w_v = weight.chunk(3)
    b_q, b_k, b_v = (None, None, None) if bias is None else bias.chunk(3)
    if key is value:
        k, v = linear(
            key, weight.narrow(0, width, 2 * width), None if bias is None else bias.narrow(0, width, 2 * width)
        ).chunk(2, -1)
        return linear(query, w_q, b_q), k, v
    return linear(query, w_q, b_q), linear(key, w_k, b_k), linear(value, w_v, b_v)


def _project_apart(
    op: str,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    w_q: Tensor | None,
    w_k: Tensor | None,
    w_v: Tensor | None,
    bias: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    if w_q is None or w_k is None or w_v is None:
        raise ArgumentError(f"{op}: use_separate_proj_weight=True needs q_proj_weight, k_proj_weight and v_proj_weight")
    b_q, b_k, b_v = (None, None, None) if bias is None else bias.chunk(3)
    return linear(query, w_q, b_q), linear(key, w_k, b_k), linear(value, w_v, b_v)


def _heads(x: Tensor, heads: int) -> Tensor:
    """x[L, N, E] -> [N, heads, L, E / heads], a view."""
    length, batch, width = x.shape
    return x.reshape((length, batch, heads, width // heads)).permute((1, 2, 0, 3))


def _static(op: str, x: Tensor, batch: int, heads: int, width: int) -> Tensor:
    if x.ndim != 3 or x.shape[0] != batch * heads or x.shape[2] != width // heads:
        raise ShapeError(f"{op}: static_k and static_v must be [{batch * heads}, S, {width // heads}], got {show(x)}")
    return x.reshape((batch, heads, x.shape[1], x.shape[2]))


def _mask(
    op: str, q: Tensor, given: int, columns: int, attn_mask: Tensor | None, padding: Tensor | None
) -> Tensor | None:
    """Both masks as one bias for scores [N, heads, L, S]; keys added behind the given ones may always be looked at."""
    batch, heads, rows, _ = q.shape
    bias = None
    if attn_mask is not None:
        if tuple(attn_mask.shape) not in ((rows, given), (batch * heads, rows, given)):
            raise ShapeError(
                f"{op}: attn_mask must be [{rows}, {given}] or [{batch * heads}, {rows}, {given}], got "
                f"{show(attn_mask)}"
            )
        bias = _open_end(_forbidden(op, attn_mask, q), columns)
        if attn_mask.ndim == 3:
            bias = bias.reshape((batch, heads, rows, columns))
    if padding is not None:
        if tuple(padding.shape) != (batch, given):
            raise ShapeError(f"{op}: key_padding_mask must be [{batch}, {given}], got {show(padding)}")
        keys = _open_end(_forbidden(op, padding, q), columns).reshape((batch, 1, 1, columns))
        bias = keys if bias is None else bias + keys
    return bias


def _forbidden(op: str, mask: Tensor, like: Tensor) -> Tensor:
    """A bool mask (True: may not look) as 0 and -inf; a floating one as it is."""
    if mask.dtype.category == 0:
        return _barred(mask, like)
    if not mask.dtype.is_floating_point:
        raise DTypeError(f"{op}: a mask must be bool or floating, got {show(mask)}; convert it with .bool()")
    return mask.to(like.dtype)


def _open_end(bias: Tensor, columns: int) -> Tensor:
    missing = columns - bias.shape[-1]
    if not missing:
        return bias
    return cat([bias, zeros((*bias.shape[:-1], missing), dtype=bias.dtype)], -1)


__all__ = ["attend", "causal_mask", "multi_head_attention_forward", "scaled_dot_product_attention"]
