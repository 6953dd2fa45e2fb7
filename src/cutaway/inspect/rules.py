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

SAID = {  # what the library writes with helpers of its own, in public names
    ("matmul", 0): "g @ bᵀ",
    ("matmul", 1): "aᵀ @ g",
    ("tanh", 0): "g * (1 - y * y)",
    ("sigmoid", 0): "g * y * (1 - y)",
    ("relu", 0): "where(y <= 0, 0, g)",
    ("gate", 0): "where(b <= 0, 0, g)",
    ("atan2", 0): "g * b / (a * a + b * b)",
    ("atan2", 1): "-g * a / (a * a + b * b)",
    ("maximum", 0): "where(a < b, 0, where(a == b, g / 2, g))",
    ("maximum", 1): "where(b < a, 0, where(a == b, g / 2, g))",
    ("minimum", 0): "where(a > b, 0, where(a == b, g / 2, g))",
    ("minimum", 1): "where(b > a, 0, where(a == b, g / 2, g))",
    ("clamp", 0): "where((a >= low) & (a <= high), g, 0)",
    ("floor", 0): "0 * g",
    ("ceil", 0): "0 * g",
    ("trunc", 0): "0 * g",
    ("round", 0): "0 * g",
    ("sum", 0): "g, given to every element that was summed",
    ("amax", 0): "g * (a == y) / (how many elements are y)",
    ("amin", 0): "g * (a == y) / (how many elements are y)",
    ("logsumexp", 0): "g * exp(a - y)",
    ("prod", 0): "g * (the product of all other elements)",
    ("gather", 0): "scatter_add(zeros(A.shape), b, g)",
    ("scatter", 0): "scatter(g, b, 0)",
    ("scatter", 2): "gather(g, b)",
    ("scatter_add", 2): "gather(g, b)",
    ("index", 0): "index_put(zeros(A.shape), indices, g, accumulate=True)",
    ("index_put", 0): "g, with 0 at the places that were written",
    ("index_put", 1): "index(g, indices)",
    ("pad", 0): "the part of g that is inside of the padding",
    ("slice", 0): "g in its place, zeros around it",
}


def said(op: Op, i: int, attrs: dict[str, Any]) -> str:
    """The rule towards input `i` as a reader sees it: the library's own text, or the same in public names."""
    if op.name == "einsum":
        a, b, out = (attrs["spec"].replace("->", ",")).split(",")
        return product(out, b, a, "g", "b") if i == 0 else product(a, out, b, "a", "g")
    if op.name == "concatenate":
        return f"the part of g that came from input {i}"
    found = SAID.get((op.name, i))
    rule = op.rule(i)
    assert rule is not None
    return text(rule) if found is None else found


def product(left: str, right: str, out: str, p: str, q: str) -> str:
    """An einsum as a product of matrices where it is one (`gᵀ @ a`), else as it is."""
    shared = set(left) & set(right) - set(out)
    if len(left) == len(right) == len(out) == 2 and len(shared) == 1 and len(set(left + right)) == 3:
        (k,) = shared
        if out[0] not in left:
            return product(right, left, out, q, p)
        return f"{p if left[1] == k else p + 'ᵀ'} @ {q if right[0] == k else q + 'ᵀ'}"
    return f'einsum("{left},{right}->{out}", {p}, {q})'


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
