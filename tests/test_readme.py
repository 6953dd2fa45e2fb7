"""Documentation runs: the README's programs, its commands, its links, and every doctest of the package."""

import contextlib
import doctest
import importlib
import importlib.util
import io
import pkgutil
import re
from pathlib import Path

import pytest

import cutaway
from cutaway.train import recipe
from cutaway.train.trainer import new_model

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(programs):
    held, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for text in programs:
            exec(compile(text, "README.md", "exec"), held)
    return printed.getvalue()


def test_the_programs_print_what_they_promise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # one writes a page
    spiral, powers, *inside = run(PROGRAMS).splitlines()
    at = next(n for n, line in enumerate(inside) if line.startswith("kernel"))
    (heading, *kernels), inside = inside[at:], inside[:at]
    assert any("Linear" in line and "[300, 32]" in line for line in inside)
    assert any(line.startswith("0.weight float32[32, 2]") for line in inside)
    assert "recording" in (tmp_path / "step.html").read_text(encoding="utf-8")
    loss, accuracy = map(float, re.findall(r"\d+\.\d+", spiral))
    assert loss < 0.3
    assert accuracy > 0.9
    assert powers == "12.0 12.0"
    assert heading.split()[:3] == ["kernel", "result", "MFLOP"]
    assert sum(" einsum" in line for line in kernels) == 5  # two layers: forward, towards weights, and towards h


def test_the_two_commands_are_there_for_ci_to_read():
    assert re.findall(r"(?m)^pip install .*$", README) == [
        "pip install . && cutaway train",
        'pip install ".[test]" && pytest -n auto --dist worksteal',
    ]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    patterns = re.findall(r"grep -m 1 '(.*?)' README\.md", ci)
    assert [bool(re.search(p, README, re.MULTILINE)) for p in patterns] == [True, True]


def test_the_chinese_readme_says_the_same():
    chinese = (ROOT / "README.zh.md").read_text(encoding="utf-8")

    def code(text):
        return re.sub("[ ]*# .*", "", "".join(re.findall(r"(?ms)^```.*?^```", text)))

    def links(text):
        return set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.zh.md", "docs/zh/ch01.md"}

    assert "cutaway train mnist-mlp --mine\n" in code(README)
    assert code(chinese) == code(README)
    assert links(chinese) == links(README)
    assert re.findall(r"[\d,.]+ \|.*", chinese) == re.findall(r"[\d,.]+ \|.*", README)  # the recipes' numbers
    assert set(re.findall("`([^`\n]+)`", chinese)) == set(re.findall("`([^`\n]+)`", README))


def test_the_table_of_recipes_is_true():
    rows = re.findall(r"(?m)^\| `([\w-]+)` \|.*\| ([\d,]+) \| (\d+) \|$", README)
    assert [name for name, _, _ in rows] == recipe.names()
    for name, parameters, epochs in rows:
        r = recipe.find(name)
        s = r.config(limit=None if name == "gates" else 1)
        model = new_model(r, r.data(s), s)
        assert sum(p.numel() for p in model.parameters()) == int(parameters.replace(",", "")), name
        assert s.epochs == int(epochs), name


@pytest.mark.parametrize(
    "page", ["README.md", "README.zh.md", "CHANGELOG.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(page):
    file = ROOT / page
    links = re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (file.parent / link).exists()] == []


def modules():
    found = [m.name for m in pkgutil.walk_packages(cutaway.__path__, "cutaway.") if not m.name.endswith("__main__")]
    absent = {p for p in ("torch", "jax") if importlib.util.find_spec(p) is None}  # `cutaway bench` speaks of them if it can
    if importlib.util.find_spec("marimo") is None:
        found = [name for name in found if not name.endswith(".chapter")]  # the course's notebooks
    return [name for name in found if name not in {f"cutaway.bench.sides.{p}_side" for p in absent}]


def test_every_doctest_holds():
    failed = []
    for name in modules():
        result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
        failed += [name] * result.failed
    assert failed == []
