"""Chapter 10, Sequences and attention: recurrent steps, attention, and the parts of a small GPT.

Write each function whose body is `raise NotImplementedError`, and judge it with `cutaway check 10.NAME`.
The functions that end in _spec say what is right, slowly and obviously. Your answer need not look like them.
Those that take Tensors become parts of the network at the end: use operations of Tensors in them, whose gradients
Cutaway knows (@, .transpose(-2, -1), .softmax(-1), .reshape, .mean(-1, keepdim=True), cutaway.where ...).
"""

import numpy as np

import cutaway  # noqa: F401  for cutaway.where and others
from cutaway import Tensor


def windows_spec(ids, length):
    xs, ts = [], []
    start = 0
    while start + length + 1 <= len(ids):
        xs.append([ids[start + k] for k in range(length)])
        ts.append([ids[start + k + 1] for k in range(length)])
        start += length
    return np.array(xs).reshape(-1, length), np.array(ts).reshape(-1, length)


def windows(ids: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """A text as training examples.  ids[M] int -> x[N, length], t[N, length].

    Rows of x are pieces of the text, one after the other without overlap; t holds for each place of x what comes next in
    the text. As many rows as have all their targets; what is left over at the end is dropped.
    """
    raise NotImplementedError


def rnn_step_spec(x, h, w_x, w_h, b):
    out = np.zeros_like(h)
    for n in range(len(x)):
        for j in range(h.shape[1]):
            z = b[j]
            for i in range(x.shape[1]):
                z += x[n, i] * w_x[i, j]
            for i in range(h.shape[1]):
                z += h[n, i] * w_h[i, j]
            out[n, j] = np.tanh(z)
    return out


def rnn_step(x: np.ndarray, h: np.ndarray, w_x: np.ndarray, w_h: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One step of a recurrent network: tanh(x w_x + h w_h + b).  x[N, D], h[N, H], w_x[D, H], w_h[H, H], b[H] -> [N, H]."""
    raise NotImplementedError


def rnn_step_backward(
    g: np.ndarray, x: np.ndarray, h: np.ndarray, w_x: np.ndarray, w_h: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The gradients of one step: g[N, H] is that of its result; give those of (x, h, w_x, w_h, b), each in its shape.

    The derivative of y = tanh(z) is 1 - y^2.
    """
    raise NotImplementedError


def lstm_step_spec(x, h, c, w_x, w_h, b):
    size = h.shape[1]
    new_h, new_c = np.zeros_like(h), np.zeros_like(c)
    for n in range(len(x)):
        z = x[n] @ w_x + h[n] @ w_h + b
        for j in range(size):
            enter, forget, write, leave = z[j], z[size + j], z[2 * size + j], z[3 * size + j]
            kept = c[n, j] / (1 + np.exp(-forget))
            new = np.tanh(write) / (1 + np.exp(-enter))
            new_c[n, j] = kept + new
            new_h[n, j] = np.tanh(new_c[n, j]) / (1 + np.exp(-leave))
    return new_h, new_c


def lstm_step(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, w_x: np.ndarray, w_h: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step of a long short-term memory: the new (h, c), both [N, H].

    z = x w_x + h w_h + b has 4H columns: input gate i, forget gate f, candidate g, output gate o, in this order.
    c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o) tanh(c').  x[N, D], h[N, H], c[N, H], w_x[D, 4H], w_h[H, 4H].
    """
    raise NotImplementedError


def attention_spec(query, key, value, is_causal):
    out = np.zeros((len(query), value.shape[1]))
    for t in range(len(query)):
        seen = t + 1 if is_causal else len(key)
        scores = np.array([query[t] @ key[s] / np.sqrt(query.shape[1]) for s in range(seen)])
        shares = np.exp(scores - scores.max())
        shares = shares / shares.sum()
        for s in range(seen):
            out[t] += shares[s] * value[s]
    return out


def attention(query: Tensor, key: Tensor, value: Tensor, is_causal: bool = False) -> Tensor:
    """softmax(query key^T / sqrt(E)) value, as Tensors.  query[..., T, E], key[..., S, E], value[..., S, V] -> [..., T, V].

    The softmax is over the keys. If is_causal (S is T then), place t sees only places 0 to t: the scores of later ones are
    minus infinity before the softmax. All leading axes are batch: the last two are what a matrix product multiplies.
    """
    raise NotImplementedError


def split_heads_spec(x, heads):
    n, t, d = x.shape
    size = d // heads
    out = np.zeros((n, heads, t, size))
    for i in range(n):
        for k in range(heads):
            for s in range(t):
                for j in range(size):
                    out[i, k, s, j] = x[i, s, k * size + j]
    return out


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Each row of numbers as several shorter ones.  x[N, T, D] -> [N, heads, T, D / heads], as Tensors.

    Head k gets the columns k D/heads to (k + 1) D/heads of every row.
    """
    raise NotImplementedError


def layer_norm_spec(x, weight, bias, eps):
    out = np.zeros_like(x)
    for at in np.ndindex(x.shape[:-1]):
        row = x[at]
        mean = sum(row) / len(row)
        variance = sum((v - mean) ** 2 for v in row) / len(row)
        out[at] = (row - mean) / np.sqrt(variance + eps) * weight + bias
    return out


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Each row to mean 0 and variance 1, then times weight[D], plus bias[D]; as Tensors.  x[..., D] -> [..., D].

    The variance is the mean of the squared distances from the mean, and eps is added to it under the root.
    """
    raise NotImplementedError


def positions_spec(length, dim):
    out = np.zeros((length, dim))
    for t in range(length):
        for k in range(dim // 2):
            angle = t / 10000 ** (2 * k / dim)
            out[t, 2 * k] = np.sin(angle)
            out[t, 2 * k + 1] = np.cos(angle)
    return out


def positions(length: int, dim: int) -> np.ndarray:
    """Where a place is, as waves: [length, dim], dim even.

    Column 2k is sin(t / 10000^(2k / dim)), column 2k + 1 the cosine of the same, for place t = 0, 1, ...
    """
    raise NotImplementedError


def sample_spec(logits, temperature, u):
    weights = [float(np.exp((z - max(logits)) / temperature)) for z in logits]
    total = 0.0
    for i, w in enumerate(weights):
        total += w / sum(weights)
        if u < total:
            return i
    return len(logits) - 1


def sample(logits: np.ndarray, temperature: float, u: float) -> int:
    """A symbol drawn by its probability, softmax(logits / temperature).  logits[C], u in [0, 1) -> 0 ... C - 1.

    Lay the probabilities side by side on the line from 0 to 1, in order, and say on which of them u lies. Logits
    may be huge.
    """
    raise NotImplementedError
