"""What the runtime asks of the operating system: let others run, block until a word changes, wake those that block.

Blocking compares the word with the value last seen inside the kernel, so that a change just before is never missed.
Linux has futex(2), Windows WaitOnAddress, macOS (from 14.4) os_sync_wait_on_address; where there is none of them, a waiter
naps for a millisecond and looks again.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from collections.abc import Callable
from typing import Any, NamedTuple

from cutaway.engine.llvm.emit import I32, I64, PTR, VOID
from cutaway.engine.threads import layout
from cutaway.engine.threads.words import Words, i32, i64

FUTEX = {"x86_64": 202, "aarch64": 98}  # numbers of the system call
FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE = 128, 129
EVERYONE = 0x7FFFFFFF
FOR_EVER = 0xFFFFFFFF  # milliseconds, to Windows
NAP = 1000  # microseconds


class System(NamedTuple):
    """`functions`: addresses by their place in the control block; `wait` and `wake` emit the calls."""

    name: str
    functions: dict[int, int]
    wait: Callable[[Words, Any, Any, Any], None]  # (function, control, word, value last seen)
    wake: Callable[[Words, Any, Any], None]  # (function, control, word)
    moves: bool = False  # workers can be told on which CPUs to run


def futex_wait(f: Words, control: Any, word: Any, old: Any) -> None:
    """syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, no timeout)."""
    _futex(f, control, word, FUTEX_WAIT_PRIVATE, f.b.zext(old, I64), layout.WAIT)


def futex_wake(f: Words, control: Any, word: Any) -> None:
    """syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, everyone)."""
    _futex(f, control, word, FUTEX_WAKE_PRIVATE, i64(EVERYONE), layout.WAKE)


def _futex(f: Words, control: Any, word: Any, operation: int, value: Any, entry: int) -> None:
    number = i64(FUTEX[platform.machine()])
    zero = i64(0)
    f.through(f.read(control, entry, PTR), I64, number, f.b.ptrtoint(word, I64), i64(operation), value, zero, zero, zero)


def address_wait(f: Words, control: Any, word: Any, old: Any) -> None:
    """WaitOnAddress(word, &old, 4, INFINITE): returns once the word differs from old (or for no reason)."""
    with f.b.goto_entry_block():
        seen = f.b.alloca(I32)
    f.b.store(old, seen)
    f.through(f.read(control, layout.WAIT, PTR), I32, word, seen, i64(4), i32(FOR_EVER))


def address_wake(f: Words, control: Any, word: Any) -> None:
    """WakeByAddressAll(word)."""
    f.through(f.read(control, layout.WAKE, PTR), VOID, word)


def sync_wait(f: Words, control: Any, word: Any, old: Any) -> None:
    """os_sync_wait_on_address(word, old, 4, OS_SYNC_WAIT_ON_ADDRESS_NONE)."""
    f.through(f.read(control, layout.WAIT, PTR), I32, word, f.b.zext(old, I64), i64(4), i32(0))


def sync_wake(f: Words, control: Any, word: Any) -> None:
    """os_sync_wake_by_address_all(word, 4, OS_SYNC_WAKE_BY_ADDRESS_NONE)."""
    f.through(f.read(control, layout.WAKE, PTR), I32, word, i64(4), i32(0))


def nap_wait(f: Words, control: Any, word: Any, old: Any) -> None:
    """usleep(NAP): the caller looks again afterwards."""
    f.through(f.read(control, layout.WAIT, PTR), I32, i32(NAP))


def nap_wake(f: Words, control: Any, word: Any) -> None:
    """Nothing: who naps wakes by itself."""


def entry(library: Any, name: str) -> int:
    """Where a function of a library starts."""
    found = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    assert found
    return found


def linux() -> System:
    """futex, and workers that move off the launcher's CPU."""
    c = ctypes.CDLL(None)
    call = entry(c, "syscall")
    functions = {layout.YIELD: entry(c, "sched_yield"), layout.WAIT: call, layout.WAKE: call}
    functions |= {layout.GET_CPU: entry(c, "sched_getcpu"), layout.SET_AFFINITY: entry(c, "sched_setaffinity")}
    return System("futex", functions, futex_wait, futex_wake, moves=True)


def macos() -> System:
    """os_sync; AttributeError before macOS 14.4."""
    c = ctypes.CDLL(None)
    names = {layout.YIELD: "sched_yield", layout.WAIT: "os_sync_wait_on_address", layout.WAKE: "os_sync_wake_by_address_all"}
    return System("os_sync", {k: entry(c, n) for k, n in names.items()}, sync_wait, sync_wake)


def windows() -> System:
    """WaitOnAddress, there since Windows 8."""
    wait, kernel = ctypes.CDLL("api-ms-win-core-synch-l1-2-0"), ctypes.CDLL("kernel32")
    functions = {layout.YIELD: entry(kernel, "SwitchToThread"), layout.WAIT: entry(wait, "WaitOnAddress")}
    functions[layout.WAKE] = entry(wait, "WakeByAddressAll")
    return System("WaitOnAddress", functions, address_wait, address_wake)


def naps() -> System:
    """Any Unix."""
    c = ctypes.CDLL(None)
    return System("naps", {layout.YIELD: entry(c, "sched_yield"), layout.WAIT: entry(c, "usleep")}, nap_wait, nap_wake)


def this_system() -> System:
    """What the machine we run on offers."""
    name = platform.system()
    if name == "Windows":
        return windows()
    with contextlib.suppress(AttributeError):  # a C library without these functions
        if name == "Darwin":
            return macos()
        if name == "Linux" and platform.machine() in FUTEX:
            return linux()
    return naps()


def usable_cpus() -> list[int]:
    """The CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
