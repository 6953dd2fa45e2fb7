"""The vision transformer: an image as a sentence of patches.

Dosovitskiy et al. 2021, "An image is worth 16x16 words" (arXiv 2010.11929), table 1.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial
from typing import Any

from cutaway.core.creation import zeros
from cutaway.core.derived import cat
from cutaway.core.errors import AssertedShape
from cutaway.core.functions import empty
from cutaway.core.tensor import Tensor
from cutaway.nn import (
    GELU,
    Conv2d,
    Dropout,
    LayerNorm,
    Linear,
    Module,
    MultiheadAttention,
    Parameter,
    Sequential,
    Tanh,
    init,
)
from cutaway.vision.models.build import builder
from cutaway.vision.ops.misc import MLP, Layer

_norm = partial(LayerNorm, eps=1e-6)


class MLPBlock(MLP):
    """Two linear layers with GELU between them."""

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=GELU, dropout=dropout)
        for m in self.modules():
            if isinstance(m, Linear):
                init.xavier_uniform_(m.weight)
                init.normal_(m.bias, std=1e-6)


class EncoderBlock(Module):
    """x + attention(norm x), then x + mlp(norm x)."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer = _norm,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim != 3:
            raise AssertedShape(f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}")
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(Module):
    """Places added to the patches, then block after block."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer = _norm,
    ) -> None:
        super().__init__()
        self.pos_embedding = Parameter(empty((1, seq_length, hidden_dim)).normal_(std=0.02))
        self.dropout = Dropout(dropout)
        blocks = OrderedDict(
            (f"encoder_layer_{i}", EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer))
            for i in range(num_layers)
        )
        self.layers = Sequential(blocks)
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim != 3:
            raise AssertedShape(f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}")
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(Module):
    """x[N, 3, image_size, image_size] -> logits[N, num_classes], read off a token put before the patches.

    Raises AssertedShape for an image of another size.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Layer = _norm,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise AssertedShape(f"Input shape indivisible by patch size: {image_size} by {patch_size}")
        self.image_size, self.patch_size, self.hidden_dim, self.mlp_dim = image_size, patch_size, hidden_dim, mlp_dim
        self.attention_dropout, self.dropout, self.num_classes = attention_dropout, dropout, num_classes
        self.representation_size, self.norm_layer = representation_size, norm_layer
        self.conv_proj = Conv2d(3, hidden_dim, patch_size, patch_size)
        self.class_token = Parameter(zeros((1, 1, hidden_dim)))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
        )
        heads: OrderedDict[str, Module] = OrderedDict()
        if representation_size is not None:
            heads["pre_logits"] = Linear(hidden_dim, representation_size)
            heads["act"] = Tanh()
        heads["head"] = Linear(representation_size or hidden_dim, num_classes)
        self.heads = Sequential(heads)
        init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / (3 * patch_size**2)))
        init.zeros_(self.conv_proj.bias)
        if representation_size is not None:
            init.trunc_normal_(self.heads.pre_logits.weight, std=math.sqrt(1 / hidden_dim))
            init.zeros_(self.heads.pre_logits.bias)
        init.zeros_(self.heads.head.weight)
        init.zeros_(self.heads.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        if (h, w) != (self.image_size, self.image_size):
            raise AssertedShape(f"Wrong image size! Expected {self.image_size} x {self.image_size} but got {h} x {w}")
        patches = self.conv_proj(x).reshape(n, self.hidden_dim, -1).permute(0, 2, 1)
        tokens = cat([self.class_token.expand(n, -1, -1), patches], 1)
        return self.heads(self.encoder(tokens)[:, 0])


def _make(patch: int, layers: int, heads: int, hidden: int, mlp: int, **options: Any) -> VisionTransformer:
    return VisionTransformer(options.pop("image_size", 224), patch, layers, heads, hidden, mlp, **options)


vit_b_16 = builder("vit_b_16", partial(_make, 16, 12, 12, 768, 3072), "ViT-Base of patches of 16.")
vit_b_32 = builder("vit_b_32", partial(_make, 32, 12, 12, 768, 3072), "ViT-Base of patches of 32.")
vit_l_16 = builder("vit_l_16", partial(_make, 16, 24, 16, 1024, 4096), "ViT-Large of patches of 16.")
vit_l_32 = builder("vit_l_32", partial(_make, 32, 24, 16, 1024, 4096), "ViT-Large of patches of 32.")
vit_h_14 = builder("vit_h_14", partial(_make, 14, 32, 16, 1280, 5120), "ViT-Huge of patches of 14.")
