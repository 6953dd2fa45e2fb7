"""An expression as text, brought down to lines of single operations: how the chapter makes graphs."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

Line = tuple[str, tuple[int, ...]]


def lower(text: str) -> list[Line]:
    """Lines (op, inputs) of an expression of names, numbers, + - * / **, exp(x) and log(x), one for each of its parts.

    a - b is a + (-b), a / b is a * b ** -1. The op of a name or number is itself; that of a power has the exponent in it,
    "pow -1".
    """
    lines: list[Line] = []

    def put(op: str, *inputs: int) -> int:
        lines.append((op, inputs))
        return len(lines) - 1

    def visit(node: Any) -> int:
        match node:
            case ast.Name(id=name):
                return put(name)
            case ast.Constant(value=int() | float() as v):
                return put(f"{v:g}")
            case ast.UnaryOp(op=ast.USub(), operand=a):
                return put("neg", visit(a))
            case ast.BinOp(left=a, op=ast.Pow(), right=ast.Constant(value=int() | float() as n)):
                return put(f"pow {n:g}", visit(a))
            case ast.BinOp(left=a, op=ast.Sub(), right=b):
                left = visit(a)
                return put("add", left, put("neg", visit(b)))
            case ast.BinOp(left=a, op=ast.Div(), right=b):
                left = visit(a)
                return put("mul", left, put("pow -1", visit(b)))
            case ast.BinOp(left=a, op=op, right=b):
                left = visit(a)
                return put("add" if isinstance(op, ast.Add) else "mul", left, visit(b))
            case ast.Call(func=ast.Name(id=name), args=[a]):
                return put(name, visit(a))
        raise AssertionError(ast.dump(node))

    visit(ast.parse(text, mode="eval").body)
    return lines


def run(lines: list[Line], named: dict[str, float], slopes: Callable[..., Any]) -> tuple[list[float], list[list[float]]]:
    """The value of every line, and its local derivatives, by rules `slopes(op, a, b)`."""
    values: list[float] = []
    local: list[list[float]] = []
    for op, inputs in lines:
        if not inputs:
            values.append(named[op] if op in named else float(op))
            local.append([])
            continue
        name, _, power = op.partition(" ")
        a, b = values[inputs[0]], float(power) if power else values[inputs[-1]]
        y, found = slopes(name, a, b)
        values.append(float(y))
        local.append([float(s) for s in found])
    return values, local


def without_repeats(lines: list[Line], first: list[int]) -> list[Line]:
    """The lines that are the first of their kind, with new numbers."""
    kept = [i for i, f in enumerate(first) if f == i]
    new = {old: n for n, old in enumerate(kept)}
    return [(lines[i][0], tuple(new[first[k]] for k in lines[i][1])) for i in kept]


def written(lines: list[Line]) -> list[str]:
    """Each line as a reader likes it: %4 = mul(%1, %3)."""
    return [f"%{i} = {op}" + (f"({', '.join(f'%{k}' for k in ins)})" if ins else "") for i, (op, ins) in enumerate(lines)]
