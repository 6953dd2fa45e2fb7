"""summary(model, input): rows, shapes, parameters and work, against PyTorch's counts; nothing is changed by looking."""

from __future__ import annotations

import pytest

import cutaway
from cutaway import nn
from cutaway.inspect import summary


def convnet(t):
    return t.nn.Sequential(
        t.nn.Conv2d(2, 4, 3, padding=1), t.nn.ReLU(), t.nn.MaxPool2d(2), t.nn.Flatten(), t.nn.Linear(64, 5, bias=False)
    )


def test_rows_shapes_and_parameters():
    s = summary(convnet(cutaway), (3, 2, 8, 8))
    assert [r.path for r in s] == ["", "0", "1", "2", "3", "4"]
    assert [r.layer for r in s][1:] == ["Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"]
    assert [r.outputs for r in s][1:] == ["[3, 4, 8, 8]", "[3, 4, 8, 8]", "[3, 4, 4, 4]", "[3, 64]", "[3, 5]"]
    assert [r.outputs for r in s][1:-1] == [r.inputs for r in s][2:]
    assert (s[0].inputs, s[0].outputs) == ("[3, 2, 8, 8]", "[3, 5]")
    torch = pytest.importorskip("torch")
    theirs = [sum(p.numel() for p in m.parameters()) for m in convnet(torch)]
    assert [r.parameters for r in s][1:] == theirs and s.parameters == s[0].parameters == sum(theirs)
    assert all(r.seconds is not None and 0 < r.seconds <= s.seconds for r in s)


def test_work_of_contractions_is_pytorch_s_count():
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    other = convnet(torch)
    with FlopCounterMode(display=False) as counter:
        other(torch.zeros(3, 2, 8, 8))
    s = summary(convnet(cutaway), (3, 2, 8, 8), times=0)
    bias, relu, pool = 3 * 4 * 8 * 8, 3 * 4 * 8 * 8, 4 * 3 * 4 * 4 * 4
    assert s[1].flops + s[5].flops - bias == counter.get_total_flops()
    assert (s[2].flops, s[4].flops) == (relu, 0)
    assert s[3].flops == pool  # four comparisons a window
    assert s.flops == sum(r.flops for r in s[1:])
    assert s[5].nbytes == 4 * (3 * 64 + 64 * 5 + 3 * 5)  # in, weight, out
    assert s[0].nbytes == sum(r.nbytes for r in s[1:])


class Two(nn.Module):
    """Shared and nested modules, several inputs, a dict as output."""

    def __init__(self):
        super().__init__()
        self.a, self.emb, self.idle = nn.Linear(4, 4), nn.Embedding(10, 4), nn.Linear(4, 4)
        self.block = nn.ModuleDict({"inner": nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))})
        self.runs = []

    def forward(self, x, i, scale=None):
        self.runs.append(self.training)
        h = self.block["inner"](self.a(self.a(x))) + self.emb(i)
        return {"h": h if scale is None else h * scale, "parts": [h.sum(), x]}


def test_shared_nested_several_inputs_dict_outputs():
    net = Two()
    s = summary(net, [(2, 4), cutaway.zeros(2, dtype=cutaway.int64)])
    assert [r.path for r in s] == ["", "a", "a", "block.inner", "block.inner.0", "block.inner.1", "emb"]
    assert [r.depth for r in s] == [0, 1, 1, 1, 2, 2, 1]
    assert s[0].inputs == "[2, 4], [2]" and s[0].outputs == "{h: [2, 4], parts: ([], [2, 4])}"
    assert [r.again for r in s[1:3]] == [False, True] and s[2].parameters == 0
    assert s[3].parameters == s[4].parameters == 20 and s.unused == ["idle"]
    assert s.parameters == sum(p.numel() for p in net.parameters()) == 100
    by_name = summary(net, {"x": (2, 4), "i": cutaway.zeros(2, dtype=cutaway.int64), "scale": 2.0}, times=1)
    assert by_name[0].outputs == s[0].outputs
    net.a.requires_grad_(False)
    assert summary(net, [(2, 4), cutaway.zeros(2, dtype=cutaway.int64)], times=0).trainable == 80


def test_it_prints_and_draws():
    s = summary(Two(), [(2, 4), cutaway.zeros(2, dtype=cutaway.int64)])
    text, html = str(s), s._repr_html_()
    for word in ("Linear (again)", "{h: [2, 4], parts: ([], [2, 4])}", "100 parameters (100 trainable, 400 B)", "not called: idle"):
        assert word in text and word in html, word
    assert "  block.inner" in text and "block.inner.0" not in text  # the tree is shown by indentation
    assert html.count("<tr>") == len(s) + 1


def test_looking_changes_nothing():
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    state = cutaway.get_rng_state()
    summary(net, (8, 4))
    assert [m.training for m in net] == [True, False, True] and net.training
    assert all(m._hooks is None for m in net.modules())
    assert (cutaway.get_rng_state() == state).all()
    assert all((before[k] == v).all() for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters()) and cutaway.is_grad_enabled()
    two = Two()
    summary(two, [(2, 4), cutaway.zeros(2, dtype=cutaway.int64)], times=3)
    assert two.runs == [False] * 5  # once to look, once to warm up, three times to measure


def test_a_users_hooks_stay():
    net, calls = nn.Linear(2, 2), []
    net.register_forward_hook(lambda *a: calls.append(1))
    summary(net, (1, 2), times=1)
    assert len(net._hooks.after) == 1 and len(calls) == 3


def test_a_layer_whose_weights_are_used_without_calling_it():
    s = summary(nn.MultiheadAttention(8, 2, batch_first=True), [(2, 3, 8)] * 3, times=0)
    assert not s.unused and s[0].flops > 2 * 3 * 2 * 3 * 8 * 8


def test_compiled_models_and_what_is_refused():
    net = nn.Linear(3, 2)
    assert summary(cutaway.compile(net), (5, 3), times=0)[0].outputs == "[5, 2]"
    with pytest.raises(cutaway.ArgumentTypeError, match="must be a Module"):
        summary(3, (1, 2))
    with pytest.raises(cutaway.ArgumentError, match="times"):
        summary(net, (1, 3), times=-1)
    with pytest.raises(cutaway.ArgumentTypeError, match="an input must be a Tensor or a shape"):
        summary(net, {1, 2})
    with pytest.raises(cutaway.ShapeError, match="takes 3"):
        summary(net, (1, 4))
    assert net.training and net._hooks is None


def test_a_list_of_layers_is_told_in_the_path_of_its_layers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2)) for _ in range(2)])

        def forward(self, x):
            for b in self.blocks:
                x = b(x)
            return x

    assert [row[0].split() for row in summary(Net(), (3, 2), times=0).cells()] == [[], ["blocks.0"], ["0"], ["blocks.1"], ["0"]]


def test_in_a_notebook_its_text_is_returned_and_not_shown_beside_the_table(monkeypatch):
    import rich.console

    plain = str(summary(convnet(cutaway), (3, 2, 8, 8), times=0))
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    assert str(summary(convnet(cutaway), (3, 2, 8, 8), times=0)) == plain


def test_a_shape_that_does_not_fit_is_told_with_its_story():
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(100, 10))
    with pytest.raises(cutaway.ShapeError) as plain:
        net(cutaway.zeros(4, 1, 28, 28))
    with pytest.raises(cutaway.ShapeError) as looked:
        summary(net, (4, 1, 28, 28))
    assert str(looked.value) == str(plain.value) and "0 (Conv2d)" in str(looked.value)
    assert cutaway.is_grad_enabled() and net.training
