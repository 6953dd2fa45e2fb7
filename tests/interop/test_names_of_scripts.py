"""Names that training scripts touch beside the mathematics: pytrees, hooks' handles."""

from collections import OrderedDict, defaultdict, deque, namedtuple
from importlib import import_module

import pytest

import cutaway

torch = pytest.importorskip("torch")
Point = namedtuple("Point", "x y")
TREE = {
    "b": [1, (2.0, None)], "a": Point(5, "s"), "o": OrderedDict(k=3), "d": deque([4, 5], maxlen=3),
    "dd": defaultdict(list, {"z": 6}),
}  # fmt: skip

TREES = """
tree_flatten(TREE)[0], tree_flatten(TREE)[1].num_leaves
tree_unflatten(map(str, range(9)), tree_flatten(TREE)[1])
tree_unflatten(range(9), tree_flatten(TREE)[1])['d'].maxlen, tree_unflatten(range(9), tree_flatten(TREE)[1])['dd'].default_factory
tree_unflatten([1], tree_flatten(TREE)[1])
tree_map(lambda x, y: x + y, (1, [2, {'k': 3}]), (10, [20, {'k': 30}]))
tree_map(lambda x, y: x, [1, 2], [1])
tree_map(str, [(1, 2), 3], is_leaf=lambda v: isinstance(v, tuple))
tree_map_(seen.append, [1, (2,)]), seen
tree_map_only(int, lambda v: -v, [1, 'a', 2.0]), tree_map_only((int, str), type, [1, 'a', 2.0])
tree_map_only(lambda v: v == 1, lambda v: 0, [1, 2])
tree_all(lambda v: v > 0, [1, (2,)]), tree_all(lambda v: v > 1, [1, 2]), tree_any(lambda v: v > 1, [1, (2,)]), tree_any(bool, [])
tree_structure([1, 2]) == tree_structure([3, 4]), tree_structure([1]) == tree_structure((1,)), tree_structure({'a': 1}) == tree_structure({'b': 1})
tree_structure(1).is_leaf(), tree_structure([1]).is_leaf(), tree_leaves([1, {'b': 2, 'a': 3}])
"""


def outcome(t, source):
    scope = {**vars(import_module(f"{t.__name__}.utils._pytree")), "TREE": TREE, "seen": []}
    try:
        return repr(eval(source, scope))
    except ValueError:
        return "ValueError"


@pytest.mark.parametrize("source", TREES.strip().splitlines())
def test_trees(source):
    assert outcome(cutaway, source) == outcome(torch, source)


@pytest.mark.parametrize("t", [cutaway, torch], ids=["cutaway", "pytorch"])
def test_handles_of_hooks(t):
    Handle = import_module("cutaway.core.handle" if t is cutaway else "torch.utils.hooks").RemovableHandle
    net = t.nn.ReLU()
    h = net.register_forward_hook(lambda m, i, o: None)
    assert isinstance(h, Handle) and isinstance(t.ones(1, requires_grad=True).register_hook(print), Handle)
    h.remove(), h.remove()
    assert not net._forward_hooks
    own = OrderedDict()
    with Handle(own) as mine:
        own[mine.id] = print
    assert not own
