"""Pages made of words: what they name exists, and nothing is twice."""

import re
from collections import Counter
from pathlib import Path

import pytest

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
    assert 120 < len(terms())
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


@pytest.mark.parametrize("page", ["glossary.md"])
def test_links_lead_to_the_heading(page):
    there = {str(c.number) for c in chapters()}
    for file, anchor in re.findall(r"\]\(([\w./-]+)#([\w-]+)\)", (DOCS / page).read_text(encoding="utf-8")):
        if file != "course.md" or anchor.partition("-")[0] in there:
            assert anchor in anchors(file), (file, anchor)
