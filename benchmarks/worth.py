"""What a native program saves a call and takes to make, beside what engine/eager/worth.py supposes.

    python benchmarks/worth.py [NAME ...] [--threads N]

A call is forward and backward. `numpy` is op by op, `native` by the plan; `saved` is the difference in microseconds and
`supposed` the estimate, `making` the milliseconds of compiling both halves (the object cache is off) and its estimate.
"""

from __future__ import annotations

import argparse
import os

os.environ["CUTAWAY_OBJECT_CACHE"] = "off"

from collections.abc import Callable
from time import perf_counter
from typing import Any

import cutaway
from cutaway.core.accelerate import at_once, numpy_only
from cutaway.engine.eager import worth
from cutaway.functional.recurrent import recurrence
from cutaway.nn import functional as F

ROUNDS, CALLS = 5, 12


def leaf(*shape: int) -> cutaway.Tensor:
    """Normal numbers that want a gradient."""
    return cutaway.randn(*shape).requires_grad_()


GRU = cutaway.nn.GRU(64, 64)
CLASSES = cutaway.randint(0, 64, (1024,))
ELEMENTWISE = "relu leaky_relu elu gelu silu softplus mish hardswish hardtanh selu softsign logsigmoid relu6".split()
ROWS, IMAGE = (32, 32, 64), (8, 32, 16, 16)
# name: the function by which it is estimated, what is called, and the tensors
CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[cutaway.Tensor]]] = {
    **{n: (getattr(F, n), lambda x, n=n: getattr(F, n)(x), [leaf(*ROWS)]) for n in ELEMENTWISE},
    "softmax": (F.softmax, lambda x: F.softmax(x, -1), [leaf(*ROWS)]),
    "log_softmax": (F.log_softmax, lambda x: F.log_softmax(x, -1), [leaf(*ROWS)]),
    "cross_entropy": (F.cross_entropy, lambda x: F.cross_entropy(x, CLASSES), [leaf(1024, 64)]),
    "mse_loss": (F.mse_loss, F.mse_loss, [leaf(*ROWS), cutaway.rand(*ROWS)]),
    "layer_norm": (F.layer_norm, lambda x, w, b: F.layer_norm(x, (64,), w, b), [leaf(*ROWS), leaf(64), leaf(64)]),
    "batch_norm": (
        F.batch_norm, lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [leaf(*IMAGE), leaf(32), leaf(32)],
    ),
    "linear": (F.linear, F.linear, [leaf(1024, 64), leaf(64, 64), leaf(64)]),
    "attention": (
        F.scaled_dot_product_attention, lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [leaf(8, 4, 48, 16), leaf(8, 4, 48, 16), leaf(8, 4, 48, 16)],
    ),
    "conv2d": (F.conv2d, lambda x, w, b: F.conv2d(x, w, b, padding=1), [leaf(8, 16, 16, 16), leaf(32, 16, 3, 3), leaf(32)]),
    "conv2d, large": (F.conv2d, lambda x, w: F.conv2d(x, w, padding=1), [leaf(8, 32, 32, 32), leaf(64, 32, 3, 3)]),
    "conv2d, 1x1": (F.conv2d, F.conv2d, [leaf(8, 48, 8, 8), leaf(16, 48, 1, 1)]),
    "conv_transpose2d": (
        F.conv_transpose2d, lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1),
        [leaf(8, 32, 8, 8), leaf(32, 16, 4, 4)],
    ),
    "max_pool2d": (F.max_pool2d, lambda x: F.max_pool2d(x, 2), [leaf(*IMAGE)]),
    "gru": (recurrence, lambda x: GRU(x)[0], [leaf(25, 8, 64)]),
}  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="functions; all of them if none is given")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    cutaway.set_num_threads(args.threads)
    heads = "numpy us", "native us", "saved", "supposed", "making ms", "supposed"
    print(f"{'':18}" + "".join(f"{head:>12}" for head in heads))
    for name, (fn, call, tensors) in CASES.items():
        if args.names and name not in args.names:
            continue
        ones = cutaway.ones_like(call(*tensors))

        def once(call: Any = call, tensors: Any = tensors, ones: Any = ones) -> None:
            call(*tensors).backward(ones)
            for t in tensors:
                t.grad = None

        def microseconds(once: Any = once) -> float:
            once()
            rounds = []
            for _ in range(ROUNDS):
                start = perf_counter()
                for _ in range(CALLS):
                    once()
                rounds.append(1e6 * (perf_counter() - start) / CALLS)
            return min(rounds)

        with numpy_only():
            numpy = microseconds()
        with at_once():
            start = perf_counter()
            once()
            making = perf_counter() - start
            native = microseconds()
        supposed = worth.saved(fn, tuple(tensors), {}, sum(t.numel() for t in tensors))
        print(
            f"{name:18}{numpy:12.0f}{native:12.0f}{numpy - native:12.0f}{supposed:12.0f}{1e3 * making:12.0f}"
            f"{worth.making(fn) / 1e3:12.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
