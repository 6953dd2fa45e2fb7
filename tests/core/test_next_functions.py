"""`y.grad_fn.next_functions`: the function's inputs as PyTorch lists them, be it one op here, several, or a native program."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import cutaway
from cutaway.core import accelerate
from cutaway.core.package import named

torch = pytest.importorskip("torch")

EXPRESSIONS = """
l(x) | l(z) | F.relu(h) | F.mse_loss(h, t) | F.cross_entropy(h, i) | F.nll_loss(F.log_softmax(h, 1), i) | F.huber_loss(h, t)
F.binary_cross_entropy(p.sigmoid(), u) | F.binary_cross_entropy_with_logits(h, u) | F.smooth_l1_loss(h, t) | F.softmax(h, 1)
F.log_softmax(h, 1) | h.mean() | h.mean(1) | h.var() | h.std(1) | h.norm() | h.logsumexp(1) | h.sum() | h.max() | h.max(1)[0]
F.gelu(h) | F.silu(h) | F.elu(h) | F.leaky_relu(h) | h.tanh() | nn.BatchNorm1d(3)(h) | torch.stack([h, p]) | torch.cat([h, t])
h.unsqueeze(0) | h.view(-1) | h.T | h[0] | h[1:] | h[i] | torch.where(h > 0, h, p) | h.clamp(0, 1) | h ** 2 | h + 1 | 1 - h
h * 2 | h / 2 | h @ p.T | torch.cdist(h, p) | h.gather(1, i[:, None]) | F.embedding(i, x) | (h - t).pow(2) | h.prod()
h.sort()[0] | h.topk(2)[0] | h.split(2, 1)[0] | F.max_pool2d(F.relu(c(im)), 2) | c(im) | F.avg_pool2d(c(im), 2)
nn.BatchNorm2d(2)(c(im)) | F.interpolate(c(im), scale_factor=2) | F.mse_loss(l(F.relu(l2(z))), t)
""".replace("\n", " | ").split(" | ")


def names(lib, source, functional):
    """The name of the gradient and of those behind it, two steps deep."""
    s = SimpleNamespace()
    lib.manual_seed(0)
    nn = lib.nn
    s.x, s.z, s.t = lib.randn(4, 6, requires_grad=True), lib.randn(4, 6), lib.randn(4, 3)
    s.l, s.l2, s.c, s.im = nn.Linear(6, 3), nn.Linear(6, 6), nn.Conv2d(1, 2, 3), lib.randn(2, 1, 8, 8)
    s.i, s.u, s.h, s.p = lib.tensor([0, 1, 2, 0]), lib.rand(4, 3), s.l(s.x).relu(), s.l(s.x)
    y = eval(source, {**vars(s), "F": functional, "nn": nn, "torch": lib})

    def told(node, depth):
        if node is None:
            return None
        return node.name(), [told(n, depth - 1) for n, _ in node.next_functions] if depth else ()

    return told(y.grad_fn, 1)


NATIVE = ("l(x)", "F.mse_loss(h, t)", "F.cross_entropy(h, i)", "nn.BatchNorm1d(3)(h)", "c(im)", "F.softmax(h, 1)")


def check(source):
    with named("torch"):
        ours = names(cutaway, source, cutaway.nn.functional)
    assert ours == names(torch, source, torch.nn.functional)


@pytest.mark.parametrize("source", [e.strip() for e in EXPRESSIONS if e.strip()])
def test_it_lists_what_pytorch_lists(source):
    check(source)


@pytest.mark.parametrize("source", NATIVE)
def test_native_programs_list_the_same(source):
    pytest.importorskip("llvmlite")
    accelerate.load()
    with accelerate.at_once():
        check(source)


def test_nodes_in_between_are_the_same_at_each_look():
    loss = cutaway.nn.functional.cross_entropy(cutaway.zeros(2, 3, requires_grad=True), cutaway.tensor([0, 1]))
    first = loss.grad_fn.next_functions[0][0]
    assert first is loss.grad_fn.next_functions[0][0] and first.name() == "LogSoftmaxBackward0"


IN_PLACE = "h.relu_() h.clamp_(0,1) h.sigmoid_() F.relu(h,inplace=True) F.elu(h,inplace=True) F.dropout(h,0.5,inplace=True)".split()


@pytest.mark.parametrize("source", IN_PLACE)
def test_no_node_of_an_in_place_function_lists_itself(source):
    x = cutaway.randn(2, 3, requires_grad=True)
    before = (h := x * 2).grad_fn
    node = eval(source, {"h": h, "F": cutaway.nn.functional}).grad_fn
    reached, stack = set(), [node]
    while stack:
        at = stack.pop()
        assert all(n is not at for n, _ in at.next_functions)
        stack += [n for n, _ in at.next_functions if n is not None and n not in reached]
        reached.add(at)
    assert before in reached


@pytest.mark.parametrize("source", IN_PLACE[:3])
def test_in_place_functions_list_what_was_there_before(source):
    check(f"(lambda h: {source})(h * 2)")
