"""`import cutaway` beside `import numpy`, in turn, each in a fresh process that finds its files byte-compiled.

    python benchmarks/import_time.py [--times N]

Prints the median of each, in milliseconds of wall time from before the import to after it; the interpreter's own start is
not counted. The difference is what Cutaway adds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from statistics import median

MODULES = ("numpy", "cutaway")
# Byte code is written whatever PYTHONDONTWRITEBYTECODE says: an installed package has its own.
PROGRAM = """
import sys
from time import perf_counter as now
sys.dont_write_bytecode = False
start = now()
import {}
print(now() - start)
"""


def seconds(module: str) -> float:
    """How long one import takes in a process of its own."""
    command = [sys.executable, "-c", PROGRAM.format(module)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=15, help="processes a module (default 15)")
    times = parser.parse_args().times
    for module in MODULES:  # the first import byte-compiles, and fills the file cache
        seconds(module)
    taken: dict[str, list[float]] = {module: [] for module in MODULES}
    for _ in range(times):
        for module in MODULES:
            taken[module].append(seconds(module))
    for module in MODULES:
        print(f"import {module:<8} {1000 * median(taken[module]):6.1f} ms  (fastest {1000 * min(taken[module]):.1f})")


if __name__ == "__main__":
    main()
