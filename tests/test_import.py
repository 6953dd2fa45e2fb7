"""`import cutaway` is quick because it loads NumPy and nothing else; the rest arrives when it is named."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = set("PIL llvmlite ml_dtypes matplotlib rich safetensors scipy torch typer".split())
LAZY = "data functional gradcheck nn optim rl vision".split()


def loaded_by(program: str) -> set[str]:
    """The modules that a fresh interpreter holds after `program`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_loads_numpy_and_nothing_heavy():
    loaded = loaded_by("import cutaway")
    assert {"cutaway.core.tensor", "numpy"} <= loaded
    assert not loaded & HEAVY
    assert not loaded & {f"cutaway.{part}" for part in [*LAZY, "cli", "train"]}


@pytest.mark.parametrize("part", LAZY)
def test_a_part_arrives_when_it_is_named(part):
    loaded = loaded_by(f"import cutaway\ncutaway.{part}")
    assert f"cutaway.{part}" in loaded
    assert not loaded & HEAVY


def test_bfloat16_asks_for_its_library():
    program = "import sys; sys.modules['ml_dtypes'] = None; import cutaway; cutaway.bfloat16.itemsize; "
    assert "ml_dtypes" not in loaded_by("import cutaway; print(cutaway.bfloat16, cutaway.ones(2).half() + 1)")
    asked = "\ntry: cutaway.ones(2, dtype=cutaway.bfloat16)\nexcept cutaway.CutawayError as e: print('install ml_dtypes' in str(e))"
    assert "True" in loaded_by(program + asked)


@pytest.mark.parametrize(("chosen", "expected"), [(None, "4"), ("20", "20")])
def test_openblas_is_told_to_block_before_numpy_is_loaded(chosen, expected):
    watch = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            print(os.environ.get("OPENBLAS_THREAD_TIMEOUT"))
sys.meta_path.insert(0, Watch())
import cutaway
"""
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_THREAD_TIMEOUT"}
    environment |= {"OPENBLAS_THREAD_TIMEOUT": chosen} if chosen else {}
    done = subprocess.run([sys.executable, "-c", watch], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == expected
