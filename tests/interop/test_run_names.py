"""Small names that programs written for PyTorch touch: each line prints the same under `cutaway run` and under PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest

from cutaway import nn
from cutaway.interop.pytorch.names import why_absent
from cutaway.optim import lr_scheduler

from .test_run import OURS, REAL, printed, run

LINES = """
import torch.linalg; print(torch.linalg.norm(torch.ones(4)), torch.linalg.inv(torch.eye(2)))
from torch.func import functional_call; print(functional_call(torch.nn.Linear(1, 1, bias=False), {"weight": torch.ones(1, 1)}, (torch.ones(1),)).shape)
torch.random.manual_seed(3); a = torch.rand(2); torch.random.manual_seed(3); print(torch.equal(a, torch.rand(2)))
torch.manual_seed(5); print(torch.initial_seed(), torch.random.initial_seed()); s = torch.seed(); print(type(s), torch.initial_seed() == s)
torch.manual_seed(1); s = torch.random.get_rng_state(); a = torch.randn(3); torch.random.set_rng_state(s); print(torch.equal(a, torch.randn(3)))
torch.manual_seed(1); b = torch.rand(1)
torch.manual_seed(1)
with torch.random.fork_rng(): torch.rand(7)
print(torch.equal(torch.rand(1), b))
torch.use_deterministic_algorithms(True, warn_only=True); print(torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()); torch.use_deterministic_algorithms(False); print(torch.are_deterministic_algorithms_enabled())
print(torch.get_float32_matmul_precision()); torch.set_float32_matmul_precision("high"); print(torch.get_float32_matmul_precision())
for d in (torch.float16, torch.float32, torch.float64): f = torch.finfo(d); print(f, f.eps, f.max, f.min, f.tiny, f.smallest_normal, f.resolution, f.bits, f.dtype)
print(torch.finfo().bits, torch.finfo(torch.float32).eps)
for d in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64): i = torch.iinfo(d); print(i, i.min, i.max, i.bits, i.dtype)
print(torch.Size([2, 3]), torch.ones(2, 3).shape, torch.ones(2, 3).size(), torch.Size([2, 3]).numel(), isinstance(torch.ones(1).shape, torch.Size))
print(torch.float32, torch.ones(1).dtype, torch.ones(1, dtype=torch.int32), torch.bool, torch.long, str(torch.ones(1).long().dtype))
print(torch.ones(1).type(), torch.ones(1).long().type(), torch.ones(1).bool().type(), torch.ones(1).double().type() == "torch.DoubleTensor")
print(torch.is_floating_point(torch.ones(1)), torch.is_tensor(3), torch.ones(1).is_floating_point())
print(torch.strided, torch.ones(1).layout, torch.channels_last, torch.contiguous_format, torch.preserve_format, torch.ones(1).layout == torch.strided)
x = torch.arange(24.).reshape(1, 2, 3, 4); y = x.contiguous(memory_format=torch.channels_last); print(torch.equal(x, y), y.shape, x.to(memory_format=torch.channels_last).sum().item(), x.is_contiguous())
m = torch.nn.Conv2d(2, 3, 1).to(memory_format=torch.channels_last); print(m(y).shape)
print(x.clone(memory_format=torch.preserve_format).shape, torch.empty_like(x, memory_format=torch.contiguous_format).shape)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu"); print(device, device.type, repr(device), x.device, x.get_device())
with torch.device("cpu"): print(torch.ones(2).device)
torch.set_default_device("cpu"); print(torch.get_default_device())
torch.set_default_tensor_type(torch.DoubleTensor); print(torch.ones(1).dtype); torch.set_default_tensor_type("torch.FloatTensor"); print(torch.ones(1).dtype)
print(x.is_cuda, x.is_sparse, x.is_quantized, x.is_meta, x.is_mps, x.is_pinned(), x.is_shared(), x.is_inference())
print(torch.promote_types(torch.int32, torch.float16), torch.promote_types(torch.uint8, torch.int8), torch.result_type(torch.ones(1, dtype=torch.int32), 1.0), torch.result_type(torch.ones(2, dtype=torch.int32), torch.tensor(1)), torch.can_cast(torch.float32, torch.int32), torch.can_cast(torch.int32, torch.float64), torch.can_cast(torch.int32, torch.bool))
torch.set_printoptions(precision=2); print(torch.tensor([1.23456, 2.0])); torch.set_printoptions(sci_mode=True); print(torch.tensor([1.5, 20.0])); torch.set_printoptions(profile="default"); print(torch.tensor([1.23456]))
torch.set_printoptions(threshold=5, edgeitems=1); print(torch.arange(10)); torch.set_printoptions(profile="short"); print(torch.arange(2000.).reshape(40, 50)); torch.set_printoptions(profile="full"); print(torch.arange(1200).sum()); torch.set_printoptions(profile="default", linewidth=40); print(torch.arange(30)); torch.set_printoptions(profile="default")
torch.backends.cudnn.benchmark = True; torch.backends.cudnn.deterministic = True; print(torch.backends.cudnn.benchmark, torch.backends.mps.is_available())
print(torch.cuda.get_rng_state_all(), issubclass(torch.cuda.OutOfMemoryError, RuntimeError), torch.cuda.device_count())
torch.cuda.manual_seed_all(3); torch.cuda.empty_cache(); print(torch.version.cuda, torch.__version__ >= "1.7", int(torch.__version__.split(".")[0]) >= 2)
print(torch.autograd.Variable(torch.ones(1)).requires_grad, torch.is_grad_enabled())
f = torch.jit.script(torch.nn.functional.relu); print(f(torch.tensor([-1.0, 2.0])), torch.jit.is_scripting(), torch.jit.is_tracing(), torch.jit.annotate(int, 3), torch.jit.wait(torch.jit.fork(torch.relu, torch.ones(1))))
m = torch.jit.trace(torch.nn.Linear(2, 3).eval(), torch.ones(1, 2)); print(m(torch.zeros(4, 2)).shape, sorted(m.state_dict()), isinstance(m, torch.jit.ScriptModule) or True)
torch.jit.ignore(lambda: torch.jit.unused(lambda: 3)())(); print(torch.special.expit(torch.zeros(2)), torch.func.grad(torch.sin)(torch.tensor(0.0)))
nn = torch.nn; m = nn.BatchNorm2d(2); print(isinstance(m, torch.nn.modules.batchnorm._BatchNorm), isinstance(nn.Conv1d(1, 1, 1), nn.modules.conv._ConvNd), isinstance(m, nn.modules.Module), isinstance(nn.MSELoss(), nn.modules.loss._Loss), isinstance(nn.Dropout(), nn.modules.dropout._DropoutNd))
print(nn.modules.utils._pair(2), nn.modules.activation.MultiheadAttention is nn.MultiheadAttention, nn.modules.activation.ReLU is nn.ReLU, nn.modules.conv.Conv2d is nn.Conv2d, nn.modules.Conv2d is nn.Conv2d, nn.modules.linear.Linear is nn.Linear)
print(torch.utils.data.dataset.Dataset is torch.utils.data.Dataset, torch.utils.data.dataloader.DataLoader is torch.utils.data.DataLoader, torch.utils.data.sampler.Sampler is torch.utils.data.Sampler, torch.utils.data._utils.collate.default_collate([1, 2]))
print(torch.autograd.function.Function is torch.autograd.Function, torch.nn.utils.clip_grad.clip_grad_norm_ is torch.nn.utils.clip_grad_norm_, torch.functional.einsum("i,i", torch.ones(2), torch.ones(2)), hasattr(torch.nn, "nothing"))
f = torch.compiler.disable(lambda x: x + 1); print(f(1), torch.compiler.is_compiling(), torch.compiler.disable()(f) is not None); from torch.nn.attention import SDPBackend, sdpa_kernel
with sdpa_kernel(SDPBackend.MATH): print(torch.nn.functional.scaled_dot_product_attention(torch.ones(1, 2, 2), torch.ones(1, 2, 2), torch.ones(1, 2, 2)), SDPBackend.MATH.name, int(SDPBackend.FLASH_ATTENTION))
from torch.nn.common_types import _size_2_t; from torch.nn.modules.utils import _triple; from torch.utils.hooks import RemovableHandle; print(isinstance(m.register_forward_hook(print), RemovableHandle), _triple(1))
print(torch.typename(torch.ones(1)), torch.typename(m).rpartition('.')[2], torch.typename(3), torch.return_types.max.__name__, issubclass(torch.OutOfMemoryError, RuntimeError), type(m.load_state_dict(m.state_dict())).__name__)
class F_(torch.autograd.Function):
    forward = staticmethod(lambda ctx, x: x * 2); backward = staticmethod(lambda ctx, g: g * 2)
y = F_.apply(torch.ones(2, requires_grad=True)); print(str(y.grad_fn)[:40], y, [str(a[0])[:21] for a in (y * 2).grad_fn.next_functions], str(torch.ones(1, requires_grad=True).exp().grad_fn.next_functions[0][0])[:22])
print(nn.functional.embedding_bag(torch.tensor([[0, 1]]), torch.ones(2, 2, requires_grad=True)), nn.functional.affine_grid(torch.eye(2, 3)[None].requires_grad_(), (1, 1, 1, 2), align_corners=False))
class Wrapper(nn.Module):
    def __init__(self, inner): super().__init__(); self.inner = inner; self.register_buffer("b", torch.ones(1)); self.p = nn.Parameter(torch.ones(1))
    def __getattr__(self, name):
        try: return super().__getattr__(name)
        except AttributeError: return getattr(self.inner, name)
w = Wrapper(nn.Linear(3, 2)); print(w.in_features, w.weight.shape, [n for n, _ in w.named_parameters()], hasattr(w, "nothing"), w, str(torch.utils.data.DataLoader([1]))[:45])
try: w.register_buffer("inner", None)
except KeyError: print("taken")
print(*(torch.linalg.matrix_norm(torch.arange(6.).view(2, 3).requires_grad_(), o) for o in ("fro", "nuc", 2, -2, 1)))
from torch.autograd.gradcheck import GradcheckError; print(GradcheckError, torch.autograd.gradcheck(torch.sin, torch.ones(2).double().requires_grad_()))
n = (torch.ones(2, requires_grad=True) * 2).exp().grad_fn; print(type(n), type(n.next_functions[0][0]).__name__, type(n.next_functions[0][0].next_functions[0][0]).__name__, type(y.grad_fn), y.grad_fn.name())
x = torch.arange(6.).view(2, 3); print(x[[torch.tensor(1), torch.tensor(2)]], x[[[0, 1], [2, 0]]], torch.linspace(-1, 1, 11))
print(hasattr(torch, "transforms"), hasattr(torch, "models")); import torch.utils.model_zoo as zoo; print(zoo.load_url is torch.hub.load_state_dict_from_url)
for e, o in (([1, 2.00001], {}), ([1, 2.01], {}), ([1, 2.01], {"rtol": 0, "atol": 0.1}), ([1, 2.0, 3], {}), (torch.tensor([1, 2]), {}), ([1, float("nan")], {})):
    try: print(torch.testing.assert_allclose(torch.tensor([1.0, 2.0]), e, **o))
    except AssertionError: print("far")
torch.testing.assert_allclose(torch.tensor([float("nan"), 1.0]).double(), [float("nan"), 1.000009])
"""


def test_each_line_prints_what_pytorch_prints(tmp_path):
    torch = pytest.importorskip("torch")
    lines = LINES.replace("torch.version.cuda, ", "") if torch.version.cuda else LINES
    program = f"import warnings\nwarnings.simplefilter('ignore')\nimport torch\n{lines}"
    ours, theirs = (printed(run(tmp_path, program, start=start)) for start in (OURS, REAL))
    assert ours.splitlines() == theirs.splitlines()


HUB = """
import torch, torch.utils.model_zoo
open("hubconf.py", "w").write("dependencies = ['math']\\nfrom beside_it import size\\ndef line(bias=True):\\n    import torch\\n    return torch.nn.Linear(size, 1, bias)")
open("beside_it.py", "w").write("size = 3")
print(torch.hub.load(".", "line", source="local"), torch.hub.load(".", "line", bias=False, source="local", trust_repo=True))
torch.hub.set_dir("kept"); print(torch.hub.get_dir())
import os; os.makedirs("kept/checkpoints"); torch.save({"a": torch.ones(2)}, "kept/checkpoints/w-1.pth")
print(torch.hub.load_state_dict_from_url("https://example.invalid/of/w-1.pth?x=1", map_location="cpu"))
print(torch.utils.model_zoo.load_url("https://example.invalid/v", model_dir="kept/checkpoints", file_name="w-1.pth"))
for source, name in (("elsewhere", "line"), ("local", "curve")):
    try: torch.hub.load(".", name, source=source)
    except (RuntimeError if source == 'local' else ValueError): print(name, 'is refused')
open("hubconf.py", "w").write("dependencies = ['no_such_module']")
try: torch.hub.load(".", "line", source="local")
except RuntimeError as error: print("no_such_module" in str(error))
"""


def test_hub_loads_what_lies_on_this_machine(tmp_path):
    pytest.importorskip("torch")
    for folder in (tmp_path / "ours", tmp_path / "theirs"):
        folder.mkdir()
    ours, theirs = (printed(run(tmp_path / s, HUB, start=start)) for s, start in (("ours", OURS), ("theirs", REAL)))
    assert ours == theirs


def test_hub_says_where_what_it_does_not_fetch_belongs(tmp_path):
    result = run(tmp_path, "import torch; torch.hub.load('pytorch/vision', 'resnet18')", start=OURS)
    assert result.returncode == 1 and "source='local'" in result.stderr


SAFETENSORS = """
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, load_model, save, save_file, save_model

held = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(2, dtype=torch.bfloat16), "c": torch.tensor(3), "e": torch.zeros(0)}
save_file(held, "x.safetensors", metadata={"k": "v"})
back = load_file("x.safetensors", device="cpu")
print(sorted(back), all(torch.equal(back[k], v) and back[k].dtype == v.dtype for k, v in held.items()), sorted(load(save(held))))
back["a"][0, 0] = 9  # memory of its own
with safe_open("x.safetensors", framework="pt") as f:
    print(f.metadata(), sorted(f.keys()), f.get_tensor("a"), f.get_slice("a")[:1, 1:], f.get_slice("a").get_shape())
tied = lambda: torch.nn.ModuleDict({"e": torch.nn.Embedding(5, 4), "o": torch.nn.Linear(4, 5, bias=False)})
m, n = tied(), tied()
m["o"].weight, n["o"].weight = m["e"].weight, n["e"].weight
save_model(m, "m.safetensors")
print(load_model(n, "m.safetensors"), torch.equal(n["o"].weight, m["e"].weight), n["o"].weight is n["e"].weight)
net = torch.nn.LSTM(3, 4); opt = torch.optim.Adam(net.parameters()); net(torch.ones(2, 1, 3))[0].sum().backward(); opt.step()
save_file(net.state_dict(), "n.safetensors"); print(net.load_state_dict(load_file("n.safetensors")))
for what in ({"a": held["a"], "b": held["a"][0]}, {"a": held["a"].t()}):
    try: save_file(what, "y.safetensors")
    except (RuntimeError, ValueError) as error: print(type(error).__name__)
"""


def test_safetensors_own_functions_for_pytorch(tmp_path):
    pytest.importorskip("safetensors")
    pytest.importorskip("torch")  # the oracle: the same program runs under it
    ours, theirs = (run(tmp_path, SAFETENSORS, start=s) for s in (OURS, REAL))
    assert printed(ours) == printed(theirs)


def test_what_is_no_module_or_nothing_says_so():
    assert why_absent("torch.nn.Module") == "'torch.nn.Module' is no module; write from torch.nn import Module"
    assert why_absent("torchvision.models.resnets") == (
        "there is no 'torchvision.models.resnets' in Cutaway; the nearest name is 'torchvision.models.resnet'"
    )
    assert why_absent("torch.package.importer") == (
        "there is no 'torch.package.importer' in Cutaway; docs/parity.md lists what there is"
    )


WARNED = """
import warnings, torch
heard = []
warnings.showwarning = lambda message, category, *rest: heard.append(category.__name__)
x = torch.ones(1, requires_grad=True)
{call}
print(heard)
"""


@pytest.mark.parametrize(
    "call",
    [
        "float(x); complex(x)", "float(x * 2)", "torch.tensor([x, 2.0])", "int(x); x.item(); f'{x[0]:.1f}'; x.tolist(); bool(x)",
        "with torch.no_grad(): float(x)", "float(x.detach())", "torch.ones(2, 3, 1).T; torch.ones(1, 2, 3).T",
        "torch.tensor(1.0).T; torch.ones(3).T; torch.ones(2, 3).T", "torch.ones(2, 3, 4).mT",
        "a = torch.cuda.amp; a.GradScaler(); a.GradScaler(enabled=False); a.custom_fwd(print); a.custom_bwd(print)\n"
        "torch.amp.GradScaler('cpu'); torch.amp.custom_fwd(print, device_type='cuda')\n"
        "for old in (True, False):\n    with a.autocast(enabled=old): pass\n"
        "list(torch.utils.data.DataLoader([1, 2], pin_memory=True))",
        "[torch.meshgrid(x, x) for _ in range(3)]; torch.meshgrid(x, x)",
    ],
)  # fmt: skip
def test_what_pytorch_warns_of_once_a_process(tmp_path, call):
    pytest.importorskip("torch")
    ours, theirs = (printed(run(tmp_path, WARNED.format(call=call), start=start)) for start in (OURS, REAL))
    assert ours == theirs


PLACES = """
import importlib, pickle, re, sys, torch
bare = "Tensor Size dtype device layout memory_format no_grad enable_grad set_grad_enabled finfo iinfo autocast"
sections = {"torch": bare.split()}
for line in open(sys.argv[1], encoding="utf-8"):
    if line.startswith("["):
        space = line.strip().strip("[]")
    elif line.strip() and line[0] != "#" and " ! " not in line and space in sys.argv:
        sections.setdefault(space, []).extend(line.partition(" = ")[0].split())
for space, names in sections.items():
    for name in names:
        cls = getattr(importlib.import_module(space), name)
        if isinstance(cls, type) and name != "SDPBackend":
            print(space, name, cls.__module__, getattr(importlib.import_module(cls.__module__), cls.__qualname__) is cls)
from torch.optim import lr_scheduler
linear = torch.nn.Linear(2, 1); sgd = torch.optim.SGD(linear.parameters(), lr=0.1)
print(type(linear), type(linear.weight), str(type(torch.nn.ReLU())) == "<class 'torch.nn.modules.activation.ReLU'>")
print(lr_scheduler.StepLR(sgd, 1).__module__ == lr_scheduler.__name__, torch.typename(sgd), torch.Generator.__module__)
print(type(pickle.loads(pickle.dumps(linear))), pickle.loads(pickle.dumps(torch.nn.LSTM)) is torch.nn.LSTM)
class Mine(torch.nn.Linear): pass
print(Mine, torch.nn.Linear in Mine.__mro__)
torch.save([linear, torch.nn.Tanh], "m.pt"); again = torch.load("m.pt", weights_only=False); print(type(again[0]), again[1])
"""
SPACES = """
torch.nn torch.optim torch.optim.lr_scheduler torch.optim.swa_utils torch.utils.data torch.distributions torch.amp
torch.distributions.transforms torch.nn.utils.rnn torch.autograd torch.autograd.graph torch.overrides
"""


def test_classes_say_that_they_lie_where_pytorch_keeps_them(tmp_path):
    pytest.importorskip("torch")
    names = str(Path(__file__).parents[2] / "tools" / "parity_names.txt")
    ours, theirs = (printed(run(tmp_path, PLACES, names, *SPACES.split(), start=start)) for start in (OURS, REAL))
    assert ours.count("torch.nn.modules.") > 150 and ours.splitlines() == theirs.splitlines()


def test_without_a_program_of_pytorchs_they_say_where_they_lie():
    from cutaway.interop.pytorch import installed

    with installed():
        assert nn.Conv2d.__module__ == "torch.nn.modules.conv" and lr_scheduler.__name__ == "torch.optim.lr_scheduler"
    assert nn.Conv2d.__module__ == "cutaway.nn.conv" and lr_scheduler.__name__ == "cutaway.optim.lr_scheduler"
