"""Surroundings: what a function sees besides its arguments (modules, optimisers, tensors), and if it still is as it was.

A compiled function asks this at every call, so it is a few comparisons over flat lists: nothing is walked, built or printed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from operator import is_, itemgetter
from types import CellType
from typing import Any

from cutaway.core.tensor import Tensor
from cutaway.core.watched import CHANGES, Watched, WatchedGroup, WatchedList, WatchedMemories

MODULE_TABLES = ("_modules", "_parameters", "_buffers")
# Of an optimiser's group: read anew at each call, or compared by identity.
LIFTED = WatchedGroup.READ_ANEW | {"params"}
TELLING = (Watched, WatchedList, WatchedMemories)
PLAIN = (bool, int, float, str, type(None))


def reached(fn: Any) -> list[Any]:
    """What a callable can see: itself, its closure, its defaults, the globals it names, its object and what that holds."""
    found = [fn]
    owner = getattr(fn, "__self__", None)
    if owner is not None:
        found += [owner, *getattr(owner, "__dict__", {}).values()]
    inner = getattr(fn, "__func__", fn)
    for cell in getattr(inner, "__closure__", None) or ():
        with suppress(ValueError):  # an empty cell
            found.append(cell.cell_contents)
    code, space = getattr(inner, "__code__", None), getattr(inner, "__globals__", {})
    found += [*(getattr(inner, "__defaults__", None) or ()), *(getattr(inner, "__kwdefaults__", None) or {}).values()]
    return found + [space[n] for n in getattr(code, "co_names", ()) if n in space]


def is_module(x: Any) -> bool:
    """True for a module."""
    return hasattr(x, "named_modules") and not isinstance(x, type)


def is_optimizer(x: Any) -> bool:
    """True for an optimiser."""
    return hasattr(x, "param_groups") and hasattr(x, "state") and not isinstance(x, type)


def modules_of(fn: Any) -> list[Any]:
    """The modules that a callable sees, outermost only."""
    return _once(m for m in reached(fn) if is_module(m))


def modes(fn: Any) -> tuple[Any, ...]:
    """What a trace depends on besides the arguments, by value, for a key: which modules and optimisers there are, train or
    eval, what optimisers remember when the rule runs, their fixed hyper-parameters.
    """
    roots, optimisers = modules_of(fn), _once(o for o in reached(fn) if is_optimizer(o))
    training = tuple(m.training for root in roots for _, m in root.named_modules())
    memory = tuple(_remembered(o, g, p) for o in optimisers for g in o.param_groups for p in g["params"])
    fixed = tuple(repr([(k, v) for k, v in g.items() if k not in LIFTED]) for o in optimisers for g in o.param_groups)
    return tuple(map(id, (*roots, *optimisers))), training, memory, fixed


def _remembered(o: Any, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
    """The names of what the rule finds: what is made before the first step counts as there."""
    if o.state.get(p):
        return tuple(o.state[p])
    start = getattr(o, "start", None)
    return (*(("step",) if getattr(o, "counts", False) else ()), *(start(group) if start else ()))


class Surroundings:
    """A snapshot for `fn`, whose program reads `tensors`: `same()` is True as long as the trace would come out the same.

    Numbers and texts that the function's names stand for are no part of it: they are fixed when it is traced.

    Tensors are pointed to by address, so theirs is another question: `moved()`.

    What tells of its changes (core/watched.py: modules' tables and modes, optimisers' memories, tensors' memory and wish for
    a gradient) is looked at only when something has told; the rest, which is plain lists and dicts, at every call.
    """

    def __init__(self, fn: Any, tensors: Sequence[Tensor]) -> None:
        self._fn = fn
        self.look()
        self._modules = _once(m for root in modules_of(fn) for _, m in root.named_modules())
        self._training = [m.training for m in self._modules]
        self._tables = self._module_tables()

        optimisers = _once(o for o in reached(fn) if is_optimizer(o))
        self._optimisers = [(o, o.param_groups, o.state) for o in optimisers]
        groups = [g for o in optimisers for g in o.param_groups]
        fixed = [(g, g["params"], *_fixed(g)) for g in groups]
        self.quick = all(get is not None for _, _, get, _ in fixed)  # else only a key tells whether `same` is enough
        self._groups = [(g, ps, get, values) for g, ps, get, values in fixed if get is not None]
        self._plain_groups = not all(isinstance(g, Watched) for g in groups)
        lists = [*(o.param_groups for o in optimisers), *(g["params"] for g in groups)]
        memories = [m for o in optimisers for m in o.state.values()]
        tables = [*self._tables, *(o.state for o in optimisers), *memories]
        holders = [*((x, x) for x in lists), *((t, t.values()) for t in tables)]  # a dict's values() show what it holds now
        self._watched = [(items, [*items]) for x, items in holders if isinstance(x, TELLING)]
        self._others = [(items, [*items]) for x, items in holders if not isinstance(x, TELLING)]

        self.remembered = {id(t) for m in memories for t in m.values()}  # by optimisers
        self._asked = [t for t in tensors if id(t) not in self.remembered]
        self._frozen = [t._node is None for t in self._asked]
        self._shapes = [(t, t._data.shape, t._data.dtype) for t in tensors]
        self._tensors = list(tensors)
        self.arrays = [t._data for t in tensors]
        self.cells = [t._cell for t in tensors]
        self._known = self._placed = -1  # CHANGES.count when modules and optimisers, and memory, were last looked at

    def look(self) -> bool:
        """Take note of what the function's names stand for now; False if a tensor has gone from among them."""
        fn = self._fn
        before = getattr(self, "_seen", [])
        inner, owner = getattr(fn, "__func__", fn), getattr(getattr(fn, "__self__", None), "__dict__", {})
        names = getattr(getattr(inner, "__code__", None), "co_names", ())
        self._cells = [(c, _contents(c)) for c in getattr(inner, "__closure__", None) or ()]
        self._space, self._owner = getattr(inner, "__globals__", {}), owner
        self._names = [(n, self._space[n]) for n in names if n in self._space]
        self._attributes = [(n, x) for n, x in owner.items() if is_module(x) or is_optimizer(x) or isinstance(x, Tensor)]
        self._seen = [x for _, x in (*self._cells, *self._names, *self._attributes)]
        return all(any(x is y for y in self._seen) for x in before if isinstance(x, Tensor))

    def same(self) -> bool:
        """True if the function's names stand for what they stood for, and that is as it was."""
        for cell, x in self._cells:
            try:
                y = cell.cell_contents
            except ValueError:  # empty
                y = cell
            if y is not x and not (isinstance(y, PLAIN) and isinstance(x, PLAIN)):
                return False
        space = self._space
        for name, x in self._names:
            if (y := space.get(name)) is not x and not (isinstance(y, PLAIN) and isinstance(x, PLAIN)):
                return False
        for name, x in self._attributes:
            if self._owner.get(name) is not x:
                return False
        return self.inside()

    def inside(self) -> bool:
        """True if modules and optimisers hold what they held, in the same modes."""
        for o, groups, state in self._optimisers:
            if o.param_groups is not groups or o.state is not state:
                return False
        if self._plain_groups and not self._groups_same():
            return False
        if self._others and not all(_same(items, held) for items, held in self._others):
            return False
        now = CHANGES.count  # before they are looked at: what changes meanwhile is seen the next time
        if now == self._known:
            return True
        if (
            [m.training for m in self._modules] == self._training
            and all(map(is_, self._module_tables(), self._tables))
            and self._groups_same()
            and all(_same(items, held) for items, held in self._watched)
            and [t._node is None for t in self._asked] == self._frozen
        ):
            self._known = now
            return True
        return False

    def _groups_same(self) -> bool:
        return all(g["params"] is params and get(g) == fixed for g, params, get, fixed in self._groups)

    def _module_tables(self) -> list[dict[str, Any]]:
        return [m.__dict__[name] for m in self._modules for name in MODULE_TABLES]

    def moved(self) -> bool:
        """True if a tensor has other memory than in `arrays`, or another count of writes to it than in `cells`."""
        now = CHANGES.count
        if now == self._placed:
            return False
        memory, cells = [t._data for t in self._tensors], [t._cell for t in self._tensors]
        if not all(map(is_, memory, self.arrays)) or not all(map(is_, cells, self.cells)):
            return True
        self._placed = now
        return False

    def move(self) -> bool:
        """Take note of the tensors' memory; False, and nothing noted, if a shape or dtype is another one."""
        if any(t._data.shape != shape or t._data.dtype != dtype for t, shape, dtype in self._shapes):
            return False
        self.arrays, self.cells = [t._data for t in self._tensors], [t._cell for t in self._tensors]
        return True


def _same(now: Collection[Any], held: list[Any]) -> bool:
    """True if these are the very objects, in this order."""
    return len(now) == len(held) and all(map(is_, now, held))


def _contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty
        return cell


def _once(found: Iterable[Any]) -> list[Any]:
    return list({id(x): x for x in found}.values())


def _fixed(group: dict[str, Any]) -> tuple[Callable[[dict[str, Any]], Any] | None, Any]:
    """How to get a group's fixed hyper-parameters, and what they are now; None for others than plain numbers."""
    names = [k for k in group if k not in LIFTED and k != "param_names"]
    if not all(isinstance(group[k], PLAIN) for k in names):
        return None, None
    get: Callable[[dict[str, Any]], Any] = itemgetter(*names) if names else len
    return get, get(group)
