"""Chapter 1, Perceptron: a weighted sum and a threshold decide, and two layers of them compute.

Write each function whose body is `raise NotImplementedError`, and judge it with `cutaway check 1.NAME`.
The functions that end in _spec say what is right, slowly and obviously. Your answer need not look like them.
"""

import numpy as np


def neuron_spec(x, w, b):
    total = b
    for i in range(len(x)):
        total += w[i] * x[i]
    return 1 if total > 0 else 0


def neuron(x: np.ndarray, w: np.ndarray, b: float) -> int:
    """A perceptron: 1 if the weighted sum of the inputs x[N] with the weights w[N], and the bias b, is above 0; else 0."""
    raise NotImplementedError


def and_spec(x1, x2):
    return 1 if x1 == 1 and x2 == 1 else 0


def and_weights() -> tuple[float, float, float]:
    """Weights and bias (w1, w2, b) with which a neuron is AND: 1 only if both inputs are 1."""
    raise NotImplementedError


def nand_spec(x1, x2):
    return 0 if x1 == 1 and x2 == 1 else 1


def nand_weights() -> tuple[float, float, float]:
    """Weights and bias (w1, w2, b) with which a neuron is NAND: 0 only if both inputs are 1."""
    raise NotImplementedError


def or_spec(x1, x2):
    return 0 if x1 == 0 and x2 == 0 else 1


def or_weights() -> tuple[float, float, float]:
    """Weights and bias (w1, w2, b) with which a neuron is OR: 1 if at least one input is 1."""
    raise NotImplementedError


def learn_spec(x, t, lr, epochs):
    w, b = [0.0, 0.0], 0.0
    for _ in range(epochs):
        for i in range(len(x)):
            y = 1 if w[0] * x[i][0] + w[1] * x[i][1] + b > 0 else 0
            for k in range(2):
                w[k] = w[k] + lr * (t[i] - y) * x[i][k]
            b = b + lr * (t[i] - y)
    return w, b


def learn(x: np.ndarray, t: np.ndarray, lr: float, epochs: int) -> tuple[np.ndarray, float]:
    """Rosenblatt's learning rule: weights w[2] and bias b, from zeros.

    Go through the rows of x[N, 2] in order, `epochs` times. After each row, with the neuron's output y and the target t[i],
    add lr (t[i] - y) x[i] to w and lr (t[i] - y) to b.
    """
    raise NotImplementedError


def rows_right_spec(x, t, w, b):
    count = 0
    for i in range(len(x)):
        y = 1 if x[i][0] * w[0] + x[i][1] * w[1] + b > 0 else 0
        if y == t[i]:
            count += 1
    return count


def rows_right(x: np.ndarray, t: np.ndarray, w: np.ndarray, b: float) -> int:
    """For how many rows of x[N, 2] the neuron (w[2], b) gives the target t[N]: one expression of arrays."""
    raise NotImplementedError


def xor_spec(x1, x2):
    nand = 0 if x1 == 1 and x2 == 1 else 1
    either = 1 if x1 == 1 or x2 == 1 else 0
    return nand, either, 1 if nand == 1 and either == 1 else 0


def xor_layers(x1: int, x2: int) -> tuple[int, int, int]:
    """XOR by two layers: (s1, s2, y) with s1 = NAND(x1, x2) and s2 = OR(x1, x2) in the first, y = AND(s1, s2) in the second.

    Three neurons and nothing else: call your `neuron` with the weights that you have found.
    """
    raise NotImplementedError


def half_adder_spec(a, b):
    return (a + b) % 2, (a + b) // 2


def half_adder(a: int, b: int) -> tuple[int, int]:
    """The sum of two bits as (sum bit, carry bit), made of your gates: 1 + 1 is (0, 1), as 2 is written 10."""
    raise NotImplementedError


def add_spec(a, b):
    total = sum(bit * 2**i for i, bit in enumerate(a)) + sum(bit * 2**i for i, bit in enumerate(b))
    return [(total >> i) & 1 for i in range(len(a) + 1)]


def add(a: list[int], b: list[int]) -> list[int]:
    """Add two numbers of n bits each, the lowest bit first; n + 1 bits, the lowest first.

    At each place two half adders: one adds the two bits, the other adds the carry to their sum. The new carry is 1 if either
    of them carries. So everything a computer adds can be done by neurons.
    """
    raise NotImplementedError
