"""Passes keep values; the verifier sees planted errors; graphs print as documented."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway.core.aval import Aval
from cutaway.core.errors import TraceError
from cutaway.core.op import OPS
from cutaway.engine.graph import Graph, Source, Value, Write, interpret
from cutaway.engine.passes import PASSES, clean, decompose, simplify
from cutaway.engine.trace import trace

from .agreement import disagreement, on, rounded_anew
from .programs import draw

F32 = np.dtype("float32")


def argument(*shape: int, index: int = 0) -> Value:
    """An input."""
    return Value(None, (), {}, Aval(shape, F32), "", Source("argument", index=index, name=str(index)))


def constant(x: object) -> Value:
    """A constant."""
    a = np.asarray(x, F32)
    return Value(None, (), {}, Aval(a.shape, F32), "", Source("constant", value=a))


def apply(name: str, *inputs: Value, **attrs: object) -> Value:
    """An op applied."""
    aval = OPS[name].shape(*(i.aval for i in inputs), **attrs)
    return Value(OPS[name], inputs, attrs, Aval(tuple(aval.shape), aval.dtype))


def graph(*outputs: Value) -> Graph:
    """All that the outputs need, in order."""
    order: dict[Value, None] = {}

    def visit(v: Value) -> None:
        for i in v.inputs:
            visit(i)
        order[v] = None

    for o in outputs:
        visit(o)
    return Graph(order, outputs)


def ops(g: Graph) -> list[str]:
    """Names of the ops in order."""
    return [v.op.name for v in g.values if v.op]


# --- values are kept --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs():
    """(graph, arrays, results, results with random rounding) of random programs."""
    found = []
    for seed in range(120):
        p = draw(seed)
        g, _ = trace(p.run, [on(a) for a in p.arrays])
        try:
            want = interpret(g, p.arrays)[0]
            others = [rounded_anew(g, p.arrays, np.random.default_rng(k)) for k in range(2)]
        except Exception:
            continue  # eager mode refuses it, too
        found.append((g, p.arrays, want, others))
    assert len(found) > 90
    return found


@pytest.mark.parametrize("one", list(dict.fromkeys(PASSES)), ids=lambda p: p.__name__)
def test_passes_keep_values(one, programs):
    for before, arrays, want, others in programs:
        text = str(before)
        after = one(before).verify()
        assert str(before) == text  # the graph that came in is as it was
        for n, (g, w) in enumerate(zip(interpret(after, arrays)[0], want, strict=True)):
            assert disagreement(g, w, [o[n] for o in others]) == "", f"{before}\n\n{after}"


def test_all_passes_keep_values(programs):
    for before, arrays, want, others in programs:
        after = before
        for one in PASSES:
            after = one(after).verify()
        for n, (g, w) in enumerate(zip(interpret(after, arrays)[0], want, strict=True)):
            assert disagreement(g, w, [o[n] for o in others]) == "", f"{before}\n\n{after}"


def test_passes_keep_writes():
    w, x = cutaway.zeros(3), cutaway.ones(3)

    def fn(x):
        w.add_(x * 1.0)

    g, _ = trace(fn, [x], {id(w): "w"})
    for one in PASSES:
        g = one(g)
    assert [(t.tensor is w, t.name, t.value.op.name) for t in g.writes] == [(True, "w", "add")]


# --- each pass does its work ------------------------------------------------------------------------------------------


def test_equal_expressions_become_one():
    x = argument(3)
    a, b = apply("exp", x), apply("exp", x)
    assert ops(clean(graph(apply("add", a, b)))) == ["exp", "add"]


def test_expressions_that_differ_in_an_attribute_stay_two():
    x = argument(3)
    up = apply("clamp", x, low=0.0, high=None)
    down = apply("clamp", x, low=-0.0, high=None)
    yes, one = apply("full", shape=(), value=True, dtype=F32), apply("full", shape=(), value=1, dtype=F32)
    assert len(ops(clean(graph(up, down)))) == 2
    assert len(ops(clean(graph(yes, one)))) == 2


def test_equal_constants_become_one():
    g = clean(graph(apply("add", constant(2.0), argument(3)), apply("mul", constant(2.0), constant(-0.0))))
    assert len([v for v in g.inputs if v.source.kind == "constant"]) == 2


def test_draws_from_two_states_stay_two():
    def state(k: int) -> Value:
        source = Source("number", number=lambda: np.array([1, k]), name="philox")
        return Value(None, (), {}, Aval((2,), np.dtype("int64")), "", source)

    draws = [apply("philox_uniform", state(k), shape=(4,), dtype=F32) for k in (0, 9)]
    assert ops(clean(graph(*draws))) == ["philox_uniform"] * 2


def test_what_nothing_needs_is_dropped():
    x = argument(3)
    used, idle = apply("exp", x), apply("log", x)
    g = Graph([x, used, idle], [used])
    assert ops(clean(g)) == ["exp"]


def test_logsumexp_is_taken_apart():
    x = argument(3, 4)
    g = decompose(graph(apply("logsumexp", x, dim=(1,), keepdim=False)))
    assert "logsumexp" not in ops(g) and "exp" in ops(g)
    for a in (np.array([[1, 2, 3, 4], [-np.inf] * 4, [0, np.inf, 1, 2]], F32), np.full((3, 4), 1e4, F32)):
        with np.errstate(divide="ignore"):
            want = OPS["logsumexp"].forward(a, dim=(1,), keepdim=False)
        np.testing.assert_allclose(interpret(g, [a])[0][0], want, rtol=1e-6)


def test_movements_that_undo_each_other_vanish():
    x = argument(2, 3, 4)
    turned = apply("permute", apply("permute", x, dims=(2, 0, 1)), dims=(1, 2, 0))
    shaped = apply("reshape", apply("reshape", x, shape=(24,)), shape=(2, 3, 4))
    for v in (turned, shaped, apply("cast", x, dtype=F32), apply("mul", x, constant(1.0)), apply("copy", x)):
        assert clean(simplify(graph(v))).outputs[0].op is None
    chained = apply("permute", apply("permute", x, dims=(2, 0, 1)), dims=(0, 2, 1))
    g = clean(simplify(graph(chained)))
    assert ops(g) == ["permute"] and g.outputs[0].attrs["dims"] == (2, 1, 0)


def test_arithmetic_that_is_not_the_identity_stays():
    x = argument(3)
    assert ops(simplify(graph(apply("add", x, constant(0.0))))) == ["add"]  # -0.0 + 0.0 is 0.0
    assert ops(simplify(graph(apply("mul", x, constant(np.ones((2, 1)))))))[-1:] == ["mul"]  # it broadcasts
    assert ops(simplify(graph(apply("sub", constant(0.0), x)))) == ["sub"]


def test_arrays_of_one_number_are_computed():
    g = clean(simplify(graph(apply("add", argument(2, 3), constant(np.full((2, 3), 2.5))))))
    assert ops(g) == ["full", "add"]
    for other in (np.array([1.0, 2.0]), np.array([-0.0, -0.0]), np.array([0.0, -0.0])):
        assert ops(clean(simplify(graph(apply("add", argument(2), constant(other)))))) == ["add"]


# --- the verifier -----------------------------------------------------------------------------------------------------


def test_verifier_accepts_a_sound_graph():
    g = graph(apply("exp", argument(3)))
    assert g.verify() is g


def planted() -> dict[str, tuple[Graph, str]]:
    """Broken graphs, and what the verifier says of each."""
    x = argument(3)
    y = apply("exp", x)
    wrong_shape = Value(OPS["exp"], (x,), {}, Aval((4,), F32))
    wrong_dtype = Value(OPS["exp"], (x,), {}, Aval((3,), np.dtype("float64")))
    nothing = Value(None, (), {}, Aval((3,), F32))
    return {
        "reads later": (Graph([y, x], [y]), "comes later or is missing"),
        "reads a stranger": (Graph([y], [y]), "comes later or is missing"),
        "twice": (Graph([x, y, y], [y]), "stands twice"),
        "shape": (Graph([x, wrong_shape], [wrong_shape]), r"should be float32\[3\] by the rule of exp"),
        "dtype": (Graph([x, wrong_dtype], [wrong_dtype]), r"should be float32\[3\]"),
        "no source": (Graph([nothing], [nothing]), "neither op nor source"),
        "result": (Graph([x], [y]), "is not among the values"),
        "written": (Graph([x], [x], [Write(cutaway.zeros(3), y, "w")]), "is not among the values"),
    }


@pytest.mark.parametrize("name", planted())
def test_verifier_finds_planted_errors(name):
    g, text = planted()[name]
    with pytest.raises(TraceError, match=text):
        g.verify()


def test_verifier_asks_the_shape_rule():
    a = Value(OPS["matmul"], (argument(2, 3), argument(4, 5)), {}, Aval((2, 5), F32))
    with pytest.raises(cutaway.CutawayError, match="matmul"):
        graph(a).verify()


# --- the printer ------------------------------------------------------------------------------------------------------


def test_printer():
    x = argument(2, 3)
    y = apply("sum", apply("mul", x, constant(0.5)), dim=(1,), keepdim=False)
    z = apply("cast", y, dtype=np.dtype("float64"))
    z.line = "train.py:12"
    text = str(Graph(graph(z).values, [z, y], [Write(cutaway.zeros(2), y, "w")]))
    assert [" ".join(line.split()) for line in text.splitlines()] == [
        "%0: float32[2, 3] = argument 0",
        "%1: float32[] = constant 0.5",
        "%2: float32[2, 3] = mul(%0, %1)",
        "%3: float32[2] = sum(%2, dim=(1,), keepdim=False)",
        "%4: float64[2] = cast(%3, dtype=float64) train.py:12",
        "return %4, %3",
        "write w <- %3",
    ]
