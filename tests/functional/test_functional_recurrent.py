"""Cells and walks over time against PyTorch; and what they refuse."""

import numpy as np
import pytest
import torch

import cutaway
import cutaway.functional as F
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.functional.recurrent import apart

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_cell(name, bias, agree, rng):
    g = GATES[name]
    x, h, c = rng.standard_normal((3, 4)), rng.standard_normal((3, 2)), rng.standard_normal((3, 2))
    weights = [rng.standard_normal(s) for s in ((g * 2, 4), (g * 2, 2), (g * 2,), (g * 2,))]

    def call(f):
        def run(x, h, c, *w):
            w = w if bias else w[:2]
            state = (h, c) if name == "lstm" else h
            return getattr(f, f"{name}_cell")(x, state, *w)

        return run

    agree(call(F), call(torch), x, h, c, *weights, second=True)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", GATES)
def test_walk(name, layers, bias, bidirectional, batch_first, agree, rng):
    steps, n, inputs, hidden, g = 5, 3, 4, 2, GATES[name]
    directions = 2 if bidirectional else 1
    params = []
    for layer in range(layers):
        width = inputs if layer == 0 else hidden * directions
        for _ in range(directions):
            params += [rng.standard_normal((g * hidden, width)), rng.standard_normal((g * hidden, hidden))]
            params += [rng.standard_normal(g * hidden), rng.standard_normal(g * hidden)] if bias else []
    h, c = rng.standard_normal((2, layers * directions, n, hidden))
    x = rng.standard_normal((n, steps, inputs) if batch_first else (steps, n, inputs))

    def call(f):
        def run(x, h, c, *w):
            state = (h, c) if name == "lstm" else h
            return getattr(f, name)(x, state, w, bias, layers, 0.0, True, bidirectional, batch_first)

        return run

    agree(call(F), call(torch), x, h, c, *params)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_lengths_are_those_of_packed_sequences(name, bidirectional, rng):
    steps, n, inputs, hidden, g = 5, 4, 3, 2, GATES[name]
    lengths = [3, 5, 1, 4]
    directions = 2 if bidirectional else 1
    params = [
        rng.standard_normal(s)
        for _ in range(directions)
        for s in ((g * hidden, inputs), (g * hidden, hidden), (g * hidden,), (g * hidden,))
    ]
    x, state = rng.standard_normal((steps, n, inputs)), rng.standard_normal((2, directions, n, hidden))
    u = torch.from_numpy(x).requires_grad_()
    packed = torch.nn.utils.rnn.pack_padded_sequence(u, torch.tensor(lengths), enforce_sorted=False)
    order = packed.sorted_indices
    s = torch.from_numpy(state)[:, :, order]
    w = [torch.from_numpy(p) for p in params]
    out = getattr(torch, name)(
        packed.data, packed.batch_sizes, (s[0], s[1]) if name == "lstm" else s[0], w, True, 1, 0.0, False, bidirectional
    )
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(packed._replace(data=out[0]), total_length=steps)
    padded.sum().backward()
    v = cutaway.from_numpy(x).requires_grad_()
    states = [cutaway.from_numpy(a) for a in state]
    mine = getattr(F, name)(
        v,
        states if name == "lstm" else states[0],
        [cutaway.from_numpy(p) for p in params],
        True,
        1,
        0.0,
        False,
        bidirectional,
        False,
        lengths,
    )
    mine[0].sum().backward()
    np.testing.assert_allclose(mine[0].detach().numpy(), padded.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(mine[1].detach().numpy()[:, order.numpy()], out[1].detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(v.grad.numpy(), u.grad.numpy(), atol=1e-10)


def test_dropout_acts_between_layers_in_training_only(rng):
    w = [cutaway.from_numpy(rng.standard_normal(s)) for s in ((2, 2), (2, 2)) * 2]
    x, h = cutaway.from_numpy(rng.standard_normal((4, 8, 2))), cutaway.zeros(2, 8, 2, dtype=cutaway.float64)
    run = lambda p, train: F.rnn_tanh(x, h, w, False, 2, p, train, False, False)[0]
    plain = run(0.0, True).tolist()
    assert run(0.5, False).tolist() == plain != run(0.5, True).tolist()


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 9, 10, 17])
def test_apart(steps, rng):
    x = cutaway.from_numpy(rng.standard_normal((steps, 3))).requires_grad_()
    rows = apart(x)
    assert [r.tolist() for r in rows] == x.tolist()
    sum(r * (t + 1.0) for t, r in enumerate(rows)).sum().backward()
    assert x.grad.tolist() == [[t + 1.0] * 3 for t in range(steps)]


X, H = cutaway.zeros(5, 3, 4), cutaway.zeros(1, 3, 2)
W = [cutaway.zeros(2, 4), cutaway.zeros(2, 2)]
BAD = {
    "params": (lambda: F.rnn_tanh(X, H, W, True, 1, 0.0, True, False, False), ArgumentError, "need 4 params, got 2"),
    "dims": (lambda: F.rnn_tanh(X[0], H, W, False, 1, 0.0, True, False, False), ShapeError, r"\[T, N, I\].*unsqueeze"),
    "state": (
        lambda: F.rnn_tanh(X, cutaway.zeros(2, 3, 2), W, False, 1, 0.0, True, False, False),
        ShapeError,
        r"state must be \[1, 3, 2\]",
    ),
    "batch_first": (
        lambda: F.rnn_tanh(X, H, W, False, 1, 0.0, True, False, True),
        ShapeError,
        r"state must be \[1, 5, 2\]",
    ),
    "no-steps": (lambda: F.rnn_tanh(X[:0], H, W, False, 1, 0.0, True, False, False), ShapeError, "no time steps"),
    "lengths": (
        lambda: F.rnn_tanh(X, H, W, False, 1, 0.0, True, False, False, [1, 2]),
        ArgumentError,
        "3 numbers from 1 to 5",
    ),
    "length-0": (
        lambda: F.rnn_tanh(X, H, W, False, 1, 0.0, True, False, False, [1, 0, 2]),
        ArgumentError,
        "from 1 to 5",
    ),
    "features": (
        lambda: F.rnn_tanh(cutaway.zeros(5, 3, 6), H, W, False, 1, 0.0, True, False, False),
        ShapeError,
        "6 features",
    ),
    "cell-gates": (lambda: F.lstm_cell(X[0], (H[0], H[0]), *W), ShapeError, r"w_hh must be \[4 H, H\]"),
    "cell-batch": (lambda: F.rnn_tanh_cell(X[0], cutaway.zeros(2, 2), *W), ShapeError, r"state float32\[2, 2\]"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    call, error, text = BAD[name]
    with pytest.raises(error, match=text):
        call()
