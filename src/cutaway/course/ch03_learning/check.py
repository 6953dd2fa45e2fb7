"""The exercises of chapter 3, with the mistakes that are made in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cutaway
from cutaway.course.ch02_network.check import sigmoid, softmax
from cutaway.course.ch03_learning import exercises as stub
from cutaway.course.exercise import Exercise, Plug, Wrong
from cutaway.nn import functional as F
from cutaway.plug import rule

H = 1e-4


# --- losses -----------------------------------------------------------------------------------------------------------


MSE = Exercise(
    "mse", "Mean squared error", lambda y, t: float(((y - t) ** 2).mean()), spec=stub.mse_spec,
    oracle=lambda y, t: F.mse_loss(cutaway.tensor(y), cutaway.tensor(t)),
    draw=lambda d, n: (d.array(n, 2), d.array(n, 2)), show="table",
    wrong=[
        Wrong(lambda y, t: float(((y - t) ** 2).sum()), "That is the sum: divide by the number of elements."),
        Wrong(lambda y, t: float(0.5 * ((y - t) ** 2).sum()), "That is the book's half of the sum: here it is the mean over all elements."),
        Wrong(lambda y, t: float((y - t).mean()), "The square is missing, so errors of both signs cancel."),
        Wrong(lambda y, t: float(np.abs(y - t).mean()), "That is the mean absolute error: square the differences."),
        Wrong(lambda y, t: float(np.sqrt(((y - t) ** 2).mean())), "That is its square root: no root is asked for."),
        Wrong(lambda y, t: ((y - t) ** 2).mean(1), "There is a loss for each row: a loss is one number, the mean of all."),
        Wrong(lambda y, t: float(((y - t) ** 2).sum() / len(y)), "It divides by the number of rows: by the number of elements, N times D."),
        Wrong(lambda y, t: float((y**2 - t**2).mean()), "Square the difference, not each side: (y - t)^2."),
    ],
)  # fmt: skip


def cross_entropy(p: Any, t: Any, *, tiny: float = 1e-7, log: Callable[..., Any] = np.log, mean: bool = True) -> float:
    """Cross-entropy, and by its options the ways to get it wrong."""
    s = -log(p[np.arange(len(p)), t] + tiny)
    return float(s.mean() if mean else s.sum())


CROSS_ENTROPY = Exercise(
    "cross_entropy", "Cross-entropy", cross_entropy, spec=stub.cross_entropy_spec, show="table", free=False,
    oracle=lambda p, t: F.nll_loss((cutaway.tensor(p) + 1e-7).log(), cutaway.tensor(t)),
    cases=((np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([0, 1])), (np.array([[0.1, 0.3, 0.6]]), np.array([2]))),
    draw=lambda d, n: (d.shares(n, 3), d.labels(n, 3)),
    wrong=[
        Wrong(lambda p, t: cross_entropy(p, t, tiny=0.0), "A share of 0 gives log 0, infinity: add 1e-7 inside the logarithm."),
        Wrong(lambda p, t: -cross_entropy(p, t), "The sign is missing: log of a share is negative, and a loss is not."),
        Wrong(lambda p, t: cross_entropy(p, t, mean=False), "That is the sum over the rows: take the mean, so that batches of any size compare."),
        Wrong(lambda p, t: cross_entropy(p, t, log=np.log2), "That is the logarithm to base 2 (bits): the natural one is asked for (nats)."),
        Wrong(lambda p, t: cross_entropy(p, t, log=np.log10), "That is the logarithm to base 10: the natural one is asked for, np.log."),
        Wrong(lambda p, t: float(-np.log(p + 1e-7).mean()), "It is surprised at every class: only the right one counts, p[n, t[n]]."),
        Wrong(lambda p, t: float(-np.log(p[:, t] + 1e-7).mean()), "p[:, t] is a whole matrix: for one share a row index with both, p[np.arange(N), t]."),
        Wrong(lambda p, t: float(-p[np.arange(len(p)), t].mean()), "The logarithm is missing."),
        Wrong(lambda p, t: float(-np.log(p[np.arange(len(p)), p.argmax(1)] + 1e-7).mean()), "It looks at the class that was guessed: look at the right one, t[n]."),
    ],
)  # fmt: skip


# --- slopes -----------------------------------------------------------------------------------------------------------


def cubic(c: Any) -> Callable[[float], float]:
    return lambda v: c[0] + c[1] * v + c[2] * v**2 + c[3] * v**3


DERIVATIVE = Exercise(
    "derivative", "A derivative by differences", lambda f, x: (f(x + H) - f(x - H)) / (2 * H),
    oracle=lambda coefficients, x: float(coefficients @ np.array([0, 1, 2 * x, 3 * x**2])), show="table",
    play=lambda answer, c, x: answer(cubic(c), x),
    draw=lambda d, n: (d.array(4) * np.array([1.0, 1.0, n > 1, n > 2]), d.number()),
    wrong=[
        Wrong(lambda f, x: (f(x + H) - f(x)) / H, "It looks to one side only, which is off by h times the bend: also subtract h, and divide by 2h."),
        Wrong(lambda f, x: (f(x + H) - f(x - H)) / H, "From x - h to x + h is a distance of 2h: divide by that."),
        Wrong(lambda f, x: (f(x + H) - f(x - H)) / 2 * H, "Brackets: / 2 * h multiplies by h; divide by (2 * h)."),
        Wrong(lambda f, x: (f(x - H) - f(x + H)) / (2 * H), "The sign is wrong: f(x + h) comes first."),
        Wrong(lambda f, x: (f(x + 1e-50) - f(x - 1e-50)) / 2e-50, "h is so small that x + h is x in floating point, and the difference is 0: take 1e-4."),
        Wrong(lambda f, x: (f(x + 1) - f(x - 1)) / 2, "h is far too large: that is the slope of a long chord."),
        Wrong(lambda f, x: f(x + H) - f(x - H), "The division by 2h is missing."),
    ],
)  # fmt: skip


def bowl(a: Any) -> Callable[[Any], float]:
    return lambda v: float((a * v**2).sum() + v.sum() ** 2 / 4)


def gradient(f: Any, x: Any, *, sides: int = 2, by: float = 1.0, restore: bool = True) -> Any:
    """The gradient by differences, and by its options the ways to get it wrong."""
    out = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        kept = x[at]
        x[at] = kept + H
        above = f(x)
        x[at] = kept - H if sides == 2 else kept
        below = f(x)
        if restore:
            x[at] = kept
        out[at] = (above - below) / (sides * H) * by
    return out


def by_rows(f: Any, x: Any) -> Any:
    """As it goes wrong where x has two axes: whole rows are moved."""
    out = np.zeros(x.shape)
    for i in range(len(x)):
        y = x.copy()
        y[i] += H
        above = f(y)
        y[i] -= 2 * H
        out[i] = (above - f(y)) / (2 * H)
    return out


def all_at_once(f: Any, x: Any) -> Any:
    return (f(x + H) - f(x - H)) / (2 * H) * np.ones(x.shape)


GRADIENT = Exercise(
    "gradient", "A gradient by differences", gradient, oracle=lambda a, x: 2 * a * x + x.sum() / 2,
    play=lambda answer, a, x: answer(bowl(a), x),
    draw=lambda d, n: (d.array(n, 2), d.array(n, 2)),
    wrong=[
        Wrong(lambda f, x: gradient(f, x, sides=1), "It looks to one side only: move the element by -h, too, and divide by 2h."),
        Wrong(lambda f, x: gradient(f, x, by=2.0), "From -h to h is a distance of 2h: divide by that."),
        Wrong(lambda f, x: gradient(f, x, restore=False), "The element is not put back, so later ones are taken elsewhere, and x is changed for the caller."),
        Wrong(lambda f, x: gradient(f, x, by=-1.0), "The sign is wrong: it points downhill, and a gradient points uphill."),
        Wrong(by_rows, "x[i] is a whole row where x has two axes: go through the elements, np.ndindex(x.shape)."),
        Wrong(all_at_once, "All elements are moved at once: a partial derivative moves one and lets the others be."),
        Wrong(lambda f, x: gradient(f, x).sum(), "The parts are added up: a gradient has the shape of x."),
    ],
)  # fmt: skip


# --- steps ------------------------------------------------------------------------------------------------------------


def descend(grad: Any, x: Any, lr: float, steps: int, *, fresh: bool = True) -> Any:
    """Gradient descent, and by its option a way to get it wrong."""
    first = grad(x)
    for _ in range(steps):
        x = x - lr * (grad(x) if fresh else first)
    return x


def descend_in_place(grad: Any, x: Any, lr: float, steps: int) -> Any:
    for _ in range(steps):
        x -= lr * grad(x)
    return x


DESCEND = Exercise(
    "descend", "Gradient descent", descend, spec=stub.descend_spec,
    play=lambda answer, a, x, lr, steps: answer(lambda v: 2 * a * v + 1, x, lr, steps),
    draw=lambda d, n: (d.positive(2), d.array(2), 0.125 * d.integer(1, 3), d.integer(0, n + 1)),
    cases=((np.array([1.0, 1.0]), np.array([1.0, -1.0]), 0.25, 2),),
    wrong=[
        Wrong(lambda grad, x, lr, steps: descend(grad, x, -lr, steps), "It climbs: the gradient points uphill, so subtract."),
        Wrong(lambda grad, x, lr, steps: descend(grad, x, 1.0, steps), "The learning rate is missing."),
        Wrong(lambda grad, x, lr, steps: descend(grad, x, lr, min(steps, 1)), "It stops after one step: is a return inside the loop?"),
        Wrong(lambda grad, x, lr, steps: descend(grad, x, lr, steps, fresh=False), "Every step uses the gradient of the beginning: ask for it anew where you are."),
        Wrong(lambda grad, x, lr, steps: descend(grad, x, lr, steps + 1), "It takes a step too many."),
        Wrong(descend_in_place, "x -= ... writes into the caller's array: write x = x - ..."),
        Wrong(lambda grad, x, lr, steps: lr * grad(descend(grad, x, lr, steps)), "It gives a step: give the place where the steps have led."),
    ],
)  # fmt: skip


def sgd_in_place(p: Any, g: Any, lr: float) -> Any:
    p -= lr * g
    return p


SGD = Exercise(
    "sgd", "One step of SGD", lambda p, g, lr: p - lr * g, spec=stub.sgd_spec,
    draw=lambda d, n: (d.array(n), d.array(n), 0.25 * d.integer(1, 3)),
    wrong=[
        Wrong(lambda p, g, lr: p + lr * g, "It climbs: the gradient points uphill, so subtract."),
        Wrong(lambda p, g, lr: p - g, "The learning rate is missing."),
        Wrong(sgd_in_place, "p -= ... writes into the caller's array: give a new one, p - lr * g."),
        Wrong(lambda p, g, lr: lr * g, "That is the step: give the parameter after it."),
        Wrong(lambda p, g, lr: p - lr * np.sign(g), "Only the sign of the gradient counts here: its size should, too."),
        Wrong(lambda p, g, lr: p - g / lr, "It divides by the learning rate: multiply."),
        Wrong(lambda p, g, lr: (1 - lr) * p - lr * g, "p itself is made smaller, too: that is weight decay, of chapter 6."),
    ],
)  # fmt: skip


def _properties(answer: Any, x: Any, t: Any, size: int) -> dict[str, Any]:
    """What must hold of a batch, whichever rows were chosen; x[n] is (n, n + 0.5) and t[n] is n."""
    rng = np.random.default_rng(len(x))
    drawn = [answer(x, t, size, rng) for _ in range(4)]
    a, b = (np.asarray(v) for v in drawn[0])
    pairs = len(a) == len(b) and a.ndim == 2
    return {
        "rows": len(a),
        "targets": len(b),
        "each row with its own target": bool(pairs and np.array_equal(a[:, 0], b)),
        "rows twice": pairs and len(a) - len(set(a[:, 0].tolist())),
        "rows of x": bool(a.ndim == 2 and all(v.tolist() in x.tolist() for v in a)),
        "the first rows each time": all(np.array_equal(d[1], t[:size]) for d in drawn),
        "other rows next time": len({tuple(np.sort(np.ravel(d[1])).tolist()) for d in drawn}) > 1,
    }


def _choose(x: Any, t: Any, size: int, rng: Any) -> Any:
    rows = rng.permutation(len(x))[:size]
    return x[rows], t[rows]


def _twice(x: Any, t: Any, size: int, rng: Any) -> Any:
    rows = rng.choice(len(x), size)
    rows[0] = rows[1]
    return x[rows], t[rows]


MINIBATCH = Exercise(
    "minibatch", "A mini-batch", _choose,
    oracle=lambda x, t, size: {"rows": size, "targets": size, "each row with its own target": True, "rows twice": 0,
                               "rows of x": True, "the first rows each time": False, "other rows next time": True},
    play=_properties, show="table", free=False, example=(np.arange(4.0)[:, None] + [0.0, 0.5], np.arange(4), 2),
    draw=lambda d, n: (np.arange(8.0 + n)[:, None] + [0.0, 0.5], np.arange(8 + n), n + 1),
    wrong=[
        Wrong(lambda x, t, size, rng: (x[:size], t[:size]), "It is always the first rows: choose them by chance."),
        Wrong(lambda x, t, size, rng: (_choose(x, t, size, rng)[0], _choose(x, t, size, rng)[1]), "Rows and targets are chosen apart, so they do not belong together: one choice, used twice."),
        Wrong(_twice, "A row is in the batch twice: choose without putting back (replace=False)."),
        Wrong(lambda x, t, size, rng: (x[rng.permutation(len(x))[:size]], t[:size]), "The rows are chosen and the targets are the first ones: use the same choice for both."),
        Wrong(lambda x, t, size, rng: (lambda r: (x[r], t[r]))(rng.permutation(len(x))), "That is all of the data, shuffled: take `size` rows."),
        Wrong(lambda x, t, size, rng: (lambda r: (x[r : r + 1], t[r : r + 1]))(int(rng.integers(len(x)))), "There is one row: take `size` of them."),
        Wrong(lambda x, t, size, rng: (lambda r: (x[r], t[r]))(np.random.default_rng(0).permutation(len(x))[:size]), "Every call gives the same rows: draw from the rng that is given, without a seed of your own."),
    ],
)  # fmt: skip


def net_loss(x: Any, t: Any, w1: Any, b1: Any, w2: Any, b2: Any, *, bend: Any = sigmoid, last: Any = softmax, mean: bool = True,
             log: bool = True) -> float:  # fmt: skip
    """The two-layer network's loss, and by its options the ways to get it wrong."""
    p = last(bend(x @ w1 + b1) @ w2 + b2)
    return cross_entropy(p, t, mean=mean) if log else float((p.argmax(1) == t).mean())


def _net(d: Any, n: int) -> tuple[Any, ...]:
    return d.array(n, 2), d.labels(n, 3), d.array(2, n + 1), d.array(n + 1), d.array(n + 1, 3), d.array(3)


NET_LOSS = Exercise(
    "net_loss", "The two-layer network's loss", net_loss, spec=stub.net_loss_spec, draw=_net, show="table",
    wrong=[
        Wrong(lambda *a: net_loss(*a, bend=lambda v: v), "The sigmoid between the layers is missing."),
        Wrong(lambda *a: net_loss(*a, last=lambda z: np.abs(z) / np.abs(z).sum(1, keepdims=True)), "The exponential of softmax is missing."),
        Wrong(lambda *a: net_loss(*a, last=lambda z: softmax(z, axis=0)), "Softmax goes along the wrong axis: each row's shares add up to 1."),
        Wrong(lambda *a: net_loss(*a, mean=False), "That is the sum over the rows: take the mean."),
        Wrong(lambda *a: net_loss(*a, log=False), "That is the accuracy: it stays the same for small changes, so it cannot be the loss."),
        Wrong(lambda *a: net_loss(*a, last=sigmoid), "The last layer is a sigmoid: for one class of several it is softmax."),
        Wrong(lambda *a: -net_loss(*a), "The sign is missing: a loss is positive."),
        Wrong(lambda x, t, w1, b1, w2, b2: net_loss(x, t, w1, 0 * b1, w2, 0 * b2), "The biases are missing."),
    ],
)  # fmt: skip


EXERCISES = (MSE, CROSS_ENTROPY, DERIVATIVE, GRADIENT, DESCEND, SGD, MINIBATCH, NET_LOSS)

PLUGS = (Plug(("sgd",), lambda step: {"SGD": rule(lambda p, g, lr: step(p, g, lr), name="SGD")}, ("SGD",)),)
