"""Names that training scripts touch beside the mathematics: pytrees, `torch.compiler`, hooks' handles, bases of layers."""

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
def test_compiler(t):
    compiler = import_module(f"{t.__name__}.compiler")

    @compiler.disable
    def double(x):
        return x * 2

    @compiler.disable(recursive=False)
    def plus(x):
        return x + 1

    assert plus(double(t.ones(2))).tolist() == [3.0, 3.0] and not compiler.is_compiling()


def test_compiler_says_when_it_compiles():
    pytest.importorskip("llvmlite")
    seen = []
    cutaway.compile(lambda x: (seen.append(cutaway.compiler.is_compiling()), x * 2)[1])(cutaway.ones(2))
    assert seen == [True]


@pytest.mark.parametrize("t", [cutaway, torch], ids=["cutaway", "pytorch"])
def test_handles_of_hooks_and_bases_of_layers(t):
    Handle = import_module(f"{t.__name__}.utils.hooks").RemovableHandle
    net = t.nn.Sequential(t.nn.Conv1d(1, 1, 1), t.nn.ConvTranspose1d(1, 1, 1), t.nn.ReLU())
    h = net.register_forward_hook(lambda m, i, o: None)
    assert isinstance(h, Handle) and isinstance(t.ones(1, requires_grad=True).register_hook(print), Handle)
    h.remove(), h.remove()
    assert not net._forward_hooks
    own = OrderedDict()
    with Handle(own) as mine:
        own[mine.id] = print
    assert not own
    base = import_module("cutaway.nn.conv" if t is cutaway else "torch.nn.modules.conv")._ConvNd
    assert [isinstance(m, base) for m in net] == [True, True, False]
