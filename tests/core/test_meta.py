"""Tensors of the device meta beside PyTorch's: shapes, dtypes, strides and what is refused."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

import cutaway

torch = pytest.importorskip("torch")

SEEN = """
a
a.device
t.device("meta")
t.zeros(2, 3, device="meta", dtype=t.float64, requires_grad=True)
t.nn.Parameter(a)
t.ones(2, 3).to("meta")
t.empty(10**6, 10**6, device="meta").numel()
t.empty(10**6, 10**5, device="meta") @ t.empty(10**5, 10**6, device="meta")
t.arange(3, device="meta")
t.tensor([1, 2.0], device="meta")
t.randn(4, 5, device="meta", requires_grad=True)
t.randperm(7, device="meta")
t.zeros_like(a)
t.empty_like(a, device="cpu").device
a.new_zeros(3)
t.zeros(2).new_full((2, 2), 3.0, device="meta")
a.t().stride()
a.t().contiguous().stride()
a.view(3, 2).stride()
a.t().reshape(6).stride()
a.expand(4, 2, 3).stride()
a[:, 1:]
a[0]
a[:, None]
a[:, [0, 1]]
a + 1
a > a
a.max(1)
a.topk(2)
a.sort(1)
a.argmax(1)
a.cumsum(0).sum(-1, keepdim=True)
t.cat([a, a], 1)
t.where(a > 0, a, 0.0)
t.einsum("ij,kj->ik", a, a)
t.stack([a, a]).std(0)
a.half() @ a.half().t()
a.index_select(0, t.zeros(1, dtype=t.long, device="meta"))
t.bernoulli(a)
a.fill_(1).add_(2).mul_(a).uniform_()
F.softmax(a, 1).log()
F.cross_entropy(a, t.empty(2, dtype=t.long, device="meta"))
F.interpolate(a[None, None], scale_factor=2).shape
nn.Linear(3, 4, device="meta").weight
nn.Linear(3, 4, device="meta")(a).shape
nn.Linear(2, 2).to("meta").weight
nn.Linear(2, 2, device="meta").to_empty(device="cpu").weight.device
nn.Conv2d(3, 4, 3, device="meta")(t.empty(1, 3, 8, 8, device="meta")).shape
nn.Embedding(3, 4, device="meta")(t.empty(1, 3, dtype=t.long, device="meta")).shape
nn.BatchNorm1d(3, device="meta")(a).shape
nn.LSTM(3, 4, device="meta")(t.empty(5, 2, 3, device="meta"))[0].shape
nn.TransformerEncoderLayer(8, 2, 16, device="meta")(t.empty(5, 2, 8, device="meta")).shape
sum(p.numel() for p in nn.Transformer(64, 4, batch_first=True, device="meta").parameters())
nn.init.orthogonal_(a)
nn.init.trunc_normal_(a)
""".strip().splitlines()

REFUSED = """
a.sum().item()
bool(a.sum() > 0)
a.tolist()
a.numpy()
a.cpu()
a.to("cpu")
t.ones(2, 3).copy_(a)
nn.Linear(2, 2, device="meta").to("cpu")
a[a > 0]
a.unique()
t.equal(a, a)
""".strip().splitlines()


def seen(t: ModuleType, text: str) -> Any:
    """What the expression gives, as text."""
    return eval(text, {"t": t, "nn": t.nn, "F": t.nn.functional, "a": t.empty(2, 3, device="meta")})


@pytest.mark.parametrize("text", SEEN)
def test_shapes(text: str) -> None:
    assert repr(seen(cutaway, text)).replace("cutaway.", "torch.") == repr(seen(torch, text))


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(Exception) as theirs:
        seen(torch, text)
    with pytest.raises(type(theirs.value)):
        seen(cutaway, text)


def around(t: ModuleType) -> list[Any]:
    """What is made inside `with device("meta")`, and trained for a step."""
    t.manual_seed(0)
    with t.device("meta"):
        net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4), t.nn.GELU(), t.nn.Dropout(0.5), t.nn.Linear(4, 2))
        x, inner = t.randn(5, 3), t.get_default_device()
        with t.device("cpu"):
            outside = t.zeros(2)
    loss = net(x).square().mean()
    loss.backward()
    t.optim.AdamW(net.parameters()).step()
    found = [inner, outside.device, loss.shape, loss.is_meta, net[0].weight.grad.is_meta, net[0].weight.grad.shape]
    return [*map(str, found), t.rand(3).tolist()]


def test_with_device() -> None:
    assert around(cutaway) == [x.replace("torch.", "cutaway.") if isinstance(x, str) else x for x in around(torch)]


def test_assign() -> None:
    weights = cutaway.nn.Linear(3, 4).state_dict()
    net = cutaway.nn.Linear(3, 4, device="meta")
    with pytest.warns(UserWarning, match="meta"):
        net.load_state_dict(weights)
    assert net.weight.is_meta
    net.load_state_dict(weights, assign=True)
    assert net.weight.requires_grad and cutaway.equal(net.weight, weights["weight"])
