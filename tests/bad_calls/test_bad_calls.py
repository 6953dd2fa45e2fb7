"""Every bad call of the tables raises a named exception whose text helps; none crashes, none passes silently."""

from __future__ import annotations

import pytest

from . import tensors
from .table import check, check_class

TABLES = [tensors]
ROWS = [row for table in TABLES for row in table.CALLS]
CASES = [pytest.param(row, id=row.id) for row in ROWS]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("row", CASES)
def test_is_refused_with_words_that_help(row):
    check(row)


@pytest.mark.parametrize("row", CASES)
def test_is_refused_as_pytorch_refuses_it(row, torch):
    check_class(row, torch)
