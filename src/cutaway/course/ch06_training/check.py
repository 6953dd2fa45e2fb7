"""The exercises of chapter 6, with the mistakes that are made in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cutaway
from cutaway import nn, optim
from cutaway.core.tensor import Tensor
from cutaway.course.ch06_training import exercises as stub
from cutaway.course.exercise import Exercise, Numbers, Plug, Wrong
from cutaway.course.slopes import slope
from cutaway.nn import functional as F
from cutaway.plug import arrays

# --- initial values ---------------------------------------------------------------------------------------------------


def initial_std(fan_in: int, fan_out: int, activation: str) -> float:
    return float((2 / fan_in) ** 0.5 if activation == "relu" else (2 / (fan_in + fan_out)) ** 0.5)


def _library_std(fan_in: int, fan_out: int, activation: str) -> float:
    """What the library multiplies its normal numbers by."""
    kind = nn.init.kaiming_normal_ if activation == "relu" else nn.init.xavier_normal_
    draw = [f(cutaway.zeros(fan_out, fan_in, dtype=cutaway.float64), generator=cutaway.Generator().manual_seed(1))
            for f in (kind, nn.init.normal_)]  # fmt: skip
    return float((draw[0] / draw[1]).mean())


def _his(relu: Callable[[int, int], float], other: Callable[[int, int], float]) -> Callable[[int, int, str], float]:
    return lambda fan_in, fan_out, activation: float((relu if activation == "relu" else other)(fan_in, fan_out))


INITIAL_STD = Exercise(
    "initial_std", "How far initial weights spread", initial_std, oracle=_library_std,
    draw=lambda d, n: (d.integer(1, 4 * n), d.integer(1, 4 * n), ("relu", "tanh", "sigmoid")[d.integer(0, 2)]),
    cases=((784, 50, "relu"), (784, 50, "tanh"), (100, 100, "sigmoid")),
    show="table",
    wrong=[
        Wrong(_his(lambda i, o: 2 / i, lambda i, o: 2 / (i + o)), "That is the variance: the spread is its root."),
        Wrong(_his(lambda i, o: (2 / (i + o)) ** 0.5, lambda i, o: (2 / i) ** 0.5), "The two are swapped: He's is for ReLU, Xavier's for tanh and sigmoid."),
        Wrong(_his(lambda i, o: (1 / i) ** 0.5, lambda i, o: (2 / (i + o)) ** 0.5), "ReLU throws half of the values away: He doubles the variance to make up for it."),
        Wrong(_his(lambda i, o: (2 / o) ** 0.5, lambda i, o: (2 / (i + o)) ** 0.5), "He counts what goes into an output, fan_in; this counts what comes out."),
        Wrong(_his(lambda i, o: (2 / i) ** 0.5, lambda i, o: (1 / i) ** 0.5), "Xavier's looks both ways, for gradients go back: the mean of fan_in and fan_out."),
        Wrong(_his(lambda i, o: (2 / i) ** 0.5, lambda i, o: (1 / (i + o)) ** 0.5), "Xavier's divides by the mean of fan_in and fan_out, which is half their sum."),
        Wrong(_his(lambda i, o: 0.01, lambda i, o: 0.01), "0.01 suits no size in particular: the more inputs add up, the smaller each must be."),
    ],
)  # fmt: skip


# --- batch normalisation ----------------------------------------------------------------------------------------------


def batchnorm(x: Any, gamma: Any, beta: Any, eps: float, *, axis: int | None = 0, shift: float = 1.0, ddof: int = 0,
              root: float = 0.5, outside: bool = False) -> Any:  # fmt: skip
    mean, var = x.mean(axis, keepdims=True), x.var(axis, keepdims=True, ddof=ddof)
    below = var**root + eps if outside else (var + eps) ** root
    return gamma * (x - shift * mean) / below + beta


def _batch(d: Numbers, n: int) -> tuple[Any, ...]:
    return d.array(n + 1, min(n, 3)), d.positive(min(n, 3)), d.array(min(n, 3)), 0.25


def _tensors(*given: Any) -> list[Tensor]:
    return [cutaway.tensor(a, requires_grad=True) for a in given]


BATCHNORM = Exercise(
    "batchnorm", "Batch normalisation", batchnorm, spec=stub.batchnorm_spec, draw=_batch,
    cases=((np.array([[1.0, 3.0], [1.0, -1.0]]), np.array([2.0, 0.5]), np.array([0.5, -1.0]), 1e-5),),
    oracle=lambda x, gamma, beta, eps: F.batch_norm(*map(cutaway.tensor, (x, 0 * gamma, 0 * gamma, gamma, beta)), training=True, eps=eps),
    wrong=[
        Wrong(lambda *a: batchnorm(*a, axis=1), "It normalises each row: mean and variance of a column are taken over the batch, axis 0."),
        Wrong(lambda *a: batchnorm(*a, axis=None), "One mean and one variance for all: each column has its own."),
        Wrong(lambda *a: batchnorm(*a, shift=0.0), "The mean is not subtracted."),
        Wrong(lambda *a: batchnorm(*a, root=1.0), "It divides by the variance: by its root."),
        Wrong(lambda *a: batchnorm(*a, ddof=1), "The variance divides by N - 1: of the batch itself it divides by N."),
        Wrong(lambda *a: batchnorm(*a, outside=True), "eps is added to the root: it is added to the variance, under the root."),
        Wrong(lambda x, gamma, beta, eps: batchnorm(x, 1.0, beta, eps), "gamma is missing: without it no layer could choose its own spread."),
        Wrong(lambda x, gamma, beta, eps: batchnorm(x, gamma, 0.0, eps), "beta is missing: it is added at the end."),
        Wrong(lambda x, gamma, beta, eps: gamma * (batchnorm(x, 1.0, beta, eps)), "beta is multiplied by gamma, too: add it last."),
    ],
)  # fmt: skip


def batchnorm_backward(g: Any, x: Any, gamma: Any, eps: float, *, mean: float = 1.0, var: float = 1.0, scale: bool = True,
                       raw: bool = False, over: float = 1.0) -> Any:  # fmt: skip
    n = len(x)
    root = (x.var(0) + eps) ** 0.5
    hat = (x - x.mean(0)) / root
    inner = g - mean * over * g.sum(0) / n - var * over * hat * (g * hat).sum(0) / n
    return (gamma if scale else 1.0) * inner / root, (g * (x if raw else hat)).sum(0), g.sum(0)


def _slopes_of_batchnorm(g: Any, x: Any, gamma: Any, eps: float) -> Any:
    beta = np.zeros_like(gamma)
    return (
        slope(lambda x: batchnorm(x, gamma, beta, eps), x, g),
        slope(lambda gamma: batchnorm(x, gamma, beta, eps), gamma, g),
        slope(lambda beta: batchnorm(x, gamma, beta, eps), beta, g),
    )


def _library_backward(g: Any, x: Any, gamma: Any, eps: float) -> Any:
    x, gamma, beta = _tensors(x, gamma, 0 * gamma)
    y = F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
    y.backward(cutaway.tensor(g))
    return x.grad, gamma.grad, beta.grad


BATCHNORM_BACKWARD = Exercise(
    "batchnorm_backward", "Batch normalisation, backward", batchnorm_backward, spec=_slopes_of_batchnorm, oracle=_library_backward,
    draw=lambda d, n: (d.array(n + 2, min(n, 2)), d.distinct(n + 2, min(n, 2)), d.positive(min(n, 2)), 0.25),
    wrong=[
        Wrong(lambda *a: batchnorm_backward(*a, mean=0.0, var=0.0), "Mean and variance are taken for constants: x moves both of them."),
        Wrong(lambda *a: batchnorm_backward(*a, var=0.0), "The variance is taken for a constant: the part x̂ · mean(g x̂) is missing."),
        Wrong(lambda *a: batchnorm_backward(*a, mean=0.0), "The mean is taken for a constant: the part mean(g) is missing."),
        Wrong(lambda *a: batchnorm_backward(*a, scale=False), "x's gradient is not multiplied by gamma, which stands between x̂ and y."),
        Wrong(lambda *a: batchnorm_backward(*a, raw=True), "gamma multiplies the normalised x̂, not x: so does its gradient."),
        Wrong(lambda g, x, gamma, eps: batchnorm_backward(g, x, gamma, eps, over=len(x)), "Sums stand where means over the batch belong: divide by N."),
        Wrong(lambda g, x, gamma, eps: (batchnorm_backward(g, x, gamma, eps)[0], *(v / len(x) for v in batchnorm_backward(g, x, gamma, eps)[1:])),
              "gamma and beta get means over the batch: their gradients are sums, for each row adds its own."),
        Wrong(lambda g, x, gamma, eps: tuple(batchnorm_backward(g, x, gamma, eps)[i] for i in (0, 2, 1)), "The gradients of gamma and beta are swapped."),
        Wrong(lambda *a: batchnorm_backward(*a)[0], "There are three gradients: of x, gamma and beta."),
    ],
)  # fmt: skip


def running(mean: Any, var: Any, x: Any, momentum: float, *, ddof: int = 1, axis: int = 0, spread: float = 1.0) -> Any:
    return (1 - momentum) * mean + momentum * x.mean(axis), (1 - momentum) * var + momentum * x.var(axis, ddof=ddof) ** spread


def _library_running(mean: Any, var: Any, x: Any, momentum: float) -> Any:
    kept = cutaway.tensor(mean), cutaway.tensor(var)
    F.batch_norm(cutaway.tensor(x), *kept, training=True, momentum=momentum)
    return kept


def _running_in_place(mean: Any, var: Any, x: Any, momentum: float) -> Any:
    mean *= 1 - momentum
    mean += momentum * x.mean(0)
    return mean, running(mean, var, x, momentum)[1]


RUNNING = Exercise(
    "running", "What is remembered for later", running, spec=stub.running_spec, oracle=_library_running,
    draw=lambda d, n: (d.array(min(n, 3)), d.positive(min(n, 3)), d.array(n + 1, min(n, 3)), 0.25), free=False,
    wrong=[
        Wrong(lambda m, v, x, k: running(m, v, x, 1 - k), "Old and new are swapped: momentum is the share of the new here, as in the library."),
        Wrong(lambda *a: running(*a, ddof=0), "The variance divides by N: what is to stand for other batches divides by N - 1."),
        Wrong(lambda *a: running(*a, spread=0.5), "It remembers the spread: remember the variance, its square."),
        Wrong(lambda m, v, x, k: (x.mean(0), x.var(0, ddof=1)), "It forgets what was before: this batch is only a share of it."),
        Wrong(lambda m, v, x, k: (m + k * x.mean(0), v + k * x.var(0, ddof=1)), "Nothing is forgotten, so it grows without end: keep 1 - momentum of the old."),
        Wrong(lambda m, v, x, k: (running(m, v, x, k)[0], v), "The variance is not updated."),
        Wrong(lambda *a: running(*a)[::-1], "Mean and variance are swapped."),
        Wrong(_running_in_place, "It writes into mean: give new arrays."),
    ],
)  # fmt: skip


# --- against learning by heart ----------------------------------------------------------------------------------------


def weight_decay(p: Any, g: Any, lr: float, decay: float) -> Any:
    return p - lr * (g + decay * p)


def _decay_in_place(p: Any, g: Any, lr: float, decay: float) -> Any:
    g += decay * p
    return p - lr * g


def _library_decay(p: Any, g: Any, lr: float, decay: float) -> Any:
    w = nn.Parameter(cutaway.tensor(p))
    w.grad = cutaway.tensor(g)
    optim.SGD([w], lr=lr, weight_decay=decay).step()
    return w


WEIGHT_DECAY = Exercise(
    "weight_decay", "Weight decay", weight_decay, spec=stub.weight_decay_spec, oracle=_library_decay,
    draw=lambda d, n: (d.array(n), d.array(n), 0.25 * d.integer(1, 2), 0.25 * d.integer(1, 3)),
    wrong=[
        Wrong(lambda p, g, lr, k: p - lr * (g - k * p), "It drives weights away from 0: decay p is added to the gradient."),
        Wrong(lambda p, g, lr, k: p - lr * g, "The decay is not there: the gradient of decay/2 p² is decay p."),
        Wrong(lambda p, g, lr, k: p - lr * g - k * p, "The decay is not multiplied by the learning rate: it is part of the gradient."),
        Wrong(lambda p, g, lr, k: p - lr * (g + k / 2 * p), "Half is left over: the 2 of the square cancels the 1/2."),
        Wrong(lambda p, g, lr, k: p - lr * (g + k * p * p), "That adds p², the penalty: add its gradient, decay p."),
        Wrong(lambda p, g, lr, k: p - lr * (g + k * np.sign(p)), "That is the gradient of |p|: of p²/2 it is p."),
        Wrong(lambda p, g, lr, k: (p - lr * g) * (1 - lr * k), "The stepped p decays: the gradient is taken at the old p."),
        Wrong(_decay_in_place, "It writes into g (g += ...): add decay * p in a new array."),
    ],
)  # fmt: skip


def dropout(x: Any, u: Any, p: float) -> Any:
    return x * (u >= p) / (1 - p)


def _dropped(d: Numbers, n: int) -> tuple[Any, ...]:
    return d.apart(n + 1), d.array(n + 1, low=0.0, high=0.75), 0.25 * d.integer(1, 3)


def _dropout_in_place(x: Any, u: Any, p: float) -> Any:
    x[u < p] = 0.0
    return x / (1 - p)


DROPOUT = Exercise(
    "dropout", "Dropout", dropout, spec=stub.dropout_spec, draw=_dropped, free=False,
    wrong=[
        Wrong(lambda x, u, p: x * (u < p) / (1 - p), "It keeps what is to go: p is the share that becomes 0."),
        Wrong(lambda x, u, p: x * (u >= p), "What is kept must grow by 1 / (1 - p), or the next layer sees less in training than later."),
        Wrong(lambda x, u, p: x * (u >= p) * (1 - p), "It shrinks what is kept: divide by 1 - p."),
        Wrong(lambda x, u, p: x * (u >= p) / p, "It divides by p, the share that goes: divide by the share that stays."),
        Wrong(lambda x, u, p: x * (u > p) / (1 - p), "A random number of exactly p is kept: below p (<) is dropped."),
        Wrong(lambda x, u, p: x / (1 - p), "Nothing is dropped."),
        Wrong(lambda x, u, p: x[u >= p] / (1 - p), "Dropped values are left out: they stay in place, as zeros."),
        Wrong(_dropout_in_place, "It writes zeros into its input: make a new array."),
    ],
)  # fmt: skip

DROPOUT_BACKWARD = Exercise(
    "dropout_backward", "Dropout, backward", dropout, free=False, draw=_dropped,
    spec=lambda g, u, p: slope(lambda x: stub.dropout_spec(x, u, p), np.ones_like(g), g),
    wrong=[
        Wrong(lambda g, u, p: g, "A dropped value has no part in the result: its gradient is 0."),
        Wrong(lambda g, u, p: g * (u >= p), "The factor 1 / (1 - p) of the way forward belongs to the way back as well."),
        Wrong(lambda g, u, p: g * (u < p) / (1 - p), "The mask is turned round: gradients pass where values passed."),
        Wrong(lambda g, u, p: g * (u >= p) * (1 - p), "The factor is the same as forward: divide by 1 - p."),
        Wrong(lambda g, u, p: g * (u >= p) / (1 - p) ** 2, "The factor is there twice."),
        Wrong(lambda g, u, p: g / (1 - p), "The mask is missing: where the value was dropped no gradient passes."),
    ],
)  # fmt: skip


def early_stop(losses: Any, patience: int, *, late: int = 0, equal: bool = False, last: bool = False) -> Any:
    best = 0
    for epoch in range(1, len(losses)):
        better = losses[epoch] <= losses[best] if equal else losses[epoch] < losses[best]
        if better:
            best = epoch
        elif epoch - best >= patience + late:
            return epoch, best
    return len(losses) - 1, best


def _impatient(losses: Any, patience: int) -> Any:
    """Counts epochs that are worse than the one before."""
    worse = 0
    for epoch in range(1, len(losses)):
        worse = worse + 1 if losses[epoch] >= losses[epoch - 1] else 0
        if worse >= patience:
            return epoch, int(np.argmin(losses[: epoch + 1]))
    return len(losses) - 1, int(np.argmin(losses))


def _counting(losses: Any, patience: int) -> Any:
    """Counts all epochs without progress, and never begins anew."""
    best, bad = 0, 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best = epoch
        else:
            bad += 1
            if bad >= patience:
                return epoch, best
    return len(losses) - 1, best


EARLY_STOP = Exercise(
    "early_stop", "When to stop", early_stop, spec=stub.early_stop_spec, show="table",
    cases=((np.array([1.0, 0.5, 0.75, 0.75, 0.25]), 2), (np.array([1.0, 1.25, 0.75, 1.0, 0.5, 0.75, 0.75]), 2),
           (np.array([1.0, 0.5, 0.75, 0.5, 0.75, 0.25]), 2), (np.array([1.0, 0.5, 0.75, 0.625, 0.25]), 2)),
    draw=lambda d, n: (d.positive(2 * n), d.integer(1, 3)),
    wrong=[
        Wrong(lambda x, k: (len(x) - 1, int(np.argmin(x))), "It looks at all losses: when training has to be stopped, the later ones are not known."),
        Wrong(lambda x, k: early_stop(x, k, late=1), "It stops an epoch too late: after `patience` epochs without a better one."),
        Wrong(lambda x, k: early_stop(x, k, late=-1), "It stops an epoch too early."),
        Wrong(lambda x, k: early_stop(x, k, equal=True), "An equal loss is not better: of equal ones the first is the best."),
        Wrong(_impatient, "It compares with the epoch before: compare with the best so far, or slow worsening is never seen."),
        Wrong(_counting, "The count of bad epochs must begin anew when a better one comes."),
        Wrong(lambda x, k: early_stop(x, k)[::-1], "The two are swapped: first when to stop, then which was best."),
        Wrong(lambda x, k: early_stop(x, k)[0], "The best epoch is missing: its weights are those to keep."),
    ],
)  # fmt: skip


# --- searching --------------------------------------------------------------------------------------------------------


def log_uniform(u: Any, low: float, high: float) -> Any:
    return low * (high / low) ** u


LOG_UNIFORM = Exercise(
    "log_uniform", "Even on a logarithmic scale", log_uniform, spec=stub.log_uniform_spec,
    oracle=lambda u, low, high: np.exp(np.log(low) + u * (np.log(high) - np.log(low))),
    cases=((np.array([0.0, 0.5, 1.0]), 0.001, 0.1),), example=(np.array([0.0, 0.25, 0.5, 0.75, 1.0]), 0.001, 10.0),
    draw=lambda d, n: (d.array(n, low=0.0, high=1.0), 10.0 ** -d.integer(2, 4), 10.0 ** d.integer(-1, 1)),
    wrong=[
        Wrong(lambda u, low, high: low + u * (high - low), "That is even on the plain scale: nine tenths of it are in the highest decade."),
        Wrong(lambda u, low, high: np.log10(low) + u * (np.log10(high) - np.log10(low)), "That is the exponent: give 10 to the power of it."),
        Wrong(lambda u, low, high: np.exp(np.log10(low) + u * (np.log10(high) - np.log10(low))), "log10 goes with 10**, log with exp: two bases are mixed."),
        Wrong(lambda u, low, high: high * (low / high) ** u, "It runs from high to low: 0 gives low."),
        Wrong(lambda u, low, high: 10 ** np.round(np.log10(low) + u * (np.log10(high) - np.log10(low))), "Only powers of ten come out: do not round the exponent."),
        Wrong(lambda u, low, high: low * high**u, "At u = 1 it gives low · high: the ratio is high / low."),
        Wrong(lambda u, low, high: low + (high - low) * u**2, "A square draws towards low, but equal steps do not give equal ratios."),
    ],
)  # fmt: skip


EXERCISES = (
    INITIAL_STD, BATCHNORM, BATCHNORM_BACKWARD, RUNNING, WEIGHT_DECAY, DROPOUT, DROPOUT_BACKWARD, EARLY_STOP, LOG_UNIFORM,
)  # fmt: skip


# --- plugs ------------------------------------------------------------------------------------------------------------


def dropper(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Tensor]:
    """F.dropout of the two answers, with random numbers of the library's generator."""
    drops = arrays(forward, lambda g, x, u, p: backward(g, u, p), name="dropout")

    def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
        return drops(input, cutaway.rand(input.shape).numpy(), p) if training and p else input

    return dropout


def normaliser(forward: Callable[..., Any], backward: Callable[..., Any], remember: Callable[..., Any]) -> Callable[..., Tensor]:
    """F.batch_norm of the three answers: rows of channels, whatever the shape."""
    normalises = arrays(forward, lambda g, x, gamma, beta, eps: backward(g, x, gamma, eps), name="batch_norm")

    def batch_norm(input: Tensor, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
                   training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:  # fmt: skip
        channels = input.shape[1]
        last = input.movedim(1, -1)
        x = last.reshape(-1, channels)
        gamma = cutaway.ones(channels) if weight is None else weight
        beta = cutaway.zeros(channels) if bias is None else bias
        if training:
            y = normalises(x, gamma, beta, eps)
            if running_mean is not None:
                kept = remember(running_mean.numpy(), running_var.numpy(), x.detach().numpy(), momentum)
                with cutaway.no_grad():
                    for old, new in zip((running_mean, running_var), kept):
                        old.copy_(cutaway.tensor(new))
        else:
            y = gamma * (x - running_mean) / (running_var + eps).sqrt() + beta
        return y.reshape(last.shape).movedim(-1, 1)

    return batch_norm


PLUGS = (
    Plug(("dropout", "dropout_backward"), lambda f, b: {"dropout": dropper(f, b)}, ("dropout",)),
    Plug(("batchnorm", "batchnorm_backward", "running"), lambda f, b, r: {"batch_norm": normaliser(f, b, r)}, ("batch_norm",)),
)
