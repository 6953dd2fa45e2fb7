"""The exercises of chapter 5, with the mistakes that are made in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cutaway
from cutaway import nn, optim
from cutaway.core.errors import ArgumentError
from cutaway.course.ch05_optimisers import exercises as stub
from cutaway.course.exercise import Exercise, Numbers, Plug, Wrong
from cutaway.plug import rule

EPS = stub.EPS
Array = np.ndarray


def library(kind: type[optim.Optimizer], p: Array, g: Array, memory: dict[str, Array], t: int = 1, **options: Any) -> Any:
    """One step of the library's rule, from what it remembers."""
    o = kind([nn.Parameter(cutaway.tensor(p))], **options)  # type: ignore[call-arg]
    new, kept = o.update(p, g, memory, t, o.param_groups[0])
    return (new, *(kept[name] for name in memory))


# --- descent ----------------------------------------------------------------------------------------------------------


def sgd(p: Any, g: Any, lr: float) -> Any:
    return p - lr * g


def _sgd_in_place(p: Any, g: Any, lr: float) -> Any:
    p -= lr * g
    return p


SGD = Exercise(
    "sgd", "Gradient descent", sgd, spec=stub.sgd_spec, oracle=lambda p, g, lr: library(optim.SGD, p, g, {}, lr=lr)[0],
    draw=lambda d, n: (d.array(n), d.array(n), 0.25 * d.integer(1, 3)),
    wrong=[
        Wrong(lambda p, g, lr: p + lr * g, "It climbs: the gradient points uphill, so it is subtracted."),
        Wrong(lambda p, g, lr: p - g, "The learning rate is missing: the step is lr times the gradient."),
        Wrong(lambda p, g, lr: -lr * g, "That is the step alone: add it to p."),
        Wrong(lambda p, g, lr: p - lr * g * p, "The step is multiplied by p: it is lr g, wherever p is."),
        Wrong(lambda p, g, lr: p - lr * np.sign(g), "Only the gradient's sign is used: how steep it is counts, too."),
        Wrong(lambda p, g, lr: p - g / lr, "It divides by the learning rate: multiply."),
        Wrong(_sgd_in_place, "It writes into p (p -= ...): give a new array, p - ..."),
    ],
)  # fmt: skip

LARGEST_RATE = Exercise(
    "largest_rate", "Where descent begins to fly", lambda c: float(2 / np.max(c)), spec=stub.largest_rate_spec,
    oracle=lambda c: 2 / max(c), draw=lambda d, n: (d.positive(n + 1),), cases=((np.array([2.0]),), (np.array([0.1, 2.0]),)),
    show="table", free=False,
    wrong=[
        Wrong(lambda c: float(1 / np.max(c)), "Up to there no factor is negative: a factor down to -1 still does not grow."),
        Wrong(lambda c: float(2 / np.min(c)), "That is what the flattest direction bears: the steepest one flies off first."),
        Wrong(lambda c: float(2 / np.mean(c)), "The average does not decide: each direction has a factor, the steepest the largest."),
        Wrong(lambda c: float(2 / np.sum(c)), "The directions do not add up: each has a factor of its own."),
        Wrong(lambda c: float(np.max(c) / 2), "It is turned round: a steeper bowl bears a smaller rate."),
        Wrong(lambda c: 2 / np.asarray(c), "That is the limit of each direction: one rate must suit them all."),
        Wrong(lambda c: float(2 / (np.min(c) + np.max(c))), "That is the fastest rate, at which both ends shrink alike; asked for is the largest."),
    ],
)  # fmt: skip


# --- momentum ---------------------------------------------------------------------------------------------------------


def momentum(p: Any, g: Any, v: Any, lr: float, momentum: float, *, up: float = 1.0, away: float = 1.0) -> Any:
    v = momentum * v - up * lr * g
    return p + away * v, v


def _momentum_in_place(p: Any, g: Any, v: Any, lr: float, momentum: float) -> Any:
    v *= momentum
    v -= lr * g
    return p + v, v


def _rolling(d: Numbers, n: int) -> tuple[Any, ...]:
    return d.array(n), d.array(n), d.array(n), 0.25 * d.integer(1, 3), 0.25 * d.integer(1, 3)


def _velocity(kind: Any, p: Any, g: Any, v: Any, lr: float, momentum: float) -> Any:
    """The library's velocity is v / -lr."""
    new, b = library(kind, p, g, {"momentum_buffer": v / -lr}, lr=lr, momentum=momentum)
    return new, b * -lr


MOMENTUM = Exercise(
    "momentum", "Momentum", momentum, spec=stub.momentum_spec, draw=_rolling,
    oracle=lambda *a: _velocity(optim.Momentum, *a),
    wrong=[
        Wrong(lambda *a: momentum(*a, up=-1.0), "The gradient pushes the velocity uphill: v is momentum v minus lr g."),
        Wrong(lambda *a: momentum(*a, away=-1.0), "p moves against the velocity: the minus is in v already, so p + v."),
        Wrong(lambda p, g, v, lr, m: (p + v, m * v - lr * g), "p moves with the old velocity: change v first, then add it."),
        Wrong(lambda p, g, v, lr, m: (p + v - lr * g, v - lr * g), "Nothing slows it down: the old velocity is multiplied by momentum."),
        Wrong(lambda p, g, v, lr, m: (p - lr * (m * v + g), m * v + g), "That v is the library's, without lr in it: here v is the step itself, and p + v."),
        Wrong(lambda p, g, v, lr, m: (p + m * v - (1 - m) * lr * g, m * v - (1 - m) * lr * g), "It averages: the gradient's push is lr g, without 1 - momentum."),
        Wrong(lambda *a: momentum(*a)[0], "The velocity is not given back: (p, v), or the next step has nothing to roll on."),
        Wrong(lambda p, g, v, lr, m: (p - lr * g, v), "That is SGD: the velocity is not used."),
        Wrong(_momentum_in_place, "It writes into v (v *= ..., v -= ...): give new arrays."),
    ],
)  # fmt: skip


def nesterov(p: Any, g: Any, v: Any, lr: float, momentum: float, *, pull: float = 1.0, ahead: float | None = None) -> Any:
    v = momentum * v - lr * g
    return p + (momentum if ahead is None else ahead) * v - pull * lr * g, v


def _nesterov_in_place(p: Any, g: Any, v: Any, lr: float, momentum: float) -> Any:
    v *= momentum
    v -= lr * g
    return p + momentum * v - lr * g, v


def _nesterov_late(p: Any, g: Any, v: Any, lr: float, m: float) -> Any:
    """The form with momentum squared, after v has changed already."""
    v = m * v - lr * g
    return p + m * m * v - (1 + m) * lr * g, v


NESTEROV = Exercise(
    "nesterov", "Nesterov's momentum", nesterov, spec=stub.nesterov_spec, draw=_rolling,
    oracle=lambda *a: _velocity(optim.Nesterov, *a),
    wrong=[
        Wrong(lambda *a: momentum(*a), "That is plain momentum, p + v: look ahead, momentum times the new v, and step from there."),
        Wrong(lambda *a: nesterov(*a, pull=0.0), "The gradient's own step is missing: p + momentum v - lr g."),
        Wrong(lambda *a: nesterov(*a, pull=-1.0), "The gradient's own step goes uphill: it is subtracted."),
        Wrong(lambda *a: nesterov(*a, ahead=1.0), "The new velocity counts momentum times, not once: with it, lr g would count twice."),
        Wrong(lambda p, g, v, lr, m: (nesterov(p, g, v, lr, m)[0], v), "The velocity given back is the old one."),
        Wrong(_nesterov_late, "The form with momentum² needs the old velocity, and v has changed before it was used."),
        Wrong(lambda *a: nesterov(*a)[0], "The velocity is not given back: (p, v)."),
        Wrong(_nesterov_in_place, "It writes into v, which the caller still holds: give new arrays."),
    ],
)  # fmt: skip


# --- a rate for each element ------------------------------------------------------------------------------------------


def adagrad(p: Any, g: Any, h: Any, lr: float, *, power: float = 2.0, keep: float = 1.0, root: float = 0.5, up: float = 1.0,
            eps: float = EPS) -> Any:  # fmt: skip
    h = keep * h + g**power
    return p - up * lr * g / (h**root + eps), h


def _scaled(d: Numbers, n: int) -> tuple[Any, ...]:
    return d.array(n), d.array(n), d.positive(n), 0.25 * d.integer(1, 3)


def _adagrad_in_place(p: Any, g: Any, h: Any, lr: float) -> Any:
    h += g * g
    return p - lr * g / (h**0.5 + EPS), h


SILENT = (np.array([1.0, -0.5]), np.array([0.0, 2.0]), np.zeros(2), 0.5)  # a gradient of 0, and nothing remembered

ADAGRAD = Exercise(
    "adagrad", "AdaGrad", adagrad, spec=stub.adagrad_spec, cases=(SILENT,), draw=_scaled,
    oracle=lambda p, g, h, lr: library(optim.Adagrad, p, g, {"sum": h}, lr=lr, eps=EPS),
    wrong=[
        Wrong(lambda *a: adagrad(*a, power=1.0), "h adds up gradients: add their squares, or those of both signs cancel."),
        Wrong(lambda *a: adagrad(*a, keep=0.0), "h holds this gradient's square only: it adds up all of them."),
        Wrong(lambda *a: adagrad(*a, root=1.0), "It divides by h: take its root, so that the step has no unit of the gradient left."),
        Wrong(lambda p, g, h, lr: (p - lr * g / (h**0.5 + EPS), h + g * g), "It divides by the old h: add the square first."),
        Wrong(lambda *a: adagrad(*a, up=-1.0), "It climbs: the step is subtracted, as in SGD."),
        Wrong(lambda *a: adagrad(*a, eps=0.0), "A gradient of 0 that has always been 0 gives 0 / 0: add EPS to the root."),
        Wrong(lambda p, g, h, lr: (p - lr * g * (h + g * g) ** 0.5, h + g * g), "It multiplies by the root: where gradients were large, the step is to be small."),
        Wrong(lambda *a: adagrad(*a)[0], "h is not given back: (p, h)."),
        Wrong(_adagrad_in_place, "It writes into h (h += ...): give a new array, h + g * g."),
    ],
)  # fmt: skip


def rmsprop(p: Any, g: Any, h: Any, lr: float, decay: float, *, share: float | None = None, power: float = 2.0,
            root: float = 0.5, up: float = 1.0, eps: float = EPS) -> Any:  # fmt: skip
    h = decay * h + (1 - decay if share is None else share) * g**power
    return p - up * lr * g / (h**root + eps), h


def _rmsprop_in_place(p: Any, g: Any, h: Any, lr: float, decay: float) -> Any:
    h *= decay
    h += (1 - decay) * g * g
    return p - lr * g / (h**0.5 + EPS), h


RMSPROP = Exercise(
    "rmsprop", "RMSprop", rmsprop, spec=stub.rmsprop_spec, cases=((*SILENT, 0.75),),
    draw=lambda d, n: (*_scaled(d, n), (0.25, 0.75)[d.integer(0, 1)]),
    oracle=lambda p, g, h, lr, decay: library(optim.RMSprop, p, g, {"square_avg": h}, lr=lr, alpha=decay, eps=EPS),
    wrong=[
        Wrong(lambda p, g, h, lr, decay: adagrad(p, g, h, lr), "That is AdaGrad, which never forgets: keep decay of the old h, and 1 - decay of the new square."),
        Wrong(lambda *a: rmsprop(*a, share=1.0), "The new square counts in full: with a share of 1 - decay it is an average."),
        Wrong(lambda p, g, h, lr, decay: rmsprop(p, g, h, lr, 1 - decay), "Old and new are swapped: decay is the share of the old h."),
        Wrong(lambda *a: rmsprop(*a, root=1.0), "It divides by h itself: take the root of the mean square."),
        Wrong(lambda *a: rmsprop(*a, power=1.0), "h averages gradients: average their squares."),
        Wrong(lambda p, g, h, lr, decay: (p - lr * g / (h**0.5 + EPS), rmsprop(p, g, h, lr, decay)[1]), "It divides by the old h: average first."),
        Wrong(lambda *a: rmsprop(*a, up=-1.0), "It climbs: subtract the step."),
        Wrong(lambda *a: rmsprop(*a, eps=0.0), "A gradient of 0 that has always been 0 divides 0 by 0: add EPS to the root."),
        Wrong(lambda *a: rmsprop(*a)[0], "h is not given back: (p, h)."),
        Wrong(_rmsprop_in_place, "It writes into h (h *= ..., h += ...): give a new array."),
    ],
)  # fmt: skip


# --- Adam -------------------------------------------------------------------------------------------------------------


def averages(x: Any, beta: float, *, swap: bool = False, first: bool = False, feed: bool = False,
             fair: Callable[[float, int], float] = lambda beta, t: 1 - beta**t) -> Any:  # fmt: skip
    m, plain, corrected = (x[0] if first and len(x) else 0.0), [], []
    for t, v in enumerate(x, 1):
        m = (1 - beta) * m + beta * v if swap else beta * m + (1 - beta) * v
        plain.append(m)
        corrected.append(m / np.float64(fair(beta, t)))
        m = corrected[-1] if feed else m
    return np.array(plain), np.array(corrected)


AVERAGES = Exercise(
    "averages", "An average that begins at 0", averages, spec=stub.averages_spec,
    draw=lambda d, n: (d.array(n), (0.25, 0.75, 0.9)[d.integer(0, 2)]),
    wrong=[
        Wrong(lambda x, b: averages(x, b, fair=lambda beta, t: 1.0), "Nothing is corrected: the second result is m divided by 1 - beta**t."),
        Wrong(lambda x, b: averages(x, b, fair=lambda beta, t: 1 - beta), "It always divides by 1 - beta: the weights add up to 1 - beta**t, more each time."),
        Wrong(lambda x, b: averages(x, b, fair=lambda beta, t: 1 - beta ** (t - 1)), "It counts from 0, and divides by 0 at first: t is 1 after the first number."),
        Wrong(lambda x, b: averages(x, b, swap=True), "Old and new are swapped: beta is the share of the old average."),
        Wrong(lambda x, b: averages(x, b, first=True), "m begins at the first number: it begins at 0, which is what has to be corrected."),
        Wrong(lambda x, b: averages(x, b, feed=True), "The corrected value is averaged on: m goes on as it is, the correction is only read off."),
        Wrong(lambda x, b: averages(x, b)[1], "There are two results: the plain average and the corrected one."),
        Wrong(lambda x, b: averages(x, b, fair=lambda beta, t: beta**t), "It divides by beta**t: that is the share still missing; what is there is 1 less that."),
    ],
)  # fmt: skip


def adam(p: Any, g: Any, m: Any, v: Any, lr: float, beta1: float, beta2: float, t: int, *, fair: int = 0, power: float = 2.0,
         root: float = 0.5, up: float = 1.0, keep_fair: bool = False, second: bool = True, eps: float = EPS) -> Any:  # fmt: skip
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**power
    fair_m = m / (1 - beta1 ** (t + fair))
    fair_v = v / (1 - beta2 ** (t + fair)) if second else v
    p = p - up * lr * fair_m / (fair_v**root + eps)
    return (p, fair_m, fair_v) if keep_fair else (p, m, v)


def _plain_adam(p: Any, g: Any, m: Any, v: Any, lr: float, b1: float, b2: float, t: int) -> Any:
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    return p - lr * m / (v**0.5 + EPS), m, v


def _adam_in_place(p: Any, g: Any, m: Any, v: Any, lr: float, b1: float, b2: float, t: int) -> Any:
    m += (1 - b1) * (g - m)
    v += (1 - b2) * (g * g - v)
    return p - lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)) ** 0.5 + EPS), m, v


ADAM = Exercise(
    "adam", "Adam", adam, spec=stub.adam_spec,
    cases=((np.array([1.0, -0.5]), np.array([0.0, 2.0]), np.zeros(2), np.zeros(2), 0.5, 0.9, 0.75, 1),),
    draw=lambda d, n: (d.array(n), d.array(n), d.array(n), d.positive(n), 0.25 * d.integer(1, 3), 0.5, 0.75, d.integer(2, 3)),
    oracle=lambda p, g, m, v, lr, b1, b2, t: library(
        optim.Adam, p, g, {"exp_avg": m, "exp_avg_sq": v}, t, lr=lr, betas=(b1, b2), eps=EPS
    ),
    wrong=[
        Wrong(_plain_adam, "Both averages begin at 0 and are too small at first: divide them by 1 - beta**t for the step."),
        Wrong(lambda *a: adam(*a, second=False), "Only m is made fair: v begins at 0 as well."),
        Wrong(lambda *a: adam(*a, keep_fair=True), "It remembers m and v made fair: remember them as they are, or they are corrected again and again."),
        Wrong(lambda *a: adam(*a, fair=-1), "The correction is one step late, and divides by 0 at first: t is 1 in the first step."),
        Wrong(lambda *a: adam(*a, power=1.0), "v averages gradients: average their squares."),
        Wrong(lambda *a: adam(*a, root=1.0), "It divides by v̂ itself: take its root."),
        Wrong(lambda p, g, m, v, lr, b1, b2, t: adam(p, g, m, v, lr, b2, b1, t), "The betas are swapped: beta1 is for m, the gradients, beta2 for v, their squares."),
        Wrong(lambda p, g, m, v, lr, b1, b2, t: adam(p, g, m, v, lr, b1, b1, t), "Both averages use beta1: v has beta2."),
        Wrong(lambda *a: adam(*a, up=-1.0), "It climbs: subtract the step."),
        Wrong(lambda *a: adam(*a, eps=0.0), "A gradient that has always been 0 divides 0 by 0: add EPS to the root."),
        Wrong(lambda *a: adam(*a)[0], "m and v are not given back: (p, m, v)."),
        Wrong(_adam_in_place, "It writes into m and v (m += ...): give new arrays."),
    ],
)  # fmt: skip


EXERCISES = (SGD, LARGEST_RATE, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, AVERAGES, ADAM)


# --- plugs ------------------------------------------------------------------------------------------------------------


def descent(sgd: Any, momentum: Any = None, nesterov: Any = None) -> Callable[..., optim.Optimizer]:
    """What makes optim.SGD's object: plain, with momentum or Nesterov's, each of an answer.

    Raises ArgumentError where the answer that is asked for has not passed.
    """

    def make(params: Any, lr: float = 1e-3, **options: Any) -> optim.Optimizer:
        made: Any
        rolling = options.pop("momentum", 0.0)
        name = "sgd" if not rolling else "nesterov" if options.pop("nesterov", False) else "momentum"
        f = {"sgd": sgd, "momentum": momentum, "nesterov": nesterov}[name]
        if f is None:
            raise ArgumentError(f"train: your SGD has no {name} yet; write 5.{name}, check it, and train again")
        if not rolling:
            made = rule(lambda p, g, lr: f(p, g, lr), name="SGD")
        else:
            made = rule(lambda p, g, v, lr, momentum: f(p, g, v, lr, momentum), "v", name=name.title(), momentum=rolling)
        return made(params, lr=lr, **options)

    return make


PLUGS = (
    Plug(("sgd",), lambda f: {"SGD": descent(f)}, ("SGD",)),
    Plug(("sgd", "momentum"), lambda f, m: {"SGD": descent(f, m)}, ("SGD",)),
    Plug(("sgd", "momentum", "nesterov"), lambda f, m, n: {"SGD": descent(f, m, n)}, ("SGD",)),
    Plug(("adagrad",), lambda f: {"Adagrad": rule(lambda p, g, h, lr: f(p, g, h, lr), "h", name="Adagrad")}, ("Adagrad",)),
    Plug(
        ("rmsprop",),
        lambda f: {"RMSprop": rule(lambda p, g, h, lr, alpha: f(p, g, h, lr, alpha), "h", name="RMSprop", alpha=0.99)},
        ("RMSprop",),
    ),
    Plug(
        ("adam",),
        lambda f: {
            "Adam": rule(
                lambda p, g, m, v, lr, beta1, beta2, t: f(p, g, m, v, lr, beta1, beta2, t), "m", "v",
                name="Adam", beta1=0.9, beta2=0.999, t=0,
            )
        },
        ("Adam",),
    ),
)  # fmt: skip
