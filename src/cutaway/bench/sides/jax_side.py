"""JAX's side, written by hand for W1, W2, W3, W4 and W8: pure functions, one jitted step that donates its buffers.

Images are channels last and weights [H, W, in, out], which XLA's CPU backend prefers; a dense layer is x @ w.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

DROP = 0.5
B1, B2, EPS = 0.9, 0.999, 1e-8


def dense(p: Any, x: Any) -> Any:
    """x[N, I] w[I, O] + b[O]."""
    return x @ p["w"] + p["b"]


def conv(p: Any, x: Any, padding: int = 0) -> Any:
    """x[N, H, W, I], w[kh, kw, I, O], b[O]."""
    around = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, p["w"], (1, 1), around, dimension_numbers=("NHWC", "HWIO", "NHWC")) + p["b"]


def pool(x: Any) -> Any:
    """The largest of 2x2.  (By reshaping: the gradient of `reduce_window` is slower on the CPU.)"""
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


def dropout(key: Any, x: Any, on: bool) -> Any:
    """Zeroes half, doubles the rest."""
    return jnp.where(jax.random.bernoulli(key, 1 - DROP, x.shape), x / (1 - DROP), 0.0) if on else x


def two_layer_net(p: Any, x: Any, key: Any, on: bool) -> Any:
    """W1."""
    return dense(p[1], jax.nn.sigmoid(dense(p[0], x)))


def mlp(p: Any, x: Any, key: Any, on: bool) -> Any:
    """W2 and W8."""
    for layer in p[:-1]:
        x = jax.nn.relu(dense(layer, x))
    return dense(p[-1], x)


def simple_convnet(p: Any, x: Any, key: Any, on: bool) -> Any:
    """W3."""
    x = pool(jax.nn.relu(conv(p[0], x)))
    return dense(p[2], jax.nn.relu(dense(p[1], x.reshape(len(x), -1))))


def deep_convnet(p: Any, x: Any, key: Any, on: bool) -> Any:
    """W4."""
    first, second = jax.random.split(key)
    for i, padding in enumerate((1, 1, 1, 2, 1, 1)):
        x = jax.nn.relu(conv(p[i], x, padding))
        if i % 2:
            x = pool(x)
    x = dropout(first, jax.nn.relu(dense(p[6], x.reshape(len(x), -1))), on)
    return dropout(second, dense(p[7], x), on)


def sgd(p: Any, g: Any, s: Any, lr: float) -> Any:
    """Plain gradient descent."""
    return jax.tree.map(lambda p, g: p - lr * g, p, g), s


def adam(p: Any, g: Any, s: Any, lr: float) -> Any:
    """Kingma & Ba 2015, algorithm 1."""
    t = s["t"] + 1
    m = jax.tree.map(lambda m, g: B1 * m + (1 - B1) * g, s["m"], g)
    v = jax.tree.map(lambda v, g: B2 * v + (1 - B2) * g * g, s["v"], g)
    c1, c2 = 1 - B1**t, 1 - B2**t
    p = jax.tree.map(lambda p, m, v: p - lr * (m / c1) / (jnp.sqrt(v / c2) + EPS), p, m, v)
    return p, {"m": m, "v": v, "t": t}


# By the workload's file: network, optimiser, learning rate
NETWORKS = {
    "w1_two_layer_net": (two_layer_net, sgd, 0.1),
    "w2_mlp": (mlp, adam, 0.001),
    "w3_simple_convnet": (simple_convnet, adam, 0.001),
    "w4_deep_convnet": (deep_convnet, adam, 0.001),
    "w8_dqn_mlp": (mlp, adam, 0.001),
}


class Jax:
    """A workload on JAX."""

    def __init__(self, workload: str) -> None:
        if workload not in NETWORKS:
            raise NotImplementedError(f"there is no JAX version of {workload}")
        network, rule, lr = NETWORKS[workload]

        def loss(p: Any, x: Any, y: Any, key: Any, on: bool) -> Any:
            log_p = jax.nn.log_softmax(network(p, x, key, on))
            return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

        @partial(jax.jit, static_argnames="on", donate_argnums=(0, 1, 2))
        def step(p: Any, s: Any, key: Any, x: Any, y: Any, on: bool) -> Any:
            key, now = jax.random.split(key)
            value, g = jax.value_and_grad(loss)(p, x, y, now, on)
            p, s = rule(p, g, s, lr)
            return p, s, key, value

        self._step, self.on = step, True

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Take over PyTorch's weights, in JAX's order of axes; the optimiser begins anew."""
        names = [k[2:-7] for k in arrays if k.startswith("w:") and k.endswith(".weight")]
        layers, channels = [], 0
        for name in names:
            w, b = arrays[f"w:{name}.weight"], arrays[f"w:{name}.bias"]
            if w.ndim == 4:
                channels = len(w)
                w = w.transpose(2, 3, 1, 0)
            elif channels:  # the first layer after images, whose pixels are flattened channels last here
                side = round((w.shape[1] / channels) ** 0.5)
                w, channels = w.reshape(-1, channels, side, side).transpose(2, 3, 1, 0).reshape(-1, len(w)), 0
            else:
                w = w.T
            layers.append({"w": jnp.array(w), "b": jnp.array(b)})
        self.p = layers
        zeros = partial(jax.tree.map, jnp.zeros_like)
        self.s = {"m": zeros(layers), "v": zeros(layers), "t": jnp.zeros((), jnp.float32)}
        self.key = jax.random.key(0)
        x = arrays["d:0"]
        self.data = jnp.array(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x), jnp.array(arrays["d:1"].astype(np.int32))

    def step(self) -> Any:
        """Start one step."""
        self.p, self.s, self.key, loss = self._step(self.p, self.s, self.key, *self.data, on=self.on)
        return loss

    def wait(self, result: Any) -> None:
        """Until the latest step is done."""
        jax.block_until_ready((self.p, self.s, result))

    def loss(self, result: Any) -> float:
        """As a float."""
        return float(result)

    def train(self, on: bool) -> None:
        """Whether dropout acts."""
        self.on = on

    def about(self) -> dict[str, Any]:
        """Which JAX it is."""
        return {"version": jax.__version__}


def make(variant: str, workload: ModuleType, threads: int) -> Jax:
    """The side; XLA takes the number of threads from the environment (NPROC)."""
    return Jax(workload.__name__)
