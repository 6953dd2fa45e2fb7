"""The table of ops, by kind. Importing this package fills `cutaway.core.op.OPS`."""

from cutaway.core.ops import complex, contract, elementwise, index, movement, random, reduce, window

__all__ = ["complex", "contract", "elementwise", "index", "movement", "random", "reduce", "window"]
