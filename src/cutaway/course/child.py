"""The process that a learner's program runs in: `python -m cutaway.course.child`, told what to do by one line of JSON.

It says a line of JSON for everything it begins and everything it finds; the parent (process.py) waits for them, and ends it
when it takes too long. What the program itself prints goes to a file.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.course.chapters import Chapter
from cutaway.course.draw import ansi, draw
from cutaway.course.exercise import Exercise
from cutaway.course.folder import Folder
from cutaway.course.hints import hint
from cutaway.course.judge import CHANGED, difference, judge
from cutaway.course.words import leaves, named, short, whole

LARGEST_OUTPUT = 1 << 20  # bytes that a program may print
LOOK = 0.02  # seconds between looks at the memory, where the system does not limit it
TOO_MUCH = 86  # the exit code that says that there was too much of it
SHOWN = 600  # characters of it that are shown


def main() -> None:
    """Do one job."""
    job = json.loads(sys.stdin.readline())
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    printed = os.open(job["printed"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    chapter, folder = Chapter(job["chapter"]), Folder(job["folder"])
    exercises = [chapter.exercise(n) for n in job["names"]]
    limit(job["memory"], job["kernel"])

    def say(**what: Any) -> None:
        channel.write(json.dumps(what) + "\n")
        channel.flush()

    say(begin="")
    try:
        module = folder.load(chapter)
    except BaseException as error:
        say(broken=_told(error, folder.file(chapter)))
        return
    for e in exercises:
        sys.stdout.flush()
        os.truncate(job["printed"], 0)  # what is shown beside an exercise is its own
        say(begin=e.name)
        found = check(e, getattr(module, e.name, None), folder.file(chapter), say, job["width"], job["colour"])
        sys.stdout.flush()
        say(**found, printed=tail(job["printed"]))


def tail(path: str) -> str:
    """The end of what the program has printed so far."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text if len(text) <= SHOWN else "...\n" + text[-SHOWN:].partition("\n")[2]


def check(e: Exercise, answer: Any, file: Path, say: Any, width: int, colour: bool) -> dict[str, Any]:
    """What was found, in plain data: report.py and notebook.py show it."""
    found: dict[str, Any] = {"name": e.name, "status": "passed", "cases": 0}
    if answer is None:
        return found | {"status": "missing"}
    j = judge(e, answer, lambda inputs: say(trying=_call(e, inputs)))
    if not j.begun:
        return found | {"status": "stub", "terminal": ansi(draw(e, None).terminal, width, colour)}
    say(trying="")
    drawing = draw(e, answer)
    found |= {"cases": len(j.cases), "terminal": ansi(drawing.terminal, width, colour), "html": drawing.html}
    if j.failure is None:
        return found
    f = j.failure
    got, expected = f.got.value, f.expected
    if e.writes:
        got = got, f.got.after
    elif f.why == CHANGED:
        got, expected = f.got.after, f.inputs
    return found | {
        "status": "failed",
        "inputs": [whole(x) for x in f.inputs],
        "call": _call(e, f.inputs),
        "expected": named(expected, e.parts),
        "got": _told(f.got.error, file) if f.got.error is not None else named(got, e.parts),
        "why": _which(e, got, expected) or f.why,
        "hint": hint(e, j),
    }


def _which(e: Exercise, got: Any, expected: Any) -> str:
    """The first part that is wrong, by its name."""
    pairs = list(zip(leaves(got), leaves(expected)))
    if len(e.parts) != len(leaves(expected)) or len(pairs) != len(e.parts):
        return ""
    return next((f"{n}: {d}" for n, (g, w) in zip(e.parts, pairs) if (d := difference(g, w, e.rtol))), "")


def _call(e: Exercise, inputs: tuple[Any, ...]) -> str:
    return f"{e.name}({', '.join(map(short, inputs))})"


def _told(error: BaseException, file: Path) -> str:
    """An error with the learner's own line."""
    if isinstance(error, SyntaxError):
        return f"{file.name}, line {error.lineno}: {error.msg}"
    if isinstance(error, ArgumentError) and not error.__traceback__:
        return str(error)
    lines = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name == file.name]
    at = f"{file.name}, line {lines[-1].lineno}: {lines[-1].line}\n" if lines else ""
    return f"{at}{type(error).__name__}: {error}"


def limit(memory: int, kernel: bool) -> None:
    """Let this process take `memory` bytes more than it has, and print little.

    kernel  whether the system holds it to that, as Linux does: then what is too much raises MemoryError. Else a thread looks
            how much there is, and ends the process; while a single call holds the interpreter, it sees nothing
    """
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_OUTPUT, LARGEST_OUTPUT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if kernel:
            now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
            return
    most = taken() + memory

    def watch() -> None:
        while taken() <= most:
            time.sleep(LOOK)
        os._exit(TOO_MUCH)

    threading.Thread(target=watch, daemon=True).start()


def taken() -> int:
    """Bytes of memory that this process holds; where only that is known, the most that it has held."""
    if sys.platform == "win32":
        return _taken_on_windows()
    import resource

    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _taken_on_windows() -> int:
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = (
            ("size", wintypes.DWORD), ("faults", wintypes.DWORD),
            *((name, ctypes.c_size_t) for name in "peak_resident resident a b c d committed peak_committed".split()),
        )  # fmt: skip

    held = Counters()
    held.size = ctypes.sizeof(held)
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined, unused-ignore]
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    kernel.K32GetProcessMemoryInfo.argtypes = (wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD)
    kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(held), held.size)
    return int(held.peak_committed)


if __name__ == "__main__":
    main()
