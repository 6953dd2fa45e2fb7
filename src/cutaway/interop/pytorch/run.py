"""`cutaway run`: a program as Python would run it, with Cutaway where it imports torch."""

from __future__ import annotations

import builtins
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType
from typing import Any

from cutaway.core import accelerate
from cutaway.core.errors import ArgumentError
from cutaway.interop.pytorch.finder import install

INTERRUPTED = 130  # as a shell says it of a program that Ctrl-C ended


def script(file: str, arguments: Sequence[str], compiled: bool = False) -> int:
    """Run a file as `python file arguments` does; the exit code.  Raises ArgumentError if it cannot be read.

    `compiled`: the training steps in its loops as native programs, where that can be (loops.py).
    """
    path = os.path.abspath(file)
    if os.path.isdir(path):
        raise ArgumentError(f"run: {file} is a folder; name a file, or use -m for a package")
    try:
        with io.open_code(path) as f:
            source = f.read()
    except OSError as e:
        raise ArgumentError(f"run: {file} cannot be read: {e.strerror}") from None
    return _program(source, path, os.path.dirname(path), [file, *arguments], SourceFileLoader("__main__", path), compiled)


def command(text: str, arguments: Sequence[str], compiled: bool = False) -> int:
    """Run a text as `python -c text arguments` does; the exit code."""
    return _program(text, "<string>", "", ["-c", *arguments], None, compiled)


def module(name: str, arguments: Sequence[str], compiled: bool = False) -> int:
    """Run a module as `python -m name arguments` does; the exit code.  Raises ArgumentError for `compiled`."""
    import runpy

    if compiled:
        raise ArgumentError("run: --compile reads the program's file; name the file instead of -m and a module")
    _prepare(os.getcwd(), ["-m", *arguments])
    return _exit_code(lambda: runpy.run_module(name, run_name="__main__", alter_sys=True))


def _program(source: str | bytes, path: str, folder: str, argv: list[str], loader: Any, compiled: bool) -> int:
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __loader__=loader, __annotations__={})
    if loader is not None:
        main.__dict__.update(__file__=path, __cached__=None)
    _prepare(folder, argv)
    sys.modules["__main__"] = main
    return _exit_code(lambda: exec(_code(source, path, main.__dict__, compiled), main.__dict__))


def _code(source: str | bytes, path: str, space: dict[str, Any], compiled: bool) -> Any:
    if not compiled:
        return compile(source, path, "exec", dont_inherit=True)
    import ast

    from cutaway.interop.pytorch.loops import STEP, rewrite
    from cutaway.interop.pytorch.steps import Step

    def say(line: int, why: str) -> None:
        print(f"cutaway: {os.path.basename(path)}:{line}: not compiled: {why}", file=sys.stderr)

    tree = ast.parse(source, path)
    found = rewrite(tree, say)
    steps = [Step(segment, path, say) for segment in found]
    space[STEP] = lambda number, values, names: steps[number](values, names)
    return compile(tree, path, "exec", dont_inherit=True)


def _prepare(folder: str, argv: list[str]) -> None:
    """The process is the program's from now on."""
    if sys.flags.safe_path:  # -P, or PYTHONSAFEPATH: Python puts no folder there
        sys.path.insert(0, folder)
    else:
        sys.path[0] = folder
    sys.argv = argv
    install()
    if accelerate.composite is not None:
        accelerate.load()  # now, so that no step of the program waits for it


def _exit_code(start: Callable[[], object]) -> int:
    """Run it; what Python's own exit code would be, with what it would print."""
    try:
        start()
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return e.code or 0
        print(e.code, file=sys.stderr)
        return 1
    except BaseException as e:
        own = _without_ours(e.__traceback__)
        e.__traceback__ = own
        if sys.excepthook is sys.__excepthook__:
            traceback.print_exception(e)
        else:
            sys.excepthook(type(e), e, own)
        return INTERRUPTED if isinstance(e, KeyboardInterrupt) else 1
    return 0


def _without_ours(frames: TracebackType | None) -> TracebackType | None:
    """The traceback from the program's first frame on."""
    while frames is not None and frames.tb_frame.f_code.co_filename in (__file__, "<frozen runpy>"):
        frames = frames.tb_next
    return frames
