"""Tensor's methods and functions against PyTorch: values, shapes, dtypes, two orders of gradients."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway

from .against import agree, raises, torch

rng = np.random.default_rng(0)
V = rng.standard_normal(5)
M = rng.standard_normal((3, 4))
N = rng.standard_normal((3, 4))
ROW = rng.standard_normal((1, 4))
S = np.float64(0.7)
T = rng.standard_normal((2, 3, 4))
P = rng.uniform(0.2, 2.0, (3, 4))
U = rng.uniform(-0.9, 0.9, (3, 4))
I = rng.integers(-5, 6, (3, 4))
J = rng.integers(1, 4, (3, 4))
B = rng.random((3, 4)) > 0.5
F = M.astype(np.float32)
H = M.astype(np.float16)
E = np.zeros((0, 3))
G = np.array([[0, 2, 1, 0], [1, 1, 0, 2], [2, 0, 2, 1]])

ELEMENTWISE = """
    abs absolute neg negative exp exp2 expm1 sin cos tan sinh cosh tanh sigmoid erf relu floor ceil round trunc frac
    sign square asin acos atan arcsin arccos arctan isnan isinf isfinite logical_not clone
""".split()
POSITIVE = "log log2 log10 log1p sqrt rsqrt reciprocal".split()


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name):
    agree(f"a.{name}()", U)
    agree(f"a.{name}()", np.float64(0.3))
    agree(f"a.{name}()", E)
    agree(f"t.{name}(a)", U)
    agree(f"a.{name}()", U.astype(np.float32), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", POSITIVE)
def test_elementwise_of_positive_numbers(name):
    agree(f"a.{name}()", P)
    agree(f"t.{name}(a)", P)
    agree(f"a.{name}()", J, rtol=1e-6)


@pytest.mark.parametrize(
    "source",
    [
        "a + b", "a - b", "a * b", "a / b", "a % b", "a ** b", "a == b", "a != b", "a < b", "a <= b", "a > b", "a >= b",
        "a + 2", "2 + a", "a - 2", "2 - a", "a * 2", "2 * a", "a / 2", "2 / a", "a % 2", "a ** 2", "a ** 3", "a ** -1",
        "a ** 0.5", "a ** 1", "a ** 0", "a ** -2", "a ** 2.5", "2 ** a", "-a", "+a", "abs(a)", "a == 1", "1 < a",
        "a.add(b)", "a.add(b, alpha=2)", "a.add(3)", "a.sub(b)", "a.sub(b, alpha=0.5)", "a.subtract(b)", "a.mul(b)",
        "a.multiply(b)",
        "a.div(b)", "a.divide(b)", "a.true_divide(b)", "a.div(b, rounding_mode=None)", "a.remainder(b)", "a.fmod(b)",
        "a.fmod(0.5)", "a.pow(b)", "a.pow(2)",
        "a.maximum(b)", "a.minimum(b)", "a.max(b)", "a.min(b)", "a.atan2(b)", "a.arctan2(b)", "a.lerp(b, 0.3)",
        "a.lerp(b, b)",
        "a.eq(b)", "a.ne(b)", "a.lt(b)", "a.le(b)", "a.gt(b)", "a.ge(b)", "a.greater(b)", "a.less(b)",
        "a.greater_equal(b)",
        "a.less_equal(b)", "a.not_equal(b)", "a.eq(0.5)", "a.logical_and(b)", "a.logical_or(b)", "a.logical_xor(b)",
        "a.clamp(0.3, 1.0)", "a.clamp(min=0.5)", "a.clamp(max=0.5)", "a.clip(0.3, 1)", "a.clamp(b, b + 0.5)",
        "a.clamp(min=b)",
        "a.clamp(max=b)", "a.clamp(1.0, 0.5)", "t.clamp(a, 0.1, 0.9)", "a.where(a > b, b)", "a.where(a > b, 0.0)",
        "t.where(a > b, a, b)", "t.where(a > b, 1.0, b)",
        "t.where(a > b, a, 0)", "a.masked_fill(a > b, 7.0)", "a.masked_fill(a > b, t.tensor(7.0))", "a.nan_to_num()",
        "a.round(decimals=1)",
        "t.add(a, b)", "t.sub(a, b)", "t.mul(a, b)", "t.div(a, b)", "t.pow(a, b)", "t.pow(2, a)", "t.maximum(a, b)",
        "t.minimum(a, b)",
        "t.eq(a, b)", "t.fmod(a, b)", "t.remainder(a, b)", "t.lerp(a, b, 0.3)", "t.isclose(a, b)",
        "a.isclose(a + 1e-9)", "a.allclose(a)", "t.allclose(a, b)",
        "a.equal(a)", "a.equal(b)", "t.equal(a, a + 1)",
    ],
)  # fmt: skip
def test_two_operands(source):
    agree(source, P, P[::-1] + 0.1)
    agree(source, P, ROW**2 + 0.1)
    agree(source, P, S)
    if "allclose" not in source:
        agree(source, S, P)


@pytest.mark.parametrize(
    "source",
    [
        "a // b", "a % b", "a / b", "a + b", "a * b", "a - b", "a ** b", "a & b", "a | b", "a ^ b", "~a", "a & 3",
        "3 & a", "a | 1",
        "1 | a", "a ^ 2", "2 ^ a", "a // 2", "7 // b", "a % 3", "7 % b", "a.floor_divide(b)",
        "a.div(b, rounding_mode='floor')",
        "a.div(b, rounding_mode='trunc')", "a.div(2, rounding_mode='trunc')", "a.fmod(b)", "a.fmod(3)",
        "a.bitwise_and(b)",
        "a.bitwise_or(b)", "a.bitwise_xor(b)", "a.bitwise_not()", "a.abs()", "a.sign()", "a.neg()", "a.clamp(-1, 2)",
        "a.clamp(0.5, 2)",
        "a.exp()", "a.sum()", "a.prod()", "a.cumsum(0)", "a.cumprod(1)", "a.max()", "a.min(0)", "a.argmax(1)",
        "a.float().mean()",
        "a.sort(stable=True)", "a.unique()", "a.bool()", "a.round()", "a.floor()", "a == b", "a.square()", "a.relu()",
        "a.any()",
        "a.all()", "a.count_nonzero()", "a.amax(1)", "a @ b.T", "a.double() // b.double()", "a / 0", "a * 1.5",
        "a + True",
        "a.median()", "a.isnan()", "a.dot(a) if a.ndim == 1 else a.mm(b.t())", "a.masked_fill(a > 0, 3)",
        "t.where(a > b, a, b)",
        "t.where(a > b, 1, 0)", "t.where(a > b, 1.0, 0.0)", "a.masked_fill(a > 0, 2.7)", "a.pow(2)", "a.pow(2.0)",
        "2 ** b", "2.0 ** b", "a.std if False else a.numel()",
    ],
)  # fmt: skip
def test_integers(source):
    agree(source, I, J, rtol=1e-6)
    agree(source, I.astype(np.int32), J.astype(np.int32), rtol=1e-6)


@pytest.mark.parametrize(
    "source",
    [
        "~a", "a & b", "a | b", "a ^ b", "a == b", "a + b", "a * b", "a.sum()", "a.sum(0)", "a.any()", "a.all(1)",
        "a.any(dim=0, keepdim=True)",
        "a.float()", "a.long()", "a.int()", "a * 2", "a + 1", "a * 0.5", "a.max()", "a.cumsum(0)", "a.prod()", "a < b",
        "a.logical_not()",
        "a.masked_fill(b, True)", "a.nonzero()", "a.nonzero(as_tuple=True)", "t.where(a)", "a.sort(stable=True)",
        "a.unique()", "a / 2", "a.count_nonzero()",
        "a.sum(dtype=t.float32)", "a.to(t.uint8)", "a.amax()", "a.min(1)", "a.all()", "a.flip(0)", "a.t()", "a[0]",
        "t.cat([a, b])", "t.stack([a, b])",
    ],
)  # fmt: skip
def test_bools(source):
    agree(source, B, ~B | (M > 0))


REDUCTIONS = [
    "a.{}()", "a.{}(0)", "a.{}(1)", "a.{}(-1)", "a.{}(dim=1, keepdim=True)", "a.{}((0, 2))",
    "a.{}(dim=[1, -1], keepdim=True)", "t.{}(a)", "t.{}(a, 1)",
    "t.{}(a, dim=(0, 1))",
]  # fmt: skip


@pytest.mark.parametrize("name", ["sum", "mean", "std", "var", "amax", "amin", "any", "all"])
@pytest.mark.parametrize("source", REDUCTIONS)
def test_reductions(source, name):
    if "t.std" in source.format(name) and "dim=(0, 1)" in source:
        source = source.replace("dim=(0, 1)", "(0, 1)")
    agree(source.format(name), T)


@pytest.mark.parametrize(
    "source",
    [
        "a.var(unbiased=False)", "a.var(False)", "a.var(1, unbiased=False)", "a.var(1, True, True)",
        "a.std(0, correction=0)", "a.std(correction=2)",
        "a.std(0, False)", "a.var(dim=(0, 1), correction=1, keepdim=True)", "a.std(unbiased=True)", "t.var(a, dim=1)",
        "a.norm()", "a.norm(1)", "a.norm(2, 1)",
        "a.norm(3, dim=0, keepdim=True)", "a.norm(inf)", "a.norm(-inf, 1)", "a.norm(p='fro')", "a.norm(dim=1)",
        "a.norm(p=2, dim=(1, 2))",
        "t.norm(a, dim=1)", "a.prod()", "a.prod(1)", "a.prod(-1, keepdim=True)", "a.prod(dim=0)", "a.cumsum(0)",
        "a.cumsum(-1)", "a.cumprod(1)", "t.cumsum(a, dim=1)",
        "a.logsumexp(1)", "a.logsumexp((0, 2))", "a.logsumexp(-1, keepdim=True)", "t.logsumexp(a, 0)", "a.argmax()",
        "a.argmax(1)", "a.argmax(dim=-1, keepdim=True)", "a.argmin()",
        "a.argmin(0)", "t.argmax(a, dim=1)", "a.argmax(keepdim=True)", "a.max()", "a.max(1)", "a.max(dim=0)",
        "a.max(-1, keepdim=True)", "a.max(1).values", "a.max(1)[1]", "a.min()", "a.min(0)",
        "t.max(a)", "t.max(a, 1)", "t.max(a, dim=1, keepdim=True)", "t.min(a, -1)", "a.median()", "a.median(1)",
        "a.median(-1, keepdim=True)", "a.softmax(1)", "a.softmax(-1)",
        "a.log_softmax(-1)", "t.softmax(a, dim=0)", "t.log_softmax(a, 1)", "a.softmax(dim=1, dtype=t.float64)",
        "a.sum(dtype=t.float64)", "a.sum(1, dtype=t.float64)",
        "a.mean(dim=1, dtype=t.float64)", "a.count_nonzero()", "a.count_nonzero(1)", "a.sum(())", "a.sum(dim=[])",
        "a.sum(dim=None)", "a.mean(dim=(), keepdim=True)", "t.std(a, (0, 1))",
        "a.sort()", "a.sort(0)", "a.sort(dim=1, descending=True)", "a.argsort()", "a.argsort(1, descending=True)",
        "t.sort(a, 1)", "t.argsort(a, dim=0)", "a.topk(2)", "a.topk(1, 1)",
        "a.topk(2, dim=1, largest=False)", "t.topk(a, 3)", "a.topk(2).indices", "a.sort(stable=True, dim=0)",
        "a.trace() if a.ndim == 2 else a[0].trace()",
        "a.cumsum(1).cumsum(2)", "(a * a).sum().sqrt()", "a.mean().exp()", "a.var().log()",
        "(a - a.mean(1, keepdim=True)) / a.std(1, keepdim=True)", "a.sum((-1, 0))",
    ],
)  # fmt: skip
def test_reductions_and_order(source):
    agree(source, T)


def test_unique():
    x = np.array([[3, 1, 3], [2, 1, 9]])
    for source in (
        "a.unique()", "a.unique(return_inverse=True)", "a.unique(return_counts=True)",
        "t.unique(a, return_inverse=True, return_counts=True)",
        "a.unique(dim=0)", "a.unique(sorted=True, return_counts=True, dim=1)", "a.unique(return_inverse=True, dim=1)",
    ):  # fmt: skip
        agree(source, x)
        agree(source, x.astype(float), recorded=False)


@pytest.mark.parametrize(
    "source",
    [
        "a.reshape(4, 6)", "a.reshape(-1)", "a.reshape((3, -1))", "a.reshape([2, 2, 6])", "a.view(6, 4)",
        "a.view(-1, 2)", "a.view((24,))", "t.reshape(a, (8, 3))",
        "a.view(a.size(0), -1)", "a.reshape(a.shape[0], -1)", "a.flatten()", "a.flatten(1)", "a.flatten(0, 1)",
        "a.flatten(start_dim=-2)", "t.flatten(a, 1)", "a.ravel()",
        "a.unsqueeze(0)", "a.unsqueeze(-1)", "a.unsqueeze(2)", "t.unsqueeze(a, 1)", "a.unsqueeze(1).squeeze()",
        "a.unsqueeze(1).squeeze(1)", "a[:1].squeeze()", "a[:1].squeeze(0)",
        "a.squeeze(1)", "a[:1, :1].squeeze((0, 1))", "t.squeeze(a[:1])", "a.transpose(0, 1)", "a.transpose(-1, -2)",
        "t.transpose(a, 1, 2)", "a.swapaxes(0, 2)", "a.permute(2, 0, 1)",
        "a.permute((1, 0, 2))", "a.permute(-1, 0, 1)", "t.permute(a, (2, 1, 0))", "a.mT", "a[0].T", "a[0].t()",
        "a[0, 0].t()", "t.t(a[1])", "a.movedim(0, 2)", "a.movedim((0, 1), (2, 0))",
        "t.movedim(a, 1, -1)", "a.expand(2, 3, 4)", "a.unsqueeze(0).expand(5, 2, 3, 4)", "a.expand(6, 2, 3, 4)",
        "a[:, :1].expand(-1, 5, -1)", "a[:1].expand_as(a)", "a.repeat(1, 2, 1)", "a.repeat(2, 1, 1, 2)",
        "a.repeat((1, 1, 3))", "a.repeat(0, 1, 1)", "a.repeat_interleave(2)", "a.repeat_interleave(3, 1)",
        "a.repeat_interleave(2, dim=-1)", "t.repeat_interleave(a, t.tensor([1, 0, 2]), dim=1)",
        "a.view_as(b)", "a.reshape_as(b)", "a.contiguous()", "a.permute(2, 1, 0).contiguous()",
        "a.permute(2, 1, 0).reshape(-1)", "a.chunk(2)", "a.chunk(3, 2)", "a.chunk(2, dim=1)", "t.chunk(a, 2, dim=-1)",
        "a.split(1)", "a.split(2, dim=1)", "a.split([1, 3], 2)", "t.split(a, 3, dim=2)", "t.split(a, [1, 1, 1], 1)",
        "a.unbind()", "a.unbind(1)", "t.unbind(a, dim=2)", "a.narrow(1, 1, 2)", "a.narrow(2, -2, 2)",
        "t.narrow(a, 0, 0, 1)", "a.select(1, 2)", "a.select(0, -1)", "t.select(a, 2, 0)", "a.flip(0)", "a.flip(0, 2)",
        "a.flip((1,))", "t.flip(a, [0, 1])", "t.flip(a, (-1,))", "a.roll(1)", "a.roll(1, 0)", "a.roll(-2, 2)",
        "a.roll((1, 2), (0, 1))", "t.roll(a, 5, dims=2)", "a.roll(0, 1)", "a.tril()", "a.triu()", "a.tril(-1)",
        "a.triu(diagonal=1)", "t.tril(a, 1)", "t.triu(a)", "a[0].diag()", "a[0, 0].diag()", "a[0, 0].diag(1)",
        "a[0, 0].diag(-2)", "a[0].diag(1)", "t.diag(a[0], -1)", "a.diagonal()", "a.diagonal(1, 1, 2)",
        "a.diagonal(dim1=0, dim2=2)", "a.diagonal(-1, dim1=1, dim2=2)", "t.diagonal(a, 0, 1, 2)",
        "a.unflatten(2, (2, 2))",
        "a.unflatten(-1, (-1, 2))", "t.cat([a, a], 1)", "t.cat((a, b.view(2, 3, 4)), dim=-1)", "t.cat([a, a[:1]])",
        "t.concat([a, a], dim=2)", "t.cat([t.empty(0), a.float()])", "t.stack([a, a * 2])", "t.stack((a, a), 1)",
        "t.stack([a, a], dim=-1)", "t.hstack([a, a])", "t.vstack([a, a])", "t.hstack([a[0, 0], a[0, 1]])",
        "t.vstack([a[0, 0], a[0, 1]])", "t.meshgrid(a[0, 0], a[0, :, 0], indexing='ij')",
        "t.meshgrid([a[0, 0], a[0, :, 0]], indexing='xy')", "t.meshgrid(a[0, 0], a[1, 0], a[0, :, 1], indexing='ij')",
        "[x for x in a]", "list(a[0])", "a.clone()", "a.detach()", "a.swapaxes(1, 2).flatten(1)",
        "a.transpose(0, 2).view(4, 3, 2)", "t.outer(a[0, 0], a[1, 1])", "a[0, 0].outer(a[0, :, 0])", "a.mT @ a",
    ],
)  # fmt: skip
def test_shapes(source):
    agree(source, T, T.reshape(6, 4))


@pytest.mark.parametrize(
    "source",
    [
        "a @ b", "a.matmul(b)", "t.matmul(a, b)", "a.mm(b)", "t.mm(a, b)", "a @ b[:, 0]", "a[0] @ b", "a[0] @ b[:, 0]",
        "a[0].dot(b[:, 1])", "t.dot(a[0], a[1])", "a.mv(b[:, 0])", "t.mv(a, a[0])",
        "t.einsum('ij,jk->ik', a, b)", "t.einsum('ij,jk', a, b)", "t.einsum('ij->ji', a)", "t.einsum('ij->', a)",
        "t.einsum('ij->i', a)", "t.einsum('ij,ij->ij', a, a)", "t.einsum('ii->i', a @ a.T)",
        "t.einsum('ii', a @ a.T)", "t.einsum('i,j->ij', a[0], b[0])", "t.einsum('ij,kj->ik', [a, a])",
        "t.einsum('...j,jk->...k', a, b)", "t.einsum('ij, jk, kl -> il', a, b, b.T)",
        "t.einsum('bij,bjk->bik', a[None], b[None])",
        "t.einsum('ij,j->', a, a[0])", "t.einsum('ji,kj->ik', b, a)",
        "t.einsum('abc,acd->abd', a.expand(2, 3, 4), b.expand(2, 4, 2))",
        "t.einsum('...ij,...jk->...ik', a.expand(2, 3, 4), b)",
        "t.einsum('nlhd,nshd->nhls', a.reshape(1, 3, 2, 2), a.reshape(1, 3, 2, 2))", "t.einsum('i,i->', a[0], a[1])",
        "t.einsum('ij,ij->j', a, a)", "t.addmm(a @ b, a, b)", "(a @ b).addmm(a, b, beta=0.5, alpha=2)",
        "t.addmm(b[0], a, b)", "a.unsqueeze(0).bmm(b.unsqueeze(0))", "t.bmm(a.expand(2, 3, 4), b.expand(2, 4, 2))",
        "t.baddbmm((a @ b)[None], a[None], b[None], beta=2, alpha=3)", "a.expand(2, 3, 4) @ b",
        "a @ b.expand(2, 4, 2)", "a.expand(5, 1, 3, 4) @ b.expand(2, 4, 2)", "a.expand(2, 3, 4) @ b[:, 0]",
        "a[0] @ b.expand(2, 4, 2)", "(a.T.contiguous().T) @ b", "a @ a.T", "a.T @ a", "t.einsum('ij,jk->ki', a, b)",
        "t.einsum('ij,kj->', a, a)", "t.outer(a[0], b[:, 0])", "a[:0] @ b", "a[:, :0] @ b[:0]",
        "a[0][:0].dot(a[0][:0])", "t.einsum('bi,bj,bk->bijk', a, a, a)", "t.einsum('i,i,i->', a[0], a[1], a[2])",
    ],
)  # fmt: skip
def test_products(source):
    agree(source, M, T[0].reshape(4, 3)[:, :2].copy())


def test_where_pytorch_has_no_gradient():
    agree("2.5 % a", P, recorded=False)
    agree("a.norm(0)", M, recorded=False)
    agree("a.unique()", M, recorded=False)
    agree("t.unique(a)", T, recorded=False)
    for source in ("a.scatter(1, b[:, :1], c)", "t.scatter(a, 1, b[:1], c)", "t.scatter_add(a, 1, b[:2], c)"):
        agree(source, M, G, N, recorded=False)  # the index is smaller than src
    x = cutaway.tensor(N, requires_grad=True)
    cutaway.tensor(M).scatter(1, cutaway.tensor(G[:, :1]), x).sum().backward()
    assert x.grad.tolist() == [[1, 0, 0, 0]] * 3


def test_product_dtypes():
    agree("a @ b", I, J.T)
    agree("a @ b", F, F.T.copy(), rtol=1e-5)
    agree("a @ b", H, H.T.copy(), rtol=1e-2, atol=1e-2)
    raises("a @ b", I, M.T, match="same dtype")
    raises("a @ b", F, M.T, match="same dtype")


def test_float_bits_are_not_inverted():
    with pytest.raises(cutaway.DTypeError, match="bitwise_not"):
        _ = ~cutaway.tensor(M)


@pytest.mark.parametrize(
    "source",
    [
        "a.gather(0, b)", "a.gather(1, b)", "a.gather(-1, b[:, :2])", "t.gather(a, 1, b)", "a.gather(1, b[:2])",
        "a.gather(1, a.argmax(1, keepdim=True))", "a.scatter(0, b, c)", "a.scatter(1, b, 2.5)",
        "a.scatter(1, b[:, :2], value=1.0)", "a.scatter_add(0, b, c)", "a.scatter_add(1, b, c)",
        "a.index_select(0, b[0])", "a.index_select(1, b[1, :2])", "t.index_select(a, 0, t.tensor(1))",
        "a.index_add(0, b[0], c[[0, 0, 1, 2]])", "a.index_add(1, b[:, 0], c[:, :3])",
        "a.index_add(0, b[0, :1], c[:1], alpha=-2)",
        "a.masked_select(a > 0)", "a.masked_select(a[0] > 0)", "t.masked_select(a, c > 0)", "a.masked_fill(b > 1, 0.0)",
        "a.masked_fill(b[0] > 0, -inf)", "a.nonzero()", "b.nonzero()", "t.nonzero(b)", "b.nonzero(as_tuple=True)",
        "t.where(b > 0)",
        "t.zeros(3, 3, dtype=t.float64).scatter(1, b[:, :1], 1.0)", "a[t.arange(3), b[:, 1]]",
        "a.take_along_dim(b, 1) if False else a.gather(1, b)",
    ],
)  # fmt: skip
def test_index_methods(source):
    agree(source, M, G, N)


def test_zero_d_and_nonzero():
    agree("a.nonzero()", np.float64(3))
    agree("a.nonzero()", np.float64(0))
    agree("a.nonzero()", np.zeros((2, 0)))
    for source in (
        "a.sum()", "a.sum(0)", "a.mean(-1)", "a.max()", "a.max(0)", "a.softmax(0)", "a.argmax()", "a.cumsum(0)",
        "a.prod()", "a.sort()", "a.flatten()", "a.unsqueeze(0)", "a.norm()", "a.t()", "a.squeeze()", "a.squeeze(0)",
        "a.expand(2, 3)", "a.repeat(2)", "a.reshape(1, 1)", "a.topk(1)", "a.logsumexp(0)", "a.median()", "a.flip(0)",
        "a.roll(1)", "a.view(1)", "a.std(correction=0)", "a.masked_select(a > 0)", "a[None]", "a[...]", "a[()]",
        "a.clone()", "a.gather(0, t.tensor(0))", "a.argsort()", "a.cumprod(0)", "a.all()", "a.any(0)", "a.amax(0)",
        "a.min(0, keepdim=True)", "a.argmin(0, keepdim=True)", "a.index_select(0, t.tensor([0]))",
    ):  # fmt: skip
        agree(source, S)


def test_empty():
    for source in (
        "a.sum()", "a.sum(0)", "a.sum(1)", "a.prod()", "a.prod(0)", "a.any()", "a.all()", "a.cumsum(0)", "a.max(1)",
        "a.argmax(1)", "a.sort()", "a.softmax(0)", "a.softmax(1)", "a.logsumexp(0)", "a.reshape(3, 0)", "a.t()",
        "a.nonzero()", "a.norm()", "t.cat([a, a])", "t.stack([a, a])", "a @ a.T", "a.T @ a", "a.topk(2)", "a.flip(0)",
        "a.roll(1, 0)", "a.expand(2, 0, 3)", "a.repeat(2, 1)", "a.masked_select(a > 0)", "a[a > 0]", "a.mean()",
        "a.amax(1)", "a.chunk(2)", "a.split(2)", "a.mean(0)", "a.flatten()", "a.clamp(0, 1)", "a.tril()",
        "a.gather(0, t.zeros(0, 3, dtype=t.long))", "a.prod(1)", "a.cumprod(1)", "a.view(-1, 3)", "list(a)",
    ):  # fmt: skip
        agree(source, E)


def test_conversions():
    for source in (
        "a.float()", "a.double()", "a.half()", "a.long()", "a.int()", "a.short()", "a.char()", "a.bool()",
        "a.to(t.float32)", "a.to('cpu')", "a.to('cpu', t.float16)", "a.to(dtype=t.int32)", "a.to(b)",
        "a.to(device='cpu', dtype=t.float32)",
        "a.type(t.float32)", "a.type_as(b)", "a.cpu()", "a.to(t.float64)", "a.to(t.float32).double() * 2",
        "a.to(t.float64, copy=True)", "a.type('torch.FloatTensor')", "a.type('torch.LongTensor')", "a.abs().byte()",
        "a.new_tensor([1, 2])",
        "a.new_zeros(2, 3)", "a.new_zeros((2, 3), dtype=t.int64)", "a.new_ones(4)", "a.new_full((2,), 3)",
        "a.new_full((2,), 3.5, dtype=t.float32)", "b.new_zeros(1)", "b.new_tensor(2.5)",
    ):  # fmt: skip
        agree(source, M, F, rtol=1e-6)
    agree("(a.float() * b).sum()", M, F, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "source",
    [
        "a.item() if a.numel() == 1 else 0", "a.tolist()", "a.numel()", "a.nelement()", "a.dim()", "a.ndim",
        "a.ndimension() if False else a.dim()", "tuple(a.shape)", "tuple(a.size())", "a.size(1)", "a.size(-1)",
        "a.shape[0]", "len(a)",
        "a.shape.numel()", "a.element_size()", "a.itemsize", "a.nbytes", "a.is_floating_point()",
        "t.is_floating_point(a)", "t.is_tensor(a)", "a.is_contiguous()", "a.t().is_contiguous()", "a.stride()",
        "a.t().stride()", "a.stride(0)",
        "a[:, 1].stride()", "a[:, ::2].stride()", "a[1:].is_contiguous()", "a[:, None].stride()",
        "a.expand(2, 3, 4).stride()", "a.requires_grad", "a.is_leaf", "a.grad is None", "str(a.device)",
        "a.device.type", "0.5 in a", "a[0, 0].item() in a",
        "bool(a[0, 0])", "float(a[0, 0].detach())", "int(a[0, 0].detach())", "int(t.tensor(3))",
        "[0, 1, 2][t.tensor(1)]", "f'{a[0, 0]:.3f}'", "f'{t.tensor(3):03d}'", "'%.2f' % a[0, 0].detach()",
        "'%d' % t.tensor(7)", "range(t.tensor(3))[2]", "a.dtype.is_floating_point",
        "a.long().dtype.is_floating_point", "a.dtype.itemsize", "a.is_cuda", "a.is_sparse", "a.is_complex()",
        "t.numel(a)", "a.type().split('.')[1]", "a.long().type().split('.')[1]", "a.bool().type().split('.')[1]",
        "max(a[0, 0], a[0, 1]).item()",
        "round(a[0, 0].item(), 3)", "a.sum().tolist()", "hash(a) == hash(a)", "{a: 1}[a]", "a is a.contiguous()",
        "a is a.double()", "a.float().is_leaf", "bool((a == a).all())", "t.Size([2, 3]) == (2, 3)",
        "a.shape == t.Size((3, 4))", "a.shape[1:] == (4,)",
        "tuple(t.Size([2]) + t.Size([3]))", "a.bool().any().item()", "t.get_default_dtype() == t.float32",
        "t.tensor(2.5).item()", "t.tensor(True).item()", "t.tensor(2).item()",
    ],
)  # fmt: skip
def test_what_a_tensor_says_of_itself(source):
    agree(source, M)


@pytest.mark.parametrize(
    "source",
    [
        "h.mean()", "h.var()", "h.std(0)", "h.norm()", "h.norm(dim=1)", "h.norm(3)", "h.sum(0)", "one.mean()",
        "one.var()", "one.norm()", "one.cumsum(0)[:3000]", "one.softmax(0)", "one.logsumexp(0)", "one.log_softmax(0)",
        "p.prod()", "p.cumprod(0)", "p.cumsum(0)",
        "h.softmax(1)", "h.log_softmax(1)", "h.logsumexp(1)", "h.mean(1)", "p @ p", "p.dot(p)",
        "t.einsum('i,i->', p, p)", "p.norm(1)", "p.std()",
    ],
)  # fmt: skip
def test_sums_of_half_precision(source):
    """Accumulated in float32: nothing overflows on the way, and the last digit is right."""
    numbers = np.random.default_rng(1)
    arrays = {"h": numbers.uniform(-300, 300, (50, 300)), "one": np.ones(100_000), "p": numbers.uniform(0.9, 1.1, 300)}
    halves = {k: a.astype(np.float16) for k, a in arrays.items()}
    y = eval(source, {"t": cutaway, **{k: cutaway.tensor(a) for k, a in halves.items()}})
    exact = eval(source, {"t": torch, **{k: torch.tensor(a).double() for k, a in halves.items()}})
    assert y.dtype == cutaway.float16
    np.testing.assert_allclose(y.numpy(), exact.half().numpy(), rtol=1e-3, atol=1e-6)


def test_log_softmax_of_large_scores_keeps_its_digits():
    agree("a.log_softmax(0)", np.float32([10000.0, 10000.5, 9990.0]), rtol=1e-6, recorded=False)


@pytest.mark.parametrize("source", ["a.any()", "a.all()", "a.any(0)", "a.all(1, keepdim=True)"])
def test_any_and_all_of_bytes_are_bytes(source):
    agree(source, np.uint8([[0, 1], [0, 2]]))


@pytest.mark.parametrize(
    "source",
    [
        "a == None", "a != None", "None == a", "a == 'x'", "a == [1, 2]", "a != (1, 2)", "a == {}", "(a == 1).sum()",
        "(1 == a).sum()", "(a == True).sum()", "(a != a).sum()", "(a == np.float64(1)).sum()", "[a, None].index(None)",
        "None in (None, a)",
    ],
)  # fmt: skip
def test_equality_with_anything(source):
    agree(source, M)


@pytest.mark.parametrize(
    "source",
    [
        "a.sum(axis=0)", "a.mean(axis=1, keepdims=True)", "t.sum(input=a)", "t.sum(a, axis=(0, 1))", "a.argmax(axis=1)",
        "t.argmax(a, axis=0, keepdims=True)", "a.max(axis=1)[0]", "a.std(axis=0)", "a.any(axis=0)", "a.amax(axis=1)",
        "t.cat([a, a], axis=1)", "t.stack([a, a], axis=0)", "t.concat([a], axis=0)",
        "t.softmax(a, axis=1)", "a.cumsum(axis=0)", "a.unsqueeze(axis=0)", "a.squeeze(axis=0)", "t.sort(a, axis=0)[0]",
        "t.matmul(input=a, other=a.T)", "t.mm(input=a, mat2=a.T)", "a.mm(mat2=a.T)", "a[None].bmm(mat2=a.T[None])",
        "t.exp(input=a)", "t.relu(input=a)", "t.clamp(input=a, min=0)",
        "t.flatten(input=a)", "a.permute(dims=(1, 0))", "t.permute(a, dims=(1, 0))", "a.reshape(shape=(4, 3))",
        "t.reshape(input=a, shape=(4, 3))", "a.repeat(repeats=(1, 2))", "a.view(size=(4, 3))",
        "a[:1].expand(size=(2, 4))", "a.flip(dims=(0,))", "t.flip(a, dims=[0])", "t.split(a, split_size_or_sections=2)",
        "a.split(split_size=2)", "t.where(condition=a > 0, input=a, other=0.0)",
        "t.gather(input=a, dim=1, index=a.argmax(1, keepdim=True))", "t.roll(input=a, shifts=1)",
        "a.repeat_interleave(repeats=2)", "t.log_softmax(input=a, dim=0)", "t.randn(size=(2,)).shape == (2,)",
        "t.ones(size=(2,))", "t.full(size=(2,), fill_value=1.5)",
        "a.transpose(dim0=0, dim1=1)", "a.pow(exponent=2)", "a.mul(other=2)", "a.norm(p=1, dim=0)",
        "a.masked_fill(mask=a > 0, value=0.0)", "a.topk(k=2)[0]", "a.chunk(chunks=2)", "t.tril(input=a, diagonal=-1)",
        "t.meshgrid(a[0], a[0], indexing='ij')", "t.linspace(start=0, end=1, steps=3)",
        "t.std(a, dim=0, unbiased=False)",
    ],
)  # fmt: skip
def test_arguments_by_name(source):
    """PyTorch's names of arguments, and the other spellings that it takes."""
    agree(source, M)


def test_unknown_arguments():
    x = cutaway.ones(2, 2)
    for call in (
        lambda: x.sum(axes=0), lambda: x.sum(0, axis=1), lambda: x.sum(dim=0, axis=1), lambda: cutaway.sum(x, input=x),
        lambda: x.mean(keep=True), lambda: cutaway.cat([x], dims=0), lambda: x.permute(dim=(1, 0)),
        lambda: x.max(axis=0, dim=1),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="argument"):
            call()


def test_operand_kinds():
    """NumPy scalars and arrays, lists and None on the other side."""
    agree("a * np.float64(2)", M)
    agree("a + np.int64(2)", I)
    agree("a * np.float32(1.5)", F)
    agree("np.float64(2) * a", M, recorded=False)
    for source in (
        "a + [1, 2]", "a + None", "a * 'x'", "a.add(None)", "a - {}", "a.maximum(None)", "a @ 2", "a.mm(2)",
        "t.exp([1.0])", "t.cat(a)", "t.stack([a, 1])", "t.cat([a, 1])", "t.matmul(a, None)",
    ):  # fmt: skip
        raises(source, M)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("a + a[:2]", "do not broadcast"), ("a * a.T", "do not broadcast"), ("a @ a", "did you mean b.T"),
        ("a.mm(a[0])", "2 dimensions"), ("a.bmm(a)", "3 dimensions"), ("a.dot(a[0])", "1 dimensions"),
        ("a[0].dot(a[0, :2])", "different lengths"),
        ("a.sum(2)", "dim 2 is out of range"), ("a.sum((0, 0))", "twice"), ("a.max(5)", "dim 5"),
        ("a.argmax(-3)", "dim -3"), ("a.softmax(2)", "dim 2"), ("a.cumsum(7)", "dim 7"),
        ("a.reshape(5, 5)", "12 elements"), ("a.reshape(-1, -1)", "only one"),
        ("a.view(5, -1)", "does not fit"), ("a.t().view(12)", "without a copy"), ("a.permute(0)", "once"),
        ("a.permute(0, 0)", "once"), ("a.transpose(0, 2)", "dim 2"), ("a.unsqueeze(4)", "dim 4"),
        ("a.squeeze(2)", "dim 2"),
        ("a.expand(3, 5)", "expand"), ("a.expand(4)", "expand"), ("a.repeat(2)", "repeat"),
        ("a.flatten(1, 0)", "start_dim"), ("a.split(0)", "positive"), ("a.split([1, 1])", "sum to 2"),
        ("a.chunk(0)", "positive"), ("a.narrow(0, 2, 2)", "narrow"),
        ("a.select(0, 3)", "out of range"), ("a.flip(2)", "dim 2"), ("a[0].tril()", "2 dimensions"),
        ("t.cat([a, a.T])", "disagree at dimension 1"), ("t.cat([a, a[0]])", "numbers of dimensions"),
        ("t.cat([])", "at least one"),
        ("t.stack([a, a.T])", "same shape"), ("t.stack([])", "at least one"),
        ("a.gather(1, a.long() * 0 + 9)", "out of range"), ("a.gather(0, a)", "int64"),
        ("a.gather(0, t.tensor([0]))", "equally many"), ("a.index_select(0, t.tensor([3]))", "out of range"),
        ("a.index_select(0, t.tensor([-1]))", "out of range"), ("a.masked_select(a)", "bool"),
        ("a.masked_fill(a, 0)", "bool"), ("a.topk(5)", "out of range"), ("a.long().mean()", "float"),
        ("a.long().softmax(0)", "float"), ("a.long().std()", "float"),
        ("a.item()", "one element"), ("bool(a)", "ambiguous"), ("float(a)", "one element"), ("len(a[0, 0])", "0-d"),
        ("list(a[0, 0])", "0-d"), ("a.clamp()", "min"), ("a.div(a, rounding_mode='up')", "rounding_mode"),
        ("t.einsum('ij,jk', a, a)", "label 'j'"),
        ("t.einsum('ij', a, a)", "operands"), ("t.einsum('ijk->i', a)", "names 3"),
        ("t.einsum('ij->ik', a)", "output labels"), ("a.unflatten(1, (3, 2))", "elements"),
        ("a[:0].max(0)", "no elements"), ("a[:0].argmax()", "no elements"), ("a[:0].max()", "no elements"),
        ("a.to('cuda')", "not available"), ("a.cuda()", "not available"), ("a.to('nowhere')", "not available"),
        ("t.zeros(2, device='cuda')", "not available"), ("t.zeros(-1)", "negative"), ("t.zeros(2.5)", "integers"),
        ("t.arange(0, 3, 0)", "step"),
        ("t.arange(5, 2)", "lead"), ("t.linspace(0, 1, -1)", "negative"), ("t.eye(-1)", "negative"),
        ("t.tensor([[1, 2], [3]])", "ragged"), ("t.tensor('text')", "cannot make"),
        ("t.tensor([1, None])", "cannot make"), ("t.tensor(object())", "cannot make"),
        ("t.from_numpy([1.0])", "NumPy array"), ("t.tensor([1.0], dtype=3)", "dtype"),
        ("a.to(t.float32, t.zeros)", "device"), ("t.meshgrid(a[0], a[0], indexing='x')", "indexing"),
        ("a.diag(0)[9]", "out of range"), ("a.unsqueeze(0).diag()", "vector or a matrix"),
        ("a.movedim((0, 1), (0,))", "equally many"), ("a.roll((1, 2), 0)", "equally many"),
        ("a.repeat_interleave(t.tensor([1, 2]), 0)", "repeat_interleave"), ("a.size(2)", "dim 2"),
        ("a.stride(3)", "dim 3"), ("a.unbind(2)", "dim 2"), ("a.scatter(1, t.tensor([[4]]), 1.0)", "out of range"),
        ("a.index_add(0, t.tensor([5]), a[:1])", "out of range"), ("t.where(a, a, a)", "bool"),
        ("a & a", "bitwise_and"), ("-(a > 0)", "neg"), ("(a > 0) - (a > 0)", "sub"), ("1 - (a > 0)", "sub"),
        ("a.unflatten(3, (1, 1))", "dim 3"),
    ],
)  # fmt: skip
def test_bad_calls(source, match):
    raises(source, M, match=match)
