"""The exercises of chapter 10, with the mistakes that are made in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cutaway
from cutaway import Tensor
from cutaway.course.ch10_sequences import exercises as stub
from cutaway.course.exercise import Exercise, Numbers, Plug, Wrong
from cutaway.course.slopes import slopes


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


# --- a text as examples -----------------------------------------------------------------------------------------------


def windows(ids: np.ndarray, length: int, by: int = 1, step: int = 0, pad: bool = False, room: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Pieces and their targets, and by its options the ways to get it wrong."""
    starts = range(0, len(ids) - length - room + 1, step or length)
    x = [ids[s : s + length] for s in starts]
    t = [np.resize(ids[s + by : s + by + length], length) for s in starts]
    return np.array(x).reshape(-1, length), np.array(t).reshape(-1, length)


WINDOWS = Exercise(
    "windows", "A text as examples", windows, spec=stub.windows_spec, parts=("x", "t"), cases=((np.arange(7), 3), (np.arange(6), 3), (np.arange(3), 3)),
    draw=lambda d, n: (d.labels(4 + 3 * n, 9), d.integer(1, 4)), example=(np.arange(10), 3),
    wrong=[
        Wrong(lambda i, n: windows(i, n, by=0), "The targets are the text itself: they are what comes one place later."),
        Wrong(lambda i, n: windows(i, n, by=-1, room=0) if len(i) > n else windows(i, n), "The targets lie one place earlier: that is what the network has just read."),
        Wrong(lambda i, n: windows(i, n, step=1), "The pieces overlap: the next begins `length` places further on."),
        Wrong(lambda i, n: windows(i, n, room=0), "The last piece has no target for its last place: such a row is dropped."),
        Wrong(lambda i, n: windows(i, n, room=n), "A row too few: only one more symbol than the piece is needed for its targets."),
        Wrong(lambda i, n: (windows(i, n)[0], windows(i, n)[1][:, -1]), "There is one target for each piece: every place has its own, so t is as large as x."),
        Wrong(lambda i, n: windows(i, n)[::-1], "x and t are swapped."),
    ],
)  # fmt: skip


# --- recurrent steps --------------------------------------------------------------------------------------------------


def rnn_step(x: Any, h: Any, w_x: Any, w_h: Any, b: Any) -> Any:
    return np.tanh(x @ w_x + h @ w_h + b)


def rnn_inputs(d: Numbers, n: int) -> tuple[Any, ...]:
    k, size = max(1, n - 1), max(1, (n + 1) // 2)
    return d.array(n, k, low=-1, high=1), d.array(n, size, low=-1, high=1), d.array(k, size), d.array(size, size), d.array(size)


def square_inputs(d: Numbers) -> tuple[Any, ...]:
    return d.array(3, 2, low=-1, high=1), d.array(3, 2, low=-1, high=1), d.array(2, 2), d.array(2, 2), d.array(2)


RNN_STEP = Exercise(
    "rnn_step", "One step of a recurrent network", rnn_step, spec=stub.rnn_step_spec, cases=(square_inputs(Numbers(3)),), draw=rnn_inputs,
    wrong=[
        Wrong(lambda x, h, w, v, b: x @ w + h @ v + b, "The tanh is missing: without it many steps are no more than one linear step."),
        Wrong(lambda x, h, w, v, b: np.tanh(x @ w + b), "The old state is not used: add h w_h, or the network forgets everything."),
        Wrong(lambda x, h, w, v, b: np.tanh(x @ w + h @ v), "The bias is missing."),
        Wrong(lambda x, h, w, v, b: np.tanh(x @ w + h @ v.T + b), "w_h is transposed: row i of it says what old number i does to all new ones."),
        Wrong(lambda x, h, w, v, b: np.tanh(x @ w + b) + h @ v, "The old state must go through the tanh, too."),
        Wrong(lambda x, h, w, v, b: sigmoid(x @ w + h @ v + b), "That is the sigmoid: tanh, which may be negative, is asked for."),
        Wrong(lambda x, h, w, v, b: np.tanh(x @ w + h * np.diag(v) + b), "Each number of the state sees only itself: h w_h is a matrix product."),
    ],
)  # fmt: skip


def rnn_backward(g: Any, x: Any, h: Any, w_x: Any, w_h: Any, b: Any, *, slope: Callable[[Any], Any] = lambda y: 1 - y**2,
                 turned: bool = True, batch: bool = True) -> Any:  # fmt: skip
    """The gradients of a step, and by its options the ways to get it wrong."""
    gz = g * slope(rnn_step(x, h, w_x, w_h, b))
    return gz @ (w_x.T), gz @ (w_h.T if turned else w_h), x.T @ gz, h.T @ gz, gz.sum(0) if batch else gz.mean(0)


def with_gradient(inputs: tuple[Any, ...], d: Numbers) -> tuple[Any, ...]:
    return d.array(*inputs[1].shape, low=-1, high=1), *inputs


RNN_BACKWARD = Exercise(
    "rnn_step_backward", "Back through one step", rnn_backward, spec=lambda g, *inputs: slopes(rnn_step, inputs, g),
    cases=(with_gradient(square_inputs(Numbers(3)), Numbers(4)),), draw=lambda d, n: with_gradient(rnn_inputs(d, min(n, 3)), d),
    example=with_gradient(square_inputs(Numbers(3)), Numbers(4)), rtol=1e-5, parts=("gx", "gh", "gw_x", "gw_h", "gb"),
    wrong=[
        Wrong(lambda *a: rnn_backward(*a, slope=lambda y: 1.0), "The tanh is skipped: first multiply g with its derivative, 1 - y^2."),
        Wrong(lambda *a: rnn_backward(*a, slope=lambda y: 1 - y), "The derivative of tanh is 1 - y^2: the square is missing."),
        Wrong(lambda *a: rnn_backward(*a, slope=lambda y: y * (1 - y)), "That is the derivative of the sigmoid: tanh's is 1 - y^2."),
        Wrong(lambda g, x, h, w, v, b: rnn_backward(g, x, h, w, v, b, slope=lambda y: 1 - np.arctanh(np.clip(y, -1 + 1e-12, 1 - 1e-12)) ** 2),
              "1 - z^2 with the sum before the tanh: take its result, y."),
        Wrong(lambda *a: rnn_backward(*a, turned=False), "The gradient of h lacks a transpose: it goes back through w_h, so gz @ w_h.T."),
        Wrong(lambda *a: rnn_backward(*a, batch=False), "The bias gets the mean over the rows: it was used in each, so it gets the sum."),
        Wrong(lambda *a: (lambda r: (r[1], r[0], *r[2:]))(rnn_backward(*a)), "The gradients of x and h are swapped."),
        Wrong(lambda *a: rnn_backward(*a)[:4], "The gradient of the bias is missing: there are five."),
    ],
)  # fmt: skip


def lstm_step(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, b: Any, *, order: str = "ifgo", write: Any = np.tanh, keep: Any = sigmoid,
              out: Any = np.tanh, bias: Any = 0.0, old: bool = False) -> Any:  # fmt: skip
    """An LSTM's step, and by its options the ways to get it wrong."""
    z = dict(zip(order, np.split(x @ w_x + h @ w_h + b, 4, 1)))
    new = keep(z["f"]) * c + sigmoid(z["i"]) * write(z["g"])
    return sigmoid(z["o"]) * out(c if old else new), new


def lstm_inputs(d: Numbers, n: int) -> tuple[Any, ...]:
    k = (n + 1) // 2
    return d.array(n, 2, low=-1, high=1), d.array(n, k, low=-1, high=1), d.array(n, k), d.array(2, 4 * k), d.array(k, 4 * k), d.array(4 * k)


LSTM_STEP = Exercise(
    "lstm_step", "One step of an LSTM", lstm_step, spec=stub.lstm_step_spec, parts=("h", "c"), draw=lstm_inputs,
    wrong=[
        Wrong(lambda *a: lstm_step(*a, order="figo"), "The first two gates are swapped: input gate first, then the forget gate."),
        Wrong(lambda *a: lstm_step(*a, order="ifog"), "The last two parts are swapped: the candidate g, then the output gate o."),
        Wrong(lambda *a: lstm_step(*a, write=sigmoid), "The candidate goes through tanh, not the sigmoid: it may be negative."),
        Wrong(lambda *a: lstm_step(*a, keep=lambda f: 1 - sigmoid(f)), "The forget gate says how much is kept: sigmoid(f) times the old c, not 1 less it."),
        Wrong(lambda *a: lstm_step(*a, keep=lambda f: 1.0), "The forget gate is not used: nothing is ever forgotten."),
        Wrong(lambda *a: lstm_step(*a, out=lambda c: c), "The new h is sigmoid(o) times tanh of the new c: the tanh is missing."),
        Wrong(lambda *a: lstm_step(*a, old=True), "The new h is made of the old c: take the new one."),
        Wrong(lambda *a: lstm_step(*a)[::-1], "h and c are swapped: give (h, c)."),
    ],
)  # fmt: skip


# --- attention --------------------------------------------------------------------------------------------------------


def tensors(answer: Callable[..., Any], *inputs: Any) -> Any:
    """The answer of Tensors where the inputs are arrays."""
    return answer(*(cutaway.tensor(x) if isinstance(x, np.ndarray) else x for x in inputs))


def of_arrays(spec: Callable[..., Any]) -> Callable[..., Any]:
    """A spec that is called with Tensors, and computes with arrays."""
    return lambda *inputs: spec(*(x.numpy() if isinstance(x, Tensor) else x for x in inputs))


def slow_attention(query: np.ndarray, key: np.ndarray, value: np.ndarray, is_causal: bool) -> np.ndarray:
    if query.ndim == 2:
        return stub.attention_spec(query, key, value, is_causal)
    return np.stack([slow_attention(*each, is_causal) for each in zip(query, key, value)])


def attention(query: Any, key: Any, value: Any, is_causal: bool = False, *, scale: Any = lambda q: q.shape[-1] ** 0.5, axis: int = -1,
              mask: str = "later", soft: bool = True, of: str = "v", turn: Any = lambda k: k.transpose(-2, -1)) -> Any:  # fmt: skip
    """Attention, and by its options the ways to get it wrong."""
    scores = query @ turn(key) / scale(query)
    t, s = scores.shape[-2:]
    row, column = cutaway.arange(t)[:, None], cutaway.arange(s)
    if is_causal and mask == "zeros":
        scores = cutaway.where(column <= row, scores, 0.0)
    elif is_causal and mask != "none":
        seen = {"later": column <= row, "itself": (column < row) | (row == 0) & (column == 0), "earlier": column >= row}[mask.split()[0]]
        scores = cutaway.where(seen, scores, float("-inf"))
    shares = scores.softmax(axis) if soft else scores
    if is_causal and mask == "later after":
        shares = shares.tril()
    return shares @ {"v": value, "k": key, "q": query}[of]


def mask_after(query: Any, key: Any, value: Any, is_causal: bool = False) -> Any:
    shares = (query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5).softmax(-1)
    return (shares.tril() if is_causal else shares) @ value


def attention_inputs(d: Numbers, n: int) -> tuple[Any, ...]:
    ahead, causal = (() if n < 4 else (2,)), bool(d.integer(0, 1))
    n = (n + 1) // 2
    s = n if causal else n + 1
    return d.array(*ahead, n, 3), d.array(*ahead, s, 3), d.array(*ahead, s, 3), causal


THREE = tuple(Numbers(k).array(3, 3) for k in (1, 2, 3))

ATTENTION = Exercise(
    "attention", "Attention", attention, spec=of_arrays(slow_attention), play=tensors,
    cases=((*THREE, False), (*THREE, True), (*(np.stack([a, -a]) for a in THREE), True)), draw=attention_inputs, example=(*THREE, True),
    wrong=[
        Wrong(lambda *a: attention(*a, scale=lambda q: 1.0), "The scores are not divided by sqrt(E): they grow with the width, and the softmax sees one key only."),
        Wrong(lambda *a: attention(*a, scale=lambda q: q.shape[-1]), "The scores are divided by E: by its square root."),
        Wrong(lambda *a: attention(*a, axis=-2), "The softmax runs over the queries: each query shares itself out among the keys, the last axis."),
        Wrong(lambda *a: attention(*a, soft=False), "The softmax is missing: the weights of a query must add up to 1."),
        Wrong(lambda *a: attention(*a, mask="none"), "The mask is missing: with is_causal a place may not see later ones."),
        Wrong(lambda *a: attention(*a, mask="zeros"), "A masked score of 0 still gets a share, since e^0 is 1: make it minus infinity."),
        Wrong(lambda *a: attention(*a, mask="earlier"), "The mask is turned round: place t sees what came before it, and itself."),
        Wrong(lambda *a: attention(*a, mask="itself"), "A place sees itself, too: the mask begins behind the diagonal."),
        Wrong(mask_after, "It masks after the softmax, so the shares no longer add up to 1: mask the scores before it."),
        Wrong(lambda *a: attention(*a, of="k"), "It adds up the keys: the shares belong to the values."),
        Wrong(lambda q, k, v, c=False: attention(q, k, v, c, turn=lambda k: k.permute(*range(k.ndim)[::-1])), ".T turns all axes round: with a batch only the last two may change places."),
    ],
)  # fmt: skip


def split_heads(x: Any, heads: int) -> Any:
    n, t, d = x.shape
    return x.reshape(n, t, heads, d // heads).transpose(1, 2)


SPLIT_HEADS = Exercise(
    "split_heads", "Several heads", split_heads, spec=of_arrays(stub.split_heads_spec), play=tensors,
    cases=((np.arange(12.0).reshape(1, 3, 4), 2), (np.arange(24.0).reshape(2, 2, 6), 3), (np.arange(8.0).reshape(1, 4, 2), 1)),
    draw=lambda d, n: (lambda h: (d.array(max(1, n // 2), n, 2 * h), h))(d.integer(1, 3)),
    example=(np.arange(12.0).reshape(1, 3, 4), 2), free=False,
    wrong=[
        Wrong(lambda x, h: x.reshape(x.shape[0], h, x.shape[1], -1), "reshape alone mixes places and columns: split the columns first, then exchange two axes."),
        Wrong(lambda x, h: x.reshape(*x.shape[:2], h, -1), "The heads stand behind the places: exchange axes 1 and 2, so that a head's places are a matrix."),
        Wrong(lambda x, h: x.reshape(*x.shape[:2], -1, h).permute(0, 3, 1, 2), "A head gets every heads-th column: it should get a run of neighbouring ones."),
        Wrong(lambda x, h: split_heads(x, h).transpose(0, 1), "The batch stands behind the heads: it comes first."),
        Wrong(lambda x, h: split_heads(x, h).transpose(2, 3), "The last two axes are swapped: places, then columns."),
        Wrong(lambda x, h: x.reshape(x.shape[0], x.shape[1], 1, -1).transpose(1, 2).expand(-1, h, -1, -1), "Every head gets all columns: each gets D / heads of them."),
    ],
)  # fmt: skip


def layer_norm(x: Any, weight: Any, bias: Any, eps: float = 1e-5, *, dim: Any = -1, less: float = 0.0, inside: bool = True,
               root: float = 0.5, centre: bool = True) -> Any:  # fmt: skip
    """Layer normalisation, and by its options the ways to get it wrong."""
    mean = x.mean(dim, keepdim=True)
    variance = ((x - mean) ** 2).mean(dim, keepdim=True)
    if less:
        variance = variance * x.shape[-1] / (x.shape[-1] - less)
    scale = (variance + eps) ** root if inside else variance**root + eps
    return (x - mean if centre else x) / scale * weight + bias


def layer_norm_inputs(d: Numbers, n: int) -> tuple[Any, ...]:
    return d.array(n, n + 1), d.apart(n + 1), d.apart(n + 1), 0.25


LAYER_NORM = Exercise(
    "layer_norm", "Layer normalisation", layer_norm, spec=of_arrays(stub.layer_norm_spec), play=tensors, draw=layer_norm_inputs,
    cases=((np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), 1e-5), (np.arange(12.0).reshape(2, 2, 3) ** 2, np.ones(3), np.zeros(3), 1e-5)),
    wrong=[
        Wrong(lambda *a: layer_norm(*a, dim=0), "Mean and variance are taken over the rows, as in batch normalisation: here each row has its own."),
        Wrong(lambda x, *a: layer_norm(x, *a, dim=tuple(range(x.ndim))), "There is one mean for everything: each row has its own, with keepdim=True."),
        Wrong(lambda *a: layer_norm(*a, less=1.0), "The variance is divided by D - 1 (the default of .var): here it is the plain mean, correction=0."),
        Wrong(lambda *a: layer_norm(*a, root=1.0), "It divides by the variance: by its square root."),
        Wrong(lambda *a: layer_norm(*a, inside=False), "eps belongs under the root, next to the variance."),
        Wrong(lambda *a: layer_norm(*a, centre=False), "The mean is not subtracted."),
        Wrong(lambda x, w, b, eps: layer_norm(x, 1.0, 0.0, eps), "weight and bias are not used."),
        Wrong(lambda x, w, b, eps: (layer_norm(x, 1.0, 0.0, eps) + b) * w, "First times weight, then plus bias."),
    ],
)  # fmt: skip


# --- places, and drawing by chance ------------------------------------------------------------------------------------


def positions(length: int, dim: int, *, half: int = 1, base: float = 10000.0, first: int = 0, swap: bool = False, apart: bool = False,
              cosine: bool = True, flat: bool = False) -> np.ndarray:  # fmt: skip
    """Waves, and by its options the ways to get it wrong."""
    k = np.arange(dim // 2)
    angle = np.arange(first, first + length)[:, None] / base ** (half * 2 * k / dim if not flat else 0.0 * k)
    parts = np.sin(angle), np.cos(angle) if cosine else np.sin(angle)
    parts = parts[::-1] if swap else parts
    return np.concatenate(parts, 1) if apart else np.stack(parts, -1).reshape(length, dim)


POSITIONS = Exercise(
    "positions", "Where a place is", positions, spec=stub.positions_spec, cases=((4, 4), (1, 2), (3, 6), (12, 8)), example=(8, 8),
    wrong=[
        Wrong(lambda n, d: positions(n, d, apart=True), "All sines come first, then all cosines: they alternate, columns 2k and 2k + 1."),
        Wrong(lambda n, d: positions(n, d, swap=True), "Sine and cosine are swapped: the sine is in the even columns."),
        Wrong(lambda n, d: positions(n, d, first=1), "The places are counted from 1: the first is t = 0."),
        Wrong(lambda n, d: positions(n, d, cosine=False), "Both columns are sines: of each pair the second is the cosine, so that a shift is a turn."),
        Wrong(lambda n, d: positions(n, d, half=2), "The exponent is 2k / dim with k the number of the pair: here it is twice that."),
        Wrong(lambda n, d: positions(n, d, base=0.0001), "t is multiplied by the power: divide by it, so that later columns are slower."),
        Wrong(lambda n, d: positions(n, d, flat=True), "All columns have the same wave: later pairs are slower, by 10000^(2k / dim)."),
        Wrong(lambda n, d: positions(n, d).T, "It is transposed: a row for each place."),
    ],
)  # fmt: skip


def sample(logits: Any, temperature: float, u: float, *, by: Any = lambda z, t: z / t, shift: bool = True, beyond: int = 0) -> int:
    """Drawing, and by its options the ways to get it wrong."""
    z = by(np.asarray(logits, float), temperature)
    p = np.exp(z - z.max()) if shift else np.exp(z)
    p = p / p.sum()
    return min(int(np.searchsorted(np.cumsum(p), u, side="right")) + beyond, len(p) - 1)


SAMPLE = Exercise(
    "sample", "Drawn by chance", sample, spec=stub.sample_spec, show="table",
    cases=((np.array([0.0, 0.0]), 1.0, 0.25), (np.array([0.0, 0.0]), 1.0, 0.75), (np.array([0.0, 1.0, 2.0]), 0.5, 0.1), (np.array([0.0, 1.0, 2.0]), 4.0, 0.3),
           (np.array([1000.0, 1000.0]), 1.0, 0.75), (np.array([2.0, 1.0, 0.0]), 1.0, 0.9)),
    draw=lambda d, n: (d.array(n + 1), float(d.positive()), float(d.random.random())),
    wrong=[
        Wrong(lambda z, t, u: int(np.argmax(z)), "It always takes the most probable one: draw by u."),
        Wrong(lambda z, t, u: sample(z, t, u, by=lambda z, t: z), "The temperature is not used."),
        Wrong(lambda z, t, u: sample(z, t, u, by=lambda z, t: z * t), "It multiplies by the temperature: divide, so that a high one makes all more alike."),
        Wrong(lambda z, t, u: sample(z, t, u, shift=False), "exp of a large logit is infinite: subtract the largest first."),
        Wrong(lambda z, t, u: sample(z[::-1], t, u), "The probabilities lie on the line from last to first: the other way."),
        Wrong(lambda z, t, u: sample(z, t, u, beyond=1), "It is one too far: the first whose running sum is above u."),
        Wrong(lambda z, t, u: int(u * len(z)), "All symbols are drawn equally often: by their probabilities."),
        Wrong(lambda z, t, u: sample(z - np.log(np.sum(np.exp(z - z.max()))), 1 / t, 1 - u), "It counts from the end of the line: u = 0 is the first symbol."),
    ],
)  # fmt: skip


EXERCISES = (WINDOWS, RNN_STEP, RNN_BACKWARD, LSTM_STEP, ATTENTION, SPLIT_HEADS, LAYER_NORM, POSITIONS, SAMPLE)
PLUGS = (
    Plug(("attention",), lambda f: {"scaled_dot_product_attention": f}, ("scaled_dot_product_attention",)),
    Plug(("layer_norm",), lambda f: {"layer_norm": lambda input, normalized_shape, weight=None, bias=None, eps=1e-5: f(input, weight, bias, eps)},
         ("layer_norm",)),
)  # fmt: skip
