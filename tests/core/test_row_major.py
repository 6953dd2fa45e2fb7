"""Results that are no views lie row-major to the user: `.view` takes them, as it takes PyTorch's."""

from __future__ import annotations

import pytest

import cutaway

torch = pytest.importorskip("torch")

CASES = [
    "x.topk(2, D)", "x.topk(1, D)", "x.kthvalue(2, D)", "x.kthvalue(2, D, keepdim=True)", "x.median(D)", "x.sort(D)",
    "x.mode(D)", "x.max(D)",
    "x.index_add(D, v, y.narrow(D, 0, 3))", "x.index_copy(D, v, y.narrow(D, 0, 3))", "x.index_fill(D, v, 1.)",
    "x.index_select(D, v)", "x.gather(D, i)", "x.scatter(D, i, x)",
    "t.diag_embed(x)", "t.diag_embed(x, 1, 0, 2)", "t.linalg.solve(x + 9 * t.eye(4), y, left=False)",
    "t.einsum('ij,kj->ki', m, m)", "t.einsum('abc,cd->dab', x, m)", "t.einsum('i,j->ji', m[0], m[1])",
    "t.einsum('bij,bjk->bki', x, y)", "t.einsum('blh,bsh->bls', x, y)",
    "F.conv1d(x, x[:, :1, :2].contiguous(), groups=4)", "F.conv1d(x[0], y)", "F.conv1d(x, y, m[0])",
    "F.conv2d(im, im[:, :2, :2, :2].repeat(2, 1, 1, 1), groups=2)", "F.conv2d(im[0], im[:, :, :3, :3], padding=1)",
    "F.conv_transpose1d(x, x[:, :1, :2].contiguous(), groups=4, padding=1)", "F.conv_transpose1d(x, y)",
    "F.conv_transpose2d(im, im.transpose(0, 1).contiguous(), stride=2, output_padding=1)",
    "F.fold(x.repeat(1, 1, 2)[:, :, :4], (3, 3), 2)", "F.fold(x.repeat(1, 9, 1)[:, :9, :1], (2, 2), 3, padding=1, stride=2)",
    "F.max_pool2d(im, 2, return_indices=True)", "F.interpolate(im, size=(3, 3), mode='bilinear')",
    "t.nn.Conv2d(4, 4, 3, groups=4, bias=False)(im)", "t.nn.ConvTranspose2d(4, 2, 3, padding=1)(im)",
]  # fmt: skip
EVERY = [s.replace("D", d) for s in CASES for d in ("0", "1", "-1") if d == "0" or "D)" in s or "D," in s]


def tensors(t, source):
    """The tensors that the expression gives, and those of which torch says that they are contiguous."""
    t.manual_seed(0)
    x, im = t.randn(4, 4, 4), t.randn(4, 4, 6, 6)
    scope = {
        "t": t, "F": t.nn.functional, "x": x, "y": x + 1, "m": x[0], "im": im, "v": t.tensor([0, 2, 1]),
        "i": t.randint(4, (4, 4, 4)),
    }  # fmt: skip
    out = eval(source, scope)
    return [*out] if isinstance(out, tuple) else [out]


@pytest.mark.parametrize("source", EVERY)
def test_results_can_be_viewed(source):
    for theirs, ours in zip(tensors(torch, source), tensors(cutaway, source), strict=True):
        if theirs.is_contiguous() and not theirs._is_view():
            assert ours.is_contiguous(), (theirs.stride(), ours.stride())
            assert ours.stride() == theirs.stride()
        if theirs.is_contiguous():
            assert ours.view(-1).tolist() == pytest.approx(theirs.view(-1).tolist(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("source", [s for s in EVERY if "einsum" in s or "conv" in s or "index_add" in s])
def test_while_a_program_is_traced(source):
    compiled = cutaway.compile(lambda a: tensors_of(source, a))
    a = cutaway.randn(4, 4, 4)
    assert compiled(a).tolist() == pytest.approx(tensors_of(source, a).tolist(), rel=1e-4, abs=1e-4)


def tensors_of(source, x):
    scope = {
        "t": cutaway, "F": cutaway.nn.functional, "x": x, "y": x + 1, "m": x[0], "v": cutaway.tensor([0, 2, 1]),
        "im": x.repeat(1, 1, 2)[:, :, None, :6].expand(4, 4, 6, 6) * 1,
    }  # fmt: skip
    return eval(source, scope).view(-1)


def test_a_write_to_such_a_result_stays_its_own():
    a = {}
    for t in (torch, cutaway):
        x = t.arange(12.0).view(3, 4).requires_grad_()
        y = x.index_add(1, t.tensor([0, 1]), t.ones(3, 2))
        y.view(-1)[1] = 7
        y[0] *= 2
        (y * y).sum().backward()
        a[t] = y.tolist(), x.grad.tolist()
    assert a[torch] == a[cutaway]
