"""How much faster is backprop than numerical differentiation, on the book's network 784-50-10 (sections 4.5 and 5.7)?

    python benchmarks/numerical_gradient.py [--batch 100] [--weights 200]

Backprop gives the gradient of all 39,760 weights in one pass. Central differences call the loss twice for each weight, so
they are timed on a few weights of every parameter and the time is multiplied up; the calls do not depend on the weight.
Also printed: the largest difference between both gradients on those weights (float64, MNIST images from the package).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import cutaway
from cutaway.data import mnist
from cutaway.gradcheck import numerical_derivative


def network(batch: int) -> tuple[dict[str, cutaway.Tensor], Callable[[], cutaway.Tensor]]:
    """The parameters, with the book's initial values (Gauss, 0.01), and their loss on the first `batch` images."""
    rng = np.random.default_rng(0)
    images, labels = mnist().train[:batch]
    x, t = images.double().reshape(batch, 784), labels[:, None]
    values = {
        "w1": 0.01 * rng.standard_normal((784, 50)),
        "b1": np.zeros(50),
        "w2": 0.01 * rng.standard_normal((50, 10)),
        "b2": np.zeros(10),
    }
    p = {name: cutaway.tensor(value).requires_grad_() for name, value in values.items()}

    def loss() -> cutaway.Tensor:
        z = (x @ p["w1"] + p["b1"]).sigmoid() @ p["w2"] + p["b2"]
        return -z.log_softmax(-1).gather(-1, t).mean()

    return p, loss


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=100, help="images in the loss")
    parser.add_argument("--weights", type=int, default=200, help="weights of each parameter to time (all, if it has fewer)")
    args = parser.parse_args()
    params, loss = network(args.batch)

    def backprop() -> None:
        for p in params.values():
            p.grad = None
        loss().backward()

    backprop()  # warm
    times = []
    for _ in range(30):
        start = time.perf_counter()
        backprop()
        times.append(time.perf_counter() - start)
    one_pass = float(np.median(times))

    rng = np.random.default_rng(1)
    timed, seconds, worst = 0, 0.0, 0.0
    with cutaway.no_grad():  # the loss's values are wanted, not its graph
        for p in params.values():
            for place in rng.permutation(p.numel())[: args.weights]:
                index = tuple(int(k) for k in np.unravel_index(place, p.shape))
                start = time.perf_counter()
                slope = numerical_derivative(loss, p, index)
                seconds += time.perf_counter() - start
                timed += 1
                worst = max(worst, abs(slope - float(p.grad[index])))

    total = sum(p.numel() for p in params.values())
    numerical = seconds / timed * total
    print(f"batch {args.batch}, float64, {total:,} weights")
    print(f"backprop              {one_pass * 1e3:10.3f} ms   (median of {len(times)})")
    print(f"numerical gradient    {numerical:10.1f} s    (extrapolated from {timed} weights timed in {seconds:.2f} s)")
    print(f"ratio                 {numerical / one_pass:10,.0f}")
    print(f"largest difference    {worst:10.1e}")


if __name__ == "__main__":
    main()
