"""Attention against PyTorch, with every kind of mask; and what it refuses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as TF
from torch.nn.attention import SDPBackend, sdpa_kernel

import cutaway
import cutaway.functional as F
from cutaway.core.errors import ArgumentError, DTypeError, ShapeError

QKV = [
    ((3, 4), (5, 4), (5, 2)),
    ((2, 3, 4), (2, 5, 4), (2, 5, 4)),
    ((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 6)),
    ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
]


def _draw(rng, shapes):
    return [rng.standard_normal(s) for s in shapes]


@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shapes", QKV, ids=str)
def test_plain(shapes, causal, scale, agree, rng):
    call = lambda f: lambda q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale)
    with sdpa_kernel(SDPBackend.MATH):  # the only one of PyTorch's with a second derivative
        agree(call(F), call(TF), *_draw(rng, shapes), second=True)


@pytest.mark.parametrize("mask_shape", [(3, 5), (2, 1, 3, 5), (1, 5), (2, 4, 3, 5)], ids=str)
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks(kind, mask_shape, agree, rng):
    mask = rng.random(mask_shape) < 0.7 if kind == "bool" else rng.standard_normal(mask_shape)
    if kind == "bool":
        mask[..., 0, :] = False  # a query that may look nowhere
    call = lambda f: lambda q, k, v, m: f.scaled_dot_product_attention(q, k, v, m)
    agree(call(F), call(TF), *_draw(rng, ((2, 4, 3, 6), (2, 4, 5, 6), (2, 4, 5, 6))), mask)


def test_a_query_that_may_look_nowhere_gets_zeros():
    x = cutaway.ones(2, 3).requires_grad_()
    y = F.scaled_dot_product_attention(x, x, x, cutaway.tensor([[False, False], [True, True]]))
    y.sum().backward()
    assert y.tolist() == [[0.0] * 3, [1.0] * 3] and np.isfinite(x.grad.numpy()).all()


def test_grouped_queries(agree, rng):
    call = lambda f: lambda q, k, v: f.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    agree(call(F), call(TF), *_draw(rng, ((2, 6, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4))))


def test_dropout_scales_what_it_keeps():
    cutaway.manual_seed(0)
    q = cutaway.zeros(1, 4)
    v = cutaway.eye(50)
    y = F.scaled_dot_product_attention(q, cutaway.zeros(50, 4), v, dropout_p=0.5).numpy()
    np.testing.assert_allclose(y[y != 0], 2 / 50, rtol=1e-6)
    assert 10 < (y != 0).sum() < 40


def _parameters(rng, e, kdim=None, vdim=None):
    shapes = {
        "q": (e, e),
        "k": (e, kdim or e),
        "v": (e, vdim or e),
        "in": (3 * e, e),
        "bias": (3 * e,),
        "out": (e, e),
        "out_bias": (e,),
    }
    return {name: rng.standard_normal(s) for name, s in shapes.items()}


MASKS = {
    "none": (None, None),
    "bool": ("attn", None),
    "causal float": ("causal", None),
    "per head": ("heads", None),
    "padding": (None, "bool"),
    "padding float": (None, "float"),
    "both": ("causal", "float"),
    "both bool": ("attn", "bool"),
}


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.parametrize("weights", ["none", "mean", "heads"])
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("kind", ["self", "cross", "apart"])
def test_multi_head(kind, masks, weights, agree, rng):
    length, source, n, e, heads = 4, (4 if kind == "self" else 5), 2, 6, 3
    p = _parameters(rng, e, *((4, 5) if kind == "apart" else ()))
    attn, padding = MASKS[masks]
    attn_mask = {
        None: None,
        "attn": np.triu(np.ones((length, source), bool), 2),
        "causal": np.triu(np.full((length, source), -np.inf), 1),
        "heads": rng.standard_normal((n * heads, length, source)),
    }[attn]
    key_padding = None
    if padding:
        hidden = np.zeros((n, source), bool)
        hidden[1, -1:] = True
        key_padding = hidden if padding == "bool" else np.where(hidden, -np.inf, 0.0)
    arrays = [rng.standard_normal((length, n, e))]
    if kind != "self":
        arrays += [
            rng.standard_normal((source, n, 4 if kind == "apart" else e)),
            rng.standard_normal((source, n, 5 if kind == "apart" else e)),
        ]

    def call(f, make):
        def run(w_in, w_q, w_k, w_v, b, w_out, b_out, *inputs):
            q, k, v = inputs if len(inputs) == 3 else inputs * 3
            y, w = f.multi_head_attention_forward(
                q,
                k,
                v,
                e,
                heads,
                None if kind == "apart" else w_in,
                b,
                None,
                None,
                False,
                0.0,
                w_out,
                b_out,
                need_weights=weights != "none",
                average_attn_weights=weights == "mean",
                attn_mask=None if attn_mask is None else make(attn_mask),
                key_padding_mask=None if key_padding is None else make(key_padding),
                use_separate_proj_weight=kind == "apart",
                q_proj_weight=w_q,
                k_proj_weight=w_k,
                v_proj_weight=w_v,
            )
            return y if w is None else (y, w)

        return run

    agree(
        call(F, cutaway.from_numpy),
        call(TF, torch.from_numpy),
        p["in"],
        p["q"],
        p["k"],
        p["v"],
        p["bias"],
        p["out"],
        p["out_bias"],
        *arrays,
    )


@pytest.mark.parametrize("batched", [False, True])
def test_multi_head_with_extra_keys(batched, agree, rng):
    e, heads = 4, 2
    p = _parameters(rng, e)

    def call(f, make):
        def run(x, w_in, b, w_out, b_out, bias_k, bias_v):
            mask = make(np.triu(np.full((3, 3), -np.inf), 1))
            return f.multi_head_attention_forward(
                x,
                x,
                x,
                e,
                heads,
                w_in,
                b,
                bias_k,
                bias_v,
                True,
                0.0,
                w_out,
                b_out,
                attn_mask=mask,
                key_padding_mask=make(np.zeros((2, 3) if batched else 3)),
            )

        return run

    x = rng.standard_normal((3, 2, e) if batched else (3, e))
    agree(
        call(F, cutaway.from_numpy),
        call(TF, torch.from_numpy),
        x,
        p["in"],
        p["bias"],
        p["out"],
        p["out_bias"],
        rng.standard_normal((1, 1, e)),
        rng.standard_normal((1, 1, e)),
    )


def test_multi_head_key_is_value(agree, rng):
    p = _parameters(rng, 4)
    call = lambda f: (
        lambda q, k, w, b, o: f.multi_head_attention_forward(q, k, k, 4, 2, w, b, None, None, False, 0.0, o, None)
    )
    agree(
        call(F), call(TF), rng.standard_normal((3, 2, 4)), rng.standard_normal((5, 2, 4)), p["in"], p["bias"], p["out"]
    )


Q, K = cutaway.zeros(3, 4), cutaway.zeros(5, 4)
A = F.scaled_dot_product_attention
IN, OUT, X = cutaway.zeros(12, 4), cutaway.zeros(4, 4), cutaway.zeros(3, 2, 4)


def M(q=X, k=X, v=X, e=4, h=2, w=IN, **options):
    """multi_head_attention_forward with all the rest as usual."""
    return F.multi_head_attention_forward(q, k, v, e, h, w, None, None, None, False, 0.0, OUT, None, **options)


BAD = {
    "features": (
        lambda: A(Q, cutaway.zeros(5, 3), K),
        ShapeError,
        r"query\[\.\.\., L, E\].*float32\[3, 4\] and float32\[5, 3\]",
    ),
    "lengths": (lambda: A(Q, K, cutaway.zeros(6, 4)), ShapeError, "expected query"),
    "dtypes": (lambda: A(Q, K.double(), K), DTypeError, "one dtype"),
    "integers": (lambda: A(Q.long(), K.long(), K.long()), DTypeError, "floating"),
    "mask-causal": (
        lambda: A(Q, K, K, cutaway.ones(3, 5), is_causal=True),
        ArgumentError,
        "either attn_mask or is_causal",
    ),
    "mask-shape": (lambda: A(Q, K, K, cutaway.ones(4, 5)), ShapeError, "attn_mask and scores"),
    "mask-dtype": (lambda: A(Q, K, K, cutaway.ones(3, 5).long()), DTypeError, "attn_mask must be bool or float32"),
    "dropout": (lambda: A(Q, K, K, dropout_p=2.0), ArgumentError, "not a probability"),
    "heads": (
        lambda: A(cutaway.zeros(3, 2, 4), cutaway.zeros(2, 2, 4), cutaway.zeros(2, 2, 4), enable_gqa=True),
        ShapeError,
        "multiple",
    ),
    "mha-width": (lambda: M(e=6), ShapeError, "6 features"),
    "mha-heads": (lambda: M(h=3), ShapeError, "num_heads=3"),
    "mha-weight": (lambda: M(w=cutaway.zeros(8, 4)), ShapeError, r"in_proj_weight must be \[12, 4\]"),
    "mha-dims": (lambda: M(q=Q), ShapeError, "or all without N"),
    "mha-length": (lambda: M(k=cutaway.zeros(5, 2, 4)), ShapeError, "agree in length"),
    "mha-mask": (lambda: M(attn_mask=cutaway.zeros(3, 4)), ShapeError, r"attn_mask must be \[3, 3\]"),
    "mha-padding": (lambda: M(key_padding_mask=cutaway.zeros(3, 3)), ShapeError, r"key_padding_mask must be \[2, 3\]"),
    "mha-mask-dtype": (lambda: M(attn_mask=cutaway.zeros(3, 3).long()), DTypeError, "must be bool or floating"),
    "mha-causal": (lambda: M(is_causal=True), ArgumentError, "give the mask too"),
    "mha-apart": (lambda: M(use_separate_proj_weight=True), ArgumentError, "needs q_proj_weight"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    call, error, text = BAD[name]
    with pytest.raises(error, match=text):
        call()
