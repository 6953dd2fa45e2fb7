"""Complex numbers beyond the conformance tables: gradients against differences, views, optimisers, files, what is refused."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest

import cutaway
from cutaway import autograd, nn, optim
from cutaway.core.op import OPS, OPS_APART
from cutaway.core.ops.complex import over_complex

from .against import torch

RNG = np.random.default_rng(3)


def cplx(*shape):
    return RNG.uniform(0.3, 1, shape) + 1j * RNG.uniform(0.2, 0.8, shape)


def test_ops_of_complex_numbers_are_not_in_the_table_that_the_compiler_knows():
    assert not OPS.keys() & OPS_APART.keys() and {"conj", "real", "angle"} <= OPS_APART.keys()


def test_ops_that_read_no_values_keep_their_rules_and_others_read_conjugates():
    assert over_complex(OPS["add"]) is OPS["add"] and over_complex(OPS["reshape"]) is OPS["reshape"]
    assert over_complex(OPS["mul"]) is not OPS["mul"] and over_complex(OPS["mul"]) is over_complex(OPS["mul"])


@pytest.mark.parametrize(
    "f",
    [
        lambda z: z * z.conj() / (z + 2),
        lambda z: (z.abs() * z.sgn()).exp(),
        lambda z: cutaway.polar(z.abs(), z.angle() * 2),
        lambda z: cutaway.fft.rfft(z.real).prod() * z,
        lambda z: cutaway.fft.irfft(z, n=4) ** 2,
        lambda z: z @ z.mH @ z,
        lambda z: cutaway.stft(cutaway.cat([z, z], 1)[0], 4, hop_length=1).abs(),
    ],
)
def test_gradients_agree_with_differences(f):
    z = cutaway.tensor(cplx(2, 3), requires_grad=True)
    assert autograd.gradcheck(f, (z,)) and autograd.gradgradcheck(f, (z,))


def test_gradcheck_finds_a_conjugate_that_is_missing():
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            return z * z

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    z = cutaway.tensor(cplx(2), requires_grad=True)
    assert not autograd.gradcheck(Wrong.apply, (z,), raise_exception=False)


def written(t, x, z):
    a = z * 1
    a.real[1:] = x[1:] * 2
    a.imag.mul_(x)
    pairs = t.view_as_real(a)
    pairs[:, 1] *= 3
    return a * a.conj().real.sum()


def test_writes_to_parts_are_differentiated_twice():
    x, z = RNG.standard_normal(3), cplx(3)
    found = []
    for t in (cutaway, torch):
        leaves = [t.tensor(v, requires_grad=True) for v in (x, z)]
        y = written(t, *leaves)
        first = t.autograd.grad((y * (1 + 2j)).real.sum(), leaves, create_graph=True)
        second = t.autograd.grad(sum((g.abs() ** 2).sum() for g in first), leaves)
        found.append([a.detach().numpy() for a in (y, *first, *second)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_views_share_memory():
    z = cutaway.zeros(2, 2, dtype=cutaway.cfloat)
    z.real[0] = 1
    z.imag.copy_(cutaway.eye(2))
    cutaway.view_as_real(z)[1, 0, 1] = 5
    assert z.tolist() == [[1 + 1j, 1], [5j, 1j]]
    pairs = cutaway.zeros(3, 2)
    cutaway.view_as_complex(pairs).add_(2 - 1j)
    assert pairs.tolist() == [[2, -1]] * 3


RULES = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}), ("Adam", {"lr": 0.05, "amsgrad": True}),
    ("AdamW", {"lr": 0.05}), ("RMSprop", {"lr": 0.05, "centered": True}), ("Adagrad", {"lr": 0.1}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), RULES, ids=[r[0] for r in RULES])
def test_optimisers_take_both_parts(name, options):
    start, found = cplx(3, 2), []
    for t in (cutaway, torch):
        p, q = t.nn.Parameter(t.tensor(start)), t.nn.Parameter(t.tensor(1 - 1j, dtype=t.complex128))
        o = getattr(t.optim, name)([p, q], **options)
        for k in range(5):
            o.zero_grad()
            ((p * q - k * (1 + 1j)).abs() ** 2).sum().backward()
            o.step()
        held = o.state_dict()["state"][0]
        found.append([p, q, *(v for k, v in sorted(held.items()) if k != "step" and v is not None)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9)


def test_a_module_with_complex_parameters():
    layer = nn.Linear(2, 2, dtype=cutaway.cfloat)
    assert layer.double().weight.dtype == cutaway.complex64 and layer.to(cutaway.cdouble).bias.dtype == cutaway.complex128
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        assert layer.to(cutaway.float32).weight.dtype == cutaway.float32


def test_files_both_ways():
    z, f = cplx(2, 3), io.BytesIO()
    torch.save({"z": torch.tensor(z).to(torch.cfloat), "c": torch.tensor(z).conj()}, f)
    f.seek(0)
    held = cutaway.load(f)
    assert held["z"].dtype == cutaway.complex64
    np.testing.assert_allclose(held["z"].numpy(), z, rtol=1e-6)
    np.testing.assert_allclose(held["c"].numpy(), z.conj())
    f = io.BytesIO()
    cutaway.save({"z": cutaway.tensor(z, requires_grad=True), "p": nn.Parameter(cutaway.tensor(z[0]).cfloat())}, f)
    f.seek(0)
    back = torch.load(f)
    assert back["z"].requires_grad and back["p"].dtype == torch.complex64
    np.testing.assert_allclose(back["z"].detach().numpy(), z)


def test_safetensors_hold_complex64():
    pytest.importorskip("safetensors")
    from cutaway.interop.safetensors import load, save

    z = cutaway.tensor(cplx(2, 2)).cfloat()
    assert load(save({"z": z}))["z"].equal(z)


def test_random_numbers_are_pytorchs():
    for draw in ("rand", "randn"):
        for shape in ((3,), (5, 7)):
            cutaway.manual_seed(1), torch.manual_seed(1)
            ours, theirs = (getattr(t, draw)(*shape, dtype=t.cdouble).numpy() for t in (cutaway, torch))
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("f", [lambda x: (x * 1j).abs(), lambda x: cutaway.fft.rfft(x).abs(), lambda x: x.cfloat().real])
def test_compile_refuses(f):
    with pytest.raises(cutaway.TraceError, match=r"complex numbers are not compiled.*run this part eagerly"):
        cutaway.compile(f)(cutaway.ones(4))


def test_native_programs_step_back():
    """Composites, products and steps that are complex run on NumPy however often, and real ones beside them do not mind."""
    from cutaway.core import accelerate

    p = nn.Parameter(cutaway.tensor(cplx(4, 4)))
    x = cutaway.tensor(cplx(4, 4))
    o = optim.Adam([p], lr=0.1)
    with accelerate.at_once():
        for _ in range(3):
            y = nn.functional.linear(x, p) @ x
            o.zero_grad()
            y.abs().sum().backward()
            o.step()
    np.testing.assert_allclose(y.detach().numpy(), nn.functional.linear(x, p.detach() * 0 + _before(p, o)).numpy() @ x.numpy())


def _before(p, o):
    """The parameter before Adam's last step."""
    state = o.state[p]
    m, v = state["exp_avg"].numpy(), state["exp_avg_sq"].numpy()
    root = lambda a: np.sqrt(a / (1 - 0.999**3)) + 1e-8
    m = m / (1 - 0.9**3)
    return cutaway.tensor(p.detach().numpy() + 0.1 * (m.real / root(v.real) + 1j * m.imag / root(v.imag)))


def test_casting_to_real_warns_once_a_call_and_gradients_do_not():
    z = cutaway.tensor(cplx(3), requires_grad=True)
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        y = z.double()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y.sum().backward()
        x = cutaway.tensor([1.0, 2.0, 3.0], requires_grad=True)
        (x * z.detach()).abs().sum().backward()
    assert z.grad.tolist() == [1, 1, 1] and x.grad.dtype == cutaway.float32


def test_a_recording_shows_complex_numbers():
    from cutaway import inspect

    w = nn.Parameter(cutaway.tensor([1 + 2j, 0.5]))
    o = optim.Adam([w], lr=0.1)
    with inspect.record() as r:
        (cutaway.fft.fft(w).abs() ** 2).sum().backward()
        o.step()
    data = r.data
    texts = [x for v in data["values"] for x in v.get("data", []) if isinstance(x, str)]
    assert "1+2i" in texts and "0.5+0i" in texts
    assert next(n for n in data["nodes"] if n["kind"] == "update")["moved"]["of"] == 4  # both parts of two numbers
    r.to_json()


def test_derivatives_of_complex_results_are_refused():
    x, z = cutaway.tensor([1.0, 2.0]), cutaway.tensor([1 + 2j, 3])
    for f in (
        lambda: autograd.functional.jacobian(lambda a: a * 1j, x),
        lambda: cutaway.func.jacrev(lambda a: a * a)(z),
        lambda: cutaway.func.grad(lambda a: (a * a).sum())(z),
        lambda: autograd.functional.hessian(lambda a: (a.abs() ** 2).sum(), z),
    ):
        with pytest.raises(cutaway.GradError, match="real"):
            f()
