"""Compile a module in a process of its own, while this one compiles another: LLVM's library takes one thread at a time.

As a script (which imports nothing of this package, to be there quickly): IR on its input, object code on its output.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading

WORTH = 300_000  # characters of IR: the time that the process takes to start
OPTIONS = ("cutaway", "--enable-misched=false")


class Beside:
    """A compilation under way; `result` waits for the object code."""

    def __init__(self, text: str, cpu: str, features: str, level: int) -> None:
        command = [sys.executable, "-P", __file__, cpu, features, str(level)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self.out = b""
        self.thread = threading.Thread(target=self._talk, args=(text.encode(),), daemon=True)
        self.thread.start()

    def _talk(self, text: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.out = self.process.communicate(text)[0]

    def result(self) -> bytes | None:
        """The object code; None if the process failed."""
        self.thread.join()
        return self.out if self.process.returncode == 0 and self.out else None


def alone() -> None:
    """This process is one beside others already: it compiles everything itself."""
    global WORTH
    WORTH = sys.maxsize


def start(text: str, cpu: str, features: str, level: int) -> Beside | None:
    """Begin, if it is worth it and can be done; None if not."""
    if len(text) < WORTH or (os.cpu_count() or 1) < 2 or not sys.executable or getattr(sys, "frozen", False):
        return None
    try:
        return Beside(text, cpu, features, level)
    except OSError:
        return None


def main() -> None:
    """The process."""
    import llvmlite.binding as llvm

    cpu, features, level = sys.argv[1:]
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.set_option(*OPTIONS)
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=int(level), jit=True)
    module = llvm.parse_assembly(sys.stdin.buffer.read().decode())
    module.verify()
    sys.stdout.buffer.write(machine.emit_object(module))


if __name__ == "__main__":
    main()
