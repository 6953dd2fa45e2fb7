"""Recurrent layers, cells and packed sequences against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from cutaway.nn.utils import rnn as ours_rnn

torch = pytest.importorskip("torch")
theirs_rnn = torch.nn.utils.rnn

OPTIONS = [
    {},
    {"num_layers": 2},
    {"bias": False},
    {"bidirectional": True},
    {"num_layers": 3, "bidirectional": True, "batch_first": True},
    {"num_layers": 2, "batch_first": True, "dropout": 0.5},
]
KINDS = [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("GRU", {}), ("LSTM", {})]
N, T, I, H = 3, 5, 4, 6


def state(name, rng, options, batch=(N,)):
    """A first state of the right shape; a pair for LSTM."""
    layers = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    h = rng.standard_normal((layers, *batch, H))
    return (h, rng.standard_normal(h.shape)) if name == "LSTM" else h


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("name", "kind"), KINDS, ids=str)
def test_same_values_and_gradients(twin, rng, name, kind, options):
    pair = twin(name, I, H, **kind, **options).train(False)  # dropout off
    x = rng.standard_normal((N, T, I) if options.get("batch_first") else (T, N, I))
    pair.check(x)
    pair.check(x, state(name, rng, options))
    pair.check(x[:, 0] if not options.get("batch_first") else x[0])  # without a batch
    pair.check(x[:, 0] if not options.get("batch_first") else x[0], state(name, rng, options, ()))


@pytest.mark.parametrize(("name", "kind"), KINDS, ids=str)
def test_names_repr_and_grouping_of_weights(name, kind):
    options = {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.25, **kind}
    ours, theirs = getattr(nn, name)(I, H, **options), getattr(torch.nn, name)(I, H, **options)
    assert repr(ours) == repr(theirs)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    assert [[tuple(w.shape) for w in group] for group in ours.all_weights] == [
        [tuple(w.shape) for w in group] for group in theirs.all_weights
    ]
    ours.flatten_parameters()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("GRUCell", {}), ("LSTMCell", {})],
    ids=str,
)
def test_cells(twin, rng, name, kind, bias):
    pair = twin(name, I, H, bias=bias, **kind)
    h = rng.standard_normal((N, H))
    given = (h, rng.standard_normal((N, H))) if name == "LSTMCell" else h
    pair.check(rng.standard_normal((N, I)))
    pair.check(rng.standard_normal((N, I)), given)
    pair.check(rng.standard_normal(I))
    pair.check(rng.standard_normal(I), tuple(s[0] for s in given) if name == "LSTMCell" else given[0])
    assert repr(pair.ours) == repr(pair.theirs)


def test_dropout_acts_between_layers_only():
    cutaway.manual_seed(0)
    x = cutaway.randn(T, N, I)
    layer = nn.GRU(I, H, num_layers=2, dropout=1.0)
    # Everything between the layers is dropped: the second layer sees zeros, the same for every sequence.
    y, _ = layer(x)
    assert (y == y[:, :1]).all()
    z, _ = layer.eval()(x)
    assert not (z == z[:, :1]).all()
    with pytest.warns(UserWarning, match="only one layer"):
        nn.GRU(I, H, dropout=0.5)


# --- packed -----------------------------------------------------------------------------------------------------------

LENGTHS = [3, 5, 2]  # not sorted


def packed(rng, make, pack, batch_first=False, lengths=LENGTHS):
    x = make(rng.standard_normal((N, T, I) if batch_first else (T, N, I)))
    return pack(x, make(np.array(lengths)), batch_first=batch_first, enforce_sorted=False)


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("options", OPTIONS[:-1], ids=str)
@pytest.mark.parametrize(("name", "kind"), KINDS, ids=str)
def test_packed_sequences(twin, name, kind, options, with_state):
    pair = twin(name, I, H, **kind, **options)
    first = options.get("batch_first", False)
    a = packed(np.random.default_rng(1), cutaway.from_numpy, ours_rnn.pack_padded_sequence, first)
    b = packed(np.random.default_rng(1), torch.from_numpy, theirs_rnn.pack_padded_sequence, first)
    given = state(name, np.random.default_rng(2), options)
    hx = [tuple(map(make, given)) if name == "LSTM" else make(given) for make in (cutaway.from_numpy, torch.from_numpy)]
    y, h = pair.ours(a, hx[0]) if with_state else pair.ours(a)
    z, k = pair.theirs(b, hx[1]) if with_state else pair.theirs(b)
    same_packed(y, z)
    for s, t in zip(h if name == "LSTM" else [h], k if name == "LSTM" else [k], strict=True):
        np.testing.assert_allclose(s.detach().numpy(), t.detach().numpy(), atol=1e-12)
    (y.data * y.data).sum().backward()
    (z.data * z.data).sum().backward()
    for (key, p), (_, q) in zip(pair.ours.named_parameters(), pair.theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=1e-10, err_msg=key)


def same_packed(a, b):
    np.testing.assert_allclose(a.data.detach().numpy(), b.data.detach().numpy(), atol=1e-12)
    assert a.batch_sizes.tolist() == b.batch_sizes.tolist()
    for x, y in ((a.sorted_indices, b.sorted_indices), (a.unsorted_indices, b.unsorted_indices)):
        assert (x is None and y is None) or x.tolist() == y.tolist()


@pytest.mark.parametrize("batch_first", [False, True])
def test_packing_and_padding(batch_first):
    a = packed(np.random.default_rng(1), cutaway.from_numpy, ours_rnn.pack_padded_sequence, batch_first)
    b = packed(np.random.default_rng(1), torch.from_numpy, theirs_rnn.pack_padded_sequence, batch_first)
    same_packed(a, b)
    for total in (None, 7):
        x, lengths = ours_rnn.pad_packed_sequence(a, batch_first, -1.0, total)
        y, expected = theirs_rnn.pad_packed_sequence(b, batch_first, -1.0, total)
        np.testing.assert_array_equal(x.numpy(), y.numpy())
        assert lengths.tolist() == expected.tolist() == LENGTHS
    for x, y in zip(ours_rnn.unpack_sequence(a), theirs_rnn.unpack_sequence(b), strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy())
    assert a.double().data.dtype is cutaway.float64 and a.float().data.dtype is cutaway.float32


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_pad_and_pack_sequences(rng, batch_first, side):
    arrays = [rng.standard_normal((n, 2)) for n in (4, 2, 3)]
    x = ours_rnn.pad_sequence(list(map(cutaway.from_numpy, arrays)), batch_first, 7.0, side)
    y = theirs_rnn.pad_sequence(list(map(torch.from_numpy, arrays)), batch_first, 7.0, side)
    np.testing.assert_array_equal(x.numpy(), y.numpy())
    same_packed(
        ours_rnn.pack_sequence(list(map(cutaway.from_numpy, arrays)), enforce_sorted=False),
        theirs_rnn.pack_sequence(list(map(torch.from_numpy, arrays)), enforce_sorted=False),
    )


def test_sorted_lengths_need_no_indices():
    a = packed(
        np.random.default_rng(1),
        cutaway.from_numpy,
        lambda x, n, **k: ours_rnn.pack_padded_sequence(x, n),
        lengths=[5, 3, 3],
    )
    b = packed(
        np.random.default_rng(1),
        torch.from_numpy,
        lambda x, n, **k: theirs_rnn.pack_padded_sequence(x, n),
        lengths=[5, 3, 3],
    )
    same_packed(a, b)
    assert a.sorted_indices is None


def test_gradients_pass_through_padding():
    a = cutaway.ones(2, 1, requires_grad=True)
    b = cutaway.ones(1, 1, requires_grad=True)
    (ours_rnn.pad_sequence([a, b]) * cutaway.tensor([[[1.0], [2.0]], [[3.0], [4.0]]])).sum().backward()
    assert a.grad.tolist() == [[1.0], [3.0]] and b.grad.tolist() == [[2.0]]


# --- errors -----------------------------------------------------------------------------------------------------------

X = cutaway.zeros(T, N, I)
BAD = [
    (lambda: nn.RNN(I, H, nonlinearity="gelu"), ArgumentError, "'gelu' is unknown; use 'tanh' or 'relu'"),
    (lambda: nn.RNNCell(I, H, nonlinearity="gelu"), ArgumentError, "use 'tanh' or 'relu'"),
    (lambda: nn.LSTM(I, 0), ArgumentError, "hidden_size must be a positive int, got 0"),
    (lambda: nn.GRU(I, H, num_layers=0), ArgumentError, "num_layers must be a positive int"),
    (lambda: nn.GRU(I, H, 2, dropout=1.5), ArgumentError, "dropout=1.5 is not a probability"),
    (lambda: nn.LSTM(I, H, proj_size=H), ArgumentError, "must be 0 .no projection. or below hidden_size"),
    (lambda: nn.GRU(I, H)([1, 2]), ArgumentTypeError, "a Tensor or a PackedSequence, got list"),
    (lambda: nn.GRU(I, H)(X[..., :2]), ShapeError, r"input_size=4, but the last dimension of float32\[5, 3, 2\] is 2"),
    (lambda: nn.GRU(I, H)(X[0, 0]), ShapeError, r"expected \[T, N, I\], or \[T, I\] without a batch"),
    (lambda: nn.GRU(I, H, batch_first=True)(X[0, 0]), ShapeError, r"expected \[N, T, I\]"),
    (lambda: nn.GRU(I, H)(X, cutaway.zeros(1, 2, H)), ShapeError, r"h_0 must be \[1, 3, 6\].*got float32\[1, 2, 6\]"),
    (lambda: nn.GRU(I, H)(X, cutaway.zeros(1, N, H, dtype=cutaway.float64)), DTypeError, "same dtype"),
    (lambda: nn.LSTM(I, H)(X, cutaway.zeros(1, N, H)), ArgumentTypeError, r"a pair \(h_0, c_0\)"),
    (lambda: nn.LSTM(I, H)(X, (cutaway.zeros(1, N, H), cutaway.zeros(1, N, 2))), ShapeError, "c_0 must be"),
    (lambda: nn.LSTMCell(I, H)(X[0], X[0]), ArgumentTypeError, r"a pair \(h, c\), got Tensor"),
    (lambda: nn.LSTMCell(I, H)(cutaway.zeros(2, 5)), ShapeError, r"expected \[N, 4\] or \[4\]"),
    (lambda: nn.GRUCell(I, H)(cutaway.zeros(2, I), cutaway.zeros(3, H)), ShapeError, r"the state must be \[2, 6\]"),
    (
        lambda: ours_rnn.pack_padded_sequence(X, [3, 5, 2]),
        ArgumentError,
        r"\[3, 5, 2\] do not fall; .*enforce_sorted=False",
    ),
    (lambda: ours_rnn.pack_padded_sequence(X, [6, 5, 2]), ArgumentError, "between 1 and 5"),
    (lambda: ours_rnn.pack_padded_sequence(X, [3, 0, 0]), ArgumentError, "between 1 and 5"),
    (lambda: ours_rnn.pack_padded_sequence(X, [3, 2]), ArgumentError, "one length for each sequence"),
    (lambda: ours_rnn.pad_sequence([cutaway.zeros(2, 3), cutaway.zeros(2, 4)]), ShapeError, "differ only in length"),
    (lambda: ours_rnn.pad_sequence([]), ShapeError, "got none"),
    (lambda: ours_rnn.pad_sequence(3), ArgumentTypeError, "several Tensors, got int"),
    (lambda: ours_rnn.pad_sequence([X], padding_side="up"), ArgumentError, "'left' or 'right'"),
    (
        lambda: ours_rnn.pad_packed_sequence(ours_rnn.pack_padded_sequence(X, [3, 2, 1]), total_length=2),
        ArgumentError,
        "total_length=2 is shorter",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=range(len(BAD)))
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
