"""Chapter 11, Under the casing: your own autograd on numbers, then the stages of a compiler.

Write each function or class whose body is `raise NotImplementedError`, and judge it with `cutaway check 11.NAME`.
The functions that end in _spec say what is right, slowly and obviously. Your answer need not look like them.
"""

import numpy as np

# --- the tape ---------------------------------------------------------------------------------------------------------


def slopes(op: str, a: float, b: float) -> tuple[float, tuple[float, ...]]:
    """The value of one operation, and its local derivatives, as (value, (slope, ...)): a slope for each of its inputs.

    "add" a + b    "mul" a * b    "pow" a ** b, where b is a fixed number: a slope for a only
    "neg" -a       "exp" e ** a   "log" the natural logarithm of a; these have one input, a, and one slope
    """
    raise NotImplementedError


def needed_spec(parents, result):
    found: list[int] = []
    for node in range(result, -1, -1):
        if node == result or any(node in parents[k] for k in found):
            found.append(node)
    return found


def needed(parents: list[list[int]], result: int) -> list[int]:
    """What a result was computed from, itself included: numbers of nodes, each once, the youngest (highest) first.

    Node i was made from the nodes parents[i], which are all older than it: their numbers are below i. There may be
    thousands of nodes in a chain, more than a function of Python may call itself.
    """
    raise NotImplementedError


def walk_spec(parents, slopes, result):
    def along_all_paths(node, target):
        if node == target:
            return 1.0
        return sum((s * along_all_paths(p, target) for p, s in zip(parents[node], slopes[node])), 0.0)

    return [along_all_paths(result, i) for i in range(len(parents))]


def walk(parents: list[list[int]], slopes: list[list[float]], result: int) -> list[float]:
    """The gradient of node `result` towards every node, in one walk from young to old.

    parents[i] are the inputs of node i, slopes[i] its local derivatives towards each of them. The result's own gradient
    is 1, that of a node which it does not depend on 0. The spec adds up all paths, of which there are far too many.
    """
    raise NotImplementedError


class Value:
    """A number that remembers how it was computed: Value(3.0) has .data, 3.0, and .grad, 0.0.

    a + b, a - b, a * b, a / b, a ** b and -a give Values, and so do a.exp() and a.log(); one side of an operator may be
    a plain number, the left as well (3 - a calls a.__rsub__(3)). y.backward() adds to the .grad of every Value that y
    was computed from, y included, the derivative of y towards it. It must work for chains of thousands of operations.

    Judged with expressions of a, b and c: their values, and the .grad of all three after backward().
    """

    def __init__(self, data: float) -> None:
        raise NotImplementedError


def unbroadcast_spec(g, shape):
    out = np.zeros(shape)
    ahead = g.ndim - len(shape)
    for at in np.ndindex(g.shape):
        kept = tuple(0 if n == 1 else i for i, n in zip(at[ahead:], shape))
        out[kept] += g[at]
    return out


def unbroadcast(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The gradient of an input of `shape` that was broadcast to the shape of g: an array of `shape`.

    A number that was used in several places gets the sum of their gradients. Broadcasting repeats along axes of length 1,
    and puts new axes in front.
    """
    raise NotImplementedError


# --- the compiler -----------------------------------------------------------------------------------------------------
#
# A graph is a list of lines. Line i is (op, inputs): its inputs are the numbers of earlier lines.
# [("x", ()), ("exp", (0,)), ("mul", (1, 0))] computes x * exp(x). A line without inputs is an argument.


def shared_spec(lines):
    first: list[int] = []
    for i, (op, inputs) in enumerate(lines):
        found = i
        for j in range(i):
            other_op, other_inputs = lines[j]
            if op == other_op and [first[k] for k in inputs] == [first[k] for k in other_inputs]:
                found = first[j]
                break
        first.append(found)
    return first


def shared(lines: list[tuple[str, tuple[int, ...]]]) -> list[int]:
    """For each line the number of the first line that computes the same: its own number if there is no earlier one.

    Two lines compute the same if the op is the same and each input computes the same, in the same order (this pass
    does not know that a + b is b + a). So x*x + x*x has one product. In one walk: a dict from (op, inputs) to the number.
    """
    raise NotImplementedError


def fused_spec(lines):
    readers = [[j for j, (_, inputs) in enumerate(lines) if i in inputs] for i in range(len(lines))]
    kernel, count = [-1] * len(lines), 0
    for i in reversed(range(len(lines))):
        if lines[i][1] == ():
            continue
        if len(readers[i]) == 1:
            kernel[i] = kernel[readers[i][0]]
        else:
            kernel[i] = count
            count += 1
    return kernel


def fused(lines: list[tuple[str, tuple[int, ...]]]) -> list[int]:
    """Which kernel computes each line: numbers from 0, -1 for arguments. All ops here are elementwise.

    From the last line to the first: a line that exactly one line reads is computed inside that line's kernel, so that
    it is never written to memory. Any other (the result, what several lines read) begins a new kernel, numbered 0, 1, ...
    in the order in which you meet them. A line that reads the same line twice (x * x) is one reader.
    """
    raise NotImplementedError


def slots_spec(lines):
    slots: list[int] = []
    for i in range(len(lines)):
        taken = set()
        for j in range(i):
            last = max([k for k, (_, inputs) in enumerate(lines) if j in inputs] + [j])
            if last >= i:
                taken.add(slots[j])
        slot = 0
        while slot in taken:
            slot += 1
        slots.append(slot)
    return slots


def slots(lines: list[tuple[str, tuple[int, ...]]]) -> list[int]:
    """Memory for the value of each line: the lowest slot 0, 1, 2, ... that is free when the line is computed.

    A value holds its slot from its own line to the last line that reads it, that line included: what is still being read
    may not be written over. A value that nobody reads holds its slot for its own line only.
    """
    raise NotImplementedError
