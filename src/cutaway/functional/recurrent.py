"""Recurrent networks: one step (the cells), and the walk over time in layers and directions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.functions import cat, from_numpy, stack
from cutaway.core.op import composite
from cutaway.core.ops.elementwise import where
from cutaway.functional._check import is_tensor
from cutaway.functional.dropout import dropout as _dropout
from cutaway.functional.linear import linear

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

# --- one step ---------------------------------------------------------------------------------------------------------


@composite(r"h' = \tanh(W_i x + b_i + W_h h + b_h)")
def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of Elman's network.  x[N, I], h[N, H], w_ih[H, I], w_hh[H, H], b_ih[H], b_hh[H] -> h'[N, H].

    Raises ShapeError when sizes disagree.
    """
    _check_cell("rnn_tanh_cell", input, hx, w_hh, 1)
    return (linear(input, w_ih, b_ih) + linear(hx, w_hh, b_hh)).tanh()


@composite(r"h' = \max(0,\, W_i x + b_i + W_h h + b_h)")
def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of Elman's network with ReLU; shapes as in rnn_tanh_cell."""
    _check_cell("rnn_relu_cell", input, hx, w_hh, 1)
    return (linear(input, w_ih, b_ih) + linear(hx, w_hh, b_hh)).relu()


@composite(r"c' = \sigma(f) \odot c + \sigma(i) \odot \tanh(g),\quad h' = \sigma(o) \odot \tanh(c')")
def lstm_cell(
    input: Tensor,
    hx: tuple[Tensor, Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of a long short-term memory (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000).
    x[N, I], hx = (h[N, H], c[N, H]), w_ih[4H, I], w_hh[4H, H], b_ih[4H], b_hh[4H] -> (h'[N, H], c'[N, H]).
    The gates (i, f, g, o) = W_i x + b_i + W_h h + b_h are stacked in this order.

    Raises ShapeError when sizes disagree.
    """
    h, c = hx
    _check_cell("lstm_cell", input, h, w_hh, 4)
    return _lstm_gates(linear(input, w_ih, b_ih) + linear(h, w_hh, b_hh), c)


def _lstm_gates(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    c = lstm_memory(gates, c)
    return lstm_output(gates, c), c


@composite(r"\sigma(f) \odot c + \sigma(i) \odot \tanh(g)")
def lstm_memory(gates: Tensor, c: Tensor) -> Tensor:
    """What an LSTM remembers next.  gates (i, f, g, o)[N, 4H], c[N, H] -> c'[N, H]."""
    width = c.shape[-1]
    i, f, g = [gates.narrow(-1, k * width, width) for k in range(3)]
    return f.sigmoid() * c + i.sigmoid() * g.tanh()


@composite(r"\sigma(o) \odot \tanh(c')")
def lstm_output(gates: Tensor, c: Tensor) -> Tensor:
    """What an LSTM says of what it remembers.  gates (i, f, g, o)[N, 4H], c'[N, H] -> h'[N, H]."""
    width = c.shape[-1]
    return gates.narrow(-1, 3 * width, width).sigmoid() * c.tanh()


@composite(r"h' = (1 - z) \odot n + z \odot h,\quad n = \tanh(x_n + r \odot h_n)")
def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of a gated recurrent unit (Cho et al. 2014, arXiv 1406.1078).
    x[N, I], h[N, H], w_ih[3H, I], w_hh[3H, H], b_ih[3H], b_hh[3H] -> h'[N, H].
    With (x_r, x_z, x_n) = W_i x + b_i and (h_r, h_z, h_n) = W_h h + b_h: r = sigma(x_r + h_r), z = sigma(x_z + h_z).

    Raises ShapeError when sizes disagree.
    """
    _check_cell("gru_cell", input, hx, w_hh, 3)
    return _gru_gates(linear(input, w_ih, b_ih), linear(hx, w_hh, b_hh), hx)


def _gru_gates(x: Tensor, h: Tensor, before: Tensor) -> Tensor:
    width = before.shape[-1]
    gates = (x.narrow(-1, 0, 2 * width) + h.narrow(-1, 0, 2 * width)).sigmoid()
    r, z = gates.chunk(2, -1)
    n = (x.narrow(-1, 2 * width, width) + r * h.narrow(-1, 2 * width, width)).tanh()
    return n + z * (before - n)


def _check_cell(op: str, input: Tensor, h: Tensor, w_hh: Tensor, gates: int) -> None:
    is_tensor(op, input=input, hx=h, w_hh=w_hh)
    hidden = w_hh.shape[-1]
    if w_hh.ndim != 2 or w_hh.shape[0] != gates * hidden:
        raise ShapeError(f"{op}: w_hh must be [{gates} H, H], got {show(w_hh)}")
    if h.ndim != input.ndim or h.shape[-1] != hidden or h.shape[:-1] != input.shape[:-1]:
        raise ShapeError(
            f"{op}: state {show(h)} must be [N, {hidden}] with the batch of input {show(input)}, for w_hh {show(w_hh)}"
        )


# --- many steps -------------------------------------------------------------------------------------------------------

Params = Sequence[Any]


@composite(r"h_t = \tanh(W_i x_t + b_i + W_h h_{t-1} + b_h)")
def rnn_tanh(
    input: Tensor,
    hx: Tensor,
    params: Params,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Any = None,
) -> tuple[Tensor, Tensor]:
    """Elman's network over time.  Arguments and result as in gru."""
    y, (h,) = _walk(
        "rnn_tanh", 1, input, (hx,), params, has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths
    )
    return y, h


@composite(r"h_t = \max(0,\, W_i x_t + b_i + W_h h_{t-1} + b_h)")
def rnn_relu(
    input: Tensor,
    hx: Tensor,
    params: Params,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Any = None,
) -> tuple[Tensor, Tensor]:
    """Elman's network with ReLU over time.  Arguments and result as in gru."""
    y, (h,) = _walk(
        "rnn_relu", 1, input, (hx,), params, has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths
    )
    return y, h


@composite(r"h_t = \mathrm{GRU}(x_t, h_{t-1})")
def gru(
    input: Tensor,
    hx: Tensor,
    params: Params,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Any = None,
) -> tuple[Tensor, Tensor]:
    """Gated recurrent units over time.  x[T, N, I] ([N, T, I] with batch_first), hx[layers * directions, N, H]
    -> y[T, N, directions * H], h[layers * directions, N, H].

    params: for each layer, and each direction in it, w_ih, w_hh and, with has_biases, b_ih, b_hh.
    dropout acts between layers, in training. lengths[N]: the true lengths of padded sequences; beyond them y is zero
    and the state stands still, and the backward direction starts at each sequence's own end.

    Raises ShapeError when sizes disagree, ArgumentError when the number of params does not fit.
    """
    y, (h,) = _walk(
        "gru", 3, input, (hx,), params, has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths
    )
    return y, h


@composite(r"(h_t, c_t) = \mathrm{LSTM}(x_t, h_{t-1}, c_{t-1})")
def lstm(
    input: Tensor,
    hx: Sequence[Tensor],
    params: Params,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Any = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Long short-term memory over time.  hx = (h, c); returns y, h, c.  Otherwise as gru."""
    y, (h, c) = _walk(
        "lstm", 4, input, tuple(hx), params, has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths
    )
    return y, h, c


State = tuple[Any, ...]


def _tanh_step(x: Tensor, h: Tensor, state: State) -> State:
    return ((x + h).tanh(),)


def _relu_step(x: Tensor, h: Tensor, state: State) -> State:
    return ((x + h).relu(),)


def _gru_step(x: Tensor, h: Tensor, state: State) -> State:
    return (_gru_gates(x, h, state[0]),)


def _lstm_step(x: Tensor, h: Tensor, state: State) -> State:
    return _lstm_gates(x + h, state[1])


# One step from W_i x + b_i, W_h h + b_h and the state.
STEPS: dict[str, Callable[[Tensor, Tensor, State], State]] = {
    "rnn_tanh": _tanh_step,
    "rnn_relu": _relu_step,
    "gru": _gru_step,
    "lstm": _lstm_step,
}


def _walk(
    op: str,
    gates: int,
    input: Tensor,
    hx: State,
    params: Params,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Any,
) -> tuple[Tensor, State]:
    """Layers upon layers, each in one or two directions."""
    is_tensor(op, input=input, **{f"hx[{i}]": h for i, h in enumerate(hx)})
    directions = 2 if bidirectional else 1
    each = 4 if has_biases else 2
    if op == "lstm" and len(params) == num_layers * directions * (each + 1):
        each += 1  # with a projection of h behind the others
    if len(params) != num_layers * directions * each:
        raise ArgumentError(
            f"{op}: {num_layers} layers in {directions} directions need {num_layers * directions * each} params, "
            f"got {len(params)}"
        )
    if input.ndim != 3:
        raise ShapeError(
            f"{op}: expected input [{'N, T' if batch_first else 'T, N'}, I], got {show(input)}; add a batch with "
            "unsqueeze"
        )
    x = input.transpose(0, 1) if batch_first else input
    steps, batch = x.shape[:2]
    for h, hidden in zip(hx, (params[1].shape[-1], params[1].shape[0] // gates), strict=False):
        expected = (num_layers * directions, batch, hidden)
        if tuple(h.shape) != expected:
            raise ShapeError(f"{op}: a state must be {list(expected)} (layers * directions, N, H), got {show(h)}")
    if not steps:
        raise ShapeError(f"{op}: input {show(input)} has no time steps; give sequences of at least 1")
    going = None if lengths is None else _going(op, lengths, steps, batch)
    finals: list[State] = []
    for layer in range(num_layers):
        sides = []
        for direction in range(directions):
            at = layer * directions + direction
            w = params[at * each : (at + 1) * each]
            y, last = _layer(op, x, tuple(h.select(0, at) for h in hx), w, direction == 1, going)
            sides.append(y)
            finals.append(last)
        x = sides[0] if directions == 1 else cat(sides, -1)
        if dropout and train and layer + 1 < num_layers:
            x = _dropout(x, dropout)
    state = tuple(stack([f[i] for f in finals]) for i in range(len(hx)))
    return x.transpose(0, 1) if batch_first else x, state


def _going(op: str, lengths: Any, steps: int, batch: int) -> Tensor | None:
    """Which sequences have not ended, at each time [T, N, 1]; None where all go on to the end."""
    sizes = np.asarray(lengths.tolist() if hasattr(lengths, "tolist") else lengths, np.int64)
    if sizes.shape != (batch,) or (batch and not (sizes.min() >= 1 and sizes.max() <= steps)):
        raise ArgumentError(f"{op}: lengths must be {batch} numbers from 1 to {steps}, got {sizes.tolist()}")
    going = np.arange(steps)[:, None, None] < sizes[:, None]
    return None if going.all() else from_numpy(going)


def _layer(
    op: str, x: Tensor, state: State, w: Sequence[Any], backwards: bool, going: Tensor | None
) -> tuple[Tensor, State]:
    """One layer in one direction: x[T, N, I] -> y[T, N, H] and the last state."""
    w_ih, w_hh = w[0], w[1]
    b_ih, b_hh = (w[2], w[3]) if len(w) >= 4 else (None, None)
    if b_hh is not None and op != "gru":  # only the GRU multiplies W_h h + b_h by a gate before it is added
        b_ih, b_hh = b_ih + b_hh, None
    # The part of the gates that does not wait for the state is one product for all times.
    ahead = linear(x, w_ih, b_ih)
    if len(w) % 2:
        y, *last = _projected(ahead, w_hh, w[-1], going, backwards, state)
    else:
        y, *last = recurrence(op, ahead, w_hh, b_hh, going, backwards, *state)
    return (y if going is None else where(going, y, 0.0)), tuple(last)


def _projected(
    ahead: Tensor, w_hh: Tensor, w_hr: Tensor, going: Tensor | None, backwards: bool, state: State
) -> State:
    """`recurrence` of an LSTM whose h is w_hr[P, H] times that of the cell: h[T, N, P] and the last state."""
    rows, goes = apart(ahead), None if going is None else apart(going)
    found: list[Any] = [None] * len(rows)
    for t in reversed(range(len(rows))) if backwards else range(len(rows)):
        h, c = _lstm_gates(rows[t] + state[0] @ w_hh.t(), state[1])
        new = h @ w_hr.t(), c
        state = new if goes is None else tuple(where(goes[t], a, b) for a, b in zip(new, state, strict=True))
        found[t] = state[0]
    return stack(found), *state


@composite(r"s_t = \mathrm{step}(a_t,\, W_h h_{t-1} + b_h,\, s_{t-1})")
def recurrence(
    op: str, ahead: Tensor, w_hh: Tensor, b_hh: Tensor | None, going: Tensor | None, backwards: bool, *state: Tensor
) -> State:
    """One of STEPS, time after time: ahead[T, N, G H], w_hh[G H, H], state[N, H] each -> h[T, N, H] and the last state.

    ahead: the part of the gates that does not depend on the state. going[T, N, 1]: where False, the state stands still.
    """
    states = walk_through(op, ahead, w_hh, b_hh, going, backwards, state)
    return stack([s[0] for s in states]), *states[0 if backwards else -1]


def walk_through(
    op: str, ahead: Tensor, w_hh: Tensor, b_hh: Tensor | None, going: Tensor | None, backwards: bool, state: State
) -> list[State]:
    """The states of `recurrence` at each time."""
    rows = apart(ahead)
    goes = [None] * len(rows) if going is None else apart(going)
    states: list[State] = [()] * len(rows)
    turned = w_hh.t()
    for t in reversed(range(len(rows))) if backwards else range(len(rows)):
        state = states[t] = next_state(op, rows[t], from_state(turned, b_hh, state), goes[t], state)
    return states


def next_state(op: str, ahead: Tensor, behind: Tensor, going: Any, state: State) -> State:
    """From W_i x + b_i and W_h h + b_h, each [N, G H], going[N, 1] (None: all go on) and the state, [N, H] each."""
    new = STEPS[op](ahead, behind, state)
    return new if going is None else tuple(where(going, a, b) for a, b in zip(new, state, strict=True))


def from_state(turned: Tensor, b_hh: Any, state: State) -> Tensor:
    """W_h h + b_h [N, G H]."""
    h: Tensor = state[0] @ turned
    return h if b_hh is None else h + b_hh


def apart(x: Tensor) -> list[Tensor]:
    """x[T, ...] as T tensors [...].

    In two strides, blocks and then rows: the gradient of a row is padded to its block, and that of a block to the
    whole, which is T sqrt(T) work where rows cut straight from the whole would be T^2.
    """
    steps = x.shape[0]
    size = max(1, math.isqrt(steps))
    rows = []
    for first in range(0, steps, size):
        block = x.narrow(0, first, min(size, steps - first))
        rows += [block.select(0, i) for i in range(block.shape[0])]
    return rows
