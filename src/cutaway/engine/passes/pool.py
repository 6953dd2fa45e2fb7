"""The gradient of max-pooling is kept small: what can be done before the numbers are spread over the windows is done there.

    sum(window_scatter(g, code))      = sum(g)                                       over all windowed dimensions
    gate(window_scatter(g, code), y)  = window_scatter(gate(g, window_gather(y, code)), code)
"""

from __future__ import annotations

from cutaway.engine.graph import Graph, Value
from cutaway.engine.passes.rewrite import Builder, rewrite

WINDOW = ("dims", "kernel", "stride", "dilation")


def pool(graph: Graph) -> Graph:
    """Sums and gates before the spreading instead of after it."""
    return rewrite(graph, _rule)


def _rule(builder: Builder, v: Value, inputs: tuple[Value, ...]) -> Value | None:
    if v.op is None or not inputs or inputs[0].op is None or inputs[0].op.name != "window_scatter":
        return None
    spread = inputs[0]
    g, code = spread.inputs
    if v.op.name == "sum" and set(spread.attrs["dims"]) <= set(v.attrs["dim"]):
        return builder.op("sum", g, dim=v.attrs["dim"], keepdim=v.attrs["keepdim"])
    if v.op.name == "gate" and inputs[1].aval.shape == spread.aval.shape:
        window = {name: spread.attrs[name] for name in WINDOW}
        won = builder.op("window_gather", inputs[1], code, **window)
        return builder.op("window_scatter", builder.op("gate", g, won), code, **spread.attrs)
    return None
