"""`cutaway run`: a program written for PyTorch, unchanged. What it prints, how it ends, what it can import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

REAL = [sys.executable]
OURS = [sys.executable, "-m", "cutaway", "run"]


def environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"}


def run(folder, text, *arguments, name="program.py", start=OURS, options=()):
    (folder / name).write_text(text, encoding="utf-8")
    return subprocess.run(
        [*start, *options, name, *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip


def printed(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- what it finds ----------------------------------------------------------------------------------------------------

IMPORTS = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torch.optim.lr_scheduler
import torch.backends.cudnn as cudnn
import torch.utils.checkpoint as checkpoint
import torch.utils.data.distributed
import torch.distributed as dist
import torch.cuda.amp
import torch.amp
import torch.autograd
import torch.nn.parallel
from torch import Tensor, nn as again
from torch.nn import Module, functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import Conv2d
from torch.nn.modules.utils import _pair
from torch.nn.parameter import Parameter
from torch.nn.utils.rnn import pad_sequence
from torch.nn.utils import clip_grad_norm_
from torch.optim.optimizer import Optimizer
from torch.optim.adamw import AdamW
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataset import TensorDataset
from torch.utils.data.dataloader import default_collate
from torch.utils.data.sampler import SubsetRandomSampler
from torch.utils.data.distributed import DistributedSampler
from torch.utils.data._utils.collate import default_convert
from torch.distributions import Categorical
from torch.distributions.normal import Normal
from torch.autograd import Variable, Function
from torch.autograd.function import Function as Same
from torch.cuda.amp import GradScaler, autocast
from torch.cuda.amp.autocast_mode import autocast as cast
from torch.profiler import profile
from torch.types import Number, Device
from torch.version import cuda
"""

SAME = """
import sys
import cutaway
assert nn is cutaway.nn is torch.nn is again and F is cutaway.nn.functional and optim is cutaway.optim
assert issubclass(nn.BatchNorm2d, _BatchNorm) and isinstance(nn.Linear(1, 1), Module) and Conv2d is nn.Conv2d
assert isinstance(torch.ones(2), Tensor) and torch.Tensor is cutaway.Tensor and AdamW is optim.AdamW
assert isinstance(optim.SGD([Parameter(torch.ones(2))], lr=1), Optimizer) and Function is Same
assert cutaway.nn.__spec__.name == "cutaway.nn" and torch.nn.conv.__spec__.name == "cutaway.nn.conv"
assert cutaway.__spec__.name == "cutaway" and "torch._C" not in sys.modules
major, minor = torch.__version__.split(".")[:2]
assert (int(major), int(minor)) >= (1, 9) and cuda is None and not torch.cuda.is_available()
"""


def test_every_usual_import_finds_cutaway_s_own_modules(tmp_path):
    done = run(tmp_path, IMPORTS + SAME)
    assert printed(done) == "", done.stderr


def test_the_imports_are_ones_that_pytorch_has(tmp_path):
    pytest.importorskip("torch")
    assert printed(run(tmp_path, IMPORTS, start=REAL)) == ""


ABSENT = {
    "import torch.quantization": "there is no 'torch.quantization' in Cutaway",
    "import torch.fx": "use torch.compile",
    "from torch.fx import symbolic_trace": "use torch.compile",
    "from torch import fx": "use torch.compile",
    "import torch.nn.functionl": "'torch.nn.functional'",
    "import torch.nn.modules.convv": "'torch.nn.modules.conv'",
    "import torch.engine": "there is no 'torch.engine'",
    "import torch.core.tensor": "there is no 'torch.core",
    "from torch import vmapp": "there is no 'torch.vmapp'",
}


def test_what_is_absent_is_an_import_error_that_names_the_nearest(tmp_path):
    lines = [f"try: {line}\nexcept ImportError as e: print(e)\nelse: print('found')" for line in ABSENT]
    said = printed(run(tmp_path, "\n".join(lines))).splitlines()
    assert len(said) == len(ABSENT)
    for text, part in zip(said, ABSENT.values(), strict=True):
        assert part in text
    said = run(tmp_path, "import torch\ntorch.fx.symbolic_trace").stderr.splitlines()[-1]
    assert said.startswith("cutaway.core.errors.MissingAttribute") and "use torch.compile" in said


def test_the_hook_in_one_s_own_program():
    from cutaway import nn
    from cutaway.interop import pytorch

    real = {name: m for name, m in sys.modules.items() if name.partition(".")[0] == "torch"}
    path = list(sys.path)
    with pytorch.installed():
        import torch.nn

        assert torch.nn is nn and pytorch.is_installed()
        with pytorch.installed():
            pytorch.install()
        assert pytorch.is_installed()
    assert not pytorch.is_installed() and sys.path == path
    assert {name: m for name, m in sys.modules.items() if name.partition(".")[0] == "torch"} == real


# --- how it runs ------------------------------------------------------------------------------------------------------

AS_MAIN = """
import os, sys
import helper
print(__name__, __file__ == os.path.abspath(sys.argv[0]), os.path.basename(sys.argv[0]), sys.argv[1:], helper.value)
print(os.path.realpath(sys.path[0]) == os.path.realpath(os.path.dirname(__file__)), __doc__, __spec__, __builtins__.len)
import __main__
print(__main__.AS)
"""


def test_a_script_runs_as_python_runs_it(tmp_path):
    (tmp_path / "helper.py").write_text("import sys\nvalue = sys.modules['__main__'].__file__[-10:]")
    text = f'"""About it."""\nAS = 3\n{AS_MAIN}'
    arguments = ["--epochs", "3", "-h", "--compile", "--", "-m"]
    ours = printed(run(tmp_path, text, *arguments))
    assert ours == printed(run(tmp_path, text, *arguments, start=REAL))
    assert "program.py ['--epochs', '3', '-h', '--compile', '--', '-m']" in ours


def test_modules_and_texts(tmp_path):
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "there.py").write_text("value = 5")
    text = "import sys, torch\nfrom .there import value\nprint(__name__, sys.argv[1:], value, __package__, torch.ones(2).sum().item())"
    (package / "main.py").write_text(text)
    options = {"cwd": tmp_path, "env": environment(), "capture_output": True, "text": True, "check": False}
    done = subprocess.run([*OURS, "-m", "pack.main", "-c", "--x"], **options)
    assert printed(done) == "__main__ ['-c', '--x'] 5 pack 2.0\n"
    done = subprocess.run([*OURS, "-c", "import sys, torch; print(sys.argv, torch.zeros(1).item())", "a"], **options)
    assert printed(done) == "['-c', 'a'] 0.0\n"
    done = subprocess.run([*OURS, "-c", "-m", "1"], **options)
    assert done.returncode == 2 and "contradict" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nsys.exit(7)",
        "raise SystemExit('said')",
        "import sys\nsys.exit()",
        "def f():\n    return 1 / 0\nf()",
        "def f(:\n",
        "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e",
        "import no_such_module",
        "import sys\nsys.excepthook = lambda kind, e, tb: print('hook', kind.__name__, tb.tb_lineno, file=sys.stderr)\n1 / 0",
        "import atexit\natexit.register(print, 'last')\nraise RuntimeError('x')",
        "raise KeyboardInterrupt",
    ],
)
def test_exit_codes_and_tracebacks_are_python_s(tmp_path, text):
    ours, real = (run(tmp_path, text, start=start) for start in (OURS, REAL))
    code = real.returncode if "Keyboard" not in text else 130  # Python ends itself by the signal; a shell then says 130
    assert (ours.returncode, ours.stdout, ours.stderr) == (code, real.stdout, real.stderr)


def test_a_missing_file_is_one_line(tmp_path):
    done = subprocess.run([*OURS, "nowhere.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("cutaway: run: nowhere.py cannot be read")
    done = subprocess.run([*OURS, "."], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "is a folder" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals as on Unix")
def test_ctrl_c_is_130(tmp_path):
    (tmp_path / "program.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(60)")
    child = subprocess.Popen(
        [*OURS, "program.py"], cwd=tmp_path, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=180)
    assert child.returncode == 130 and said.splitlines()[-1] == "KeyboardInterrupt" and "cutaway" not in said


PROCESSES = """
import multiprocessing
import torch
import torch.nn

def work(x):
    import torch.nn.functional as F
    return F.relu(x).sum().item(), torch.nn.__name__

if __name__ == "__main__":
    for way in ("spawn", "fork"):
        with multiprocessing.get_context(way).Pool(1) as pool:
            print(way, pool.map(work, [torch.tensor([1.0, -2.0])]))
    loader = torch.utils.data.DataLoader(torch.arange(6), batch_size=4, num_workers=2)
    print([b.tolist() for b in loader])
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no fork")
def test_new_processes_find_cutaway_too(tmp_path):
    said = printed(run(tmp_path, PROCESSES)).splitlines()
    assert said[:2] == ["spawn [(1.0, 'cutaway.nn')]", "fork [(1.0, 'cutaway.nn')]"]
    assert said[2] == "[[0, 1, 2, 3], [4, 5]]"


SPAWNED = """
import torch
import torch.multiprocessing as mp

def work(rank, queue, x):
    if rank == 2:
        raise KeyError("third")
    queue.put((rank, (x * rank).sum().item(), "cutaway" in torch.__version__))

if __name__ == "__main__":
    queue = mp.get_context("spawn").SimpleQueue()
    mp.spawn(work, args=(queue, torch.ones(3)), nprocs=2)
    print(sorted(queue.get() for _ in range(2)))
    try:
        mp.spawn(work, args=(queue, torch.ones(3)), nprocs=3)
    except mp.ProcessRaisedException as e:
        print("KeyError: 'third'" in str(e), e.error_index)
    mp.set_start_method("spawn", force=True)
    with mp.Pool(1) as pool:
        print(pool.map(torch.sin, [torch.zeros(2)]))
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no fork")
def test_multiprocessing_of_pytorch(tmp_path):
    said = printed(run(tmp_path, SPAWNED)).splitlines()
    assert said == ["[(0, 0.0, True), (1, 3.0, True)]", "True 2", "[tensor([0., 0.])]"]


# --- one process of many ----------------------------------------------------------------------------------------------

ONE_PROCESS = """
import os
import torch, torch.distributed as dist
os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
os.environ.setdefault("MASTER_PORT", "29531")
print(dist.is_available(), dist.is_initialized())
dist.init_process_group("gloo", rank=0, world_size=1)
print(dist.get_rank(), dist.get_world_size(), dist.get_backend(), dist.is_initialized())
t = torch.tensor([1.0, 2.0])
dist.all_reduce(t, op=dist.ReduceOp.SUM)
dist.broadcast(t, src=0)
dist.reduce(t, dst=0)
dist.barrier()
parts = [torch.zeros(2)]
dist.all_gather(parts, t)
objects = [None]
dist.all_gather_object(objects, {"a": 1})
print(t.tolist(), parts[0].tolist(), objects, dist.all_reduce(t, async_op=True).wait() in (True, None))
print(dist.get_node_local_rank(3), dist.is_backend_available("gloo"))
print([dist.get_default_backend_for_device(d) for d in ("cpu", torch.device("cpu"), "cuda:1", "mps", "xpu")])
for refused in (lambda: dist.get_default_backend_for_device("meta"), dist.get_node_local_rank):
    try:
        refused()
    except (ValueError, RuntimeError):
        print("refused")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
sampler = torch.utils.data.distributed.DistributedSampler(range(5))
sampler.set_epoch(1)
print(list(sampler), list(model.state_dict()))
dist.destroy_process_group()
print(dist.is_initialized())
"""


def test_a_group_of_one_process(tmp_path):
    ours = printed(run(tmp_path, ONE_PROCESS))
    torch = pytest.importorskip("torch")
    if torch.distributed.is_available():
        assert ours == printed(run(tmp_path, ONE_PROCESS, start=REAL))


def test_a_group_of_several_is_refused(monkeypatch):
    from cutaway.core.errors import ArgumentError, DeviceError, StateError
    from cutaway.interop.pytorch import distributed

    with pytest.raises(DeviceError, match="world_size 2"):
        distributed.init_process_group("nccl", rank=0, world_size=2)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(DeviceError, match="start one process"):
        distributed.init_process_group()
    with pytest.raises(StateError, match="init_process_group"):
        distributed.all_reduce(None)
    distributed.init_process_group(world_size=1, rank=0)
    try:
        with pytest.raises(StateError, match="already"):
            distributed.init_process_group(world_size=1, rank=0)
        with pytest.raises(ArgumentError, match="src"):
            distributed.broadcast(None, src=1)
        with pytest.raises(ArgumentError, match="one place"):
            distributed.all_gather([1, 2], None)
    finally:
        distributed.destroy_process_group()




ANOMALY = """
import torch

def tell(f):
    w = torch.tensor([0.0, 1.0], requires_grad=True)
    try:
        with torch.autograd.set_detect_anomaly(True):
            f(w)
        print("fine", w.grad)
    except RuntimeError:
        print("RuntimeError")

tell(lambda w: w.sqrt().sum().backward())
tell(lambda w: (w.log() * 0).sum().backward())
tell(lambda w: (w / 0).sum().backward())
tell(lambda w: w.sum().backward(torch.tensor(float("inf"))))
tell(lambda w: (w * float("nan")).sum().backward())
tell(lambda w: (w + float("nan")).sum().backward())
tell(lambda w: (w * float("nan")).sum())
"""


def test_an_anomaly_is_what_pytorch_takes_for_one(tmp_path):
    pytest.importorskip("torch")
    assert printed(run(tmp_path, ANOMALY)) == printed(run(tmp_path, ANOMALY, start=REAL))


LAST_CYCLE = """
import torch
from torch.profiler import profile, record_function, schedule, ProfilerActivity

with profile(activities=[ProfilerActivity.CPU], schedule=schedule(wait=1, warmup=1, active=2, repeat=1)) as p:
    for _ in range(6):
        with record_function("block"):
            torch.ones(3).sum()
        p.step()
print([row.count for row in p.key_averages() if row.key in ("block", "ProfilerStep*")])
with torch.autograd.profiler.profile(enabled=False) as q:
    torch.ones(2)
"""


def test_a_profile_keeps_its_last_cycle(tmp_path):
    pytest.importorskip("torch")
    assert printed(run(tmp_path, LAST_CYCLE)) == printed(run(tmp_path, LAST_CYCLE, start=REAL))
