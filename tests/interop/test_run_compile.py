"""`cutaway run --compile`: the training step of a program's loop as one program, to the same numbers, or why not."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest

pytest.importorskip("llvmlite")

from .test_run import REAL, printed, run

HEAD = """
import torch, torch.nn as nn, torch.nn.functional as F, torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(1)
x = torch.linspace(-1, 1, 120).reshape(30, 4)
y = (x.sum(1) > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
criterion = nn.CrossEntropyLoss()
"""

WORKS = {
    "at the top": """
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
for epoch in range(3):
    total = 0
    for i, data in enumerate(loader, 0):
        inputs, labels = data
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels) + 1e-3 * sum([p.pow(2).sum() for p in model.parameters()])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        total += loss.item()
    scheduler.step()
    print(epoch, f"{total:.4f} {(outputs.argmax(1) == labels).sum().item()}")
print(f"{sum(p.abs().sum() for p in model.parameters()):.3f}")
""",
    "in a function, zero_grad behind": """
def train(model, optimizer, epoch, weight=0.01):
    model.train()
    losses = 0.0
    for batch, (inputs, labels) in enumerate(loader):
        pred = model(inputs)
        loss = F.cross_entropy(pred, labels) + weight * sum(p.pow(2).sum() for p in model.parameters())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses += loss
        if batch % 2 == 0:
            print(f"{loss:.4f}")
    return losses / len(loader)
optimizer = optim.Adam(model.parameters(), lr=0.02)
for epoch in range(3):
    print(f"{train(model, optimizer, epoch):.4f}")
""",
    "a range and a method": """
class Trainer:
    def __init__(self):
        self.model, self.loss = model, criterion
        self.optimizer = optim.AdamW(model.parameters(), lr=0.02)
    def fit(self, n):
        for step in range(n):
            self.optimizer.zero_grad(set_to_none=True)
            out = self.model(x)
            loss = self.loss(out, y)
            loss.backward()
            self.optimizer.step()
            print(step, f"{loss.item():.4f}")
Trainer().fit(6)
""",
    "a recurrent network that carries its state": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.lstm, self.out = nn.Embedding(7, 5), nn.LSTM(5, 6), nn.Linear(6, 7)
    def forward(self, text, state):
        h, state = self.lstm(self.embed(text), state)
        return self.out(h), state
net = Net()
optimizer = optim.RMSprop(net.parameters(), lr=0.01)
state = (torch.zeros(1, 2, 6), torch.zeros(1, 2, 6))
text = torch.arange(60).reshape(30, 2) % 7
for i in range(0, 24, 4):
    state = tuple(s.detach() for s in state)
    chunk, target = text[i:i + 4], text[i + 1:i + 5]
    optimizer.zero_grad()
    logits, state = net(chunk, state)
    loss = F.cross_entropy(logits.reshape(-1, 7), target.reshape(-1))
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f} {state[0].sum().item():.3f}")
""",
    "values asked for in the middle, to add up": """
optimizer = optim.SGD(model.parameters(), lr=0.1)
total = seen = 0.0
for inputs, labels in loader:
    optimizer.zero_grad()
    out = model(inputs)
    loss = criterion(out, labels)
    loss.backward()
    total += loss.item() * inputs.size(0)
    right = (out.argmax(1) == labels).sum().item()
    optimizer.step()
    seen += right
    print(f"{total:.3f} {seen}")
""",
    "two networks": """
D, G = nn.Linear(4, 1), nn.Linear(3, 4)
d, g = optim.Adam(D.parameters(), lr=0.05), optim.Adam(G.parameters(), lr=0.05)
noise = torch.linspace(-2, 2, 24).reshape(8, 3)
for step in range(6):
    d.zero_grad()
    real = F.binary_cross_entropy_with_logits(D(x[:8]), torch.ones(8, 1))
    fake = G(noise)
    wrong = F.binary_cross_entropy_with_logits(D(fake.detach()), torch.zeros(8, 1))
    (real + wrong).backward()
    d.step()
    g.zero_grad()
    right = F.binary_cross_entropy_with_logits(D(fake), torch.ones(8, 1))
    right.backward()
    g.step()
    for p in D.parameters():
        p.data.clamp_(-0.6, 0.6)
    print(f"{real.item():.4f} {wrong.item():.4f} {right.item():.4f}")
""",
}


WORKS_WITH_HEAD = {name: HEAD + text for name, text in WORKS.items()}


def loop(before="", forward="loss = criterion(model(x), y)", middle="", after="", net=""):
    return f"""{HEAD}
import random, numpy as np
random.seed(0), np.random.seed(0)
{net}
optimizer = optim.SGD(model.parameters(), lr=0.1)
calls = []
for step in range(5):
    {before or 'pass'}
    optimizer.zero_grad()
    {forward}
    loss.backward()
    {middle or 'pass'}
    optimizer.step()
    {after or 'pass'}
    print(f"{{loss.item():.4f}}")
print(len(calls))
"""


def module(forward):
    return f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.seen, self.calls = nn.Linear(4, 2), [], 0
    def forward(self, x):
        {forward}
        return self.body(x)
model = Net()"""


REASONS = {
    "asks for a value": (loop(middle="print(f'{loss.item():.3f}')"), r"\.item\(\) in line \d+ asks for a value"),
    "prints": (loop(middle="print(1)"), r"print\(\) in line \d+"),
    "leaves": (loop(middle="if step == 3: continue"), r"line \d+ leaves the step"),
    "with": (loop(forward="\n    with torch.enable_grad(): loss = criterion(model(x), y)"), "with, stands in the middle"),
    "reads .grad": (loop(after="print(model[0].bias.grad is None)"), r"\.grad is read in line \d+"),
    "adds up": (loop().replace("    optimizer.zero_grad()\n", ""), "no zero_grad"),
    "now and then": (loop().replace("    optimizer.step()\n", "    if step % 2: optimizer.step()\n"), "optimizer.step"),
    "no loop": (
        loop().replace("for step in range(5):", "def go(step):").replace("print(len(calls))", "for step in range(5): go(step)"),
        r"no loop",
    ),
    "in an outer loop": (
        HEAD + "optimizer = optim.SGD(model.parameters(), lr=0.1)\nfor e in range(2):\n    for i in range(2):\n"
        "        loss = model(x).sum()\n        loss.backward()\n        print(f'{loss.item():.4f}')\n        optimizer.step()\n",
        "no zero_grad",
    ),
    "branches": (loop(forward="loss = criterion(model(x), y)\n    if loss > 0.5: loss.mul_(1)"), "asks for the values"),
    "branches within": (loop(net=module("x = x if x.sum() > 0 else -x")), r"asks for the values .*program\d+\.py:\d+"),
    "draws in Python": (loop(forward="loss = criterion(model(x), y) * random.random()"), r"random\.random\(\) in line"),
    "draws in NumPy": (loop(net=module("x = x * np.random.rand()")), r"np\.random\.rand"),
    "counts": (loop(net=module("self.calls += 1")), r"self\.calls is written"),
    "collects": (loop(net=module("self.seen.append(x.detach())")), r"self\.seen\.append\(\)"),
    "collects outside": (loop(forward="calls.append(1); loss = criterion(model(x), y)"), r"calls\.append\(\)"),
    "hooks": (loop(net="model.register_forward_hook(lambda m, i, o: None)"), "has hooks"),
    "always another number": (loop(before="w = 1 + step / 7", forward="loss = criterion(model(x), y) * w").replace("range(5)", "range(14)"), "change from step to step"),
    "collected before": (
        loop(before="found = []\n    for i in 0, 2: found.append(model(x[i : i + 2]))", forward="loss = torch.cat(found).sum()"),
        "was computed before the function was called",
    ),
    "collected in a module": (
        loop(
            net="model.found = []",
            before="model.found.clear()\n    for i in 0, 2: model.found.append(model(x[i : i + 2]))",
            forward="loss = sum(z.sum() for z in model.found)",
        ),
        "was computed before the function was called",
    ),
    "now with a history": (
        loop(
            before="h = torch.zeros(30, 2)\n    for i in range(step): h = h + model(x)",
            forward="loss = (model(x) + h).pow(2).mean()",
        ),
        "was computed before the function was called",
    ),
    "an optimiser of its own": (
        loop(net="class Mine(optim.SGD): pass").replace("optim.SGD(model", "Mine(model"), "an optimiser of your own"
    ),
}  # fmt: skip


NUMBERS = loop(
    before="model.scale = 1.0 + (step > 2); alpha = 0.5 * (step // 2); args.k = step // 3; model.train(step != 4)",
    forward="loss = criterion(model(x) * args.k + model(x), y) * alpha",
    net=module("x = F.dropout(x, 0.3, self.training) * self.scale")
    + "\nimport argparse\nargs = argparse.Namespace(k=0)\nmodel.scale = 1.0",
)
PROGRAMS = {**WORKS_WITH_HEAD, **{name: text for name, (text, _) in REASONS.items()}, "numbers": NUMBERS}

DRIVER = """
import contextlib, io, json, sys
how, files = sys.argv[1], sys.argv[2:]
if how == "real":
    import runpy
    start = lambda file: runpy.run_path(file, run_name="__main__") and 0
else:
    from cutaway.interop.pytorch import run
    start = lambda file: run.script(file, [], how == "compiled")
said = {}
for file in files:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = start(file)
    said[file] = code, out.getvalue(), err.getvalue()
json.dump(said, sys.stdout)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each program says, compiled, eagerly, and with PyTorch: one process each, as starting takes longest."""
    folder = tmp_path_factory.mktemp("programs")
    files = {name: f"program{n}.py" for n, name in enumerate(PROGRAMS)}
    for name, text in PROGRAMS.items():
        (folder / files[name]).write_text(text, encoding="utf-8")
    names = {"compiled": [*files], "eager": [*files], "real": [*WORKS]}
    found = {}
    for how, which in names.items():
        if how != "real" or importlib.util.find_spec("torch"):
            listed = [how, *(files[name] for name in which)]
            answers = json.loads(printed(run(folder, DRIVER, *listed, name="driver.py", start=REAL)))
            found[how] = {name: answers[files[name]] for name in which}
    return found


@pytest.mark.parametrize("name", WORKS)
def test_a_compiled_loop_prints_what_the_eager_one_prints(said, name):
    code, out, err = said["compiled"][name]
    assert (code, err) == (0, "") and out == said["eager"][name][1]
    if "real" in said:
        assert out == said["real"][name][1]


@pytest.mark.parametrize("name", REASONS)
def test_what_cannot_be_compiled_runs_as_ever_and_says_why_in_one_line(said, name):
    code, out, err = said["compiled"][name]
    assert code == 0 and out == said["eager"][name][1]
    (line,) = err.splitlines()
    assert re.match(r"cutaway: program\d+\.py:\d+: not compiled: ", line) and re.search(REASONS[name][1], line), line


def test_numbers_that_change_are_seen(said):
    """A scale on the module, a number of the loop, an attribute of arguments, dropout switched off."""
    code, out, err = said["compiled"]["numbers"]
    assert (code, err) == (0, "") and out == said["eager"]["numbers"][1] and len(set(out.splitlines())) > 4


def test_an_error_in_the_step_names_the_program_s_line(tmp_path):
    text = loop(forward="loss = criterion(model(x[:, :3]), y)")
    done = run(tmp_path, text, options=["--compile"])
    number = next(n for n, line in enumerate(text.splitlines(), 1) if "x[:, :3]" in line)
    assert done.returncode == 1 and f'program.py", line {number}' in done.stderr and "ShapeError" in done.stderr


def test_a_module_is_refused(tmp_path):
    done = run(tmp_path, "", options=["--compile", "-m"])
    assert done.returncode == 2 and "name the file" in done.stderr
