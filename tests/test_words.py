"""Pages made of words: what they name exists, nothing is twice, and the Chinese chapters follow the notebooks."""

import ast
import re
from collections import Counter
from functools import reduce
from pathlib import Path

import pytest

import cutaway
import cutaway.vision.models
import cutaway.vision.transforms
from cutaway.course.chapters import chapters, find

DOCS = Path(__file__).parents[1] / "docs"
COLUMNS = ["English", "日本語", "中文", "what it is", "where"]


def rows(page):
    """The cells of each line of each table, headings included."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines if line.startswith("|") and "---" not in line]


def terms():
    return [row for row in rows("glossary.md") if row != COLUMNS]


def test_each_term_has_every_column():
    assert len(terms()) > 120
    for row in terms():
        assert len(row) == len(COLUMNS), row
        assert all(row), row
        assert row[3].endswith("."), row
        assert not re.search("[\u3040-\u30ff]", row[2]), f"kana in the Chinese of {row[0]}"
        assert re.fullmatch(r"\[[^]]+\]\([^)]+\)", row[4]), row


@pytest.mark.parametrize("column", range(4))
def test_no_term_is_twice(column):
    assert [t for t, n in Counter(row[column].casefold() for row in terms()).items() if n > 1] == []


def anchors(page):
    headings = re.findall(r"(?m)^#+ (.*)$", (DOCS / page).read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", ["glossary.md", "cs231n.md"])
def test_links_lead_to_the_heading(page):
    links = re.findall(r"\]\(([\w./-]+)#([\w-]+)\)", (DOCS / page).read_text(encoding="utf-8"))
    assert [(file, anchor) for file, anchor in links if anchor not in anchors(file)] == []


def test_the_map_of_cs231n_names_what_is_there():
    text = (DOCS / "cs231n.md").read_text(encoding="utf-8")
    exercises = {str(c.number): c.exercises for c in chapters()}
    named = re.findall(r"`(\d+)\.(\w+)`", text)
    assert len(named) > 40
    assert [(c, name) for c, name in named if name not in exercises.get(c, ())] == []
    for path in re.findall(r"`((?:cutaway|nn)\.[\w.]+)`", text):
        reduce(getattr, path.removeprefix("cutaway.").split("."), cutaway)


def told(chapter):
    """What a notebook says, in order, and the exercises it has cards of."""
    words, cards = "", []
    calls = [n for n in ast.walk(ast.parse((chapter.path / "chapter.py").read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
    for call in sorted(calls, key=lambda n: (n.lineno, n.col_offset)):
        if ast.unparse(call.func) == "mo.md":
            parts = call.args[0].values if isinstance(call.args[0], ast.JoinedStr) else [call.args[0]]
            words += "\n" + "".join(p.value for p in parts if isinstance(p, ast.Constant))
        elif ast.unparse(call.func) == "card":
            cards.append(ast.literal_eval(call.args[0]))
    return re.sub("(?m)^ +", "", words), cards


def outline(text):
    """The depth of each heading, and each displayed formula without its words."""
    text = re.sub(r"(?s)```.*?```", "", text)
    return [len(h) for h in re.findall(r"(?m)^(#+) ", text)], [
        re.sub(r"\\text\{[^}]*\}|\s", "", f) for f in re.findall(r"(?s)\$\$(.*?)\$\$", text)
    ]


@pytest.mark.parametrize("page", sorted((DOCS / "zh").glob("*.md")), ids=lambda p: p.stem)
def test_a_chinese_chapter_follows_the_notebook(page):
    text = page.read_text(encoding="utf-8")
    words, cards = told(find(page.stem))
    assert outline(text) == outline(words)
    assert outline(words)[0]
    assert [f"{page.stem[2:].lstrip('0')}.{name}" for name in re.findall(r"\*\*练习 `\d+\.(\w+)`\*\*", text)] == cards
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
