"""The exercises of chapter 1, with the mistakes that are made in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cutaway.course.ch01_perceptron import exercises as stub
from cutaway.course.exercise import Exercise, Wrong

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


# --- one neuron -------------------------------------------------------------------------------------------------------


def neuron(x: Any, w: Any, b: float) -> int:
    return int(np.dot(w, x) + b > 0)


NEURON = Exercise(
    "neuron", "A weighted sum and a threshold", neuron, spec=stub.neuron_spec,
    cases=((np.array([1.0]), np.array([0.5]), -0.5),),
    draw=lambda d, n: (d.array(n), d.array(n), d.number()),
    show="table",
    wrong=[
        Wrong(lambda x, w, b: int(np.dot(w, x) + b >= 0), "At exactly 0 the neuron is silent: it needs more than 0 (>, not >=)."),
        Wrong(lambda x, w, b: int(np.dot(w, x) - b > 0), "The bias is added, not subtracted: b is minus the threshold."),
        Wrong(lambda x, w, b: int(np.dot(w, x) > 0), "The bias is missing from the sum."),
        Wrong(lambda x, w, b: int(np.sum(x) + b > 0), "The inputs are added up without their weights."),
        Wrong(lambda x, w, b: float(np.dot(w, x) + b), "That is the sum itself: the answer is only whether it is above 0, 1 or 0."),
        Wrong(lambda x, w, b: int(np.dot(w, x) + b <= 0), "Yes and no are swapped: 1 where the sum is above 0."),
        Wrong(lambda x, w, b: (w * x + b > 0).astype(int), "There is an answer for each input: add up the products before you compare."),
        Wrong(lambda x, w, b: int(np.sum(w * x + b) > 0), "The bias is counted once for each input: add it after the sum."),
    ],
)  # fmt: skip


# --- gates by hand ----------------------------------------------------------------------------------------------------


def gate(name: str, title: str, truth: Callable[[int, int], int], weights: tuple[float, float, float], wrong: Any) -> Exercise:
    """Weights are judged by what the neuron does with them: many are right."""

    def play(answer: Callable[[], Sequence[float]], x1: int, x2: int) -> int:
        w1, w2, b = answer()
        return neuron(np.array([x1, x2]), np.array([w1, w2]), b)

    return Exercise(
        name, title, lambda: weights, oracle=truth, cases=CORNERS, play=play, show="table",
        wrong=[Wrong(lambda given=given: given, hint) for given, hint in wrong],
    )  # fmt: skip


AND = gate(
    "and_weights", "AND by hand", stub.and_spec, (0.5, 0.5, -0.7),
    [
        ((0.5, 0.5, -0.3), "One input alone suffices, so this is OR: the bias must outweigh each single weight."),
        ((0.5, 0.5, 0.7), "It always fires: the bias is minus the threshold, so it must be negative here."),
        ((0.5, 0.5, -1.0), "It never fires: with both inputs on, the weights must add up to more than the threshold."),
        ((-0.5, -0.5, 0.7), "That is NAND: all signs are turned round."),
        ((1.0, 0.0, -0.5), "Only the first input counts: the second needs a weight, too."),
        ((0.0, 1.0, -0.5), "Only the second input counts: the first needs a weight, too."),
        ((-0.5, -0.5, 0.3), "That is NOR, 1 if neither input is: AND needs positive weights and a negative bias."),
    ],
)  # fmt: skip

NAND = gate(
    "nand_weights", "NAND by hand", stub.nand_spec, (-0.5, -0.5, 0.7),
    [
        ((0.5, 0.5, -0.7), "That is AND: turn every sign round."),
        ((-0.5, -0.5, 0.3), "One input alone silences it, so this is NOR: the bias must outweigh each single weight."),
        ((-0.5, -0.5, -0.7), "It never fires: with no input on only the bias is left, so it must be above 0."),
        ((-0.5, -0.5, 1.5), "It always fires: with both inputs on, the negative weights must outweigh the bias."),
        ((-1.0, 0.0, 0.5), "Only the first input counts: the second needs a weight, too."),
        ((0.0, -1.0, 0.5), "Only the second input counts: the first needs a weight, too."),
    ],
)  # fmt: skip

OR = gate(
    "or_weights", "OR by hand", stub.or_spec, (0.5, 0.5, -0.2),
    [
        ((0.5, 0.5, -0.7), "Both inputs are needed, so this is AND: each single weight must outweigh the bias."),
        ((0.5, 0.5, 0.2), "It always fires: with no input on only the bias is left, so it must not be above 0."),
        ((0.5, 0.5, -1.5), "It never fires: the bias is too far below 0."),
        ((-0.5, -0.5, 0.2), "That is NOR: turn every sign round."),
        ((1.0, 0.0, -0.5), "Only the first input counts: the second needs a weight, too."),
        ((0.0, 1.0, -0.5), "Only the second input counts: the first needs a weight, too."),
    ],
)  # fmt: skip


# --- the learning rule ------------------------------------------------------------------------------------------------


def learn(x: Any, t: Any, lr: float, epochs: int, *, by: float = 1.0, rate: bool = True, bias: float = 1.0, start: float = 0.0,
          output: bool = True, at_once: bool = True) -> tuple[np.ndarray, float]:  # fmt: skip
    """The rule, and by its options the ways to get it wrong."""
    w, b = np.full(2, start), start
    for _ in range(epochs):
        dw, db = np.zeros(2), 0.0
        for row, target in zip(x, t):
            total = w @ row + b
            error = by * (target - (int(total > 0) if output else total)) * (lr if rate else 1.0)
            dw, db = dw + error * row, db + error * bias
            if at_once:
                w, b, dw, db = w + dw, b + db, np.zeros(2), 0.0
        w, b = w + dw, b + db
    return w, b


LEARN = Exercise(
    "learn", "The learning rule", learn, spec=stub.learn_spec, show="table", free=False,
    draw=lambda d, n: (d.array(n + 1, 2), d.labels(n + 1, 2), 0.25 * d.integer(1, 3), d.integer(1, n + 1)),
    wrong=[
        Wrong(lambda *a: learn(*a, by=-1.0), "It learns away from the target: the error is t - y, not y - t."),
        Wrong(lambda *a: learn(*a, bias=0.0), "The bias never changes: it learns like the weight of an input that is always 1."),
        Wrong(lambda *a: learn(*a, output=False), "The error is the target less the output, 0 or 1, not less the sum before the threshold."),
        Wrong(lambda *a: learn(*a, at_once=False), "It changes the weights once for all rows: change them after each row."),
        Wrong(lambda *a: learn(*a, rate=False), "The learning rate is missing from the step."),
        Wrong(lambda x, t, lr, epochs: learn(x, t, lr, 1), "It stops after one pass: is a return inside the loop over epochs?"),
        Wrong(lambda *a: learn(*a, start=1.0), "Weights and bias begin at 0."),
        Wrong(lambda x, t, lr, epochs: learn(x, t, lr, epochs)[0], "The bias is not returned: give (w, b)."),
    ],
)  # fmt: skip


# --- what no single neuron can ----------------------------------------------------------------------------------------


ROWS_RIGHT = Exercise(
    "rows_right", "How many rows are right", lambda x, t, w, b: int((((x @ w + b) > 0) == t).sum()), spec=stub.rows_right_spec,
    draw=lambda d, n: (d.array(n, 2), d.labels(n, 2), d.array(2), d.number()),
    show="table",
    wrong=[
        Wrong(lambda x, t, w, b: int((((x @ w + b) > 0) != t).sum()), "It counts the rows that are wrong."),
        Wrong(lambda x, t, w, b: float((((x @ w + b) > 0) == t).mean()), "That is the share of the rows: count them."),
        Wrong(lambda x, t, w, b: int(((x @ w + b) > 0).sum()), "It counts the rows that fire: compare with the target first."),
        Wrong(lambda x, t, w, b: (((x @ w + b) > 0) == t).astype(int), "There is an answer for each row: add them up."),
        Wrong(lambda x, t, w, b: int((((x @ w) > 0) == t).sum()), "The bias is missing from the sum."),
        Wrong(lambda x, t, w, b: int(((((x @ w + b) > 0) == 1) & (t == 1)).sum()), "A row whose target is 0 and that stays silent is right, too."),
        Wrong(lambda x, t, w, b: int((((x @ w + b) >= 0) == t).sum()), "At exactly 0 the neuron is silent: it needs more than 0 (>, not >=)."),
    ],
)  # fmt: skip


def and_(a: int, b: int) -> int:
    return neuron([a, b], [0.5, 0.5], -0.7)


def nand(a: int, b: int) -> int:
    return neuron([a, b], [-0.5, -0.5], 0.7)


def or_(a: int, b: int) -> int:
    return neuron([a, b], [0.5, 0.5], -0.2)


def xor_layers(x1: int, x2: int) -> tuple[int, int, int]:
    s1, s2 = nand(x1, x2), or_(x1, x2)
    return s1, s2, and_(s1, s2)


XOR = Exercise(
    "xor_layers", "XOR by two layers", xor_layers, spec=stub.xor_spec, cases=CORNERS, show="table",
    wrong=[
        Wrong(lambda a, b: (nand(a, b), or_(a, b), or_(nand(a, b), or_(a, b))), "The second layer is OR: both s1 and s2 must be 1."),
        Wrong(lambda a, b: (nand(a, b), or_(a, b), nand(nand(a, b), or_(a, b))), "The second layer is NAND, so the answer is turned round."),
        Wrong(lambda a, b: (and_(a, b), or_(a, b), and_(and_(a, b), or_(a, b))), "The first neuron is AND; s1 is NAND."),
        Wrong(lambda a, b: (or_(a, b), nand(a, b), and_(nand(a, b), or_(a, b))), "s1 and s2 are swapped: NAND first, then OR."),
        Wrong(lambda a, b: (nand(a, b), or_(a, b), and_(a, b)), "The second layer sees x1 and x2 again: it must see s1 and s2."),
        Wrong(lambda a, b: xor_layers(a, b)[2], "Only y is returned: give (s1, s2, y), so that the hidden layer can be seen."),
        Wrong(lambda a, b: (nand(a, b), nand(a, b), and_(nand(a, b), nand(a, b))), "Both hidden neurons are NAND; s2 is OR."),
    ],
)  # fmt: skip


def half_adder(a: int, b: int) -> tuple[int, int]:
    return xor_layers(a, b)[2], and_(a, b)


HALF_ADDER = Exercise(
    "half_adder", "A half adder", half_adder, spec=stub.half_adder_spec, cases=CORNERS, show="table",
    wrong=[
        Wrong(lambda a, b: half_adder(a, b)[::-1], "Sum and carry are swapped: the sum bit comes first."),
        Wrong(lambda a, b: (or_(a, b), and_(a, b)), "The sum bit is OR, so 1 + 1 gives a sum bit of 1: it must be XOR."),
        Wrong(lambda a, b: (xor_layers(a, b)[2], or_(a, b)), "The carry is OR: it is 1 only if both bits are."),
        Wrong(lambda a, b: (xor_layers(a, b)[2], nand(a, b)), "The carry is NAND: it is AND, turned round."),
        Wrong(lambda a, b: (a + b, 0), "That is the number a + b, 0 to 2: a bit is 0 or 1, and what is over goes to the carry."),
        Wrong(lambda a, b: (xor_layers(a, b)[2], 0), "The carry is always 0."),
        Wrong(lambda a, b: (and_(a, b), and_(a, b)), "The sum bit is AND, like the carry: it is 1 if exactly one of the bits is."),
    ],
)  # fmt: skip


def add(a: list[int], b: list[int], *, carry_in: bool = True, both: bool = True, last: bool = True) -> list[int]:
    """The ripple-carry adder, and by its options the ways to get it wrong."""
    carry, out = 0, []
    for p, q in zip(a, b):
        s, c1 = half_adder(p, q)
        s, c2 = half_adder(s, carry if carry_in else 0)
        carry = or_(c1, c2) if both else c1
        out.append(s)
    return [*out, carry] if last else out


def _bits(d: Any, n: int) -> list[int]:
    return [int(v) for v in d.bits(n)]


ADD = Exercise(
    "add", "An adder of neurons", add, spec=stub.add_spec, show="table",
    draw=lambda d, n: (_bits(d, n), _bits(d, n)),
    wrong=[
        Wrong(lambda a, b: add(a, b, carry_in=False), "The carry of one place is not added at the next."),
        Wrong(lambda a, b: add(a, b, both=False), "A carry is lost: adding the old carry to the sum can carry as well."),
        Wrong(lambda a, b: add(a, b, last=False), "The last carry is missing: n bits and n bits make n + 1."),
        Wrong(lambda a, b: add(a, b)[::-1], "The bits are in the wrong order: the lowest comes first."),
        Wrong(lambda a, b: add(a[::-1], b[::-1]), "It begins at the highest bit: carries go from the lowest upwards."),
        Wrong(lambda a, b: [*(p | q for p, q in zip(a, b)), 0], "Each place is OR, without carries: use half adders."),
    ],
)  # fmt: skip


EXERCISES = (NEURON, AND, NAND, OR, LEARN, ROWS_RIGHT, XOR, HALF_ADDER, ADD)
