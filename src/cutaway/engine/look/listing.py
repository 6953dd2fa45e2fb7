"""The code of a program's kernels: LLVM IR as it was written and as LLVM left it, and the assembly of what runs.

Objects usually come from the disk, without any text; so the text is made anew from the schedule, once it is asked for.
"""

from __future__ import annotations

import re
from functools import cached_property

import llvmlite.ir as ir

from cutaway.core.errors import ArgumentError
from cutaway.engine.llvm import jit
from cutaway.engine.llvm.target import machine
from cutaway.engine.program import Program, generate

IR_FUNCTION = re.compile(r"^define [^\n]*?@\"?([\w.$]+)\"?\(.*?^}", re.MULTILINE | re.DOTALL)
# A function begins at its label. Behind its last instruction come directives and constants, of the next one already.
LABEL = re.compile(r"^_?(k\d+_\w+|step\d+|program):", re.MULTILINE)
NO_CODE = re.compile(r"(?:\n\s*(?:\.[^\n]*|\.?LCPI[^\n]*|[;#][^\n]*)?)+\Z")


class Listing:
    """The text of one program's code. A kernel is meant by its function's name, `k3_einsum`, or by its number, 3.

    "program" is what is left: the function that runs the kernels, and for each the step that looks up its memory.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = [f"k{n}_{k.name}" for n, k in enumerate(program.schedule.kernels)]

    def llvm(self, name: int | str | None = None, optimised: bool = False) -> str:
        """LLVM IR of one kernel (None: of the whole program), before LLVM's passes or after them."""
        if name is None:
            return self._optimised if optimised else self._written
        functions = self._optimised_functions if optimised else self._written_functions
        return "\n\n".join(self._pick(functions, name))

    def asm(self, name: int | str | None = None) -> str:
        """Assembly of one kernel (None: of the whole program), as it runs."""
        return self._assembly if name is None else "\n\n".join(self._pick(self._assembly_functions, name))

    def number(self, name: int | str) -> int:
        """Which kernel is meant.  Raises ArgumentError, with the names that there are, if none or several are."""
        text = str(name)
        if text.isdigit() and int(text) < len(self.names):
            return int(text)
        found = [n for n, full in enumerate(self.names) if text in (full, full.split("_", 1)[1])]
        if len(found) == 1:
            return found[0]
        several = f"stands for {len(found)} kernels" if found else "is no kernel"
        names = ", ".join([*self.names, "program"])
        raise ArgumentError(f"{name!r} {several} here; there are {names} (a kernel's number alone will do)")

    def _pick(self, functions: dict[str, str], name: int | str) -> list[str]:
        if name == "program":
            return [text for key, text in functions.items() if key == name or key.startswith("step")]
        n = self.number(name)
        found = [text for key, text in functions.items() if key.startswith(f"k{n}_")]
        return found or [f"; {self.names[n]}: nothing is left of it: it has no element to compute"]

    @cached_property
    def _modules(self) -> tuple[ir.Module, ir.Module]:
        p = self.program
        return generate(p.schedule, p.memory, p.target)

    @cached_property
    def _written(self) -> str:
        return "\n".join(map(str, self._modules))

    @cached_property
    def _linked(self) -> tuple[str, str]:
        """IR after LLVM's passes, and assembly, of the one module that runs."""
        t = self.program.target
        whole = jit.linked(*self._modules, t)
        return str(whole), str(machine(t).emit_assembly(whole))

    @property
    def _optimised(self) -> str:
        return self._linked[0]

    @property
    def _assembly(self) -> str:
        return self._linked[1]

    @cached_property
    def _written_functions(self) -> dict[str, str]:
        return functions_of(self._written)

    @cached_property
    def _optimised_functions(self) -> dict[str, str]:
        return functions_of(self._optimised)

    @cached_property
    def _assembly_functions(self) -> dict[str, str]:
        return assembly_of(self._assembly)


def functions_of(text: str) -> dict[str, str]:
    """The functions of a module of IR, by name."""
    return {m.group(1): m.group(0) for m in IR_FUNCTION.finditer(text)}


def assembly_of(text: str) -> dict[str, str]:
    """The functions of an assembly listing, by name."""
    starts = [(m.group(1), m.start()) for m in LABEL.finditer(text)]
    ends = [at for _, at in starts[1:]] + [len(text)]
    return {name: NO_CODE.sub("", text[at:end]) for (name, at), end in zip(starts, ends, strict=True)}
