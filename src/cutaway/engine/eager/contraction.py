"""Matrix products and einsums in eager mode, outside composites: one kernel for each shape, memory order and dtype."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cutaway.core.accelerate import AT_ONCE, NOT
from cutaway.core.aval import Aval
from cutaway.core.op import INTERPRETER, Op
from cutaway.core.ops.movement import inverse
from cutaway.core.refusal import RAW
from cutaway.core.tensor import Tensor
from cutaway.engine.eager.native import Native, order_of
from cutaway.engine.graph import Graph, Source
from cutaway.engine.passes.rewrite import Builder

WORK = 1 << 24  # product of the factors' sizes, below which NumPy has finished before a kernel could start
LEAST = 3  # calls before a kernel is made
OPERATIONS = 4e9  # and multiplications and additions, in all: before, making it would cost more than it has saved
MOST = 256  # kernels that are remembered
KERNELS: dict[Any, Native | tuple[int, float] | None] = {}  # a kernel, or calls and operations so far, or None: never


def run(op: Op, tensors: tuple[Tensor, ...], attrs: dict[str, Any]) -> Any:
    """The product's array, or NOT."""
    if len(tensors) != 2 or INTERPRETER.get() is not None:
        return NOT
    a, b = tensors[0]._data, tensors[1]._data
    if a.size * b.size < WORK or a.dtype.kind != "f" or a.dtype.itemsize < 4 or a.dtype is not b.dtype:
        return NOT
    orders, arrays = [], []
    for x in (a, b):
        order = order_of(x)
        if order is None:
            x, order = np.ascontiguousarray(x), ()
        orders.append(order)
        arrays.append(x.transpose(order) if order else x)
    key = (op.name, *attrs.values(), a.dtype.num, a.shape, b.shape, *orders)
    found = KERNELS.get(key, (0, 0.0))
    if type(found) is tuple:
        calls, done = found[0] + 1, found[1] + _operations(op, a, b, attrs)
        at_once = AT_ONCE.get() or (calls >= LEAST and done >= OPERATIONS)
        found = KERNELS[key] = _make(op, [a, b], orders, attrs) if at_once else (calls, done)
        while len(KERNELS) > MOST:
            KERNELS.pop(next(iter(KERNELS)))
    if not isinstance(found, Native):
        return NOT
    return found(arrays)[0]


def _operations(op: Op, a: np.ndarray, b: np.ndarray, attrs: dict[str, Any]) -> float:
    """How many a call takes, roughly: for [m, k] x [k, n] the root of mk kn mn is mkn."""
    try:
        return 2 * math.sqrt(a.size * b.size * op.shape(Aval(a.shape, a.dtype), Aval(b.shape, b.dtype), **attrs).size)
    except RAW:
        return 0.0  # the op says what is wrong


def _make(op: Op, arrays: list[np.ndarray], orders: list[tuple[int, ...]], attrs: dict[str, Any]) -> Native | None:
    builder = Builder()
    inputs = []
    try:
        for n, (x, order) in enumerate(zip(arrays, orders, strict=True)):
            shape = tuple(x.shape[d] for d in order) if order else x.shape
            v = builder.input(Aval(shape, x.dtype), Source("argument", index=n, name=str(n)))
            inputs.append(builder.op("permute", v, dims=inverse(order)) if order else v)
        y = builder.op(op.name, *inputs, **attrs)
        return Native.of(Graph(builder.values, [y]).verify(), [False])
    except RAW:
        return None
