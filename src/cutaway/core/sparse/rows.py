"""Rows of a table whose gradient is sparse: only the rows that were looked up are written down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cutaway.core.autograd import RECORDING, Leaf, Node, Wanted
from cutaway.core.grad_names import tell
from cutaway.core.op import STAGE
from cutaway.core.ops.index import index
from cutaway.core.sparse.coo import SparseTensor
from cutaway.core.sparse.entries import constant, picked
from cutaway.core.sparse.places import INT64, Places
from cutaway.core.tensor import Tensor


class RowsNode(Node):
    """The lookup of rows: its gradient has an entry for each that was looked up, but for those of `without`."""

    __slots__ = ("rows", "without")

    rows: np.ndarray
    without: int | None

    def gradients(self, g: Any, wanted: Wanted, create_graph: bool) -> Iterator[tuple[Node, Any, bool]]:
        """The sparse gradient, for the table."""
        parent = self.parents[0]
        if parent is None or (wanted is not None and parent not in wanted):
            return
        (count, width), _ = self.metas[0]
        values, rows = g.reshape(-1, width), self.rows
        if self.without is not None:
            kept = np.flatnonzero(rows != self.without)
            values, rows = picked(values, kept), rows[kept]
        yield parent, SparseTensor._make(Places(rows[None], (count,), False), values), False


def look_up(rows: Tensor, table: Tensor, without: int | None) -> Tensor | None:
    """table[rows], with a sparse gradient; None where it has to be dense, or there is none.

    It is dense where it does not end at the table: operations that the table was computed by want it whole.
    """
    node = table._node
    if STAGE.get() is not None or not isinstance(node, Leaf) or not RECORDING.get():
        return None
    if type(rows._data) is not np.ndarray or type(table._data) is not np.ndarray:
        return None
    y = index(table.detach(), constant(rows._data), dims=(0,))
    metas = tuple((t._data.shape, t._data.dtype) for t in (table, rows))
    made = RowsNode(index, {"dims": (0,)}, (node, None), metas, (y._data.shape, y._data.dtype), {}, None)
    made.rows, made.without = rows._data.reshape(-1).astype(INT64), without
    y._node = made
    return tell(y, "Embedding", (), {})
