"""Two ways to load object code: both run it, keep it as long as it is held, and keep names apart."""

from __future__ import annotations

import ctypes
import gc

import llvmlite.ir as ir
import pytest

from cutaway.engine.llvm.emit import I64
from cutaway.engine.llvm.jit import Code, Engine, Library, compile_object
from cutaway.engine.llvm.target import target


@pytest.fixture(params=[True, False], ids=["library", "engine"])
def tried(request, monkeypatch):
    """Each way in turn, wherever the tests run."""
    if request.param and not Library.tried:
        pytest.skip("not tried on this system")
    monkeypatch.setattr(Library, "tried", request.param)
    return Library if request.param else Engine


def adding(n: int, name: str = "f", calls: str = "") -> bytes:
    """The object code of `name(x) = x + n`, or of calls(x) + n."""
    module = ir.Module("m")
    f = ir.Function(module, ir.FunctionType(I64, [I64]), name)
    b = ir.IRBuilder(f.append_basic_block())
    x = f.args[0]
    if calls:
        x = b.call(ir.Function(module, ir.FunctionType(I64, [I64]), calls), [x])
    b.ret(b.add(x, ir.Constant(I64, n)))
    return compile_object(module, target(), True)


def call(code: Code, name: str, x: int) -> int:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.address(name))(x)


def test_objects_find_each_other_and_nothing_else(tried):
    first = Code(adding(1), adding(10, "g", calls="f"))
    second = Code(adding(5))  # the same name, in another place
    assert isinstance(first.loaded, tried)
    assert (call(first, "f", 3), call(first, "g", 3), call(second, "f", 3)) == (4, 14, 8)
    with pytest.raises((AssertionError, RuntimeError)):
        second.address("g")


def test_code_lives_as_long_as_it_is_held(tried):
    codes = [Code(adding(n)) for n in range(50)]
    kept = codes[::7]
    del codes
    gc.collect()
    more = [Code(adding(100 + n)) for n in range(20)]
    assert [call(c, "f", 0) for c in kept] == list(range(0, 50, 7))
    assert [call(c, "f", 0) for c in more] == list(range(100, 120))


def test_a_function_of_the_process_is_found(tried):
    """LLVM calls memcpy and its like where it sees fit."""
    assert call(Code(adding(0, calls="labs")), "f", -7) == 7
