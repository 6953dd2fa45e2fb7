"""why(t): planted bugs give distinct right answers, after the fact and by running the step once more."""

from __future__ import annotations

import inspect

import pytest

import cutaway
from cutaway import nn
from cutaway.inspect import Answer, why


def marked(fn, mark="# here"):
    """`file.py:12` of the line with the comment."""
    lines, first = inspect.getsourcelines(fn)
    return f"test_why.py:{next(first + k for k, text in enumerate(lines) if mark in text)}"


def model(t, bug=""):
    """A small network of `t`, which is cutaway or torch, with a bug planted."""

    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2, self.spare = t.nn.Linear(6, 16), t.nn.Linear(16, 3), t.nn.Linear(6, 3)

        def forward(self, x):
            if bug == "no_grad":
                with t.no_grad():  # no_grad here
                    h = self.fc1(x)
            else:
                h = self.fc1(x)
            h = h.sigmoid() if bug == "saturated" else h.relu()
            if bug == "detached":
                h = h.detach()  # detached here
            if bug == "data":
                h = h.data  # data here
            if bug == "flat":
                h = (h * 4).round()
            if bug == "no rule":
                h = h.argmax(-1, keepdim=True).float().expand(-1, 16)  # no rule here
            return self.fc2(h)

    net = Net()
    bias = {"dead relu": -100.0, "saturated": 200.0}.get(bug)
    with t.no_grad():
        if bias is not None:
            net.fc1.bias.fill_(bias)
        if bug == "zeros":
            net.fc2.weight.fill_(0.0)
    if bug == "frozen":
        net.fc1.weight.requires_grad_(False)
    return net


def step_of(t, net, backward=True):
    t.manual_seed(1)
    x, y = t.randn(12, 6), t.randint(0, 3, (12,))

    def step():
        loss = t.nn.functional.cross_entropy(net(x), y)
        if backward:
            loss.backward()
        return loss

    return step


PLANTED = "detached data no_grad flat zeros frozen saturated".split() + ["dead relu", "no rule"]


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs(bug):
    """The gradient is None or zero, as PyTorch's of the same program, and the answer says why: with the loss, and by a step."""
    torch = pytest.importorskip("torch")
    net = model(cutaway, bug)
    step = step_of(cutaway, net)
    loss = step()
    w = net.fc1.weight
    other = model(torch, bug)
    step_of(torch, other)()
    theirs = other.fc1.weight.grad
    assert (w.grad is None) == (theirs is None)
    assert w.grad is None or not (w.grad.any() or theirs.any())

    kind = "detached" if bug == "data" else bug
    again = why(w, fn=step)
    assert again.kind == kind, again
    assert again.certain and again.subject.startswith("fc1.weight float32[16, 6]")
    if bug in ("detached", "data", "no rule"):
        assert again.line == marked(model, f"# {bug} here")
        assert any("--x--" in row for row in again.path) and "fc1.weight" in again.path[-1]
    if bug == "no_grad":
        assert marked(model, "# no_grad here") in again.text
    after = why(w, loss)
    assert after == why(w) or after.text == why(w).text  # the loss of the last backward
    if bug not in ("zeros", "no rule"):  # values are freed, and an integer on the way leaves no trace
        assert after.kind == kind, after
    if bug in ("detached", "data", "no_grad"):
        assert after.line == marked(model, f"# {bug} here")
    assert str(after).startswith(after.subject) and after.kind in after._repr_html_()


def test_values_that_are_still_there_are_looked_at():
    for bug, share in (("dead relu", "16 of 16 units (100%)"), ("saturated", "16 of 16 units (100%)"), ("zeros", "fc2.weight is all zeros")):
        net = model(cutaway, bug)
        loss = step_of(cutaway, net, backward=False)()
        loss.backward(retain_graph=True)
        found = why(net.fc1.weight, loss)
        assert found.kind == bug and found.certain and share in found.text, found
    net = model(cutaway, "dead relu")
    assert "16 of 16 units (100%)" in why(net.fc1.weight, step_of(cutaway, net)).text


def test_a_share_of_units_is_dead():
    net = model(cutaway)
    with cutaway.no_grad():
        net.fc1.bias[:12] = -100.0
    found = why(net.fc1.weight, step_of(cutaway, net))
    dead = int((~(net.fc1(cutaway.randn(1, 6)) > -50).any(0)).sum())
    assert dead == 12 and found.kind == "dead relu"
    shut = int(found.text.split(" of 16 units")[0].rsplit(" ", 1)[-1])
    assert 12 <= shut < 16


def test_unused():
    net = model(cutaway)
    step = step_of(cutaway, net)
    loss = step()
    assert why(net.spare.weight, loss).kind == why(net.spare.weight, step).kind == "unused"

    def aside():
        x = cutaway.ones(2, 6)
        net.spare(x).sum()  # here
        loss = net(x).sum()
        loss.backward()
        return loss

    found = why(net.spare.weight, aside)
    assert found.kind == "unused" and found.line == marked(test_unused) and "does not reach the loss" in found.text


def test_non_leaf_integer_constant():
    net = model(cutaway)
    h = net.fc1(cutaway.ones(2, 6))
    assert why(h).kind == "non-leaf" and "retain_grad" in why(h).fix
    h.retain_grad()
    h.sum().backward()
    assert why(h).kind == "fine"
    assert why(cutaway.tensor([1, 2])).kind == "integer"
    assert why(cutaway.tensor([1.0, 2.0])).kind == "constant"


def test_a_tensor_that_was_detached_or_made_without_gradients():
    net = model(cutaway)
    x = cutaway.ones(2, 6)
    d = net.fc1(x).detach()  # here
    assert (found := why(d)).kind == "detached"
    assert found.line == marked(test_a_tensor_that_was_detached_or_made_without_gradients)
    with cutaway.no_grad():  # there
        quiet = net.fc1(x)
    assert (found := why(quiet)).kind == "no_grad" and found.certain
    assert found.line == marked(test_a_tensor_that_was_detached_or_made_without_gradients, "# there")


def test_frozen_names_the_line():
    net = model(cutaway)
    net.fc1.requires_grad_(False)  # here
    found = why(net.fc1.weight)
    assert found.kind == "frozen" and found.line == marked(test_frozen_names_the_line)
    assert why(nn.Parameter(cutaway.ones(2), requires_grad=False)).kind == "frozen"


def test_replaced():
    net = model(cutaway)
    opt = cutaway.optim.SGD(net.parameters(), lr=0.1)
    old = net.fc1.weight
    net.fc1.weight = nn.Parameter(cutaway.ones(16, 6))  # here
    step = step_of(cutaway, net)
    loss = step()
    opt.step()
    assert old.grad is None
    for found in (why(old, loss), why(old), why(old, step), why(net.fc1.weight)):
        assert found.kind == "replaced" and found.line == marked(test_replaced), found
    assert "SGD still steps this one" in why(old).text
    assert "does not step it" in why(net.fc1.weight).text
    fresh = model(cutaway)
    step_of(cutaway, fresh)()
    assert why(fresh.fc1.weight).kind == "fine"  # another model has nothing to do with it
    alone = nn.Parameter(cutaway.ones(16, 6))  # no module's, and stepped beside those of one
    both = cutaway.optim.SGD([alone, *fresh.parameters()], lr=0.1)
    (fresh.fc1.weight * alone).sum().backward()
    both.step()
    assert why(alone).kind == why(fresh.fc1.weight).kind == "fine"


def in_a_list(net, new):
    net.layers[0] = new  # here


def in_a_sequential(net, new):
    net.rest[0] = new  # here


def in_a_dict(net, new):
    net.named["first"] = new  # here


def by_name(net, new):
    net.fc = new  # here


def by_add_module(net, new):
    net.add_module("fc", new)  # here


def deleted(net, new):
    del net.fc  # here
    net.fc = new


def set_to_none(net, new):
    net.fc = None  # here
    net.fc = new


def popped(net, new):
    net.layers.pop(0)  # here
    net.layers.insert(0, new)


def out_of_a_dict(net, new):
    net.named.clear()  # here
    net.named["first"] = new


class Many(nn.Module):
    """Four layers, each held in another way."""

    def __init__(self):
        super().__init__()
        self.fc, self.layers = nn.Linear(4, 4), nn.ModuleList([nn.Linear(4, 4), nn.Identity()])
        self.rest, self.named = nn.Sequential(nn.Linear(4, 4), nn.Tanh()), nn.ModuleDict({"first": nn.Linear(4, 4)})

    def forward(self, x):
        return self.named["first"](self.rest(self.layers[0](self.fc(x))))


@pytest.mark.parametrize(
    "put", [in_a_list, in_a_sequential, in_a_dict, by_name, by_add_module, deleted, set_to_none, popped, out_of_a_dict]
)
def test_a_layer_put_in_the_place_of_another_after_the_optimiser_was_made(put):
    net = Many()
    before = {id(p) for p in net.parameters()}
    olds = list(net.parameters())
    opt, new = cutaway.optim.SGD(net.parameters(), lr=0.1), nn.Linear(4, 4)
    put(net, new)
    still = {id(p) for p in net.parameters()}
    lost = [p for p in olds if id(p) not in still]
    assert len(lost) == 2 and len(before & still) == 6

    def step():
        opt.zero_grad()
        loss = net(cutaway.ones(2, 4)).square().sum()
        loss.backward()
        opt.step()
        return loss

    loss = step()
    told = why(lost[0], loss)
    for found in (told, why(new.bias, step)):
        assert found.kind == "replaced" and found.certain and found.line == marked(put), (put, found)
    gone = put in (deleted, set_to_none, popped, out_of_a_dict)
    assert ("was taken out at" if gone else "is another module now, assigned at") in told.text
    if put is popped:
        assert why(net.rest[0].weight, loss).kind == "fine"
        opt = cutaway.optim.SGD(net.parameters(), lr=0.1)
        assert why(new.weight, step).kind == "fine"


def test_replaced_is_found_without_the_line():
    from cutaway.core.diary import forget

    net = model(cutaway)
    opt = cutaway.optim.SGD(net.parameters(), lr=0.1)
    old = net.fc1.weight
    net.fc1.weight = nn.Parameter(cutaway.ones(16, 6))
    forget()
    loss = step_of(cutaway, net)()
    opt.step()
    for t in (old, net.fc1.weight):
        found = why(t, loss)
        assert found.kind == "replaced" and not found.certain and not found.line, found


def test_backward_not_called_and_cleared():
    net = model(cutaway)
    opt = cutaway.optim.SGD(net.parameters(), lr=0.1)
    loss = step_of(cutaway, net, backward=False)()
    assert (found := why(net.fc1.weight, loss)).kind == "no backward" and "fc1.weight" in found.path[-1]
    loss.backward()
    assert why(net.fc1.weight).kind == "fine"
    opt.zero_grad()  # here
    found = why(net.fc1.weight, loss)
    assert found.kind == "zero_grad" and found.line == marked(test_backward_not_called_and_cleared)
    loss = step_of(cutaway, net)()
    opt.zero_grad(set_to_none=False)
    assert why(net.fc1.weight, loss).kind == "zero_grad"
    net.zero_grad()
    assert why(net.fc1.weight, loss).kind == "zero_grad"
    loss = step_of(cutaway, net, backward=False)()
    loss.backward(inputs=[net.fc2.weight])
    assert why(net.fc1.weight, loss).kind == "not chosen"


def test_graph_freed():
    net = model(cutaway)
    h = net.fc1(cutaway.ones(4, 6)).sigmoid()
    h.sum().backward()  # there
    second = net.fc2(h).square().sum()
    with pytest.raises(cutaway.GradError):
        second.backward()  # here
    for found in (why(net.fc2.weight, second), why(net.fc2.weight)):
        assert found.kind == "graph freed" and found.line == marked(test_graph_freed), found
        assert marked(test_graph_freed, "# there") in found.text


def test_backward_twice():
    net = model(cutaway)
    loss = step_of(cutaway, net)()
    with pytest.raises(cutaway.GradError):
        loss.backward()  # here
    found = why(net.fc1.weight)
    assert found.kind == "graph freed" and found.line == marked(test_backward_twice) and "backward before" in found.text
    step_of(cutaway, net)()
    loss = step_of(cutaway, net)()
    assert why(net.fc1.weight).kind == "fine"


def test_what_is_alive_makes_it_certain():
    net = model(cutaway)
    h = net.fc1(cutaway.ones(2, 6)).relu()
    other = net.fc1(cutaway.ones(2, 6)).detach()
    loss = net.fc2(h.detach()).sum() + other.sum()  # here
    found = why(net.fc1.weight, loss)
    assert found.kind == "detached" and found.certain and found.line == marked(test_what_is_alive_makes_it_certain), found
    cut = next(k for k, row in enumerate(found.path) if row.startswith("--x--"))
    assert "fc2.weight" in found.path[cut - 1] and "relu" in found.path[cut + 1] and "fc1.weight" in found.path[-1]


def test_huge_small_and_nan_name_the_operation():
    w = cutaway.tensor([0.5, -0.5], requires_grad=True)

    def huge():
        y = w.tanh()
        z = y / 1e-12  # huge here
        return (z * 2).sum()

    def nan():
        y = w * 0
        return (y * y).sum().sqrt()  # nan here

    def small():
        return (w.cos() * 1e-12).sum()  # small here

    for step, kind, name, mark in (
        (huge, "huge", "div", "# huge here"), (nan, "nan", "sqrt", "# nan here"), (small, "vanishing", "mul", "# small here"),
    ):  # fmt: skip
        found = why(w, step)
        assert found.kind == kind and found.line == marked(test_huge_small_and_nan_name_the_operation, mark), found
        assert f" {name} (" in found.text
        assert w.grad is None  # a step that only returns its loss leaves no gradient behind


def test_the_way_through_a_function():
    class Quiet(cutaway.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return None

    w = cutaway.ones(3, requires_grad=True)

    def step():
        y = (w * 3).sum() * 0 + Quiet.apply(w).sum()
        return y

    assert why(w, step).kind == "zeros"
    assert why(w, lambda: Quiet.apply(w * 1).sum()).kind == "function"


def test_half_precision():
    net = model(cutaway, "dead relu").bfloat16()
    x = cutaway.ones(4, 6, dtype=cutaway.bfloat16)
    loss = net(x).sum()
    loss.backward()
    assert why(net.fc1.weight, loss).kind == why(net.fc1.weight, lambda: net(x).sum()).kind == "dead relu"
    d = net.fc1(x).detach()
    assert why(d).kind == "detached"


def test_a_compiled_step():
    net = model(cutaway, "detached")
    opt = cutaway.optim.SGD(net.parameters(), lr=0.1)
    x = cutaway.ones(4, 6)

    @cutaway.compile
    def step():
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    step()
    assert why(net.fc2.weight).kind == "compiled"
    found = why(net.fc1.weight, step)
    assert found.kind == "detached" and found.line == marked(model, "# detached here")


def test_native_composites_answer_as_well():
    from cutaway.core.accelerate import at_once

    net = model(cutaway, "dead relu")
    with at_once():
        loss = step_of(cutaway, net)()
        assert any(type(n).__name__ == "CompositeNode" for n in _nodes(loss)) or cutaway.core.accelerate.composite is None
        assert why(net.fc1.weight, loss).kind == "dead relu"


def _nodes(loss):
    from cutaway.core.autograd import _reachable

    return _reachable([loss._node])


def test_what_cannot_be_asked():
    w = cutaway.ones(2, requires_grad=True)
    with pytest.raises(cutaway.ArgumentTypeError, match="first argument must be a Tensor"):
        why("fc1.weight")
    with pytest.raises(cutaway.ArgumentTypeError, match="loss must be a Tensor"):
        why(w, 3.0)
    assert why(w, (w * 2).detach().sum()).kind == "unconnected"
    with pytest.raises(ZeroDivisionError):
        why(w, lambda: 1 / 0)


def test_an_answer_can_be_read():
    a = Answer("detached", "text", "fix", ("loss  a", "--x--  <b>"), "x.py:1", False, "w float32[2]")
    assert "(most likely)" in str(a) and "sure?" in str(a)
    assert "&lt;b&gt;" in a._repr_html_() and "<b>fix</b>" in a._repr_html_()


# --- the same bugs in other places --------------------------------------------------------------------------------------


def test_a_step_that_is_refused_answers_for_itself():
    cell, h, x = nn.RNNCell(2, 3), [cutaway.zeros(1, 3)], cutaway.ones(1, 2)

    def step():
        h[0] = cell(x, h[0])  # the history of all times before
        h[0].sum().backward()  # here

    step()
    with pytest.raises(cutaway.GradError):
        step()
    for found in (why(cell.weight_ih), why(cell.weight_ih, step)):
        assert found.kind == "graph freed" and found.line == marked(test_a_step_that_is_refused_answers_for_itself), found


def test_what_went_through_numpy():
    w, v = nn.Parameter(cutaway.ones(3)), nn.Parameter(cutaway.ones(3))

    def step():
        h = cutaway.tensor((w * 2).detach().numpy())  # here
        loss = (h * v).sum()
        loss.backward()
        return loss

    for found in (why(w, step()), why(w, step)):
        assert found.kind == "detached" and found.line == marked(test_what_went_through_numpy), found


def test_what_leaves_no_trace_is_said_to_be_likely():
    w, v = nn.Parameter(cutaway.ones(4)), nn.Parameter(cutaway.ones(4))

    def step():
        loss = ((w > 0).float() * v).sum()  # here
        loss.backward()
        return loss

    after, sure = why(w, step()), why(w, step)
    assert after.kind == "unused" and not after.certain and "comparison" in after.text
    assert sure.kind == "no rule" and sure.certain and sure.line == marked(test_what_leaves_no_trace_is_said_to_be_likely)


class Halfway(cutaway.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        return a * b

    @staticmethod
    def backward(ctx, g):  # none here
        return g, None


def test_a_function_that_gives_none_is_likely_to_be_it():
    w, v = nn.Parameter(cutaway.ones(3)), nn.Parameter(cutaway.ones(3))

    def step():
        loss = Halfway.apply(v, w).sum()
        loss.backward()
        return loss

    after, sure = why(w, step()), why(w, step)
    assert after.kind == sure.kind == "function" and sure.certain and not after.certain
    assert after.line == marked(Halfway, "# none here")


def test_a_step_that_clears_its_gradients():
    net = model(cutaway)
    opt = cutaway.optim.SGD(net.parameters(), lr=0.1)

    def step():
        loss = step_of(cutaway, net)()
        opt.step()
        opt.zero_grad()  # here
        return loss

    found = why(net.fc1.weight, step)
    assert found.kind == "zero_grad" and found.line == marked(test_a_step_that_clears_its_gradients) and found.certain


def test_a_new_head_is_not_stepped_whatever_its_gradient():
    net = model(cutaway)
    opt = cutaway.optim.Adam(net.parameters(), weight_decay=0.1)
    net.fc2.weight = nn.Parameter(cutaway.ones(3, 16))  # here

    def step():
        step_of(cutaway, net)()
        opt.step()

    found = why(net.fc2.weight, step)
    assert found.kind == "replaced" and found.line == marked(test_a_new_head_is_not_stepped_whatever_its_gradient)


def test_a_softmax_at_its_end():
    w, x = nn.Parameter(cutaway.ones(4, 3) * cutaway.tensor([1.0, 2.0, 3.0])), cutaway.ones(5, 4) * 1e4
    found = why(w, lambda: (nn.functional.softmax(x @ w, -1) - 1).square().sum())  # here
    assert found.kind == "saturated" and "softmax" in found.text and found.line == marked(test_a_softmax_at_its_end)


def test_the_loss_of_a_compiled_step_has_no_history():
    net = model(cutaway)
    opt = cutaway.optim.Adam(net.parameters())

    @cutaway.compile
    def step(x):
        opt.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        opt.step()
        return loss

    loss = step(cutaway.ones(4, 6))
    found = why(net.spare.weight, loss)
    assert found.kind == "compiled" and not found.certain


def test_the_block_that_is_named_is_the_one_that_was_entered_then():
    m, o, x = nn.Linear(3, 3), nn.Linear(3, 1), cutaway.ones(4, 3)

    def step():
        with cutaway.no_grad():  # here
            h = m(x)
        loss = o(h).sum()
        loss.backward()
        with cutaway.no_grad():
            o.weight -= 0.1 * o.weight.grad
        return loss

    assert marked(test_the_block_that_is_named_is_the_one_that_was_entered_then) in why(m.weight, step).text


def test_a_name_that_is_assigned_elsewhere_too_leaves_a_doubt():
    with cutaway.no_grad():
        y = cutaway.ones(3)
    y = cutaway.zeros(3)
    assert why(y).kind == "no_grad" and not why(y).certain


@pytest.mark.parametrize("how", ["compiled", "lbfgs", "closure"])
def test_cut_off_within(how):
    m, o, x = nn.Linear(3, 3), nn.Linear(3, 1), cutaway.ones(4, 3)
    params = [*m.parameters(), *o.parameters()]
    opt = cutaway.optim.LBFGS(params, max_iter=2) if how == "lbfgs" else cutaway.optim.Adam(params, weight_decay=0.1)

    def closure():
        opt.zero_grad()
        loss = o(m(x).detach()).square().mean()  # here
        loss.backward()
        return loss

    def whole():
        loss = closure()
        opt.step()
        return loss

    step = cutaway.compile(whole) if how == "compiled" else lambda: opt.step(closure)
    found = why(m.weight, step)
    assert found.kind == "detached" and found.certain and found.line == marked(test_cut_off_within), found
