"""Module: registering, walking, modes, dtype, copying, repr, and the errors that say in which layer they arose."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cutaway
from cutaway import nn
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    CutawayError,
    DeviceError,
    DTypeError,
    GradError,
    MissingAttribute,
    NotWritten,
    ShapeError,
)

torch = pytest.importorskip("torch")


def network(nn):
    """The same network from either library: nested, with a shared layer, buffers and an absent bias."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, bias=False)
            self.bn = nn.BatchNorm2d(4)

        def forward(self, x):
            return self.bn(self.conv(x)).relu()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(Block(), nn.MaxPool2d(2), nn.Flatten())
            self.head = nn.ModuleDict({"a": nn.Linear(16, 2), "b": nn.Linear(16, 2)})
            self.head["c"] = self.head["a"]
            self.extra = None

        def forward(self, x):
            h = self.features(x)
            return self.head["a"](h) + self.head["b"](h)

    return Net()


def test_walks_are_those_of_pytorch():
    a, b = network(nn), network(torch.nn)
    for method in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert [n for n, _ in getattr(a, method)()] == [n for n, _ in getattr(b, method)()], method
    for flags in ({"recurse": False}, {"remove_duplicate": False}, {"prefix": "net"}):
        assert [n for n, _ in a.named_parameters(**flags)] == [n for n, _ in b.named_parameters(**flags)]
    assert [n for n, _ in a.named_modules(remove_duplicate=False)] == [
        n for n, _ in b.named_modules(remove_duplicate=False)
    ]
    assert [type(m).__name__ for m in a.modules()] == [type(m).__name__ for m in b.modules()]
    assert [type(m).__name__ for m in a.children()] == [type(m).__name__ for m in b.children()]
    assert [tuple(p.shape) for p in a.parameters()] == [tuple(p.shape) for p in b.parameters()]
    assert [tuple(p.shape) for p in a.buffers()] == [tuple(p.shape) for p in b.buffers()]
    assert repr(a) == repr(b)


def test_apply_goes_from_the_leaves_up():
    names = []
    net = network(nn)
    assert net.apply(lambda m: names.append(type(m).__name__)) is net
    theirs = []
    network(torch.nn).apply(lambda m: theirs.append(type(m).__name__))
    assert names == theirs


def test_modes_reach_every_module():
    net = network(nn)
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.features[0].train()
    assert net.features[0].bn.training and not net.features[1].training
    with pytest.raises(ArgumentTypeError, match="mode must be True or False"):
        net.train("yes")


def test_requires_grad_and_zero_grad():
    net = network(nn)
    net(cutaway.randn(2, 3, 6, 6)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    held = net.head["a"].weight.grad
    net.zero_grad(set_to_none=False)
    assert not net.head["a"].weight.grad.any() and not held.any()
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())
    assert not net(cutaway.randn(2, 3, 6, 6)).requires_grad


def test_to_another_dtype_keeps_the_parameter_objects():
    net = network(nn)
    before = list(net.parameters())
    net(cutaway.randn(2, 3, 6, 6)).sum().backward()
    assert net.double() is net
    assert all(p is q for p, q in zip(net.parameters(), before, strict=True))
    assert {p.dtype.name for p in net.parameters()} == {p.grad.dtype.name for p in net.parameters()} == {"float64"}
    assert net.features[0].bn.running_mean.dtype is cutaway.float64
    assert net.features[0].bn.num_batches_tracked.dtype is cutaway.int64
    net(cutaway.randn(2, 3, 6, 6, dtype=cutaway.float64)).sum().backward()  # still a leaf that gathers gradients
    for call in (net.float, lambda: net.to(cutaway.float32), lambda: net.to("cpu", dtype=cutaway.float32)):
        net.double()
        assert call().head["a"].weight.dtype is cutaway.float32
    assert net.to(cutaway.zeros(1, dtype=cutaway.float64)).head["a"].weight.dtype is cutaway.float64
    assert net.half().head["a"].weight.dtype is cutaway.float16
    assert net.to("cpu") is net.cpu() is net
    assert nn.Linear(2, 2).type(cutaway.float64).bias.dtype is cutaway.float64


def test_the_device_is_the_cpu():
    net = nn.Linear(2, 2)
    for call in (
        net.cuda,
        lambda: net.to("cuda"),
        lambda: net.to(device="mps"),
        lambda: nn.Linear(2, 2, device="cuda:0"),
    ):
        with pytest.raises(DeviceError, match="not available"):
            call()


# --- attributes -------------------------------------------------------------------------------------------------------


def test_assigning_registers_and_moves_between_kinds():
    m = nn.Module()
    m.x = nn.Parameter(cutaway.ones(2))
    assert list(dict(m.named_parameters())) == ["x"]
    m.x = nn.Linear(2, 2)
    assert not m._parameters and list(dict(m.named_children())) == ["x"]
    m.x = nn.Buffer(cutaway.ones(3), persistent=False)
    assert not m._modules and list(dict(m.named_buffers())) == ["x"] and not m.state_dict()
    m.x = nn.Buffer(cutaway.ones(3))
    assert list(m.state_dict()) == ["x"]
    m.x = cutaway.zeros(3)  # a plain tensor stays a buffer under a buffer's name
    assert list(dict(m.named_buffers())) == ["x"]
    m.x = None
    assert m.x is None and not m.state_dict()
    m.plain = cutaway.ones(2)  # a plain tensor elsewhere is only an attribute
    assert not list(m.buffers())
    m.plain = nn.Parameter(cutaway.ones(2))
    assert "plain" not in m.__dict__ and list(m.state_dict()) == ["plain"]
    del m.plain
    assert not hasattr(m, "plain")


def test_a_parameter_shares_the_memory_of_its_tensor():
    t = cutaway.zeros(3)
    p = nn.Parameter(t)
    assert p.requires_grad and p.is_leaf and isinstance(p, cutaway.Tensor)
    with cutaway.no_grad():
        p.add_(1)
    assert t.tolist() == [1, 1, 1]
    assert not nn.Parameter(t, requires_grad=False).requires_grad
    assert repr(p).startswith("Parameter containing:\ntensor([1., 1., 1.]")
    assert tuple(nn.Parameter().shape) == (0,)
    assert type(p + 1) is cutaway.Tensor
    made = nn.Parameter(cutaway.ones(2, requires_grad=True) * 2)
    assert made.is_leaf


def test_a_property_that_fails_shows_its_own_error():
    class Broken(nn.Module):
        @property
        def width(self):
            return self.not_there

    with pytest.raises(MissingAttribute, match="Broken has no attribute 'not_there'"):
        _ = Broken().width


def test_a_missing_attribute_is_cheap_and_known_to_python():
    layer = nn.Linear(1, 1)
    with pytest.raises(MissingAttribute) as caught:
        _ = layer.wieght
    # From these two the interpreter makes its own "Did you mean: 'weight'?" when it prints the traceback.
    assert caught.value.name == "wieght" and caught.value.obj is layer
    assert not hasattr(layer, "gone") and getattr(layer, "gone", 3) == 3


def test_dir_lists_what_is_registered():
    listed = dir(nn.BatchNorm1d(2))
    assert {"weight", "running_mean", "forward", "eps"} <= set(listed)
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


class Early(nn.Module):
    def __init__(self, value):
        self.layer = value


class Never(nn.Module):
    def __init__(self):
        pass

    def forward(self, x):
        return x


LINEAR = nn.Linear(2, 3)
ERRORS = [
    (lambda: Early(nn.Linear(1, 1)), MissingAttribute, r"Early: cannot assign the module 'layer' to it.*super\(\)\.__init__\(\) first"),
    (lambda: Early(nn.Parameter(cutaway.ones(1))), MissingAttribute, r"Early: cannot assign the parameter 'layer'"),
    (lambda: Early(nn.Buffer(cutaway.ones(1))), MissingAttribute, r"Early: cannot assign the buffer 'layer'"),
    (lambda: Never()(3), MissingAttribute, r"Never: cannot use '_hooks' of it before Module.__init__"),
    (lambda: Never().parameters().__next__(), MissingAttribute, r"write super\(\).__init__\(\) first in Never.__init__"),
    (lambda: Never().register_buffer("b", None), MissingAttribute, "Never: cannot register 'b' in it"),
    (lambda: nn.Module()(1), NotWritten, r"this module has no forward; write `def forward\(self, x\)"),
    (lambda: nn.ModuleList([LINEAR])(1), NotWritten, "ModuleList: this module has no forward"),
    (lambda: nn.Module(3), ArgumentTypeError, "Module.__init__ takes no arguments, got 3"),
    (lambda: LINEAR.wieght, MissingAttribute, "Linear has no attribute 'wieght'; registered in it: weight, bias"),
    (lambda: nn.Module().__delattr__("gone"), MissingAttribute, "Module has no attribute 'gone'"),
    (lambda: setattr(LINEAR, "weight", cutaway.ones(3, 2)), ArgumentTypeError, r"'weight' is a parameter; assign an nn.Parameter or None"),
    (lambda: setattr(nn.Sequential(LINEAR), "0", 3), ArgumentTypeError, "'0' is a child module"),
    (lambda: setattr(nn.BatchNorm1d(2), "running_mean", 3), ArgumentTypeError, "'running_mean' is a buffer"),
    (lambda: LINEAR.register_parameter("extra", cutaway.ones(1)), ArgumentTypeError, "must be an nn.Parameter or None, got Tensor"),
    (lambda: LINEAR.register_parameter("a.b", None), ArgumentError, "must not be empty or hold a dot"),
    (lambda: LINEAR.register_parameter("", None), ArgumentError, "must not be empty"),
    (lambda: LINEAR.register_parameter("forward", None), ArgumentError, "Linear already has an attribute 'forward'"),
    (lambda: LINEAR.register_buffer(3, None), ArgumentTypeError, "a name must be a string, got int"),
    (lambda: LINEAR.register_buffer("b", 3.0), ArgumentTypeError, "'b' must be a Tensor or None, got float"),
    (lambda: LINEAR.add_module("b", 3.0), ArgumentTypeError, "'b' must be a Module or None, got float"),
    (lambda: LINEAR.get_submodule("a.b"), MissingAttribute, "Linear has no child 'a'; it has none"),
    (lambda: nn.Sequential(nn.Sequential(LINEAR)).get_submodule("0.1"), MissingAttribute, "Sequential at '0' has no child '1'; it has '0'"),
    (lambda: nn.Sequential(LINEAR).get_parameter("0.gain"), MissingAttribute, "Linear at '0' has no 'gain' among its parameters; it has 'weight', 'bias'"),
    (lambda: LINEAR.get_buffer("gain"), MissingAttribute, "Linear has no 'gain' among its buffers; it has none"),
    (lambda: LINEAR.to(cutaway.int64), DTypeError, "can only be given a floating or complex dtype"),
    (lambda: LINEAR.to(dtype="float32"), ArgumentTypeError, "'float32' is not a dtype"),
    (lambda: LINEAR.to(colour="red"), ArgumentTypeError, "unknown argument 'colour'"),
    (lambda: nn.Parameter([1.0]), ArgumentTypeError, r"Parameter: expected a Tensor, got list; wrap it with cutaway.tensor"),
    (lambda: nn.Parameter(cutaway.tensor([1])), GradError, "only floating and complex tensors can require gradients"),
    (lambda: nn.Linear(0, 3), ArgumentError, "Linear: in_features must be a positive int, got 0"),
    (lambda: nn.Linear(3, 2.5), ArgumentTypeError, "Linear: out_features must be a positive int, got float 2.5"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ArgumentError, "in_channels=3 does not divide into groups=2"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ArgumentError, "out_channels=3 does not divide into groups=2"),
    (lambda: nn.Conv2d(3, 4, 0), ArgumentError, "kernel_size 0 must be at least 1"),
    (lambda: nn.Conv2d(3, 4, (3, 3, 3)), ArgumentError, "has 3 numbers; give one, or 2"),
    (lambda: nn.Conv2d(3, 4, "3x3"), CutawayError, "kernel_size"),
    (lambda: nn.Conv2d(3, 4, 3, padding="half"), ArgumentError, "use 'same', 'valid', an int or 2 ints"),
    (lambda: nn.Conv2d(3, 4, 3, 2, padding="same"), ArgumentError, r"padding='same' needs stride 1, got stride \(2, 2\)"),
    (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ArgumentError, "use one of zeros, reflect, replicate, circular"),
    (lambda: nn.ConvTranspose2d(3, 4, 3, padding="same"), ArgumentError, "padding must be an int or 2 ints"),
    (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), ArgumentError, "only padding_mode='zeros'"),
    (lambda: nn.ConvTranspose2d(3, 4, 3, 2)(cutaway.zeros(1, 3, 4, 4), [20, 20]), ShapeError, r"possible are \[9, 9\] to \[10, 10\]"),
    (lambda: nn.BatchNorm2d(0), ArgumentError, "num_features must be a positive int"),
    (lambda: nn.BatchNorm2d(3)(cutaway.zeros(2, 3)), ShapeError, r"BatchNorm2d: expected \[N, C, H, W\], got float32\[2, 3\]"),
    (lambda: nn.BatchNorm1d(3)(cutaway.zeros(2, 3, 4, 4)), ShapeError, r"BatchNorm1d: expected \[N, C\] or \[N, C, L\]"),
    (lambda: nn.BatchNorm1d(3)(cutaway.zeros(1, 3)), CutawayError, "batch_norm"),
    (lambda: nn.InstanceNorm2d(3, affine=True)(cutaway.zeros(1, 4, 2, 2)), ShapeError, "3 features were declared"),
    (lambda: nn.GroupNorm(3, 4), ArgumentError, "num_channels=4 does not divide into num_groups=3"),
    (lambda: nn.LayerNorm(()), ArgumentError, "must name at least one dimension"),
    (lambda: nn.LayerNorm(4)(cutaway.zeros(2, 3)), ShapeError, "layer_norm.*in layer LayerNorm$"),
    (lambda: nn.Dropout(1.5), ArgumentError, "Dropout: p=1.5 is not a probability"),
    (lambda: nn.Dropout2d(-0.1), ArgumentError, "Dropout2d: p=-0.1"),
    (lambda: nn.Embedding(3, 0), ArgumentError, "embedding_dim must be a positive int"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), ArgumentError, "padding_idx 3 is outside the 3 rows"),
    (lambda: nn.Embedding(3, 2)(cutaway.tensor([3])), IndexError, "embedding.*3.*in layer Embedding$"),
    (lambda: nn.Embedding(3, 2)(cutaway.tensor([0.5])), DTypeError, "must hold integers"),
    (lambda: nn.Embedding(3, 2, _weight=cutaway.zeros(2, 2)), ArgumentError, r"does not have the shape \[3, 2\]"),
    (lambda: nn.Embedding.from_pretrained(cutaway.zeros(3)), ShapeError, r"a table \[V, D\]"),
    (lambda: nn.Hardtanh(1.0, 0.0), ArgumentError, "min_val 1.0 must be below max_val 0.0"),
    (lambda: nn.Softmax2d()(cutaway.zeros(2, 3)), ShapeError, "Softmax2d: expected"),
    (lambda: nn.ZeroPad2d((1, 2, 3)), ArgumentError, "has 3 numbers"),
    (lambda: nn.Unflatten(1, (2, 4))(cutaway.zeros(2, 6)), ShapeError, "in layer Unflatten$"),
    (lambda: nn.DataParallel(3), ArgumentTypeError, "expected a Module, got int"),
    (lambda: nn.DataParallel(LINEAR, device_ids=[0]), DeviceError, "not available"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=range(len(ERRORS)))
def test_errors(call, error, text):
    with pytest.raises(error, match=text) as caught:
        call()
    assert isinstance(caught.value, CutawayError)


# --- where an error arose ---------------------------------------------------------------------------------------------


def message(call):
    """The first line: what follows is the story of the shapes (tests/inspect/test_shapestory.py)."""
    with pytest.raises(CutawayError) as caught:
        call()
    return str(caught.value).partition("\n")[0]


def test_an_error_names_the_layer_by_its_path():
    net = network(nn)
    assert message(lambda: net(cutaway.zeros(1, 2, 6, 6))).endswith(", in layer features.0.conv (Conv2d)")
    assert message(lambda: net.features(cutaway.zeros(1, 2, 6, 6))).endswith(", in layer 0.conv (Conv2d)")
    assert message(lambda: net(cutaway.zeros(1, 3, 8, 8))).endswith(", in layer head.a (Linear)")
    assert message(lambda: nn.Linear(2, 3)(cutaway.zeros(1, 4))).endswith(", in layer Linear")


def test_an_error_of_the_model_itself_names_the_model():
    class Net(nn.Module):
        def forward(self, x):
            return x.reshape(7)

    assert message(lambda: Net()(cutaway.zeros(3))).endswith(", in layer Net")
    assert message(lambda: nn.Sequential(nn.ReLU(), Net())(cutaway.zeros(3))).endswith(", in layer 1 (Net)")


def test_a_layer_that_is_not_registered_is_named_by_its_class():
    hidden = [nn.Linear(3, 2)]

    class Net(nn.Module):
        def forward(self, x):
            return hidden[0](x)

    assert message(lambda: Net()(cutaway.zeros(1, 4))).endswith(", in layer Linear")


def test_the_path_survives_pickling_and_is_written_once():
    with pytest.raises(ShapeError) as caught:
        network(nn)(cutaway.zeros(1, 2, 6, 6))
    text = str(caught.value)
    assert text.count("in layer") == 1
    assert str(pickle.loads(pickle.dumps(caught.value))) == text
    assert caught.value.layer == "features.0.conv (Conv2d)"


def test_other_errors_pass_unchanged():
    class Net(nn.Module):
        def forward(self, x):
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        Net()(1)
    assert str(caught.value) == "'mine'"


# --- copies -----------------------------------------------------------------------------------------------------------


class Pair(nn.Module):
    """Two names for one layer, a buffer that is not saved, and a plain attribute."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.b = self.a
        self.register_buffer("scratch", cutaway.ones(2), persistent=False)
        self.note = "kept"

    def forward(self, x):
        return self.b(self.a(x)) * self.scratch


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
def test_copies_are_whole_and_apart(duplicate):
    net = Pair().eval()
    x = cutaway.randn(3, 2)
    twin = duplicate(net)
    assert (twin(x) == net(x)).all()
    assert twin.a is twin.b and twin.note == "kept" and not twin.training
    assert isinstance(twin.a.weight, nn.Parameter) and twin.a.weight.requires_grad
    assert "scratch" not in twin.state_dict() and twin.scratch.tolist() == [1.0, 1.0]
    with cutaway.no_grad():
        twin.a.weight.zero_()
    assert net.a.weight.any()
    twin(x).sum().backward()
    assert net.a.weight.grad is None


def test_a_shallow_copy_shares_parameters():
    net = nn.Linear(2, 2)
    assert copy.copy(net).weight is net.weight


def test_training_goes_on_in_a_copy_with_hooks():
    net = nn.Sequential(nn.Linear(2, 2))
    calls = []
    net.register_forward_hook(Recorder(calls))
    twin = copy.deepcopy(net)
    twin(cutaway.zeros(1, 2))
    assert len(twin._hooks.after) == 1


class Recorder:
    def __init__(self, calls):
        self.calls = calls

    def __call__(self, module, args, output):
        self.calls.append(type(module).__name__)


def test_numpy_values_reach_a_module():
    layer = nn.Linear(2, 1)
    with cutaway.no_grad():
        layer.weight.copy_(cutaway.from_numpy(np.array([[2.0, 3.0]], np.float32)))
        layer.bias[0] = 1.0
    assert layer(cutaway.tensor([1.0, 1.0])).tolist() == [6.0]
