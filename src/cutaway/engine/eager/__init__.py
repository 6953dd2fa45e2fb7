"""Eager mode on the engine's kernels: composites and optimisers' steps as native programs, one for each signature; draws."""

from cutaway.core import accelerate
from cutaway.engine.eager import composite, contraction, draws, update


def install() -> None:
    """Fill the hooks of `core/accelerate.py`."""
    accelerate.composite, accelerate.contraction, accelerate.step = composite.run, contraction.run, update.run
    accelerate.words, accelerate.swaps = draws.words, draws.swaps
