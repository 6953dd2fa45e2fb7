"""Eager mode on the engine's kernels: composites and optimisers' steps as native programs, one for each signature.

Products, dense and sparse, and draws have kernels of their own.
"""

from cutaway.core import accelerate
from cutaway.engine.eager import composite, contraction, draws, entries, update


def install() -> None:
    """Fill the hooks of `core/accelerate.py`."""
    accelerate.composite, accelerate.contraction, accelerate.step = composite.run, contraction.run, update.run
    accelerate.words, accelerate.swaps, accelerate.entries = draws.words, draws.swaps, entries.run
