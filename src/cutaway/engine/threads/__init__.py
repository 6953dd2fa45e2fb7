"""Threads that live as long as the process and run programs together.

    pool = threads.pool()
    pool.run(address, table, arena, nth)

calls `program(table, arena, tid, nth, barrier, control)` on `nth` threads, the caller being thread 0, with denormal
numbers flushed to zero, and returns when all are done. Between runs workers spin for a moment, then block: an idle process
uses no CPU. A forked child makes its own threads at its first run. A second Python thread that comes while a run is under
way runs its program alone. `set_num_threads`, `get_num_threads`, CUTAWAY_NUM_THREADS and OMP_NUM_THREADS
say how many are used by default; it is fewer while that pays, as other processes keep the CPUs busy.
"""

from __future__ import annotations

from cutaway.engine.threads.workers import Job, Pool, beside, get_num_threads, pool, set_num_threads

__all__ = ["Job", "Pool", "beside", "get_num_threads", "pool", "set_num_threads"]
