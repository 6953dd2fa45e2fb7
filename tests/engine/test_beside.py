"""Compiling in a second process: the code is the same, and a process that fails costs nothing but time."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import cutaway
from cutaway.engine.compile import compile
from cutaway.engine.llvm import beside, jit
from cutaway.engine.llvm.target import Effort, target


@pytest.fixture
def started(monkeypatch):
    """Which compilations began in other processes; any size is worth one, and nothing comes from the cache."""
    found: list[beside.Beside | None] = []
    begin = beside.start
    monkeypatch.setenv("CUTAWAY_OBJECT_CACHE", "off")
    monkeypatch.setattr(beside, "WORTH", 0)
    monkeypatch.setattr(beside.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(beside, "start", lambda *a: found.append(begin(*a)) or found[-1])
    return found


def product() -> None:
    """A program with a contraction gives the right numbers."""
    x, w = cutaway.rand(9, 20), cutaway.rand(20, 17)
    y = compile(lambda x, w: cutaway.tanh(x @ w))(x, w)
    np.testing.assert_allclose(y.numpy(), np.tanh(x.numpy() @ w.numpy()), rtol=2e-6)


def test_another_process_makes_the_code(started):
    product()
    assert len(started) == 1 and started[0] is not None and len(started[0].out) > 500


def test_a_process_that_fails_is_done_without(started, monkeypatch, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import sys; sys.exit(3)")
    monkeypatch.setattr(beside, "__file__", str(broken))
    product()
    assert started[0] is not None and started[0].process.returncode == 3 and started[0].result() is None


@pytest.mark.parametrize("executable", ["", "/nowhere/python"])
def test_no_process_can_be_started(started, monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    product()
    assert started == [None]


def test_both_processes_write_the_same_code(monkeypatch):
    monkeypatch.setattr(beside, "WORTH", 0)
    text = "define i64 @f(i64 %x) {\n  %y = mul i64 %x, 7\n  ret i64 %y\n}"
    t = target()
    other = beside.start(text, t.cpu, t.features, Effort.code)
    assert other is not None
    assert other.result() == bytes(jit.machine(t).emit_object(jit.parse(text)))


def test_two_parts_are_kept_as_one():
    assert jit.part(jit.join(b"first", b"")) == (b"first", b"")
    assert jit.part(jit.join(b"", b"second")) == (b"", b"second")
