"""Pages made of words: the glossary, the map of CS231n; what they name exists, and nothing is twice."""

import re
from collections import Counter
from functools import reduce
from pathlib import Path

import pytest

import cutaway
import cutaway.vision.models
import cutaway.vision.transforms
from cutaway.course.chapters import chapters

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
    there = {str(c.number) for c in chapters()}
    for file, anchor in re.findall(r"\]\(([\w./-]+)#([\w-]+)\)", (DOCS / page).read_text(encoding="utf-8")):
        if file != "course.md" or anchor.partition("-")[0] in there:
            assert anchor in anchors(file), (file, anchor)


def test_the_map_of_cs231n_names_what_is_there():
    text = (DOCS / "cs231n.md").read_text(encoding="utf-8")
    exercises = {str(c.number): c.exercises for c in chapters()}
    named = re.findall(r"`(\d+)\.(\w+)`", text)
    assert len(named) > 40
    assert [(c, name) for c, name in named if c in exercises and name not in exercises[c]] == []
    for path in re.findall(r"`((?:cutaway|nn)\.[\w.]+)`", text):
        reduce(getattr, path.removeprefix("cutaway.").split("."), cutaway)
