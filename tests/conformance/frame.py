"""The conformance tables: cases that are read once with Cutaway and once with PyTorch, filed under the names they are about.

Each `*.txt` here is one topic. Its lines are

    # a comment
    image = real(2, 3, 8, 8)             an input for this file's cases, made by `real`, `whole`, ... (MAKERS below)
    [torch.Tensor]                       the section of tools/parity_names.txt that the names below belong to
    [torchvision.io] tested in ...       a section without cases, and why
    float32 int64: constants             names with fewer than five cases, and why
    sum mean:                            names; what is indented below is about them
        x.{}(1)                          a case: `{}` becomes each name in turn. Both libraries give the same
      ! x.{}(7)                          both refuse, with the same class of exception
      ~ x.{}(b8) -- why                  they differ, for this reason; the test fails once they agree

In a case `t` is the library, `np` NumPy, `inf` and `nan` are numbers, and INPUTS (or the file's own) are there by name, made
anew for each library; the seed is 0. `nn`, `F`, `init`, `optim`, `lr_scheduler`, `distributions`, `data` and `utils` (of nn)
are the library's modules, helpers.py has `weights`, `follow`, `walk`, ..., and `real(2, 3)`, `whole(4, low=0, high=3)`, ... make an input on the spot, each other numbers. "; " begins a new line, so `d = f64; with t.no_grad(): d.add_(1); d` works; the value is
the last line's. A line `@sum(x, 1)` is two cases: `t.sum(x, 1)` in [torch] and `x.sum(1)` in [torch.Tensor].
After " -- " may stand `values` (no gradient is compared), `first` (not that of the gradient) or `within 1e-5` (tolerance).

Compared are type, dtype, shape, values, requires_grad, and the first and second gradients by random projection towards the
inputs that require one (x, y, pos, ...) and towards the parameters of modules in the result. Results may be nested in tuples, lists and dicts; text is compared as text.

A case counts for those names of its heading that it mentions, and for the name that is alone in its heading.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ENOUGH = 5


@dataclass(frozen=True)
class Case:
    """One line of a table: what is evaluated, what is expected, and for which names it counts."""

    file: str
    line: int
    source: str
    mark: str  # "" agree, "!" both refuse, "~" differ
    note: str
    section: str
    names: tuple[str, ...]
    inputs: dict[str, str] = field(hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.file}-{self.line}-{self.mark}{self.source}"


# --- inputs -----------------------------------------------------------------------------------------------------------


TURN = [0]  # how many inputs were made on the spot


def rng(shape: tuple[int, ...]) -> np.random.Generator:
    """Numbers that differ from shape to shape, on the spot from one to the next, and not from run to run."""
    return np.random.default_rng([7 + TURN[0], *shape])


def real(*shape: int, dtype: str = "float64") -> Any:
    """From a normal distribution, with gradient."""
    return rng(shape).standard_normal(shape).astype(dtype), True


def cplx(*shape: int, dtype: str = "complex128") -> Any:
    """Both parts from a normal distribution, with gradient."""
    parts = rng(shape).standard_normal((*shape, 2))
    return (parts[..., 0] + 1j * parts[..., 1]).astype(dtype), True


def positive(*shape: int, dtype: str = "float64") -> Any:
    """From [0.5, 2), with gradient."""
    return rng(shape).uniform(0.5, 2, shape).astype(dtype), True


def unit(*shape: int) -> Any:
    """float64 from (0.05, 0.95), with gradient."""
    return rng(shape).uniform(0.05, 0.95, shape), True


def plain(*shape: int, dtype: str = "float64") -> Any:
    """From a normal distribution, without gradient."""
    return rng(shape).standard_normal(shape).astype(dtype), False


def whole(*shape: int, low: int = -9, high: int = 9, dtype: str = "int64") -> Any:
    """Whole numbers from low to below high, without gradient."""
    return rng(shape).integers(low, high, shape).astype(dtype), False


def these(values: Any, dtype: str = "float64", grad: bool = False) -> Any:
    """These numbers."""
    return np.asarray(values, dtype), grad


MAKERS = {f.__name__: f for f in (real, cplx, positive, unit, plain, whole, these)} | {"nan": np.nan, "inf": np.inf}

def on_the_spot(tensor: Any, made_so_far: list[Any]) -> dict[str, Any]:
    """`real` and the like, as functions that make a tensor of a library; what they make is added to `made_so_far`."""

    def maker(make: Any) -> Any:
        def spot(*args: Any, **kwargs: Any) -> Any:
            TURN[0] += 1
            array, grad = make(*args, **kwargs)
            made_so_far.append(tensor(np.asarray(array), requires_grad=grad))
            return made_so_far[-1]

        return spot

    TURN[0] = 0
    return {name: maker(make) for name, make in MAKERS.items() if callable(make)}


INPUTS = {
    "x": "real(3, 4)",
    "y": "these(real(3, 4, 1)[0][..., 0], grad=True)",
    "pos": "positive(3, 4)",
    "unit": "unit(3, 4)",
    "v": "real(4)",
    "w": "real(3)",
    "s": "real()",
    "z": "cplx(3, 4)",
    "zv": "cplx(4)",
    "z64": "these([[1 + 2j, -0.5j, 3], [0, -1.5 + 0.5j, 1j]], dtype='complex64')",
    "m": "real(4, 5)",
    "c": "real(2, 3, 4)",
    "k": "real(2, 4, 5)",
    "e": "real(0, 3)",
    "f64": "plain(3, 4)",
    "f32": "plain(3, 4, dtype='float32')",
    "f16": "plain(3, 4, dtype='float16')",
    "i64": "whole(3, 4)",
    "i32": "whole(3, 4, dtype='int32')",
    "i16": "whole(3, 4, dtype='int16')",
    "i8": "whole(3, 4, dtype='int8')",
    "u8": "whole(3, 4, low=0, high=256, dtype='uint8')",
    "b8": "whole(3, 4, low=0, high=2, dtype='bool')",
    "at": "whole(3, low=0, high=3)",
    "ties": "these([[2, 1, 2, 0], [1, 1, 1, 1], [0, 3, 3, 3]], grad=True)",
    "odd": "these([nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e300])",
}


def made(definition: str) -> tuple[np.ndarray, bool]:
    """The array of an input, and whether it requires a gradient."""
    array, grad = eval(definition, dict(MAKERS))
    return np.asarray(array), grad


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass
class Tables:
    """All that the files say."""

    cases: list[Case] = field(default_factory=list)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)  # (section, name): why there are few
    sections: dict[str, str] = field(default_factory=dict)  # section: why there is none

    def counts(self) -> dict[tuple[str, str], int]:
        """(section, name): its number of cases."""
        found: dict[tuple[str, str], int] = {}
        for case in self.cases:
            for name in case.names:
                found[case.section, name] = found.get((case.section, name), 0) + 1
        return found


def tables(folder: Path = HERE) -> Tables:
    """The tables of all files.  Raises ValueError, with the line, for what cannot be read."""
    out = Tables()
    for path in sorted(folder.glob("*.txt")):
        read(path.stem, path.read_text(encoding="utf-8"), out)
    return out


def read(file: str, text: str, out: Tables) -> None:
    """Add one file's lines."""
    section, names = "", ()
    inputs = dict(INPUTS)
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if raw.startswith("["):
                section, _, why = line[1:].partition("]")
                names = ()
                if why:
                    out.sections[section] = why.strip()
            elif not raw[0].isspace() and re.match(r"\w+ = ", line):
                name, _, definition = line.partition(" = ")
                made(definition)
                inputs[name] = definition
            elif not raw[0].isspace():
                listed, colon, why = line.partition(":")
                if not colon:
                    raise ValueError("names end with a colon")
                names = tuple(listed.split())
                if why:
                    out.reasons |= {(section, name): why.strip() for name in names}
            else:
                out.cases += cases(file, number, line, section, names, inputs)
        except (ValueError, SyntaxError, NameError, TypeError) as error:
            raise ValueError(f"{file}.txt:{number}: {line}: {error}") from None


def cases(
    file: str, number: int, line: str, section: str, names: tuple[str, ...], inputs: dict[str, str]
) -> Iterator[Case]:
    """The cases of one line."""
    mark = line[0] if line[:2] in ("! ", "~ ") else ""
    source, _, note = line[2 if mark else 0 :].strip().partition(" -- ")
    source, note = source.strip(), note.strip()
    if mark == "~" and not note:
        raise ValueError("say why they differ, after --")
    if not names:
        raise ValueError("a case stands under names")
    for one in names if "{}" in source else ("",):
        filled = source.replace("{}", one)
        about = (one,) if one else names
        for where, written in spelled(filled, section):
            ast.parse(lines_of(written))
            mentioned = tuple(n for n in about if len(about) == 1 or re.search(rf"\b{n}\b", written))
            if not mentioned:
                raise ValueError(f"mentions none of {' '.join(about)}")
            yield Case(file, number, written, mark, note, where, mentioned, inputs)


def spelled(source: str, section: str) -> list[tuple[str, str]]:
    """(section, source): as it stands, or `@f(x, ...)` as a function and as a method."""
    if not source.startswith("@"):
        return [(section, source)]
    call = ast.parse(source[1:], mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or not call.args:
        raise ValueError("@ stands before a call f(x, ...)")
    name, first = call.func.id, ast.unparse(call.args[0])
    rest = ast.unparse(ast.Call(call.func, call.args[1:], call.keywords)).removeprefix(name)
    owner = first if isinstance(call.args[0], (ast.Name, ast.Call, ast.Attribute, ast.Subscript)) else f"({first})"
    return [("torch", f"t.{source[1:]}"), ("torch.Tensor", f"{owner}.{name}{rest}")]


def lines_of(source: str) -> str:
    """The program of a case."""
    return source.replace("; ", "\n")


# --- what the test and the page ask -----------------------------------------------------------------------------------


def lacking(found: Tables, names: Iterator[tuple[str, str]]) -> list[str]:
    """Complaints: of names with too few cases and no reason, and of reasons that are not needed."""
    counts = found.counts()
    said = []
    for section, name in names:
        n, why = counts.get((section, name), 0), found.reasons.get((section, name))
        if section in found.sections:
            continue
        if n < ENOUGH and not why:
            said.append(f"{section}.{name}: {n} cases, {ENOUGH} are wanted")
        if n >= ENOUGH and why:
            said.append(f"{section}.{name}: {n} cases need no reason ({why})")
    return said
