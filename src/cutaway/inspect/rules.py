"""Gradient rules as the text that they are (`lambda g, y: g * y` is g * y), and the local derivative it stands for."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache
from typing import Any

import numpy as np

from cutaway.core.aval import Aval
from cutaway.core.op import AVAL, INPUT, RESULT, Op, Rule
from cutaway.core.tensor import Tensor


def text(rule: Rule) -> str:
    """The rule's expression; of a function, its name."""
    code = rule.fn.__code__
    found = _lambdas(code.co_filename).get((code.co_firstlineno, rule.fn.__code__.co_varnames[: code.co_argcount]), [])
    body = found[0] if len(found) == 1 else _nearest(found, code)
    return body if body else f"{rule.fn.__name__}({', '.join(('g', *rule.reads))})"


def _nearest(found: list[str], code: Any) -> str:
    """Of several lambdas of one line and the same parameters, the one that compiles to this code."""
    names = ", ".join(code.co_varnames[: code.co_argcount])
    for body in found:
        again = compile(f"lambda {names}: {body}", "", "eval").co_consts[0]
        if again.co_code == code.co_code and again.co_consts == code.co_consts and again.co_names == code.co_names:
            return body
    return ""


@lru_cache(64)
def _lambdas(path: str) -> dict[tuple[int, tuple[str, ...]], list[str]]:
    """The lambdas of a file, by line and parameters."""
    found: dict[tuple[int, tuple[str, ...]], list[str]] = {}
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except SyntaxError:
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            found.setdefault((node.lineno, tuple(a.arg for a in node.args.args)), []).append(ast.unparse(node.body))
    return found


def reads(rule: Rule) -> list[tuple[str, str | int]]:
    """(name in the rule, what it is: "y" or the number of an input) of each stored value that the rule reads."""
    return [
        (name, "y" if kind == RESULT else key)
        for name, (kind, key) in zip(rule.reads, rule.plan, strict=True)
        if kind in (INPUT, RESULT)
    ]


def local(op: Op, i: int, inputs: list[np.ndarray], y: np.ndarray, attrs: dict[str, Any]) -> np.ndarray | None:
    """d y / d input i, element by element; None if each element of y depends on several."""
    rule = op.rule(i)
    if rule is None or op.kind != "elementwise" or not all(x.shape in ((), y.shape) or x.size == 1 for x in inputs):
        return None
    given: list[Any] = []
    for kind, key in rule.plan:
        if kind == INPUT:
            given.append(Tensor._wrap(inputs[key]))
        elif kind == RESULT:
            given.append(Tensor._wrap(y))
        elif kind == AVAL:
            given.append(Aval(inputs[key].shape, inputs[key].dtype))
        elif key in attrs:
            given.append(attrs[key])
        else:
            return None
    found: np.ndarray = rule.fn(Tensor._wrap(np.ones_like(y)), *given)._data
    return np.broadcast_to(found, y.shape)
