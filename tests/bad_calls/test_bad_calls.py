"""Every bad call of the tables raises a named exception whose text helps; none crashes, none passes silently.

A row is run twice: with Cutaway, where the class and the words of the text are checked, and with PyTorch, which must
refuse the same call with a class that an `except` for it would catch in Cutaway, too.
"""

from __future__ import annotations

import pytest

from . import (
    checks,
    datasets,
    elementwise,
    functions,
    gradients,
    indexing,
    layers,
    optimisers,
    products,
    reductions,
    shapes,
    tensors,
    training,
)  # fmt: skip
from .table import BUILT_IN, bad, check, check_class, named

TABLES = [
    tensors, elementwise, shapes, indexing, products, reductions, gradients, functions, layers, optimisers, datasets,
    training, checks,
]  # fmt: skip
ROWS = [(table.__name__.rpartition(".")[2], row) for table in TABLES for row in table.CALLS]
CASES = [pytest.param(row, id=f"{area}-{row.id}") for area, row in ROWS]
SHARED = [pytest.param(row, id=f"{area}-{row.id}") for area, row in ROWS if row.torch != "absent"]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("row", CASES)
def test_is_refused_with_words_that_help(row):
    check(row)


@pytest.mark.parametrize("row", SHARED)
def test_is_refused_as_pytorch_refuses_it(row, torch):
    check_class(row, torch)


def test_the_tables_are_long_and_no_row_stands_twice():
    names = [param.id for param in CASES]
    assert len(set(names)) == len(names)
    assert len(names) >= 800


def test_every_named_exception_is_a_built_in_class_too():
    lone = [e.__name__ for e in named() if not issubclass(e, BUILT_IN)]
    assert not lone


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda t: t.ones(2) + t.ones(2), "passed silently"),
        (lambda t: t.ones(2) + t.ones(3), "lacks ['matmul']"),
        (lambda t: [][0], "raised IndexError, not ShapeError"),
    ],
)
def test_the_check_itself_can_fail(call, says):
    from cutaway.core.errors import ShapeError

    with pytest.raises(AssertionError) as failure:
        check(bad("x", call, ShapeError, "matmul", "[3]"))
    assert says in str(failure.value)
