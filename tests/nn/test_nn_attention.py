"""MultiheadAttention and the Transformer against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError, ShapeError

torch = pytest.importorskip("torch")

L, S, N, E = 4, 5, 3, 8


def inputs(rng, batch_first, batched, kdim=E, vdim=E):
    def shape(n, d):
        return ((N, n, d) if batch_first else (n, N, d)) if batched else (n, d)

    return tuple(rng.standard_normal(shape(n, d)) for n, d in ((L, E), (S, kdim), (S, vdim)))


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"kdim": 5, "vdim": 3}, {"add_bias_kv": True}, {"add_zero_attn": True}], ids=str
)
def test_attention(twin, rng, options, batch_first, batched):
    pair = twin("MultiheadAttention", E, 2, batch_first=batch_first, **options)
    q, k, v = inputs(rng, batch_first, batched, options.get("kdim", E), options.get("vdim", E))
    pair.check(q, k, v)
    _y, weights = pair.check(q, k, v, need_weights=False)
    assert weights is None
    _, weights = pair.check(q, k, v, average_attn_weights=False)
    extra = ("add_bias_kv" in options) + ("add_zero_attn" in options)
    assert tuple(weights.shape) == ((N,) if batched else ()) + (2, L, S + extra)


@pytest.mark.parametrize("batch_first", [False, True])
def test_self_attention_with_masks(twin, rng, batch_first):
    pair = twin("MultiheadAttention", E, 4, batch_first=batch_first)
    x = rng.standard_normal((N, L, E) if batch_first else (L, N, E))
    causal = np.triu(np.ones((L, L), bool), 1)
    padding = np.array([[False, False, True, True], [False] * 4, [False, False, False, True]])
    pair.check(x, x, x)
    pair.check(x, x, x, attn_mask=causal)
    pair.check(x, x, x, attn_mask=rng.standard_normal((L, L)))
    pair.check(x, x, x, attn_mask=rng.standard_normal((N * 4, L, L)))
    pair.check(x, x, x, key_padding_mask=padding)
    pair.check(x, x, x, key_padding_mask=padding, attn_mask=causal)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer(twin, rng, norm_first, batch_first, activation):
    pair = twin("TransformerEncoderLayer", E, 2, 16, 0.3, activation, batch_first=batch_first, norm_first=norm_first)
    x = rng.standard_normal((N, L, E) if batch_first else (L, N, E))
    pair.train(False)
    pair.check(x)
    pair.check(x, src_mask=np.triu(np.ones((L, L), bool), 1))
    pair.check(x, src_key_padding_mask=np.array([[False, False, True, True], [False] * 4, [False] * 4]))
    pair.check(rng.standard_normal((L, E)))


@pytest.mark.parametrize("norm_first", [False, True])
def test_decoder_layer(twin, rng, norm_first):
    pair = twin("TransformerDecoderLayer", E, 2, 16, norm_first=norm_first, bias=False).train(False)
    tgt, memory = rng.standard_normal((L, N, E)), rng.standard_normal((S, N, E))
    pair.check(tgt, memory)
    pair.check(tgt, memory, tgt_mask=np.triu(np.ones((L, L), bool), 1), memory_mask=rng.standard_normal((L, S)))


@pytest.mark.parametrize("batch_first", [False, True])
def test_transformer(twin, rng, batch_first):
    pair = twin("Transformer", E, 2, 2, 2, 16, batch_first=batch_first).train(False)
    src = rng.standard_normal((N, S, E) if batch_first else (S, N, E))
    tgt = rng.standard_normal((N, L, E) if batch_first else (L, N, E))
    pair.check(src, tgt, tgt_mask=np.triu(np.full((L, L), -np.inf), 1))


def test_encoder_stack_starts_with_equal_layers_and_trains_them_apart():
    layer = nn.TransformerEncoderLayer(E, 2, 16)
    stack = nn.TransformerEncoder(layer, 2, nn.LayerNorm(E))
    first, second = (m.linear1.weight for m in stack.layers)
    assert (first == second).all() and first is not second
    stack(cutaway.randn(L, N, E)).pow(2).sum().backward()
    assert not (first.grad == second.grad).all()
    assert layer.linear1.weight.grad is None
    assert list(stack.state_dict()) == list(
        torch.nn.TransformerEncoder(
            torch.nn.TransformerEncoderLayer(E, 2, 16, batch_first=True), 2, torch.nn.LayerNorm(E)
        ).state_dict()
    )


def test_decoder_stack():
    ours = nn.TransformerDecoder(nn.TransformerDecoderLayer(E, 2, 16), 2)
    theirs = torch.nn.TransformerDecoder(torch.nn.TransformerDecoderLayer(E, 2, 16), 2)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert tuple(ours(cutaway.randn(L, N, E), cutaway.randn(S, N, E)).shape) == (L, N, E)


def test_causal_mask():
    ours = nn.Transformer.generate_square_subsequent_mask(3)
    assert ours.tolist() == torch.nn.Transformer.generate_square_subsequent_mask(3).tolist()
    assert nn.Transformer.generate_square_subsequent_mask(2, dtype=cutaway.float64).dtype is cutaway.float64


def test_a_later_word_does_not_change_an_earlier_answer():
    cutaway.manual_seed(0)
    layer = nn.TransformerEncoderLayer(E, 2, 16, batch_first=True).eval()
    x = cutaway.randn(1, L, E)
    mask = nn.Transformer.generate_square_subsequent_mask(L)
    before = layer(x, src_mask=mask)
    x[0, -1] = 100.0
    after = layer(x, src_mask=mask)
    assert (before[0, :-1] == after[0, :-1]).all() and not (before[0, -1] == after[0, -1]).any()


def test_attention_drops_weights_in_training():
    cutaway.manual_seed(0)
    layer = nn.MultiheadAttention(E, 2, dropout=0.5)
    x = cutaway.randn(L, N, E)
    a, b = layer(x, x, x)[0], layer(x, x, x)[0]
    assert not (a == b).all()
    layer.eval()
    assert (layer(x, x, x)[0] == layer(x, x, x)[0]).all()


X = cutaway.zeros(L, N, E)
BAD = [
    (lambda: nn.MultiheadAttention(E, 3), ArgumentError, "embed_dim=8 does not divide into num_heads=3"),
    (lambda: nn.MultiheadAttention(E, 0), ArgumentError, "num_heads must be a positive int"),
    (lambda: nn.MultiheadAttention(E, 2)(X[0, 0], X, X), ShapeError, r"expected query \[L, N, E\] or \[L, E\]"),
    (lambda: nn.MultiheadAttention(E, 2)(X[..., :4], X, X), ShapeError, "must have 8 features"),
    (lambda: nn.TransformerEncoderLayer(E, 2, activation="swish"), ArgumentError, "use 'relu', 'gelu' or a function"),
    (lambda: nn.Transformer(E, 2, 1, 1, 8)(X, X[..., :4]), ShapeError, "must end with d_model=8"),
    (lambda: nn.Transformer(E, 2, 1, 1, 8)(X, X[:, :1]), ShapeError, "same batch size"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=range(len(BAD)))
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
