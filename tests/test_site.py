"""The documentation site names every page and every public package; .ci/run builds it."""

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import cutaway

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT / "tools"))
names, prose, reference, sources = (import_module(f"docsite.{m}") for m in ("names", "prose", "reference", "sources"))


def leaves(nav):
    for item in nav:
        target = next(iter(item.values())) if isinstance(item, dict) else item
        yield from [target] if isinstance(target, str) else leaves(target)


def test_the_navigation_names_every_page_once():
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"(?m)^ +- (?:.*: )?(\S+\.md)$", config.partition("\nnav:\n")[2])
    written = {p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md")}
    outside = {page for file, page in sources.PAGES.items() if (ROOT / file).is_file()}
    assert sorted(set(listed)) == sorted(listed)
    assert set(listed) == written | outside | {"reference/index.md"}


def test_every_public_package_has_a_page():
    pages = set(leaves(reference.navigation()))
    assert {reference.page(package) for package in names.PACKAGES} <= pages
    public = {f"cutaway.{m}" for m in cutaway._MODULES} - {"cutaway.functional"}  # nn.functional is the same
    assert public <= set(names.PACKAGES)
    ours = {"torch": "cutaway", "torchvision": "cutaway.vision"}
    for section in re.findall(r"(?m)^\[([\w.]+)\]", (ROOT / "tools" / "parity_names.txt").read_text(encoding="utf-8")):
        top, dot, rest = section.partition(".")
        package = f"{ours[top]}{dot}{rest}"
        if package in sys.modules:
            modules = [f"cutaway.{m.partition(':')[0]}" for ms in names.MODULES.values() for m in ms.split()]
            assert package in {*names.PACKAGES, *modules}, package


def test_every_public_name_has_an_entry():
    for package in names.PACKAGES:
        text = "".join(reference.pages(package).values())
        entries = re.findall(r"(?m)^::: ([\w.]+)$", text)
        wanted = [n.path for n in names.names(package) if not n.is_value and n.path != "cutaway.Tensor"]
        assert sorted(e for e in entries if e != "cutaway.Tensor") == sorted(wanted)
        assert [n.path for n in names.names(package) if not n.is_value and not n.about] == []
    found = {n.path for package in names.PACKAGES for n in names.names(package)}
    assert {
        "cutaway.matmul", "cutaway.Tensor.backward", "cutaway.nn.Conv2d", "cutaway.nn.functional.relu", "cutaway.optim.Adam",
        "cutaway.inspect.record", "cutaway.compile", "cutaway.rl.agents.dqn.Config", "cutaway.float32",
    } <= found  # fmt: skip
    assert not any(isinstance(n.value, ModuleType) for package in names.PACKAGES for n in names.names(package))


def test_a_docstring_becomes_markdown():
    words = prose.Words({"ShapeError": "cutaway.ShapeError", "Conv2d": "cutaway.nn.Conv2d"}, frozenset({"padding"}), "f")
    text = """Slid over x.  x[N, C] -> y[N].

padding: an int_or a pair; see Conv2d
kind   one of
       three

    f(x)

Raises ShapeError when a * b < 1."""
    assert prose.markdown(text, words).split("\n\n") == [
        "Slid over x.",
        "`x[N, C]` → `y[N]`.",
        "- `padding`: an int\\_or a pair; see [`Conv2d`][cutaway.nn.Conv2d]\n- `kind`: one of three",
        "```python\nf(x)\n```",
        "**Raises** [`ShapeError`][cutaway.ShapeError] when a \\* b &lt; 1.",
    ]


def test_links_to_files_lead_to_their_pages():
    text = "[a](../src/cutaway/core/op.py) [b](course.md#x) `[c](../README.md)` [d](../README.zh.md) [e](../src/cutaway/nn)"
    assert sources.mended(text, "docs/book.md") == (
        "[a](source/src/cutaway/core/op.py.md) [b](course.md#x) `[c](../README.md)` [d](zh/index.md) "
        "[e](source/src/cutaway/nn/index.md)"
    )
