"""A part of one's own in the place of the library's: `cutaway.use(relu=my_relu)`.

    def my_relu(x):
        return x * (x > 0)

    with cutaway.use(relu=my_relu):
        model(x)                        # every nn.ReLU and F.relu in it is yours now

Functions of `nn.functional`, layers of `nn` and optimisers of `optim` can be replaced, by their names. Whoever builds deep
learning from scratch with NumPy plugs it in with `arrays` (a forward and a backward), `taped` (a layer that keeps its own
values) and `rule` (an optimiser's formula).
"""

from __future__ import annotations

from cutaway.plug.arrays import arrays, taped
from cutaway.plug.rule import rule
from cutaway.plug.swap import Use, use

__all__ = ["Use", "arrays", "rule", "taped", "use"]
