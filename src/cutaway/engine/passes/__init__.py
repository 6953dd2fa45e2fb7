"""Passes: each takes a Graph and returns a Graph that computes the same."""

from cutaway.engine.passes.clean import clean
from cutaway.engine.passes.decompose import decompose
from cutaway.engine.passes.layout import layout
from cutaway.engine.passes.pool import pool
from cutaway.engine.passes.simplify import simplify
from cutaway.engine.passes.sums import sums
from cutaway.engine.passes.widen import widen

PASSES = (clean, widen, decompose, simplify, layout, simplify, pool, sums, clean)

__all__ = ["PASSES", "clean", "decompose", "layout", "pool", "simplify", "sums", "widen"]
