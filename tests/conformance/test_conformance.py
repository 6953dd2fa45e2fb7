"""Every line of the tables, read with Cutaway and with PyTorch; and that no name has too few of them."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import warnings
from pathlib import Path
from typing import Any

import pytest

import cutaway

from .frame import TURN, Case, lines_of, made, on_the_spot, tables
from .helpers import bound_to

torch = pytest.importorskip("torch")
importlib.import_module("torch.nn.utils.prune")  # PyTorch loads it when it is imported
from ..core.against import builtin_class, flat, run, same, scope_of  # noqa: E402

FOUND = tables()
TOOL = Path(__file__).parent.parent.parent / "tools" / "conformance.py"


@pytest.mark.parametrize("case", FOUND.cases, ids=str)
def test_case(case: Case) -> None:
    if case.mark == "!":
        same_refusal(case)
    elif case.mark == "~":
        try:
            check(case)
        except (NameError, SyntaxError):
            raise
        except Exception:
            return
        pytest.fail("they agree: take the ~ and the reason away")
    else:
        check(case)


def check(case: Case) -> None:
    """Both give the same."""
    source = lines_of(case.source)
    ins, outs = {}, {}
    for t in (torch, cutaway):
        ins[t], outs[t] = value(t, case, source)
        outs[t] = flat(outs[t])
        ins[t] += [p for y in outs[t] if isinstance(y, t.nn.Module) for p in y.parameters()]
    words = case.note.split()
    rtol = float(words[words.index("within") + 1]) if "within" in words and not case.mark else 1e-9
    orders = 0 if "values" in words else 1 if "first" in words else 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(ins, outs, rtol, rtol / 100, orders)


def value(t: Any, case: Case, source: str) -> tuple[list[Any], Any]:
    """The inputs that the case names or makes, and its value, in library `t`."""
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    inputs = {}
    TURN[0] = 0
    for name, definition in case.inputs.items():
        if name in used:
            array, grad = made(definition)
            inputs[name] = t.tensor(array, requires_grad=grad)
    t.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [*inputs.values()]
        y = run(source, scope_of(t, {**bound_to(t), **on_the_spot(t.tensor, found), **inputs}))
        return found, y


def same_refusal(case: Case) -> None:
    """Both refuse, with the same class; a slip of the table's is no refusal."""
    source = lines_of(case.source)
    with pytest.raises(Exception) as theirs:
        value(torch, case, source)
    assert not isinstance(theirs.value, (NameError, SyntaxError)), theirs.value
    wanted = builtin_class(theirs.value)
    try:
        _, got = value(cutaway, case, source)
    except Exception as ours:
        assert isinstance(ours, wanted), f"{type(ours).__mro__[:-2]} {ours}; PyTorch {wanted.__name__}: {theirs.value}"
        assert str(ours), "an error says something"
    else:
        pytest.fail(f"gives {got!r}; PyTorch refuses: {wanted.__name__}: {theirs.value}")


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("conformance_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_name_has_too_few_cases(tool):
    assert not tool.complaints()


def test_the_page_is_up_to_date(tool):
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), "run: python tools/conformance.py"
