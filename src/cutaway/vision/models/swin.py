"""Swin: attention within windows of patches, which are shifted from one block to the next.

Liu et al. 2021, "Swin Transformer: hierarchical vision transformer using shifted windows" (arXiv 2103.14030), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from cutaway.core.derived import cat
from cutaway.core.functions import from_numpy, zeros
from cutaway.core.tensor import Tensor
from cutaway.functional import dropout, linear, pad
from cutaway.nn import GELU, AdaptiveAvgPool2d, Conv2d, Flatten, LayerNorm, Linear, Module, Parameter, Sequential, init
from cutaway.vision.models.build import builder
from cutaway.vision.ops.misc import MLP, Layer, Permute
from cutaway.vision.ops.stochastic_depth import StochasticDepth


class PatchMerging(Module):
    """x[N, H, W, C] -> [N, H / 2, W / 2, 2 C]: four neighbours as one patch."""

    def __init__(self, dim: int, norm_layer: Layer = LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-3:-1]
        x = pad(x, (0, 0, 0, w % 2, 0, h % 2))
        parts = [x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
        return self.reduction(self.norm(cat(parts, -1)))


class ShiftedWindowAttention(Module):
    """x[N, H, W, C] -> the same: attention of several heads within windows, with a bias by the distance in them."""

    relative_position_index: Tensor

    def __init__(
        self,
        dim: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        num_heads: int,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.window_size, self.shift_size, self.num_heads = list(window_size), list(shift_size), num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.qkv = Linear(dim, dim * 3)
        self.proj = Linear(dim, dim)
        a, b = window_size
        self.relative_position_bias_table = Parameter(zeros(((2 * a - 1) * (2 * b - 1), num_heads)))
        places = np.stack(np.meshgrid(np.arange(a), np.arange(b), indexing="ij")).reshape(2, -1)
        apart = places[:, :, None] - places[:, None, :]
        index = (apart[0] + a - 1) * (2 * b - 1) + apart[1] + b - 1
        self.register_buffer("relative_position_index", from_numpy(np.ascontiguousarray(index.reshape(-1))))
        init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, c = x.shape
        a, b = self.window_size
        y = pad(x, (0, 0, 0, (b - w % b) % b, 0, (a - h % a) % a))
        hh, ww = y.shape[1:3]
        shift = [0 if size >= whole else s for size, whole, s in zip((a, b), (hh, ww), self.shift_size, strict=True)]
        if any(shift):
            y = y.roll((-shift[0], -shift[1]), (1, 2))
        count = (hh // a) * (ww // b)
        y = y.reshape(n, hh // a, a, ww // b, b, c).permute(0, 1, 3, 2, 4, 5).reshape(n * count, a * b, c)
        qkv = linear(y, self.qkv.weight, self.qkv.bias).reshape(n * count, a * b, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = (q * (c // self.num_heads) ** -0.5) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index].reshape(a * b, a * b, -1)
        scores = scores + bias.permute(2, 0, 1).unsqueeze(0)
        if any(shift):
            mask = from_numpy(_mask(hh, ww, a, b, shift).astype(x._data.dtype))
            scores = scores.reshape(n, count, self.num_heads, a * b, a * b) + mask.unsqueeze(1).unsqueeze(0)
            scores = scores.reshape(-1, self.num_heads, a * b, a * b)
        weights = dropout(scores.softmax(-1), self.attention_dropout, self.training)
        y = (weights @ v).transpose(1, 2).reshape(n * count, a * b, c)
        y = dropout(linear(y, self.proj.weight, self.proj.bias), self.dropout, self.training)
        y = y.reshape(n, hh // a, ww // b, a, b, c).permute(0, 1, 3, 2, 4, 5).reshape(n, hh, ww, c)
        if any(shift):
            y = y.roll((shift[0], shift[1]), (1, 2))
        return y[:, :h, :w, :]


def _mask(h: int, w: int, a: int, b: int, shift: Sequence[int]) -> np.ndarray:
    """-100 between patches that the shift brought into one window from opposite sides: [windows, a b, a b]."""
    region = np.zeros((h, w), np.int64)
    parts = lambda size, s: ((0, -size), (-size, -s), (-s, None))
    number = 0
    for top, bottom in parts(a, shift[0]):
        for left, right in parts(b, shift[1]):
            region[top:bottom, left:right] = number
            number += 1
    of = region.reshape(h // a, a, w // b, b).transpose(0, 2, 1, 3).reshape(-1, a * b)
    return np.where(of[:, None, :] != of[:, :, None], -100.0, 0.0)


class SwinTransformerBlock(Module):
    """x + attention(norm x), then x + mlp(norm x)."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: Sequence[int],
        shift_size: Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = LayerNorm,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = ShiftedWindowAttention(dim, window_size, shift_size, num_heads, attention_dropout, dropout)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=GELU, dropout=dropout)
        for m in self.mlp.modules():
            if isinstance(m, Linear):
                init.xavier_uniform_(m.weight)
                init.normal_(m.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformer(Module):
    """x[N, 3, H, W] -> logits[N, num_classes]."""

    def __init__(
        self,
        patch_size: Sequence[int],
        embed_dim: int,
        depths: Sequence[int],
        num_heads: Sequence[int],
        window_size: Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        norm = norm_layer or partial(LayerNorm, eps=1e-5)
        size = tuple(patch_size)
        layers: list[Module] = [
            Sequential(Conv2d(3, embed_dim, size, size), Permute([0, 2, 3, 1]), norm(embed_dim))  # type: ignore[arg-type]
        ]
        total, done = sum(depths), 0
        for i, depth in enumerate(depths):
            dim, blocks = embed_dim * 2**i, []
            for j in range(depth):
                drop = stochastic_depth_prob * float(done) / (total - 1)
                shift = [0 if j % 2 == 0 else w // 2 for w in window_size]
                blocks.append(
                    SwinTransformerBlock(
                        dim, num_heads[i], window_size, shift, mlp_ratio, dropout, attention_dropout, drop, norm
                    )
                )
                done += 1
            layers.append(Sequential(*blocks))
            if i < len(depths) - 1:
                layers.append(PatchMerging(dim, norm))
        self.features = Sequential(*layers)
        width = embed_dim * 2 ** (len(depths) - 1)
        self.norm = norm(width)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = AdaptiveAvgPool2d(1)
        self.flatten = Flatten(1)
        self.head = Linear(width, num_classes)
        for m in self.modules():
            if isinstance(m, Linear):
                init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flatten(self.avgpool(self.permute(self.norm(self.features(x))))))


def _make(dim: int, third: int, heads: Sequence[int], drop: float, **options: Any) -> SwinTransformer:
    probability = options.pop("stochastic_depth_prob", drop)
    return SwinTransformer(
        [4, 4], dim, [2, 2, third, 2], heads, [7, 7], stochastic_depth_prob=probability, **options
    )


swin_t = builder("swin_t", partial(_make, 96, 6, (3, 6, 12, 24), 0.2), "Swin Tiny.")
swin_s = builder("swin_s", partial(_make, 96, 18, (3, 6, 12, 24), 0.3), "Swin Small.")
swin_b = builder("swin_b", partial(_make, 128, 18, (4, 8, 16, 32), 0.5), "Swin Base.")
