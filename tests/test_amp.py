"""autocast against PyTorch's on the CPU: the dtype of every function's result, regions, gradients, whole trainings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import cutaway
from cutaway.amp.policy import BACK, LOWER, OPEN, SINGLE, WEIGHTS
from cutaway.core import accelerate
from cutaway.core.op import CAST

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(3)
NAMED = {
    "x": RNG.standard_normal((4, 6)), "w": RNG.standard_normal((5, 6)), "v": RNG.standard_normal(6),
    "b": RNG.standard_normal((2, 4, 6)), "s": RNG.standard_normal((2, 3, 8)), "im": RNG.standard_normal((2, 3, 8, 8)),
    "vol": RNG.standard_normal((1, 2, 4, 4, 4)), "p": RNG.random((4, 6)), "k1": RNG.standard_normal((4, 3, 3)),
    "k2": RNG.standard_normal((4, 3, 3, 3)), "k3": RNG.standard_normal((4, 2, 3, 3, 3)), "sq": RNG.standard_normal((4, 4)),
    "sign": np.sign(RNG.standard_normal((4, 6))),
}  # fmt: skip

# Each is read with `t` the library, `F` its functional module, and the arrays above; `c` are classes.
EXPRESSIONS = """
x @ x.t(); b @ x.t(); x @ v; v @ v; t.mv(x, v); t.dot(v, v); t.outer(v, v); t.mm(x, w.t()); t.bmm(b, b.transpose(1, 2))
t.addmm(sq, x, x.t()); t.baddbmm(sq.expand(2, 4, 4), b, b.transpose(1, 2)); x.matmul(w.t())
t.einsum('ij,kj->ik', x, w); t.einsum('ij,ij->i', x, x); t.einsum('i,j->ij', v, v); t.einsum('ij->ji', x)
t.einsum('ij,j->ij', x, v); t.einsum('ij,jk,kl->il', x, x.t(), x); t.einsum('...i,i', b, v)
F.linear(x, w); F.linear(b, w, v[:5]); F.conv1d(s, k1); F.conv2d(im, k2, v[:4]); F.conv3d(vol, k3)
F.conv_transpose1d(s, k1.transpose(0, 1)); F.conv_transpose2d(im, k2.transpose(0, 1))
F.conv_transpose3d(vol, k3.transpose(0, 1)); F.scaled_dot_product_attention(b, b, b); F.prelu(x, v[:1])
F.mse_loss(x, p); F.l1_loss(x, p); F.smooth_l1_loss(x, p); F.huber_loss(x, p); F.cross_entropy(x, c); F.nll_loss(x, c)
F.binary_cross_entropy(x.sigmoid(), p); F.binary_cross_entropy_with_logits(x, p); F.kl_div(x, p, reduction='batchmean')
F.hinge_embedding_loss(x, sign); F.margin_ranking_loss(x, p, sign); F.triplet_margin_loss(x, p, sign)
F.cosine_embedding_loss(x, p, sign[:, 0]); F.multi_margin_loss(x, c); x.prod(); x.prod(1); sq.trace()
F.avg_pool3d(vol, 2); F.local_response_norm(im, 2); F.pad(im, (1, 1, 1, 1), mode='reflect')
F.pad(im, (1, 1, 1, 1)); F.pad(im, (1, 1, 1, 1), mode='replicate'); F.pad(im, (1, 1, 1, 1), mode='circular')
x.softmax(-1); x.log_softmax(-1); x.logsumexp(-1); x.sum(); x.mean(); x.cumsum(0); x.norm(); x ** 2; x.exp(); x.std()
F.layer_norm(x, (6,)); F.group_norm(im, 3); F.batch_norm(im, t.zeros(3), t.ones(3)); F.avg_pool2d(im, 2)
F.max_pool2d(im, 2); F.interpolate(im, scale_factor=2, mode='bilinear'); F.normalize(x); F.cosine_similarity(x, p)
F.gelu(x); F.glu(x); t.cat([x, p]); t.stack([x, p]); t.cat([x, p.float()]); F.embedding(c, x); x + p.float()
F.bilinear(x, x, k3.reshape(-1)[:144].reshape(4, 6, 6)); x.double() @ x.double().t(); F.mse_loss(x.double(), p)
""".replace("\n", ";").split(";")
EXPRESSIONS = [e.strip() for e in EXPRESSIONS if e.strip()]


def scope(t: Any, dtype: str) -> dict[str, Any]:
    found: dict[str, Any] = {k: t.tensor(a, dtype=t.float32).to(getattr(t, dtype)) for k, a in NAMED.items()}
    return {**found, "t": t, "F": t.nn.functional, "c": t.tensor([0, 2, 1, 3])}


def outcome(t: Any, expression: str, given: str, lower: str) -> Any:
    with t.autocast("cpu", dtype=getattr(t, lower)):
        try:
            return eval(expression, scope(t, given))
        except (RuntimeError, NotImplementedError) as error:
            return error


@pytest.mark.parametrize("lower", ["bfloat16", "float16"])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_dtypes_and_values(expression, lower):
    """Of float32 inputs, and of inputs in the lower precision."""
    for given in ("float32", lower):
        z, y = (outcome(t, expression, given, lower) for t in (torch, cutaway))
        if isinstance(z, Exception):
            continue  # PyTorch has no such kernel
        assert not isinstance(y, Exception), y
        assert str(y.dtype).removeprefix("cutaway.") == str(z.dtype).removeprefix("torch.")
        digit = 2.0**-7 if lower == "bfloat16" else 2.0**-10
        if "bilinear(" not in expression:  # PyTorch's rounds a product inside
            a, b = np.array(y.tolist()), np.array(z.tolist())
            np.testing.assert_allclose(a, b, rtol=4 * digit, atol=4 * digit * np.abs(b).max())


LAYERS = {"LSTM": 2, "GRU": 1, "RNN": 1, "LSTMCell": 2, "GRUCell": 0, "RNNCell": 0}


@pytest.mark.parametrize("name", LAYERS)
def test_recurrent_layers(name):
    def results(t: Any) -> list[Any]:
        t.manual_seed(0)
        layer = getattr(t.nn, name)(6, 3)
        x = t.tensor(NAMED["b"], dtype=t.float32)
        with t.autocast("cpu"):
            y = layer(x if "Cell" not in name else x[0])
        flat = [y] if not isinstance(y, tuple) else [y[0], *(y[1] if isinstance(y[1], tuple) else y[1:])]
        return flat

    for a, b in zip(results(cutaway), results(torch), strict=True):
        assert str(a.dtype)[8:] == str(b.dtype)[6:]
        np.testing.assert_allclose(a.tolist(), b.tolist(), atol=0.02)


def test_attention_layer():
    def result(t: Any) -> Any:
        t.manual_seed(0)
        layer = t.nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0)
        with t.autocast("cpu"):
            return layer(t.tensor(NAMED["b"], dtype=t.float32))

    a, b = result(cutaway), result(torch)
    assert a.dtype is cutaway.float32 and b.dtype is torch.float32
    np.testing.assert_allclose(a.tolist(), b.tolist(), atol=0.06)


def test_the_lists_name_functions_that_there_are():
    from cutaway import functional
    from cutaway.core import derived
    from cutaway.core.topics import complex, fourier, spectra
    from cutaway.vision import ops

    later = {"soft_margin_loss", "poisson_nll_loss", "ctc_loss", "multilabel_margin_loss", "grid_sample", "cdist"}
    homes = (functional, functional.recurrent, derived, complex, fourier, spectra, ops)
    for name in (LOWER | SINGLE | OPEN | BACK) - later:
        assert any(hasattr(m, name) for m in homes), name
    assert not LOWER & SINGLE


# --- regions ----------------------------------------------------------------------------------------------------------


def product(t: Any) -> str:
    x = t.ones(2, 2)
    return str((x @ x).dtype).rpartition(".")[2]


def regions(t: Any) -> list[Any]:
    """What is asked inside nested regions, decorated functions, and after an error."""
    said: list[Any] = [product(t)]

    def note() -> None:
        said.append((product(t), t.is_autocast_enabled("cpu"), str(t.get_autocast_dtype("cpu"))[-8:]))

    with t.autocast("cpu"):
        note()
        with t.autocast("cpu", dtype=t.float16):
            note()
            with t.autocast("cpu", enabled=False):
                note()
            note()
        note()
        with t.autocast("cpu", enabled=True, cache_enabled=False):
            said.append(t.is_autocast_cache_enabled())
    note()
    decorated = t.autocast("cpu", dtype=t.float16)(lambda: product(t))
    said.append((decorated(), decorated(), product(t)))
    try:
        with t.autocast("cpu"):
            raise KeyError("left")
    except KeyError:
        note()
    t.set_autocast_enabled("cpu", True)
    t.set_autocast_dtype("cpu", t.float16)
    note()
    t.set_autocast_enabled("cpu", False)
    t.set_autocast_dtype("cpu", t.bfloat16)
    note()
    said += [t.is_autocast_enabled(), str(t.get_autocast_dtype("cuda"))[-7:], t.amp.is_autocast_available("cpu")]
    return said


def test_regions_nest_and_end():
    assert regions(cutaway) == regions(torch)


def test_devices_and_dtypes_that_are_not_there():
    for options, what in (
        ({"device_type": "cuda"}, "no cuda"),
        ({"device_type": "cpu", "dtype": cutaway.float32}, "bfloat16 or float16"),
        ({"device_type": "cpu", "dtype": cutaway.float64}, "bfloat16 or float16"),
    ):
        with pytest.warns(UserWarning, match=what), cutaway.autocast(**options):
            assert product(cutaway) == "float32" and not cutaway.is_autocast_enabled("cpu")
    with pytest.warns(UserWarning, match="no cuda"), cutaway.cuda.amp.autocast():
        assert product(cutaway) == "float32"
    with cutaway.autocast("cpu"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with cutaway.autocast("cuda"):
            assert product(cutaway) == "bfloat16"
    for wrong in (lambda: cutaway.autocast("gpu"), lambda: cutaway.amp.is_autocast_available("gpu")):
        with pytest.raises(RuntimeError, match="gpu"):
            wrong()
    with pytest.raises(ValueError, match="device"):
        cutaway.autocast(3)
    with pytest.raises(TypeError, match="float32"):
        cutaway.set_autocast_dtype("cpu", cutaway.float32)


def test_a_weight_is_converted_once_and_anew_when_it_was_written():
    w, x = cutaway.nn.Parameter(cutaway.ones(2, 2)), cutaway.ones(1, 2)
    with cutaway.autocast("cpu"):
        a, b = cutaway.nn.functional.linear(x, w), cutaway.nn.functional.linear(x, w)
        assert len(WEIGHTS) == 1
        with cutaway.no_grad():
            w.mul_(3)
        c = cutaway.nn.functional.linear(x, w)
        with cutaway.autocast("cpu", dtype=cutaway.float16):
            assert cutaway.nn.functional.linear(x, w).dtype is cutaway.float16
    assert not WEIGHTS
    assert (a.tolist(), b.tolist(), c.tolist()) == ([[2, 2]], [[2, 2]], [[6, 6]])
    (a + b).sum().backward()
    assert w.grad.dtype is cutaway.float32 and w.grad.tolist() == [[2, 2], [2, 2]]


def test_backward_outside_has_forwards_dtypes():
    def seen(t: Any) -> list[str]:
        x, w = (t.tensor(a, dtype=t.float32, requires_grad=True) for a in (NAMED["x"], NAMED["w"]))
        with t.autocast("cpu"):
            y = t.nn.functional.linear(x, w)
        found: list[str] = []
        y.register_hook(lambda g: found.append(str(g.dtype)[-8:]))
        y.float().sum().backward()
        return [*found, str(x.grad.dtype)[-7:], w.grad.tolist()]

    assert seen(cutaway) == seen(torch)


def test_functions_of_ones_own():
    def seen(t: Any) -> list[Any]:
        found: list[Any] = []

        class Plain(t.autograd.Function):
            @staticmethod
            @t.amp.custom_fwd(device_type="cpu")
            def forward(ctx: Any, x: Any) -> Any:
                found.append(product(t))
                return x * 2

            @staticmethod
            @t.amp.custom_bwd(device_type="cpu")
            def backward(ctx: Any, g: Any) -> Any:
                found.append(product(t))
                return g * 2

        class Single(t.autograd.Function):
            @staticmethod
            @t.amp.custom_fwd(device_type="cpu", cast_inputs=t.float32)
            def forward(ctx: Any, x: Any) -> Any:
                found.append((product(t), str(x.dtype)[-7:]))
                return x * 2

            @staticmethod
            @t.amp.custom_bwd(device_type="cpu")
            def backward(ctx: Any, g: Any) -> Any:
                found.append(product(t))
                return g * 2

        for function in (Plain, Single):
            x = t.ones(2, requires_grad=True)
            with t.autocast("cpu"):
                y = function.apply(x.bfloat16())
            y.sum().backward()
            function.apply(t.ones(2))
        return found

    assert seen(cutaway) == seen(torch)


def test_the_scaler_refuses_float16_gradients_and_takes_bfloat16_ones():
    for t in (cutaway, torch):
        for dtype, refused in ((t.float16, True), (t.bfloat16, False)):
            p = t.nn.Parameter(t.ones(2, dtype=dtype))
            optimizer, scaler = t.optim.SGD([p], lr=0.1), t.amp.GradScaler("cpu", init_scale=4.0)
            scaler.scale(t.ones(1))
            p.grad = t.full((2,), 3.0, dtype=dtype)
            if refused:
                with pytest.raises(ValueError, match=r"FP16|float16"):
                    scaler.unscale_(optimizer)
            else:
                scaler.unscale_(optimizer)
                assert p.grad.tolist() == [0.75, 0.75]


# --- whole trainings --------------------------------------------------------------------------------------------------


def losses(t: Any, how: str, lower: str, scaled: bool = False, steps: int = 50) -> np.ndarray:
    """A small network of convolutions and products, trained with Adam."""
    nn, F = t.nn, t.nn.functional
    t.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 16),
        nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 4),
    )  # fmt: skip
    x, y = t.randn(32, 1, 6, 6), t.randint(0, 4, (32,))
    optimizer, scaler = t.optim.Adam(net.parameters(), lr=3e-3), t.amp.GradScaler("cpu", enabled=scaled)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        with t.autocast("cpu", dtype=getattr(t, lower)):
            loss = F.cross_entropy(net(x), y)
        assert loss.dtype is t.float32
        if scaled:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        else:
            loss.backward()
            optimizer.step()
        return loss

    run = cutaway.compile(step) if how == "compiled" else step
    out = np.array([run(x, y).item() for _ in range(steps)])
    assert all(p.dtype is t.float32 for p in net.parameters())
    return out


@pytest.mark.parametrize(("how", "lower", "scaled"), [
    ("eager", "bfloat16", False), ("eager", "float16", True), ("native", "bfloat16", False), ("compiled", "bfloat16", False),
])  # fmt: skip
def test_losses_lie_on_pytorchs(how, lower, scaled):
    want = losses(torch, "", lower, scaled)
    if how == "native":
        with accelerate.at_once():
            got = losses(cutaway, how, lower, scaled)
    elif how == "eager":
        token = accelerate.composite
        accelerate.composite = None  # op by op
        try:
            got = losses(cutaway, how, lower, scaled)
        finally:
            accelerate.composite = token
    else:
        got = losses(cutaway, how, lower, scaled)
    assert want[-1] < 0.5 * want[0]
    np.testing.assert_allclose(got, want, atol=5e-3)


def test_a_compiled_function_knows_whether_it_is_called_inside():
    f = cutaway.compile(lambda a: a @ a)
    x = cutaway.ones(2, 2)
    assert f(x).dtype is cutaway.float32
    with cutaway.autocast("cpu"):
        assert f(x).dtype is cutaway.bfloat16 and f(x).dtype is cutaway.bfloat16
        with cutaway.autocast("cpu", dtype=cutaway.float16):
            assert f(x).dtype is cutaway.float16
    assert f(x).dtype is cutaway.float32 and CAST.get() is None
