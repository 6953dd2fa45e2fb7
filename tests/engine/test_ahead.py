"""Plans that another process makes: what it leaves in the cache, who takes it when, and what happens if it dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PREPARE = """
import json, sys
import cutaway
from cutaway import functional as F
from cutaway.core import accelerate
accelerate.load()
from cutaway.engine.eager import ahead, composite
from cutaway.engine.eager.plan import Plan
from cutaway.engine.llvm import jit

# On a busy machine the other process would hardly run, and not be waited for: here it is as good as any.
ahead.SCRIPT = ahead.SCRIPT.replace("maker.main()", "maker.step_back = lambda: None; maker.main()")
patient = ahead.wait
ahead.wait = lambda name, r, seconds: patient(name, r, 60.0)

compiled = []
make = jit.objects
jit.objects = lambda *args: compiled.append(1) or make(*args)

def plans():
    return [p.label for p in composite.CALLS.values() if isinstance(p, Plan)]

def calls_until_native(call, most=6000):
    return next((n for n in range(1, most) if (call(), plans())[1]), most)

def say(**words):
    print(json.dumps(words))
"""


def run(program: str, cache: Path, **more: str) -> dict[str, Any]:
    """What a program says, in a process with a cache of its own."""
    environment = {**os.environ, "CUTAWAY_OBJECT_CACHE": str(cache), "CUTAWAY_AHEAD": "", **more}
    done = subprocess.run([sys.executable, "-c", PREPARE + program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


SOFTPLUS = """
x = cutaway.linspace(-3, 3, 5000).requires_grad_()
"""
DETERMINISTIC = SOFTPLUS + "cutaway.use_deterministic_algorithms(True)\n"


def test_another_process_compiles_and_a_later_run_takes_it_sooner(tmp_path):
    program = DETERMINISTIC + (
        "n = calls_until_native(lambda: F.softplus(x).sum().backward())\nsay(calls=n, compiled=len(compiled))"
    )
    first = run(program, tmp_path)
    assert first["calls"] > 500 and first["compiled"] == 0  # both halves were made elsewhere
    second = run(
        program.replace("True", "False").replace("n = ", "Plan.trace = None  # not needed\nn = "), tmp_path
    )
    assert second["calls"] < 50 and second["compiled"] == 0


def test_what_is_made_is_taken_at_once(tmp_path):
    program = SOFTPLUS + (
        "import time\nfrom cutaway.engine.threads import workers\n"
        "for _ in range(50): F.softplus(x)\n"
        "(maker,) = ahead._maker; beside = workers._beside == maker.busy and workers.pool().company.wanted(99)\n"
        "while maker.busy(): time.sleep(0.01)\n"
        "say(before=len(plans()), cpus=len(workers.usable_cpus()), beside=beside, free=workers._beside is None, "
        "calls=calls_until_native(lambda: F.softplus(x)), compiled=len(compiled))"
    )
    found = run(program, tmp_path)
    assert found["before"] == 0 and found["calls"] == 1 and found["compiled"] == 0
    assert found["beside"] == max(1, found["cpus"] - 1) and found["free"]


def test_it_makes_plans_for_pytorch_programs(tmp_path):
    """Whose classes say that they are `torch`'s."""
    program = (
        "cutaway.use_deterministic_algorithms(True)\nfrom cutaway.interop.pytorch import install; install()\nimport torch\n"
        "x = torch.linspace(-3, 3, 5000).reshape(50, 100).requires_grad_()\n"
        "for n in range(6000):\n"
        "    torch.nn.functional.softmax(x, 1, dtype=torch.float32); torch.nn.functional.layer_norm(x, x.shape[1:])\n"
        "    if len(plans()) == 2: break\n"
        "say(calls=n, compiled=len(compiled))"
    )
    found = run(program, tmp_path)
    assert 100 < found["calls"] < 5999 and found["compiled"] == 0


def test_deterministic_runs_do_not_depend_on_earlier_ones(tmp_path):
    program = DETERMINISTIC + (
        "n = calls_until_native(lambda: F.softplus(x).sum().backward())\nsay(calls=n, grad=x.grad.sum().item())"
    )
    first = run(program, tmp_path)
    assert run(program, tmp_path) == first and first["calls"] > 500


def test_the_values_are_those_of_numpy(tmp_path):
    program = (
        "cutaway.manual_seed(0); x = cutaway.randn(4, 3, 9, 9, requires_grad=True); w = cutaway.randn(5, 3, 3, 3, requires_grad=True)\n"
        "def call():\n"
        "    x.grad = w.grad = None\n"
        "    F.conv2d(x, w, padding=1).square().sum().backward()\n"
        "call(); want = [x.grad.clone(), w.grad.clone()]\n"
        "n = calls_until_native(call)\ncall()\n"
        "say(calls=n, near=all(cutaway.allclose(a, b, 1e-4, 1e-4) for a, b in zip(want, [x.grad, w.grad])))"
    )
    for _ in range(2):
        assert run(program, tmp_path)["near"]


def test_if_the_other_process_dies_plans_are_made_here(tmp_path):
    program = SOFTPLUS + (
        "for _ in range(50): F.softplus(x)\n"
        "(maker,) = ahead._maker; maker.process.kill(); maker.process.wait()\n"
        "say(calls=50 + calls_until_native(lambda: F.softplus(x)), compiled=len(compiled))"
    )
    found = run(program, tmp_path)
    assert found["compiled"] == 1 and 500 < found["calls"] < 6000


@pytest.mark.skipif(not hasattr(os, "kill") or os.name == "nt", reason="needs POSIX signals")
def test_one_that_does_not_run_is_not_waited_for_again_and_again(tmp_path):
    program = SOFTPLUS + (
        "import os, signal, time; ahead.wait = patient\n"
        "for _ in range(50): F.softplus(x)\n"
        "(maker,) = ahead._maker; os.kill(maker.process.pid, signal.SIGSTOP)\n"
        "n = 50 + calls_until_native(lambda: F.softplus(x))\n"
        "start = time.perf_counter(); patient(maker.asked.copy().pop(), None, 60.0); again = time.perf_counter() - start\n"
        "os.kill(maker.process.pid, signal.SIGKILL)\n"
        "say(calls=n, compiled=len(compiled), late=maker.late, again=again)"
    )
    found = run(program, tmp_path)
    assert found["compiled"] == 1 and found["late"] and 500 < found["calls"] < 6000 and found["again"] < 10


@pytest.mark.parametrize(("setting", "value"), [("CUTAWAY_AHEAD", "off"), ("CUTAWAY_OBJECT_CACHE", "off")])
def test_it_can_be_switched_off(tmp_path, setting, value):
    program = SOFTPLUS + "n = calls_until_native(lambda: F.softplus(x))\nsay(makers=len(ahead._maker), compiled=len(compiled))"
    assert run(program, tmp_path, **{setting: value}) == {"makers": 0, "compiled": 1}


def test_what_is_not_the_librarys_own_is_not_asked_for(tmp_path):
    program = SOFTPLUS + (
        "from cutaway.core.op import composite as mark\n"
        "mine = mark('x')(lambda t: (t * t).exp())\n"
        "for _ in range(60): mine(x)\n"
        "asked = [c.asked for c in composite.CALLS.values() if isinstance(c, composite.Count)]\n"
        "say(makers=len(ahead._maker), asked=[a for a in asked if a is not None])"
    )
    assert run(program, tmp_path) == {"makers": 0, "asked": [""]}


def test_the_other_process_ends_by_itself_and_leaves_the_code(tmp_path):
    program = SOFTPLUS + "for _ in range(60): F.softplus(x)\nsay(pid=ahead._maker[0].process.pid)"
    pid = run(program, tmp_path)["pid"]
    end = time.monotonic() + 60
    while time.monotonic() < end and _alive(pid):
        time.sleep(0.1)
    assert not _alive(pid) and any(tmp_path.glob("*.o"))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
