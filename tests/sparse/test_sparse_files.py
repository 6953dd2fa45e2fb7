"""Sparse tensors in checkpoints: PyTorch reads ours and we read PyTorch's; damaged ones are refused."""

from __future__ import annotations

import io
import warnings

import pytest

import cutaway
from cutaway.core.errors import FileFormatError
from cutaway.interop.checkpoint.known import _layout, _sparse

torch = pytest.importorskip("torch")


def made(t):
    s = t.sparse_coo_tensor(t.tensor([[1, 0, 1], [2, 0, 2]]), t.tensor([1.0, 2.0, 3.0]), (2, 3))
    found = {"coo": s, "coalesced": s.coalesce(), "csr": s.to_sparse_csr(), "csc": s.to_sparse_csc()}
    return {**found, "hybrid": t.sparse_coo_tensor(t.tensor([[0, 2]]), t.ones(2, 2), (3, 2)), "twice": [s, s]}


@pytest.mark.parametrize(("writes", "reads"), [(cutaway, torch), (torch, cutaway), (cutaway, cutaway)])
def test_to_and_fro(writes, reads):
    f = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = made(writes)
        writes.save(kept, f)
        f.seek(0)
        found = reads.load(f)
    for name in ("coo", "coalesced", "csr", "csc", "hybrid"):
        y, z = found[name], kept[name]
        assert str(y.layout).partition(".")[2] == str(z.layout).partition(".")[2]
        assert y.to_dense().tolist() == z.to_dense().tolist() and y._nnz() == z._nnz()
        assert not name.startswith("co") or y.is_coalesced() == z.is_coalesced()
    assert found["twice"][0] is found["twice"][1]


def test_what_makes_no_sense_is_refused():
    i, v = cutaway.tensor([[0, 1], [1, 7]]), cutaway.ones(2)
    coo = _layout("torch.sparse_coo")
    for layout, parts in (
        (coo, (i, v, (2, 2), True)),
        (coo, (i % 2, v, (2, 2), "yes")),
        (coo, (i % 2, [1.0, 2.0], (2, 2), True)),
        (coo, (i.flip(1) % 2, v, (2, 2), True)),
        (coo, (i % 2, v, (2, -2), False)),
        (_layout("torch.sparse_csr"), (cutaway.tensor([0, 5]), cutaway.tensor([0]), cutaway.ones(1), (1, 1))),
        (None, (i % 2, v, (2, 2), True)),
        (coo, (i, v)),
    ):
        with pytest.raises(FileFormatError, match="damaged"):
            _sparse(layout, parts)
    with pytest.raises(FileFormatError, match="layout"):
        _layout("torch.sparse_bsr")
