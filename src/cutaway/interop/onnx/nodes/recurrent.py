"""Recurrent networks over time: RNN, GRU and LSTM are nodes, one a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cutaway.interop.onnx.graph import Composite, Term
from cutaway.interop.onnx.nodes.movement import cut
from cutaway.interop.onnx.write import Declined, Writer


class Kind(NamedTuple):
    """A node's name, the order of its gates among ours, its attributes."""

    op_type: str
    order: tuple[int, ...]
    attributes: dict[str, Any]


KINDS = {
    "rnn_tanh": Kind("RNN", (0,), {"activations": ["Tanh"]}),
    "rnn_relu": Kind("RNN", (0,), {"activations": ["Relu"]}),
    "gru": Kind("GRU", (1, 0, 2), {"linear_before_reset": 1}),  # ours: reset, update, new; there: update, reset, new
    "lstm": Kind("LSTM", (0, 3, 1, 2), {}),  # ours: input, forget, cell, output; there: input, output, forget, cell
}


def _gates(w: Writer, t: Term, order: tuple[int, ...]) -> np.ndarray | None:
    """A parameter with its gates in the node's order."""
    array = t.alike()
    if array is None:
        return None
    parts = np.split(array, len(order))
    return np.concatenate([parts[k] for k in order])


def _stacked(w: Writer, groups: list[list[Term]], order: tuple[int, ...]) -> str:
    """For each direction the gates of its parameters, one behind the other: [directions, ...]."""
    sides = [[_gates(w, t, order) for t in group] for group in groups]
    source = groups[0][0].source
    hint = source.name if source is not None and source.name[:1] != "#" else "weight"
    if all(g is not None for side in sides for g in side):
        return w.constant(np.stack([np.concatenate(side) for side in sides]), hint=f"{hint}.gates")  # type: ignore[arg-type]
    held = []
    for group in groups:
        pieces: list[str] = []
        for t in group:
            rows = int(t.shape[0]) // len(order)
            size = (rows, *t.shape[1:])
            start = [(k * rows, *(0,) * (t.ndim - 1)) for k in order]
            pieces += [cut(w, w.name(t), t.shape, s, (1,) * t.ndim, size) for s in start]
        joined = pieces[0] if len(pieces) == 1 else w.node("Concat", *pieces, axis=0)
        held.append(w.node("Unsqueeze", joined, w.ints([0])))
    return held[0] if len(held) == 1 else w.node("Concat", *held, axis=0)


def _nothing(t: Term) -> bool:
    """True for zeros, which the nodes begin with anyway."""
    if t.name == "full":
        return t.attrs["value"] == 0
    return t.fixed and all(not a.any() for a in t.arrays())


def walk(w: Writer, c: Composite) -> Any:
    """A node a layer; the states of all layers side by side at the end."""
    if c["lengths"] is not None or (c["dropout"] and c["train"] and c["num_layers"] > 1):
        raise Declined("sequences of several lengths, or dropout")
    sides = int(c["num_layers"]) * (2 if c["bidirectional"] else 1)
    if len(c["params"]) // sides % 2:
        raise Declined("a projection, which no node has")
    kind = KINDS[c.name]
    x, params, hidden = c["input"], c["params"], int(c["params"][1].shape[-1])
    layers, directions = int(c["num_layers"]), 2 if c["bidirectional"] else 1
    each = 4 if c["has_biases"] else 2
    states: tuple[Term, ...] = tuple(c["hx"]) if isinstance(c["hx"], tuple) else (c["hx"],)
    held = w.node("Transpose", w.name(x), perm=[1, 0, 2]) if c["batch_first"] else w.name(x)
    options: dict[str, Any] = dict(kind.attributes)
    if "activations" in options:
        options["activations"] = options["activations"] * directions
    if directions == 2:
        options["direction"] = "bidirectional"
    finals: list[list[str]] = []
    for layer in range(layers):
        first = layer * directions
        groups = [params[(first + d) * each : (first + d + 1) * each] for d in range(directions)]
        weights = [_stacked(w, [[g[k]] for g in groups], kind.order) for k in (0, 1)]
        bias = _stacked(w, [[g[2], g[3]] for g in groups], kind.order) if each == 4 else ""
        start = []
        for s in states:
            size = (directions, *s.shape[1:])
            start.append("" if _nothing(s) else cut(w, w.name(s), s.shape, (first, 0, 0), (1, 1, 1), size))
        out = w.node(
            kind.op_type, held, *weights, bias, "", *start, outputs=1 + len(states), hidden_size=hidden, **options
        )
        if directions == 1:
            held = w.node("Squeeze", out[0], w.ints([1]))
        else:
            turned = w.node("Transpose", out[0], perm=[0, 2, 1, 3])
            held = w.node("Reshape", turned, w.ints([0, 0, -1]))
        finals.append(out[1:])
    y = w.node("Transpose", held, perm=[1, 0, 2]) if c["batch_first"] else held
    ends = [f[0] if layers == 1 else w.node("Concat", *f, axis=0) for f in zip(*finals)]
    return y, *ends


COMPOSITES: dict[str, Callable[[Writer, Composite], Any]] = dict.fromkeys(KINDS, walk)
