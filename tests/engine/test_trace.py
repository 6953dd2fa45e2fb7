"""Tracing: what comes out as a graph, what is read anew, what is refused and in which words, and what stays as it was."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import cutaway
from cutaway import nn, optim
from cutaway.core.errors import GradError, ShapeError, TraceError
from cutaway.core.tensor import Tensor
from cutaway.engine.compile import compile
from cutaway.engine.graph import interpret
from cutaway.engine.trace import trace
from cutaway.nn import functional as F


def lines(graph: object) -> list[str]:
    """A graph's text without line numbers."""
    return [" ".join(w for w in line.split() if "test_trace.py" not in w) for line in str(graph).splitlines()]


# --- the graph --------------------------------------------------------------------------------------------------------


def test_text_of_a_small_step():
    w = cutaway.tensor([[1.0, 2.0]], requires_grad=True)

    def step(x: Tensor) -> Tensor:
        loss = (x * w).sum()
        loss.backward()
        with cutaway.no_grad():
            w.sub_(w.grad, alpha=0.5)
        return loss

    graph, _ = trace(step, [cutaway.ones(3, 2)], {id(w): "w"})
    assert lines(graph) == [
        "%0: float32[3, 2] = argument 0",
        "%1: float32[1, 2] = tensor w",
        "%2: float32[3, 2] = mul(%0, %1)",
        "%3: float32[] = sum(%2, dim=(0, 1), keepdim=False)",
        "%4: float32[3, 2] = constant",
        "%5: float32[3, 2] = mul(%4, %0)",
        "%6: float32[1, 2] = sum(%5, dim=(0,), keepdim=True)",
        "%7: float32[] = constant 0.5",
        "%8: float32[1, 2] = mul(%6, %7)",
        "%9: float32[1, 2] = sub(%1, %8)",
        "return %3",
        "write w <- %9",
    ]


def test_each_value_names_the_line_that_made_it():
    def fn(x: Tensor) -> Tensor:
        y = x.exp()
        return y + 1

    first = inspect.getsourcelines(fn)[1]
    graph, _ = trace(fn, [cutaway.ones(2)])
    made = {v.op.name: v.line for v in graph.values if v.op}
    assert made == {"exp": f"{Path(__file__).name}:{first + 1}", "add": f"{Path(__file__).name}:{first + 2}"}


def test_constants_are_computed_while_tracing():
    graph, _ = trace(lambda x: x + (cutaway.arange(3) * 2.0).exp(), [cutaway.ones(3)])
    assert [v.op.name for v in graph.values if v.op] == ["add"]


def test_nested_structures_and_keywords():
    @compile
    def fn(pair, *, more):
        a, b = pair
        return {"sum": [a + b, (more["c"] * 2, 3)], "text": "t", "none": None}

    out = fn((cutaway.ones(2), cutaway.tensor([3.0, 4.0])), more={"c": cutaway.tensor(5.0)})
    assert out["sum"][0].tolist() == [4.0, 5.0]
    assert out["sum"][1][0].item() == 10.0
    assert (out["sum"][1][1], out["text"], out["none"]) == (3, "t", None)


# --- what a program reads and writes ----------------------------------------------------------------------------------


def test_closed_over_tensors_are_read_at_each_call():
    w = cutaway.tensor([1.0, 2.0])
    fn = compile(lambda x: x * w)
    assert fn(cutaway.ones(2)).tolist() == [1.0, 2.0]
    w.add_(10.0)
    assert fn(cutaway.ones(2)).tolist() == [11.0, 12.0]
    w.data = cutaway.tensor([5.0, 6.0])
    assert fn(cutaway.ones(2)).tolist() == [5.0, 6.0]
    assert len(fn.variants) == 1


def test_arguments_and_closed_over_tensors_are_written():
    total = cutaway.zeros(2)

    @compile
    def fn(x):
        total.add_(x)
        x.mul_(2)
        x[0] = 7.0
        return total.clone()

    x = cutaway.tensor([1.0, 2.0])
    version = x._version
    assert fn(x).tolist() == [1.0, 2.0]
    assert (x.tolist(), total.tolist()) == ([7.0, 4.0], [1.0, 2.0])
    assert x._version > version
    assert fn(x).tolist() == [8.0, 6.0]


def test_tensors_that_change_places():
    a, b = cutaway.tensor([1.0, 2.0]), cutaway.tensor([3.0, 4.0])

    @compile
    def swap():
        old = a.clone()
        a.copy_(b)
        b.copy_(old)
        return old

    assert swap().tolist() == [1.0, 2.0]
    assert (a.tolist(), b.tolist()) == ([3.0, 4.0], [1.0, 2.0])
    swap()
    assert (a.tolist(), b.tolist()) == ([1.0, 2.0], [3.0, 4.0])


def test_strided_memory_is_written_in_place():
    whole = cutaway.zeros(3, 2)
    part = whole.T  # a view, made outside

    @compile
    def fn(x):
        whole.add_(x)

    fn(cutaway.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    assert part.tolist() == [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]


def test_gradients_that_add_up():
    w = cutaway.tensor([1.0, 1.0], requires_grad=True)
    w.grad = cutaway.tensor([10.0, 20.0])

    @compile
    def fn(x):
        (w * x).sum().backward()
        return w.grad.clone()

    x = cutaway.tensor([1.0, 2.0])
    assert fn(x).tolist() == [11.0, 22.0]
    assert fn(x).tolist() == [12.0, 24.0]
    assert w.grad.tolist() == [12.0, 24.0]


def test_a_new_draw_at_each_call():
    fn = compile(lambda x: (x + cutaway.rand(5), cutaway.randperm(6), F.dropout(x, 0.5)))
    x = cutaway.ones(5)
    cutaway.manual_seed(1)
    compiled = [fn(x) for _ in range(3)]
    cutaway.manual_seed(1)
    for got in compiled:
        want = (x + cutaway.rand(5), cutaway.randperm(6), F.dropout(x, 0.5))
        assert [t.tolist() for t in got] == [t.tolist() for t in want]
    assert compiled[0][0].tolist() != compiled[1][0].tolist()


# --- a new trace --------------------------------------------------------------------------------------------------------


def test_traced_anew_for_each_signature():
    count = 0

    @compile
    def fn(x, factor=2):
        nonlocal count
        count += 1
        return x * factor

    for x in (cutaway.ones(2), cutaway.ones(3), cutaway.ones(2).double(), cutaway.ones(2), cutaway.ones(3) * 2):
        assert fn(x).dtype == x.dtype
    assert count == 3
    assert fn(cutaway.ones(2), 5).tolist() == [5.0, 5.0]
    assert fn(cutaway.ones(2), factor=6).tolist() == [6.0, 6.0]
    assert count == 5
    with cutaway.no_grad():
        fn(cutaway.ones(2))
    assert count == 6


def test_traced_anew_when_the_surroundings_change():
    w = cutaway.ones(2, requires_grad=True)
    count = 0

    @compile
    def fn(x):
        nonlocal count
        count += 1
        return (x * w).sum()

    assert fn(cutaway.ones(2)).item() == 2.0
    w.data = cutaway.ones(1)
    assert fn(cutaway.ones(2)).item() == 2.0
    w.requires_grad_(False)
    fn(cutaway.ones(2))
    assert count == 3
    fn(cutaway.ones(2))
    assert count == 3


def test_train_and_eval_are_two_programs():
    model = nn.Dropout(0.5)
    fn = compile(lambda x: model(x))
    x = cutaway.ones(50)
    assert 0.0 in fn(x).tolist()
    model.eval()
    assert fn(x).tolist() == x.tolist()
    model.train()
    assert 0.0 in fn(x).tolist()
    assert len(fn.variants) == 2


# --- refusals ---------------------------------------------------------------------------------------------------------


def branch(x):
    if x.sum() > 0:  # here
        return x
    return -x


def item(x):
    return x * x.sum().item()  # here


def as_float(x):
    return x * float(x[0])  # here


def loop(x):
    while x.max() < 10:  # here
        x = x * 2
    return x


def array(x):
    return x.numpy()  # here


def numpy_function(x):
    return cutaway.tensor(np.asarray(x) + 1)  # here


def count(x):
    return x.nonzero()  # here


def mask(x):
    return x[x > 0]  # here


def drawn_once(x):
    return x.clone().normal_()  # no line


def show(x):
    return str(x)  # here


WORDS = {
    "drawn_once": "drawn once, when it is traced",
}


@pytest.mark.parametrize(
    "fn",
    [branch, item, as_float, loop, array, numpy_function, count, mask, drawn_once, show],
    ids=lambda f: f.__name__,
)
def test_refused_with_the_users_line(fn):
    with pytest.raises(TraceError) as caught:
        compile(fn)(cutaway.ones(3))
    text, (source, first) = str(caught.value), inspect.getsourcelines(fn)
    assert WORDS.get(fn.__name__, "asks for the values of a tensor") in text
    where = [first + n for n, line in enumerate(source) if "# here" in line]
    for line in where:
        assert f"{Path(__file__).name}:{line}" in text


@pytest.mark.parametrize(
    "look",
    [
        lambda t, x: t.nonzero(x), lambda t, x: t.unique(x), lambda t, x: t.isclose(x, x), lambda t, x: t.equal(x, x),
        lambda t, x: t.signbit(x), lambda t, x: t.erfc(x), lambda t, x: t.lgamma(x), lambda t, x: t.linalg.inv(x),
        lambda t, x: t.linalg.eigh(x)[0], lambda t, x: t.mode(x)[0], lambda t, x: t.cummax(x, 0)[0],
        lambda t, x: t.searchsorted(x[0], x[0]), lambda t, x: t.isin(x, x), lambda t, x: t.histc(x),
        lambda t, x: t.unique_consecutive(x), lambda t, x: t.bincount(x[0].long()),
    ],
)  # fmt: skip
def test_what_looks_at_a_tensor_from_outside_is_refused(look):
    """Its elements would be baked into the program, and stay there when it is written to."""
    x = cutaway.eye(2)
    look(cutaway, x)
    with pytest.raises(TraceError, match="asks for the values"):
        compile(lambda: look(cutaway, x))()


def written_parts(x, b):
    y = x * 2
    old = y.reshape(-1)
    y[:, 0] += 1
    y[1:].mul_(b[1:])
    v = y[0]
    v[1:] = b[0, 1:]
    y.t()[2].zero_()
    return (y * y).sum() + (old * 3).sum() + (v * b[1]).sum()


def test_writes_to_views_are_those_of_the_eager_program():
    x, b = (cutaway.rand(3, 4, dtype=cutaway.float64).requires_grad_() for _ in range(2))
    with cutaway.no_grad():
        want = written_parts(x, b)
        assert compile(written_parts)(x, b).item() == pytest.approx(want.item(), rel=1e-12)

    def gradients():
        return cutaway.autograd.grad(written_parts(x, b), (x, b))

    for g, w in zip(compile(gradients)(), gradients(), strict=True):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-12)


def test_a_part_of_a_parameter_may_be_written_under_no_grad():
    w = cutaway.ones(3, requires_grad=True)

    def fn(x):
        with cutaway.no_grad():
            w[1:].mul_(x)
        return (w * x).sum()

    assert compile(fn)(cutaway.tensor(2.0)).item() == 10 and w.tolist() == [1, 2, 2]
    with pytest.raises(GradError, match="view of a leaf"):
        compile(lambda x: w[1:].mul_(x))(cutaway.tensor(2.0))


def test_a_view_of_the_surroundings_that_is_written_is_refused():
    view = cutaway.zeros(3)[1:]
    with pytest.raises(TraceError, match="in-place write to a view"):
        compile(lambda x: view.add_(x))(cutaway.ones(2))
    buffer = cutaway.zeros(3)
    step = compile(lambda x: buffer[1:].add_(x).sum())
    assert [step(cutaway.ones(2)).item() for _ in range(2)] == [2, 4] and buffer.tolist() == [0, 2, 2]


def test_gradients_that_no_one_sees_are_refused():
    w = cutaway.ones(2, requires_grad=True)

    def fn(x):
        (w * x).sum().backward()
        return x

    with pytest.raises(TraceError, match="which a compiled function does not keep"):
        compile(fn)(cutaway.ones(2))


def test_a_symbol_that_escapes_is_refused():
    kept = []
    compile(lambda x: kept.append(x * 2))(cutaway.ones(2))
    with pytest.raises(TraceError):
        kept[0].tolist()
    with pytest.raises(TraceError, match="another trace"):
        compile(lambda x: x + kept[0])(cutaway.ones(2))


# --- failures leave nothing behind ------------------------------------------------------------------------------------


def test_after_a_failed_trace_everything_is_as_before():
    cutaway.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, t = cutaway.rand(6, 3), cutaway.randint(0, 2, (6,))
    held = [*model.parameters(), *model.buffers()]
    before = [(p._data, p._data.copy(), p._grad, p._node) for p in held]
    state = cutaway.get_rng_state()

    def step(x, t):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss.item()

    with pytest.raises(TraceError):
        compile(step)(x, t)
    for p, (data, copy, grad, node) in zip(held, before, strict=True):
        assert p._data is data and p._grad is grad and p._node is node
        np.testing.assert_array_equal(p._data, copy)
    assert (cutaway.get_rng_state() == state).all()
    step(x, t)  # and eager mode works
    assert model[0].weight.grad is not None


def test_users_errors_pass_through():
    class Mine(Exception):
        pass

    def fn(x):
        raise Mine("text")

    with pytest.raises(Mine, match="text"):
        compile(fn)(cutaway.ones(2))
    assert (cutaway.ones(2) + 1).tolist() == [2.0, 2.0]


def test_shape_errors_are_those_of_eager_mode():
    fn = compile(lambda x: x @ cutaway.ones(5, 4))
    with pytest.raises(ShapeError, match="do not fit"):
        fn(cutaway.ones(2, 3))
    assert fn(cutaway.ones(2, 5)).shape == (2, 4)


def test_views_are_refused_where_eager_mode_refuses_them():
    x = cutaway.arange(24).reshape(2, 3, 4)
    for f in (
        lambda x: x.view(x.size(0), -1), lambda x: x[:, 1:].view(2, 2, 2, 2), lambda x: x.transpose(0, 1).view(-1),
        lambda x: x.transpose(0, 1).contiguous().view(-1), lambda x: x[:, 1:].view(-1), lambda x: x.mT.view(2, 2, 2, 3),
        lambda x: x[:, None].expand(2, 4, 3, 4).view(8, 12), lambda x: x.mT.contiguous().mT.view(6, 4),
    ):  # fmt: skip
        try:
            expected = f(x)
        except ShapeError:
            with pytest.raises(ShapeError, match=r"without a copy; use reshape, or contiguous\(\) first"):
                compile(f)(x)
        else:
            assert cutaway.equal(compile(f)(x), expected)
    w = nn.Parameter(cutaway.ones(6, 2))
    assert compile(lambda x: x * w.view(3, 4))(x).shape == (2, 3, 4)
    with pytest.raises(ShapeError, match="without a copy"):
        compile(lambda x: x * w.mT.view(3, 4))(x)


def test_gradients_of_leaves_are_restored():
    w = cutaway.ones(2, requires_grad=True)

    @compile
    def fn(x):
        w.grad = None
        (w * x).sum().backward()
        return w.grad * 1

    given = cutaway.tensor([7.0, 8.0])
    w.grad = given
    assert fn(cutaway.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert w.grad is given and given.tolist() == [7.0, 8.0]


def test_interpreter_agrees_with_eager_mode():
    def fn(x, y):
        return (x @ y.T).softmax(1), x.sum(0)

    x, y = cutaway.randn(3, 4), cutaway.randn(5, 4)
    graph, _ = trace(fn, [x, y])
    outputs, writes = interpret(graph, [x.numpy(), y.numpy()])
    for got, want in zip(outputs, fn(x, y), strict=True):
        np.testing.assert_array_equal(got, want.numpy())
    assert writes == []
