"""The exercises of chapter 4, with the mistakes that are made in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cutaway
from cutaway.course.ch02_network.check import relu, sigmoid, softmax
from cutaway.course.ch04_backprop import exercises as stub
from cutaway.course.exercise import Exercise, Plug, Wrong
from cutaway.course.slopes import both, layer, library, numerical
from cutaway.nn import functional as F
from cutaway.plug import taped

# --- by hand ----------------------------------------------------------------------------------------------------------


def shopping(a: float, p: float, o: float, q: float, t: float) -> Any:
    return (a * p + o * q) * t, (p * t, a * t, q * t, o * t, a * p + o * q)


SHOPPING = Exercise(
    "shopping", "Apples and oranges", shopping, spec=stub.shopping_spec, show="table",
    cases=((2.0, 100.0, 3.0, 150.0, 1.1),),
    draw=lambda d, n: (float(d.integer(1, 3 * n)), d.number(1, 4), float(d.integer(1, 3 * n)), d.number(1, 4), d.number(1, 2)),
    wrong=[
        Wrong(lambda a, p, o, q, t: (shopping(a, p, o, q, t)[0], (p, a, q, o, a * p + o * q)), "The tax is missing on the way back: the last product hands on g times tax."),
        Wrong(lambda a, p, o, q, t: (shopping(a, p, o, q, t)[0], (a * t, p * t, o * t, q * t, a * p + o * q)), "A product swaps: the slope towards apples is the price, and the other way round."),
        Wrong(lambda a, p, o, q, t: (shopping(a, p, o, q, t)[0], (p * t, a * t, q * t, o * t, shopping(a, p, o, q, t)[0])), "The slope towards tax is what it multiplies, the sum before tax."),
        Wrong(lambda a, p, o, q, t: (a * p + o * q * t, shopping(a, p, o, q, t)[1]), "Brackets: the tax is on apples, too."),
        Wrong(lambda a, p, o, q, t: (shopping(a, p, o, q, t)[0], (p * t / 2, a * t / 2, q * t / 2, o * t / 2, a * p + o * q)), "A sum does not share its gradient out: it hands all of it to each side."),
        Wrong(lambda a, p, o, q, t: (shopping(a, p, o, q, t)[0], (1.0, 1.0, 1.0, 1.0, 1.0)), "Every slope is 1: that is a sum's; multiply by what stands on the other side of each product."),
        Wrong(lambda a, p, o, q, t: shopping(a, p, o, q, t)[0], "The gradients are missing: give (total, (five slopes))."),
    ],
)  # fmt: skip


def two(name: str, title: str, forward: Any, slow: Any, backward: Any, f: Any, draw: Any, wrong: Any, **more: Any) -> Exercise:
    """A layer: reference, numerical spec and the library's gradient; `wrong` are (forward or None, backward or None, hint)."""
    return Exercise(
        name, title, layer(forward, backward), spec=numerical(slow), oracle=library(f), play=both, draw=draw,
        wrong=[Wrong(layer(w or forward, b or backward), hint) for w, b, hint in wrong], **more,
    )  # fmt: skip


# --- small layers -----------------------------------------------------------------------------------------------------


MULTIPLY = two(
    "Multiply", "A product", lambda x, y: x * y, stub.multiply_spec, lambda g, z, x, y: (g * y, g * x), lambda x, y: x * y,
    lambda d, n: (d.array(n), d.array(n), d.array(n)),
    [
        (None, lambda g, z, x, y: (g * x, g * y), "The two are swapped: the slope towards x is y."),
        (None, lambda g, z, x, y: (y, x), "g is missing: the chain rule multiplies what arrives by the local slope."),
        (None, lambda g, z, x, y: (g, g), "That is a sum's backward: a product multiplies by the other side."),
        (None, lambda g, z, x, y: (g * z, g * z), "It multiplies by the result: the slope of x y towards x is y."),
        (None, lambda g, z, x, y: (g + y, g + x), "g and the local slope are added: they are multiplied."),
        (lambda x, y: x + y, None, "forward adds: it is to multiply."),
        (None, lambda g, z, x, y: g * y, "The gradient of the second input is missing: give (gx, gy)."),
    ],
    parts=("z", "gx", "gy"),
)  # fmt: skip


ADD_BIAS = two(
    "AddBias", "A bias for a batch", lambda x, b: x + b, stub.add_bias_spec, lambda g, z, x, b: (g, g.sum(0)), lambda x, b: x + b,
    lambda d, n: (d.array(n + 1, 2), d.array(2), d.array(n + 1, 2)),
    [
        (None, lambda g, z, x, b: (g, g), "gb has a row for each example: b was used in every row, so its gradients are summed over the batch."),
        (None, lambda g, z, x, b: (g, g.mean(0)), "gb is the mean over the batch: it is the sum, as each row used b once."),
        (None, lambda g, z, x, b: (g, g.sum(1)), "gb is summed along the wrong axis: over the rows, axis 0; one number for each column is left."),
        (None, lambda g, z, x, b: (g, g.sum()), "gb is one number: sum over the rows only."),
        (None, lambda g, z, x, b: (np.ones_like(g), np.ones(len(b)) * len(x)), "g is missing: a sum hands on what arrives, not 1."),
        (None, lambda g, z, x, b: (g * x, (g * b).sum(0)), "It multiplies by the inputs: a sum hands g on as it is."),
        (None, lambda g, z, x, b: (g, g[0]), "gb is the first row's: add up those of all rows."),
        (lambda x, b: x - b, None, "forward subtracts the bias."),
    ],
    parts=("z", "gx", "gb"),
)  # fmt: skip


DIVIDE = two(
    "Divide", "A quotient", lambda x, y: x / y, stub.divide_spec, lambda g, z, x, y: (g / y, -g * x / y**2), lambda x, y: x / y,
    lambda d, n: (d.array(n), d.apart(n), d.array(n)),
    [
        (None, lambda g, z, x, y: (g / y, g * x / y**2), "A sign: the quotient falls as y grows, so gy has a minus."),
        (None, lambda g, z, x, y: (g / y, -g * x / y), "gy lacks a factor: the slope of x / y towards y is -x / y^2."),
        (None, lambda g, z, x, y: (g / y, -g / y**2), "gy lacks x: the slope of x / y towards y is -x / y^2."),
        (None, lambda g, z, x, y: (g * y, -g * x / y**2), "gx is multiplied by y: the slope of x / y towards x is 1 / y."),
        (None, lambda g, z, x, y: (1 / y, -x / y**2), "g is missing: the chain rule multiplies what arrives by the local slope."),
        (None, lambda g, z, x, y: (g / y, g / x), "gy is not gx turned round: write z = x y^-1 and differentiate."),
        (lambda x, y: y / x, None, "forward divides the wrong way round."),
    ],
    parts=("z", "gx", "gy"),
)  # fmt: skip


EXP = two(
    "Exp", "The exponential", np.exp, stub.exp_spec, lambda g, y, x: g * y, lambda x: x.exp(),
    lambda d, n: (d.array(n), d.array(n)),
    [
        (None, lambda g, y, x: g * x, "It multiplies by x: the slope of exp is exp itself, the kept result."),
        (None, lambda g, y, x: y, "g is missing: the chain rule multiplies what arrives by the local slope."),
        (None, lambda g, y, x: g, "It hands g on as it is: multiply by the slope, exp(x)."),
        (None, lambda g, y, x: np.exp(g), "It takes exp of the gradient: exp is taken of x, in forward."),
        (None, lambda g, y, x: g * np.exp(y), "exp is taken twice: forward's result is the slope already."),
        (None, lambda g, y, x: g / y, "It divides by the result: multiply."),
        (None, lambda g, y, x: g * x * np.exp(x - 1), "That is the rule of a power, n x^(n-1): here x is the exponent."),
        (lambda x: np.exp(-x), None, "forward has a minus in the exponent."),
    ],
    parts=("y", "gx"),
)  # fmt: skip


RELU = two(
    "ReLU", "ReLU", relu, stub.relu_spec, lambda g, y, x: g * (x > 0), F.relu,
    lambda d, n: (d.apart(n), d.array(n)),
    [
        (None, lambda g, y, x: g, "g goes through where the input was below 0, too: it is stopped there."),
        (None, lambda g, y, x: (x > 0) * 1.0, "g is missing: what arrives goes on where x was above 0."),
        (None, lambda g, y, x: g * (g > 0), "It applies ReLU to g itself: what counts is where forward's input was above 0, so keep that."),
        (None, lambda g, y, x: g * x * (x > 0), "It multiplies by x: the slope of ReLU above 0 is 1."),
        (None, lambda g, y, x: g * (x < 0), "The mask is turned round: g goes on where x was above 0."),
        (lambda x: np.abs(x), None, "forward gives |x| below 0."),
        (None, lambda g, y, x: np.where(x > 0, g, 0.01 * g), "Below 0 it leaks: ReLU's slope there is exactly 0."),
    ],
    parts=("y", "gx"),
)  # fmt: skip


SIGMOID = two(
    "Sigmoid", "The sigmoid", sigmoid, stub.sigmoid_spec, lambda g, y, x: g * y * (1 - y), lambda x: x.sigmoid(),
    lambda d, n: (d.array(n), d.array(n)),
    [
        (None, lambda g, y, x: g * x * (1 - x), "It is made of x: the slope is y (1 - y), of the result; keep y."),
        (None, lambda g, y, x: y * (1 - y), "g is missing: the chain rule multiplies what arrives by the local slope."),
        (None, lambda g, y, x: g * y, "The factor 1 - y is missing: that would be the slope of exp."),
        (None, lambda g, y, x: g * (1 - y), "The factor y is missing."),
        (None, lambda g, y, x: g * (1 - y**2), "That is the slope of tanh: the sigmoid's is y (1 - y)."),
        (None, lambda g, y, x: -g * y * (1 - y), "A sign: the sigmoid rises everywhere, so its slope is positive."),
        (None, lambda g, y, x: g * sigmoid(y) * (1 - sigmoid(y)), "The sigmoid is taken twice: forward's result is y already."),
        (lambda x: 1 / (1 + np.exp(x)), None, "forward falls instead of rising: the exponent is -x."),
    ],
    parts=("y", "gx"),
)  # fmt: skip


# --- the layers of a network ------------------------------------------------------------------------------------------


AFFINE = two(
    "Affine", "A layer of neurons", lambda x, w, b: x @ w + b, stub.affine_spec,
    lambda g, y, x, w, b: (g @ w.T, x.T @ g, g.sum(0)), lambda x, w, b: x @ w + b,
    lambda d, n: (d.array(n, 2), d.array(2, n + 1), d.array(n + 1), d.array(n, n + 1)),
    [
        (None, lambda g, y, x, w, b: (g @ w, x.T @ g, g.sum(0)), "gx: w must be transposed, g[N, M] @ w.T[M, D]."),
        (None, lambda g, y, x, w, b: (g @ w.T, x @ g, g.sum(0)), "gw: x must be transposed, x.T[D, N] @ g[N, M], which also sums over the batch."),
        (None, lambda g, y, x, w, b: (g @ w.T, (x.T @ g).T, g.sum(0)), "gw is transposed: it has the shape of w."),
        (None, lambda g, y, x, w, b: (g @ w.T, x.T @ g, g), "gb has a row for each example: every row used b, so sum over the batch."),
        (None, lambda g, y, x, w, b: (g @ w.T, x.T @ g, g.mean(0)), "gb is the mean over the batch: it is the sum; the loss has divided by N already."),
        (None, lambda g, y, x, w, b: (g @ w.T, x.T @ g / len(x), g.sum(0) / len(x)), "gw and gb are divided by the batch: the loss has divided by N already."),
        (None, lambda g, y, x, w, b: (g @ w.T, x.T @ np.ones_like(g), g.sum(0)), "gw lacks g: it is x transposed times what arrives."),
        (None, lambda g, y, x, w, b: (g @ w.T, x.T @ g, b), "gb is the bias itself: it is the sum of g over the batch."),
        (lambda x, w, b: x @ w, None, "forward lacks the bias."),
    ],
    parts=("y", "gx", "gw", "gb"),
)  # fmt: skip


def softmax_loss(z: Any, t: Any, *, shift: bool = True, mean: bool = True) -> float:
    """The loss of logits, and by its options the ways to get it wrong."""
    z = z - z.max(1, keepdims=True) if shift else z
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    s = -log_p[np.arange(len(z)), t]
    return float(s.mean() if mean else s.sum())


def less_target(z: Any, t: Any, p: Any = None) -> Any:
    p = softmax(z) if p is None else p
    return p - np.eye(z.shape[1])[t]


def _loss(answer: Callable[[], Any], z: Any, t: Any, g: float) -> Any:
    made = answer()
    return made.forward(z, t), made.backward(g)


def _loss_of_library(z: Any, t: Any, g: float) -> Any:
    x = cutaway.tensor(z, requires_grad=True)
    y = F.cross_entropy(x, cutaway.tensor(t))
    (gx,) = cutaway.autograd.grad(y, x, cutaway.tensor(g, dtype=cutaway.float64))
    return y.item(), gx.numpy()


def _soft(forward: Any, backward: Any) -> Any:
    return layer(forward or softmax_loss, backward or (lambda g, y, z, t: g * less_target(z, t) / len(z)))


class _Spec:
    """The slow loss, and its numerical gradient towards z."""

    def forward(self, z: Any, t: Any) -> float:
        self.z, self.t = z, t
        return stub.softmax_loss_spec(z, t)

    def backward(self, g: float) -> Any:
        from cutaway.course.slopes import slope

        return slope(lambda z: stub.softmax_loss_spec(z, self.t), self.z, g)


SOFTMAX_LOSS = Exercise(
    "SoftmaxLoss", "Softmax with its loss", _soft(None, None), spec=_Spec, oracle=_loss_of_library, play=_loss,
    cases=((np.array([[1000.0, 998.0, 0.0]]), np.array([1]), 1.0),),
    draw=lambda d, n: (d.array(n, 3), d.labels(n, 3), d.number(1, 2)), parts=("loss", "gz"),
    wrong=[
        Wrong(_soft(None, lambda g, y, z, t: g * less_target(z, t)), "gz lacks the division by N: the loss is a mean over the batch."),
        Wrong(_soft(None, lambda g, y, z, t: less_target(z, t) / len(z)), "g is missing: the chain rule multiplies what arrives, be it 1 mostly."),
        Wrong(_soft(None, lambda g, y, z, t: -g * less_target(z, t) / len(z)), "The sign: it is the share less the target, so that descent raises the right class."),
        Wrong(_soft(None, lambda g, y, z, t: g * softmax(z) / len(z)), "The target is missing: subtract 1 from the share of the right class."),
        Wrong(_soft(None, lambda g, y, z, t: g * less_target(z, t, z) / len(z)), "It subtracts the target from z: subtract it from the shares, softmax of z."),
        Wrong(_soft(lambda z, t: softmax_loss(z, t, shift=False), lambda g, y, z, t: g * less_target(z, t, softmax(z, shift=False)) / len(z)),
              "exp overflows for large z: subtract each row's maximum before."),
        Wrong(_soft(lambda z, t: softmax_loss(z, t, mean=False), lambda g, y, z, t: g * less_target(z, t)), "The loss is the sum over the batch: take the mean, and divide the gradient by N."),
        Wrong(_soft(None, lambda g, y, z, t: g * less_target(z, t) / z.size), "It divides by the number of elements: divide by the number of rows, N."),
        Wrong(_soft(None, lambda g, y, z, t: g * less_target(z, t, softmax(z, axis=0)) / len(z)), "Softmax goes along the wrong axis: each row's shares add up to 1."),
    ],
)  # fmt: skip


def gradient_error(a: Any, b: Any) -> float:
    return float((np.abs(a - b) / np.maximum(np.abs(a) + np.abs(b), 1e-8)).max())


GRADIENT_ERROR = Exercise(
    "gradient_error", "Is a gradient right?", gradient_error, spec=stub.gradient_error_spec, show="table",
    cases=((np.array([0.0, 1.0]), np.array([0.0, 1.0])), (np.array([1e-9]), np.array([-1e-9]))),
    draw=lambda d, n: (d.array(n, 2), d.array(n, 2)),
    wrong=[
        Wrong(lambda a, b: float(np.abs(a - b).max()), "That is the difference itself: large gradients may differ by more, so divide by their size."),
        Wrong(lambda a, b: float((np.abs(a - b) / (np.abs(a) + np.abs(b))).max()), "Two zeros are 0 / 0, NaN: the denominator is at least 1e-8."),
        Wrong(lambda a, b: float((np.abs(a - b) / np.maximum(np.abs(a) + np.abs(b), 1e-8)).mean()), "A mean hides one wrong element among many: take the largest."),
        Wrong(lambda a, b: float((np.abs(a - b) / np.maximum(np.abs(a + b), 1e-8)).max()), "|a + b| is 0 where the signs differ: take |a| + |b|."),
        Wrong(lambda a, b: float(((a - b) / np.maximum(np.abs(a) + np.abs(b), 1e-8)).max()), "Without the absolute value an error below 0 is not seen."),
        Wrong(lambda a, b: float((np.abs(a - b) / np.maximum(np.abs(a), 1e-8)).max()), "It divides by |a| alone: the two are equals, so |a| + |b|."),
        Wrong(lambda a, b: bool(np.allclose(a, b)), "That is yes or no: how far apart is asked for."),
    ],
)  # fmt: skip


def net_gradients(x: Any, t: Any, w1: Any, b1: Any, w2: Any, b2: Any, *, slope: Any = lambda h: h * (1 - h), mean: bool = True,
                  back: Any = None) -> Any:  # fmt: skip
    """All four gradients, and by its options the ways to get them wrong."""
    h = sigmoid(x @ w1 + b1)
    gz = less_target(h @ w2 + b2, t) / (len(x) if mean else 1)
    ga = (gz @ w2.T if back is None else back(gz, w2)) * slope(h)
    return x.T @ ga, ga.sum(0), h.T @ gz, gz.sum(0)


def _net(d: Any, n: int) -> tuple[Any, ...]:
    return d.array(n, 2), d.labels(n, 3), d.array(2, n), d.array(n), d.array(n, 3), d.array(3)


NET_GRADIENTS = Exercise(
    "net_gradients", "The two-layer network, backwards", net_gradients, spec=stub.net_gradients_spec, draw=_net, rtol=1e-5,
    parts=("gw1", "gb1", "gw2", "gb2"),
    wrong=[
        Wrong(lambda *a: net_gradients(*a, slope=np.ones_like), "The sigmoid's backward is missing between the layers."),
        Wrong(lambda *a: net_gradients(*a, slope=lambda h: h), "The sigmoid's backward lacks the factor 1 - y."),
        Wrong(lambda *a: net_gradients(*a, mean=False), "All of them lack the division by N: the loss is a mean."),
        Wrong(lambda *a: net_gradients(*a)[2:] + net_gradients(*a)[:2], "The layers are swapped: give (gw1, gb1, gw2, gb2)."),
        Wrong(lambda *a: tuple(-g for g in net_gradients(*a)), "The sign: these point downhill, and a gradient points uphill."),
        Wrong(lambda *a: tuple(np.zeros_like(g) if i < 2 else g for i, g in enumerate(net_gradients(*a))), "Nothing arrives at the first layer: go on backwards through the sigmoid and Affine."),
        Wrong(lambda *a: net_gradients(*a, back=lambda gz, w2: gz @ w2), "On the way back w2 must be transposed: gz[N, C] @ w2.T[C, H]."),
        Wrong(lambda x, t, w1, b1, w2, b2: tuple(np.asarray(g) * 1.0 if i != 1 else g / len(x) for i, g in enumerate(net_gradients(x, t, w1, b1, w2, b2))),
              "gb1 is a mean over the batch: it is the sum."),
    ],
)  # fmt: skip


EXERCISES = (
    SHOPPING, MULTIPLY, ADD_BIAS, DIVIDE, EXP, RELU, SIGMOID, AFFINE, SOFTMAX_LOSS, GRADIENT_ERROR, NET_GRADIENTS,
)  # fmt: skip


# --- in the library's place -------------------------------------------------------------------------------------------


def activation(part: Callable[[], Any], name: str) -> Callable[..., Any]:
    """A layer of the learner's as the library's function of one Tensor."""

    def run(x: Any) -> Any:
        made = part()
        return made.forward(x), made.backward

    return taped(run, name)


def linear(part: Callable[[], Any]) -> Callable[..., Any]:
    """The library keeps weight[out, in], and its x may have more axes in front."""

    def run(x: Any, weight: Any, bias: Any = None) -> Any:
        made, rows = part(), x.reshape(-1, x.shape[-1])
        y = made.forward(rows, weight.T, np.zeros(len(weight), weight.dtype) if bias is None else bias)

        def backward(g: Any) -> Any:
            gx, gw, gb = made.backward(g.reshape(-1, g.shape[-1]))
            return gx.reshape(x.shape), gw.T, None if bias is None else gb

        return y.reshape(*x.shape[:-1], -1), backward

    return taped(run, "Affine")


def loss(part: Callable[[], Any]) -> Callable[..., Any]:
    """The mean loss is the learner's; without a mean, as an evaluation asks for it, it is the library's."""

    def run(z: Any, t: Any) -> Any:
        made = part()
        return made.forward(z, t), lambda g: (made.backward(float(g)), None)

    mine = taped(run, "SoftmaxLoss")

    def cross_entropy(input: Any, target: Any, reduction: str = "mean") -> Any:
        return mine(input, target) if reduction == "mean" else F.cross_entropy(input, target, reduction=reduction)

    return cross_entropy


PLUGS = (
    Plug(("ReLU",), lambda part: {"relu": activation(part, "ReLU")}, ("relu",)),
    Plug(("Sigmoid",), lambda part: {"sigmoid": activation(part, "Sigmoid")}, ("sigmoid",)),
    Plug(("Affine",), lambda part: {"linear": linear(part)}, ("linear",)),
    Plug(("SoftmaxLoss",), lambda part: {"cross_entropy": loss(part)}, ("cross_entropy",)),
)
