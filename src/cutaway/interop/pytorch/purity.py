"""Whether code may be run once, to be traced, in place of every time: it must do nothing that a trace does not see.

A trace writes down what happens to Tensors. What happens to anything else (a list that grows, a counter, a line printed, a
number drawn by Python or NumPy) would happen once. So the code is read first, and that of the functions and modules that it
calls. What cannot be read counts as impure. Numbers that the code finds are noted, to be compared before each call.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any

from cutaway.core.package import is_ours
from cutaway.core.tensor import Tensor
from cutaway.nn.module import Module
from cutaway.optim.optimizer import Optimizer

PLAIN = (bool, int, float, str, type(None))
BUILTINS = frozenset(
    "abs all any bool callable dict divmod enumerate filter float frozenset getattr hasattr int isinstance issubclass len "
    "list map max min pow range repr reversed round set slice sorted str sum super tuple type zip".split()
)
PURE_MODULES = ("cutaway", "math", "operator", "functools", "itertools", "typing", "collections", "numpy")
IMPURE_PARTS = ("random",)  # numpy.random
REFUSED = {
    ast.Global: "a global statement", ast.Nonlocal: "a nonlocal statement", ast.Yield: "yield", ast.YieldFrom: "yield",
    ast.Await: "await", ast.Import: "an import", ast.ImportFrom: "an import", ast.Delete: "del", ast.Try: "try",
    ast.ClassDef: "a class", ast.NamedExpr: "an assignment within an expression",
}  # fmt: skip
MISSING = object()


class Impure(Exception):
    """Something that a trace would not see: `line` and why."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Reader:
    """Reads code, and collects what its meaning depends on.

    modules   every module whose call was found        optimizers  every optimiser
    watched   functions that give a number as it is now: a global, a variable of a closure, an object's attribute
    """

    def __init__(self) -> None:
        self.modules: dict[int, Module] = {}
        self.optimizers: dict[int, Optimizer] = {}
        self.watched: list[Callable[[], Any]] = []
        self._seen: set[Any] = set()

    def read(self, nodes: Iterable[ast.AST], known: Mapping[str, Any], local: set[str]) -> None:
        """Raises Impure. `known`: what names stand for that the code does not assign itself."""
        for root in nodes:
            for node in ast.walk(root):
                kind = type(node)
                if kind in REFUSED:
                    raise Impure(f"{REFUSED[kind]} in line {node.lineno}")  # type: ignore[attr-defined]
                if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
                    self._stored(node, known, local)
                elif isinstance(node, ast.Call):
                    self._called(node, known, local)
                elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    self._attribute(node, known, local)

    def fingerprint(self) -> tuple[Any, ...]:
        """The numbers and texts that the code finds, as they are now."""
        found: list[Any] = [read() for read in self.watched]
        for module in self.modules.values():
            found += [v for v in module.__dict__.values() if isinstance(v, PLAIN)]
        return tuple(found)

    def _stored(self, node: ast.Attribute | ast.Subscript, known: Mapping[str, Any], local: set[str]) -> None:
        root: ast.expr = node
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            root = root.value
        name = root.id if isinstance(root, ast.Name) else ""
        if isinstance(node, ast.Subscript) and (name in local or isinstance(known.get(name), Tensor)):
            return
        raise Impure(f"{ast.unparse(node)} is written in line {node.lineno}")

    def _called(self, node: ast.Call, known: Mapping[str, Any], local: set[str]) -> None:
        what = resolve(node.func, known, local)
        if what is MISSING:  # a method of something computed here: of a Tensor, or the trace will say
            return
        self.callee(what, ast.unparse(node.func), node.lineno)

    def _attribute(self, node: ast.Attribute, known: Mapping[str, Any], local: set[str]) -> None:
        owner = resolve(node.value, known, local)
        if owner is MISSING or isinstance(owner, (Module, ModuleType, Optimizer, Tensor, type)):
            return
        if isinstance(getattr(owner, node.attr, MISSING), PLAIN):
            self.watched.append(functools.partial(getattr, owner, node.attr, None))

    def callee(self, what: Any, name: str, line: int) -> None:
        """Raises Impure if a call of `what` is."""
        if isinstance(what, Module):
            self.module(what)
        elif isinstance(what, functools.partial):
            self.callee(what.func, name, line)
        elif is_builtin(what):
            if getattr(what, "__name__", "") not in BUILTINS:
                raise Impure(f"{name}() is called in line {line}")
        elif isinstance(what, type) and issubclass(what, tuple):
            pass
        elif isinstance(getattr(what, "__self__", None), Optimizer):
            owner = what.__self__
            if not is_ours(type(owner)):
                raise Impure(f"{type(owner).__name__} in line {line} is an optimiser of your own")
            self.optimizers[id(owner)] = owner
        elif isinstance(getattr(what, "__self__", None), (Tensor, *PLAIN, tuple)):
            pass
        elif is_pure_library(what):
            owner = getattr(what, "__self__", None)
            if isinstance(owner, Module):
                self.module(owner)
            elif owner is not None and not isinstance(owner, (ModuleType, type)):
                raise Impure(f"{name}() in line {line} changes a {type(owner).__name__}")
        elif isinstance(what, MethodType):
            if isinstance(what.__self__, Module):
                self.module(what.__self__)
            self.function(what.__func__, what.__self__, name, line)
        elif isinstance(what, FunctionType):
            self.function(what, None, name, line)
        else:
            raise Impure(f"{name}() in line {line}: what it does besides is not known")

    def module(self, module: Module) -> None:
        """Raises Impure if a call of the module is."""
        for m in module.modules():
            if id(m) in self.modules:
                continue
            self.modules[id(m)] = m
            hooks = m._hooks
            if hooks is not None and (hooks.before or hooks.after or hooks.grad_output or hooks.grad_input):
                raise Impure(f"{type(m).__name__} has hooks")
            for cls in type(m).__mro__:  # all of them: one may call the next by super()
                if "forward" in vars(cls) and not is_ours(cls):
                    self.function(vars(cls)["forward"], m, cls.__name__, 0)

    def function(self, fn: Any, owner: Any, name: str, line: int) -> None:
        """Raises Impure if a call of the function is; `owner` is its first argument, if it is a method."""
        fn = inspect.unwrap(fn)
        if (fn, id(owner)) in self._seen or is_pure_library(fn):
            return
        self._seen.add((fn, id(owner)))
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(fn))).body
        except (OSError, TypeError, SyntaxError, ValueError):
            raise Impure(f"{name}: its source cannot be read") from None
        if not isinstance(tree, ast.FunctionDef):
            raise Impure(f"{name}: it is no plain function")
        ast.increment_lineno(tree, fn.__code__.co_firstlineno - 1)
        arguments = [a.arg for a in ast.walk(tree.args) if isinstance(a, ast.arg)]
        local = {*arguments, *stored(tree.body)}
        known = dict(fn.__globals__)
        for cell_name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
            try:
                known[cell_name] = cell.cell_contents
            except ValueError:
                continue
            self.watched.append(functools.partial(_contents, cell))
        if owner is not None and arguments:
            known[arguments[0]] = owner
            local.discard(arguments[0])
        known["super"] = super
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in fn.__globals__ and node.id not in local:
                value = fn.__globals__[node.id]
                if isinstance(value, PLAIN):
                    self.watched.append(functools.partial(fn.__globals__.get, node.id))
                elif isinstance(value, (list, dict, set)):
                    raise Impure(f"{name} reads {node.id}, which may change")
                elif isinstance(value, Tensor) or (isinstance(value, Module) and id(value) not in self.modules):
                    raise Impure(f"{name} reads {node.id} from outside; pass it as an argument")
        self.read(tree.body, known, local)


def is_builtin(what: Any) -> bool:
    """True for one of Python's own functions."""
    return what is not None and getattr(builtins, str(getattr(what, "__name__", "")), None) is what


def resolve(node: ast.expr, known: Mapping[str, Any], local: set[str]) -> Any:
    """What an expression of names and attributes stands for before anything is computed; MISSING for any other."""
    if isinstance(node, ast.Name):
        if node.id in local:
            return MISSING
        return known.get(node.id, getattr(builtins, node.id, MISSING))
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value, known, local)
        return MISSING if owner is MISSING else getattr(owner, node.attr, MISSING)
    return MISSING


def is_pure_library(what: Any) -> bool:
    """True for what comes from a module that has no state of its own."""
    where = getattr(what, "__module__", None) or getattr(type(what), "__module__", "")
    owner = getattr(what, "__self__", None)
    cls = what if isinstance(what, type) else type(what)
    if owner is not None and not isinstance(owner, (ModuleType, type)):
        cls = type(owner)
        where = cls.__module__
    parts = str(where).split(".")
    if is_ours(cls):  # while a PyTorch program runs it says another module's name
        return True
    return parts[0] in PURE_MODULES and not (parts[0] == "numpy" and any(p in parts for p in IMPURE_PARTS))


def stored(nodes: Iterable[ast.AST], outside: bool = False) -> set[str]:
    """The names that code assigns; `outside`: without those that only live within a comprehension."""
    roots = list(nodes)
    within = {
        id(n)
        for root in roots
        for c in ast.walk(root)
        if outside and isinstance(c, ast.comprehension)
        for n in ast.walk(c.target)
    }
    return {
        n.id
        for root in roots
        for n in ast.walk(root)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and id(n) not in within
    }


def _contents(cell: Any) -> Any:
    try:
        value = cell.cell_contents
    except ValueError:
        return None
    return value if isinstance(value, PLAIN) else id(value)
