"""The book's way in plain NumPy, as the yardstick: layers with forward and backward, im2col, parameters in a dict.

Written after the descriptions of "Deep Learning from Scratch", chapters 5 to 8: same algorithms, same order of work
(im2col by a loop over the kernel, one matrix product, col2im back; arg-max of the columns for pooling).
"""

from __future__ import annotations

import numpy as np


def im2col(x: np.ndarray, kernel: int, stride: int = 1, pad: int = 0) -> np.ndarray:
    """x[N, C, H, W] -> [N * OH * OW, C * kernel * kernel], patch by patch (section 7.4.3)."""
    n, c, h, w = x.shape
    out_h, out_w = (h + 2 * pad - kernel) // stride + 1, (w + 2 * pad - kernel) // stride + 1
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    col = np.zeros((n, c, kernel, kernel, out_h, out_w), x.dtype)
    for i in range(kernel):
        for j in range(kernel):
            col[:, :, i, j] = padded[:, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * out_h * out_w, -1)


def col2im(col: np.ndarray, shape: tuple[int, ...], kernel: int, stride: int = 1, pad: int = 0) -> np.ndarray:
    """The adjoint of im2col: patches added up where they came from."""
    n, c, h, w = shape
    out_h, out_w = (h + 2 * pad - kernel) // stride + 1, (w + 2 * pad - kernel) // stride + 1
    patches = col.reshape(n, out_h, out_w, c, kernel, kernel).transpose(0, 3, 4, 5, 1, 2)
    image = np.zeros((n, c, h + 2 * pad + stride - 1, w + 2 * pad + stride - 1), col.dtype)
    for i in range(kernel):
        for j in range(kernel):
            image[:, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride] += patches[:, :, i, j]
    return image[:, :, pad : h + pad, pad : w + pad]


class Affine:
    """y = x W + b, flattening images on the way (section 5.6.2)."""

    def __init__(self, w: np.ndarray, b: np.ndarray) -> None:
        self.params = [w, b]

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.shape = x.shape
        self.x = x.reshape(len(x), -1)
        return self.x @ self.params[0] + self.params[1]

    def backward(self, dout: np.ndarray) -> np.ndarray:
        self.grads = [self.x.T @ dout, dout.sum(0)]
        return (dout @ self.params[0].T).reshape(self.shape)


class Convolution:
    """One product of patches and filters (section 7.4.4)."""

    def __init__(self, w: np.ndarray, b: np.ndarray, pad: int = 0) -> None:
        self.params, self.pad = [w, b], pad

    def forward(self, x: np.ndarray) -> np.ndarray:
        w, b = self.params
        count, _, kernel, _ = w.shape
        size = x.shape[2] + 2 * self.pad - kernel + 1
        self.shape, self.col = x.shape, im2col(x, kernel, 1, self.pad)
        out = self.col @ w.reshape(count, -1).T + b
        return out.reshape(len(x), size, size, count).transpose(0, 3, 1, 2)

    def backward(self, dout: np.ndarray) -> np.ndarray:
        w = self.params[0]
        count = len(w)
        flat = dout.transpose(0, 2, 3, 1).reshape(-1, count)
        self.grads = [(self.col.T @ flat).T.reshape(w.shape), flat.sum(0)]
        return col2im(flat @ w.reshape(count, -1), self.shape, w.shape[2], 1, self.pad)


class Pooling:
    """The largest of each 2 x 2 block (section 7.4.5)."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        n, c, h, w = x.shape
        self.shape = x.shape
        col = im2col(x, 2, 2).reshape(-1, 4)
        self.best = col.argmax(1)
        return col.max(1).reshape(n, h // 2, w // 2, c).transpose(0, 3, 1, 2)

    def backward(self, dout: np.ndarray) -> np.ndarray:
        dout = dout.transpose(0, 2, 3, 1)
        spread = np.zeros((dout.size, 4), dout.dtype)
        spread[np.arange(dout.size), self.best] = dout.reshape(-1)
        return col2im(spread.reshape(dout.shape[0] * dout.shape[1] * dout.shape[2], -1), self.shape, 2, 2)


class Relu:
    """max(x, 0) (section 5.5.1)."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.off = x <= 0
        out = x.copy()
        out[self.off] = 0
        return out

    def backward(self, dout: np.ndarray) -> np.ndarray:
        dout[self.off] = 0
        return dout


class Sigmoid:
    """1 / (1 + exp(-x)) (section 5.5.2)."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout: np.ndarray) -> np.ndarray:
        return dout * (1.0 - self.out) * self.out


class Dropout:
    """Half of the units off, the others unscaled in training (section 6.4.3)."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.mask = np.random.rand(*x.shape) > 0.5
        return x * self.mask

    def backward(self, dout: np.ndarray) -> np.ndarray:
        return dout * self.mask


class SoftmaxWithLoss:
    """Cross entropy of softmax (section 5.6.3)."""

    def forward(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        shifted = x - x.max(1, keepdims=True)
        self.y = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
        self.t = t
        return -np.log(self.y[np.arange(len(t)), t] + 1e-7).sum() / len(t)

    def backward(self) -> np.ndarray:
        d = self.y.copy()
        d[np.arange(len(self.t)), self.t] -= 1
        return d / len(self.t)


class Network:
    """Layers in a row, with the book's SGD or Adam."""

    def __init__(self, layers: list, adam: bool) -> None:
        self.layers, self.loss, self.adam = layers, SoftmaxWithLoss(), adam
        self.trained = [layer for layer in layers if hasattr(layer, "params")]
        self.m = [np.zeros_like(p) for layer in self.trained for p in layer.params]
        self.v = [np.zeros_like(p) for layer in self.trained for p in layer.params]
        self.t = 0

    def step(self, x: np.ndarray, t: np.ndarray) -> float:
        """One training step; the loss."""
        for layer in self.layers:
            x = layer.forward(x)
        loss = self.loss.forward(x, t)
        d = self.loss.backward()
        for layer in reversed(self.layers):
            d = layer.backward(d)
        self.t += 1
        rate = 0.001 * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
        pairs = [(p, g) for layer in self.trained for p, g in zip(layer.params, layer.grads, strict=True)]
        for k, (p, g) in enumerate(pairs):
            if not self.adam:
                p -= 0.1 * g
                continue
            self.m[k] += 0.1 * (g - self.m[k])
            self.v[k] += 0.001 * (g**2 - self.v[k])
            p -= rate * self.m[k] / (np.sqrt(self.v[k]) + 1e-7)
        return float(loss)
