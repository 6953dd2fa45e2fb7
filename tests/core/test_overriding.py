"""Classes with a `__torch_function__`: the same programs with PyTorch and with Cutaway print the same."""

from __future__ import annotations

import dis
import inspect
import io
import pickle
from contextlib import redirect_stdout

import pytest

import cutaway
from cutaway.core.errors import ArgumentTypeError, NotWritten
from cutaway.core.methods import Methods
from cutaway.core.overriding import asked, entries
from cutaway.core.package import named

torch = pytest.importorskip("torch")

PROGRAMS = {
    "a subclass without anything": """
        class A(torch.Tensor): pass
        class B(A): pass
        a, b, x = torch.ones(2).as_subclass(A), torch.ones(2).as_subclass(B), torch.ones(2)
        for y in (a + 1, x + a, a + b, torch.stack([x, a, b]), a.max(0).values, a.split(1)[0], torch.where(a > 0, x, b), a[0],
                  F.relu(a), a.add_(b), x.add_(b), a.sum(), torch.linalg.norm(a), a.detach(), a.data, next(iter(b)), A([1, 2]),
                  torch.Tensor(a), torch.as_tensor(a), torch.tensor([a[0]]), a.to(torch.float64), a.as_subclass(torch.Tensor),
                  torch.nn.Linear(2, 2)(a), torch.nn.LSTM(2, 3)(a[None])[0], a.shape, a.numpy(), a.tolist(), a.unbind()):
            print(type(y).__name__)
        a.note = 1
        print(a.__dict__, hasattr(a + 1, "note"), repr(a), repr(b.sum()), repr(torch.arange(40.0).as_subclass(B)))
    """,
    "what func is": """
        calls = []
        class L(torch.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                calls.append((func.__name__, func in (torch.Tensor.add, torch.Tensor.mul, torch.add), len(args)))
                return super().__torch_function__(func, types, args, kwargs)
        a, i = torch.tensor([1.0, 2.0]).as_subclass(L), torch.tensor([1, 2]).as_subclass(L)
        for f in (lambda: a + 1, lambda: 1 + a, lambda: 1 - a, lambda: 1 / a, lambda: a**2, lambda: 2**a, lambda: a // 2,
                  lambda: 3 % a, lambda: -a, lambda: ~i, lambda: i & i, lambda: 1 | i, lambda: a == a, lambda: a < 1,
                  lambda: a[0], lambda: len(a), lambda: repr(a), lambda: f"{a}", lambda: float(a[0]), lambda: a.shape,
                  lambda: a.grad, lambda: a.sum(0), lambda: torch.add(a, 1, alpha=2), lambda: torch.stack([a, a]),
                  lambda: F.gelu(a), lambda: F.sigmoid(a), lambda: list(a), lambda: a.backward, lambda: a.mul_(2)):
            f()
        def scale(b): b *= 2
        scale(a)
        def put(b): b[0] = 3
        put(a)
        print(*calls, sep="\\n")
    """,
    "no tensor at all": """
        class S:
            def __init__(self, n): self.n = n
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                if func not in (torch.mean, torch.add, torch.Tensor.add, torch.stack, F.softmax): return NotImplemented
                return func.__name__, [t.__name__ for t in types], len(args), kwargs
        class R:
            def __radd__(self, other): return "radd"
            def __gt__(self, other): return "gt"
            def __rmatmul__(self, other): return "rmatmul"
        x, s = torch.ones(2), S(1)
        print(x + s, s + x, torch.mean(s), torch.add(x, s, alpha=2), torch.stack([x, s]), F.softmax(s, dim=0)[0])
        print(x + R(), x < R(), x @ R())
        for f in (lambda: torch.exp(s), lambda: x.mul(s), lambda: x * s, lambda: F.relu(s), lambda: x - R(), lambda: x + None):
            try: f()
            except TypeError: print("TypeError")
    """,
    "whose turn it is": """
        class A(torch.Tensor):
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                if func.__name__ != "__repr__": print(cls.__name__, func.__name__, [t.__name__ for t in types])
                return super().__torch_function__(func, types, args, kwargs)
        class B(A): pass
        class C(torch.Tensor): pass
        a, b, c = (torch.ones(1).as_subclass(k) for k in (A, B, C))
        a + b, torch.stack([a, b, a])
        for f in (lambda: torch.add(a, c), lambda: a + c):
            try: print(f())
            except TypeError: print("TypeError")
        with torch._C.DisableTorchFunctionSubclass(): print(type(a + 1).__name__)
        class D(torch.Tensor): __torch_function__ = torch._C._disabled_torch_function_impl
        print(type(torch.ones(1).as_subclass(D) + 1).__name__)
    """,
    "gradients": """
        class A(torch.Tensor): pass
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        y = (w.as_subclass(A) ** 2).sum()
        print(y, type(y).__name__)
        y.backward()
        print(w.grad, w.as_subclass(A).is_leaf)
        a = torch.Tensor._make_subclass(A, torch.tensor([1.0, 2.0]), True)
        (a * a).sum().backward()
        print(a, a.is_leaf, a.grad, type(a.grad).__name__, type(torch.autograd.grad((a * a).sum(), a)[0]).__name__)
    """,
    "parameters": """
        class A(torch.Tensor): pass
        class P(torch.nn.Parameter): pass
        p, q = torch.nn.Parameter(torch.ones(2).as_subclass(A)), P(torch.ones(2))
        print(type(p).__name__, isinstance(p, torch.nn.Parameter), p, p.is_leaf, q, type(q * 2).__name__)
        print(isinstance(torch.ones(2).as_subclass(A), torch.nn.Parameter), isinstance(3, torch.nn.Parameter))
        m = torch.nn.Module()
        m.p, m.q = p, q
        o = torch.optim.SGD(m.parameters(), 0.5)
        (m.p * m.q * 3).sum().backward()
        o.step()
        print([(n, type(t).__name__, t.tolist()) for n, t in m.named_parameters()])
    """,
    "methods of its own, and attributes": """
        import copy
        class A(torch.Tensor):
            meta = None
            def __init__(self, *args): super().__init__(); self.k = [1]
            def sum(self, *a, **k): return "mine"
            def __getitem__(self, i): return "item"
            def requires_grad_(self, on=True): self.requires_grad = on; return self
        a = A([1.0, 2.0])
        print(a, a.k, a.sum(), a[0], torch.sum(a), F.softmax(a, -1), a.std(), a.requires_grad_().requires_grad)
        b = torch.ones(2).as_subclass(A)
        b.__dict__ = copy.copy(a.__dict__)
        print(b.__dict__, b.k is a.k, b, vars(torch.ones(1)))
        b.__dict__["meta"] = 5
        print(b.meta, sorted(b.__dict__), A.meta)
    """,
    "modes": """
        from torch.overrides import TorchFunctionMode
        class M(TorchFunctionMode):
            def __init__(self, n): self.n = n
            def __torch_function__(self, func, types, args=(), kwargs=None):
                print(self.n, func.__name__, [t.__name__ for t in types if t is not torch.Tensor])
                return func(*args, **(kwargs or {}))
        class A(torch.Tensor): pass
        a = torch.ones(2).as_subclass(A)
        with M(1), M(2): y = torch.exp(a) + torch.zeros(2)
        with M(3): torch.tensor([1.0]); torch.nn.ReLU()(torch.ones(1))
        with M(4), torch._C.DisableTorchFunctionSubclass(): z = torch.exp(a)
        print(type(y).__name__, type(z).__name__)
        class Double(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                return func(*args, **{**(kwargs or {}), **({"dtype": torch.float64} if func is torch.ones else {})})
        with Double(): print(torch.ones(1).dtype)
        print(torch.ones(1).dtype)
    """,
}


@pytest.fixture(autouse=True)
def nobody_asks():
    entries.remove()
    yield
    entries.remove()


def printed(lib, program: str) -> list[str]:
    said = io.StringIO()
    with redirect_stdout(said):
        exec(inspect.cleandoc(program), {"torch": lib, "F": lib.nn.functional, "__name__": "program"})
    return said.getvalue().splitlines()


class Torch:
    """`torch`, with `torch._C` and as a module that can be imported from."""

    def __init__(self):
        from cutaway.interop.pytorch import c

        self._C = c

    def __getattr__(self, name):
        return getattr(cutaway, name)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_the_same(name):
    program = PROGRAMS[name]
    torch.manual_seed(0)
    theirs = printed(torch, program)
    with named("torch"):
        ours = printed(Torch(), program.replace("from torch.overrides", "from cutaway.overrides"))
    assert ours == theirs and theirs


# --- entering ---------------------------------------------------------------------------------------------------------


def test_nothing_is_installed_until_somebody_wants_to_be_asked():
    before = cutaway.add.__code__, Methods.__add__.__code__, cutaway.nn.functional.relu.__code__
    told = inspect.signature(Methods.__add__)
    assert cutaway.nn.Parameter(cutaway.ones(1)) is not None and not asked.installed

    class Kept(cutaway.nn.Parameter):
        pass

    assert not asked.installed

    class Own(cutaway.Tensor):
        pass

    assert asked.installed
    after = cutaway.add.__code__, Methods.__add__.__code__, cutaway.nn.functional.relu.__code__
    assert all(a is not b for a, b in zip(before, after))
    assert inspect.signature(Methods.__add__) == told
    entries.remove()
    assert before == (cutaway.add.__code__, Methods.__add__.__code__, cutaway.nn.functional.relu.__code__)


@pytest.mark.parametrize("name", sorted(n for n in vars(Methods) if n in entries.OPERATORS and n[2] != "i"))
def test_an_operator_has_no_instruction_for_what_goes_wrong(name):
    """`try` costs a NOP if it has a line of its own."""
    code = [i.opname for i in dis.get_instructions(vars(Methods)[name])]
    assert "NOP" not in code[: code.index("RETURN_VALUE")]


def test_a_call_that_failed_is_made_again_once():
    told = []

    class Duck:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            told.append(func)
            return 5

    f, add = cutaway.nn.functional.linear, cutaway.add
    assert f(Duck(), cutaway.ones(2, 2)) == 5 and asked.installed
    assert cutaway.nn.Linear(2, 2)(Duck()) == 5 and add(1, Duck()) == 5
    assert told == [f, f, add]


def test_an_error_of_the_class_s_own_is_left_alone():
    class Duck:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            raise KeyError("mine")

    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            cutaway.exp(Duck())


def test_what_cannot_be():
    class Dispatches(cutaway.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            return None

    for make in (lambda: cutaway.ones(2).as_subclass(Dispatches), lambda: Dispatches([1.0])):
        with pytest.raises(NotWritten, match="define __torch_function__"):
            make()
    with pytest.raises(NotWritten, match="without memory"):
        cutaway.Tensor._make_wrapper_subclass(Dispatches, (2,))
    for cls in (int, 3):
        with pytest.raises(ArgumentTypeError, match="subclass of Tensor"):
            cutaway.ones(2).as_subclass(cls)


# --- files ------------------------------------------------------------------------------------------------------------


class Kept(cutaway.Tensor):
    unit = None


class KeptThere(torch.Tensor):
    unit = None


KeptThere.__qualname__ = "Kept"


def test_pickles_and_checkpoints_keep_the_class():
    asked.install()
    a = cutaway.arange(3.0).as_subclass(Kept)
    a.unit, a._private = "m", [1]
    for read in (pickle.loads(pickle.dumps(a)), through_a_file(cutaway, a)):
        assert type(read) is Kept and read.__dict__ == {"unit": "m", "_private": [1]} and read.tolist() == [0, 1, 2]
    with pytest.raises(cutaway.UnsafeFileError, match="Kept"):
        through_a_file(cutaway, a, weights_only=True)
    p = cutaway.nn.Parameter(a)
    assert isinstance(through_a_file(cutaway, p), cutaway.nn.Parameter)


def through_a_file(lib, value, weights_only=False, reader=None):
    file = io.BytesIO()
    lib.save(value, file)
    file.seek(0)
    return (reader or lib).load(file, weights_only=weights_only)


def test_pytorch_and_cutaway_read_each_other_s(monkeypatch):
    import sys

    here = sys.modules[__name__]
    asked.install()
    a = cutaway.arange(3.0).as_subclass(Kept)
    a.unit = "m"
    file = io.BytesIO()
    cutaway.save(a, file)
    file.seek(0)
    ours = Kept
    monkeypatch.setattr(here, "Kept", KeptThere)
    read = torch.load(file, weights_only=False)
    assert type(read) is KeptThere and read.unit == "m" and read.tolist() == [0, 1, 2]
    file = io.BytesIO()
    torch.save(read, file)
    file.seek(0)
    monkeypatch.setattr(here, "Kept", ours)
    read = cutaway.load(file, weights_only=False)
    assert type(read) is ours and read.unit == "m" and read.tolist() == [0, 1, 2]


def test_a_pytorch_program_that_counts_operations_is_told_what_to_use():
    from cutaway.interop.pytorch.names import why_absent

    assert "TorchFunctionMode" in why_absent("torch.utils._python_dispatch")
