"""Docstrings as this repository writes them, to Markdown.

They are plain sentences. Shapes stand in them as `x[N, C] -> y[N]`, arguments in two columns or as `name: what it is`,
errors as `Raises ShapeError when ...`, programs are indented. Each of these becomes what a page has for it: code, a
list, a line of its own with links.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_CODE = re.compile(r"(`+[^`\n]+`+)")
_SHAPE = r"(?:[A-Za-z_]\w*'?)?\[[^\[\]\n]*\]'?(?!\()"
_WORD = r"[A-Za-z_][\w.]*\w"
_COLUMNS = re.compile(r"(\S+(?:,? \S+){0,3}?)[ ]{2,}(\S.*)")
_ARGUMENT = re.compile(r"((?:\*{0,2}[a-z_]\w*)(?:, \*{0,2}[a-z_]\w*)*): (\S.*)")
_SPECIAL = re.compile(r"[*_\\$<>&]")


class Words(NamedTuple):
    """What the words of a docstring may mean.

    links      the path that a word leads to: `{"Conv2d": "cutaway.nn.Conv2d"}`
    arguments  names that may begin a line of their own: `padding: an int or a pair`
    own        what the docstring is of, and does not lead to
    """

    links: Mapping[str, str] = {}
    arguments: frozenset[str] = frozenset()
    own: str = ""

    def path(self, word: str) -> str:
        """Where a word leads; "" for nowhere."""
        return "" if word == self.own else self.links.get(word, "")


def markdown(text: str, words: Words = Words()) -> str:  # noqa: B008
    """A docstring as Markdown."""
    return "\n\n".join(_block(block, words) for block in _blocks(text) if block.strip())


def _blocks(text: str) -> list[str]:
    """The paragraphs, and the indented programs with the blank lines inside them."""
    found: list[str] = []
    for block in re.split(r"\n\s*\n", text.expandtabs().strip("\n")):
        lines = block.split("\n")
        indented = (n for n, line in enumerate(lines) if line.startswith("    ") and _is_program(lines, n))
        program = next(indented, len(lines))
        if program:
            found.append("\n".join(lines[:program]))
        if program < len(lines):
            rest = "\n".join(lines[program:])
            if found and found[-1].startswith("    ") and not program:
                found[-1] += "\n\n" + rest
            else:
                found.append(rest)
    return found


def _is_program(lines: list[str], n: int) -> bool:
    """True if line n begins an indented program: not the second line of an argument's description."""
    return n == 0 or lines[n - 1].rstrip().endswith(":")


def _block(block: str, words: Words) -> str:
    lines = block.split("\n")
    if block.startswith("    "):
        if all(_COLUMNS.fullmatch(line.strip()) for line in lines) and len(lines) > 1:
            return _table([line.strip() for line in lines], words)
        return "```python\n" + "\n".join(line[4:] for line in lines) + "\n```"
    if lines[0].startswith(("|", ">>>", "- ", "* ", "1. ")):
        return "```pycon\n" + block + "\n```" if lines[0].startswith(">>>") else block
    return "\n\n".join(_paragraphs(lines, words))


def _paragraphs(lines: list[str], words: Words) -> list[str]:
    """A block's lines as paragraphs and lists: a list begins where lines have two columns or name an argument."""
    found: list[tuple[str, list[str]]] = []
    for line in (piece for whole in lines for piece in _each_argument(whole, words.arguments)):
        columns, argument = _COLUMNS.fullmatch(line), _ARGUMENT.match(line)
        if columns and not re.search(r"[.!?:;)]$", columns[1]):
            found.append(("column", [columns[1], columns[2]]))
        elif argument and _all_in(argument[1], words.arguments):
            found.append(("argument", [argument[1], argument[2]]))
        elif found and (line.startswith("  ") or (found[-1][0] == "argument" and _continues(found[-1][1][-1], line))):
            found[-1][1][-1] += " " + line.strip()
        elif found and found[-1][0] == "text":
            found[-1][1][-1] += "\n" + line.strip()
        else:
            found.append(("text", [line.strip()]))
    out: list[str] = []
    for kind, parts in found:
        if kind == "text":
            out += [_sentence(part, words) for part in _lines_of_their_own(parts[0])]
        else:
            item = f"- {_names(parts[0])}: {_sentence(parts[1], words)}"
            if out and out[-1].startswith("- "):
                out[-1] += "\n" + item
            else:
                out.append(item)
    return out


def _each_argument(line: str, arguments: frozenset[str]) -> list[str]:
    """A line cut where, after two spaces, the next argument begins."""
    cuts = [m for m in re.finditer(r"(?<=\.)  (?=([a-z_]\w*): )", line) if m[1] in arguments]
    starts, ends = [0, *(m.end() for m in cuts)], [*(m.start() for m in cuts), len(line)]
    return [line[start:end] for start, end in zip(starts, ends, strict=True)]


def _all_in(names: str, arguments: frozenset[str]) -> bool:
    return all(name.strip(" *") in arguments for name in names.split(","))


def _continues(before: str, line: str) -> bool:
    """True if a line goes on with the sentence before it."""
    return not re.search(r"[.!?]$", before) and not line.startswith("Raises ")


def _lines_of_their_own(text: str) -> list[str]:
    """A paragraph cut before what it raises, and before shapes that begin a line or follow two spaces."""
    text = re.sub(rf"(?<=[.:)])(?:  |\n)(?={_SHAPE}[^.]*(?:->|\.$))", "\n\n", text)
    text = re.sub(r"(?<=[.:)])\s+(?=Raises [A-Z])", "\n\n", text)
    return text.split("\n\n")


def _names(text: str) -> str:
    return ", ".join(f"`{name}`" for name in text.split(", "))


def _table(lines: list[str], words: Words) -> str:
    rows = [_COLUMNS.fullmatch(line) for line in lines]
    return "\n".join(f"- {_names(row[1])}: {_sentence(row[2], words)}" for row in rows if row)


def _sentence(text: str, words: Words) -> str:
    """Running text: shapes and programs as code, known names as links, everything else as it stands."""
    raises = text.startswith("Raises ")
    parts = _CODE.split(text[7:] if raises else text)
    told = "".join(_code(part, words) if n % 2 else _plain(part, words) for n, part in enumerate(parts))
    return f"**Raises** {told}" if raises else told


def _code(code: str, words: Words) -> str:
    path = words.path(code.strip("`"))
    return f"[{code}][{path}]" if path else code


def _plain(text: str, words: Words) -> str:
    out, at = [], 0
    for match in re.finditer(rf"(?P<shape>{_SHAPE})|(?P<word>{_WORD})", text):
        word = match["word"]
        path = words.path(word) if word and _is_a_name(word) else ""
        if word and not path and not (word in words.arguments and "_" in word):
            continue
        out += [_escape(text[at : match.start()]), f"[`{word}`][{path}]" if path else f"`{match[0]}`"]
        at = match.end()
    return "".join(out) + _escape(text[at:])


def _is_a_name(word: str) -> bool:
    """True for a word that cannot be meant as English: Conv2d, max_pool2d."""
    return bool(re.search(r"[\d_.]|[a-z][A-Z]|[A-Z]{2}", word))


def _escape(text: str) -> str:
    text = text.replace("<->", "↔").replace("->", "→").replace("<-", "←")
    return _SPECIAL.sub(lambda m: {"<": "&lt;", ">": "&gt;", "&": "&amp;", "$": "&#36;"}.get(m[0], "\\" + m[0]), text)
