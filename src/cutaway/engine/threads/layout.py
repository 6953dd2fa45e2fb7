"""The control block: the memory through which the threads of a pool talk, as offsets in bytes.

Words that different threads write lie 128 bytes apart: caches move 64 bytes at a time, and prefetchers fetch them in pairs.
"""

from __future__ import annotations

LINE = 128
MOST_THREADS = 256

# The job, written by the thread that launches it.
PROGRAM, TABLE, ARENA, COUNT = 0, 8, 16, 24  # COUNT: how many threads take part
LAUNCHER_CPU = 32  # i64: where the launcher runs, or -1 if the workers need not care

BUSY = 1 * LINE  # i32: 1 while a run is under way, and for ever once the pool has stopped
DONE, DONE_SLEEPERS = 2 * LINE, 2 * LINE + 4  # i32: workers that finished the job; whether the launcher blocks on it
ARRIVED = 3 * LINE  # i32: threads inside the barrier
GENERATION, GENERATION_SLEEPERS = 4 * LINE, 4 * LINE + 4  # i32: barriers passed; threads that block until the next
BLOCKED = 5 * LINE  # i64: how often anyone has blocked in the system

# Settings (i64), read only while threads run. Waiting is `spins` pauses, then `yields` to other threads, then blocking.
CORES = 6 * LINE
IDLE_SPINS, IDLE_YIELDS = CORES + 8, CORES + 16  # a worker, between runs
RUN_SPINS, RUN_YIELDS = CORES + 24, CORES + 32  # inside a run
CROWDED_SPINS, CROWDED_YIELDS = CORES + 40, CORES + 48  # inside a run of more threads than cores
MASKS = CORES + 56  # address of a table of CPU sets: row c holds every CPU but c; 0 if workers stay where they are
MASK_BYTES, MASK_ROWS = 128, 1024

# Addresses of the system's functions, so that the object code refers to nothing outside itself.
YIELD, WAIT, WAKE, GET_CPU, SET_AFFINITY = range(7 * LINE, 7 * LINE + 40, 8)

BOXES = 8 * LINE  # a mailbox a thread
SEQUENCE, SLEEPING, TAKEN = 0, 4, 8  # i32, i32, i32: jobs posted; whether it blocks; whether a worker has moved in
SIZE = BOXES + MOST_THREADS * LINE


def box(thread: int, word: int) -> int:
    """Where a word of a thread's mailbox lies."""
    return BOXES + thread * LINE + word
