"""Makes docs/course.md of the course's code: the chapters, their exercises, and how many typical mistakes each knows.

python tools/course.py            writes the page
python tools/course.py --check    exits with 1 if the page is not what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "course.md"


def page() -> str:
    """The text of docs/course.md."""
    from cutaway.course.chapters import chapters

    every = [(c, e) for c in chapters() for e in c.exercises.values()]
    mistakes = sum(len(e.wrong) for _, e in every)
    chinese = [f"[{int(p.stem[2:])}](zh/{p.name})" for p in sorted((PAGE.parent / "zh").glob("ch*.md"))]
    lines = [
        "# The course",
        "",
        "What I cannot create, I do not understand. Each chapter explains, shows live figures on the real library, asks you",
        "to make the part, checks it, and trains a real network.",
        "",
        "```bash",
        "cutaway learn              # the chapters",
        "cutaway learn --here       # the exercises, as files in this folder, over nothing",
        "cutaway check 1.neuron     # judge one answer; `cutaway check 1` a chapter, `cutaway check` all",
        "cutaway learn 1            # read the chapter in the browser: needs marimo (pip install marimo), the rest does not",
        "cutaway learn --progress   # how far you are",
        "```",
        "",
        "An answer is drawn against its target first. Then it is tried on inputs from small to large; if it fails, you",
        "see the smallest of them, what was expected, what came, and a hint that is found by how your answer behaves.",
        "Your program runs in a process of its own: it may loop, crash or ask for all memory, and the checker says so.",
        "(The limit is 1 GiB on Linux; elsewhere time is the only limit.)",
        "",
        f"There are {len(every)} exercises in {len(chapters())} chapters, and {mistakes} typical mistakes that are known.",
        "This page is made from the code by `python tools/course.py`; [course-writing.md](course-writing.md) says how to",
        "write a chapter.",
        "",
        f"The words are in the [glossary](glossary.md). In Chinese there are chapters {', '.join(chinese)}.",
    ]
    for c in chapters():
        lines += ["", f"## {c.number} {c.title}", "", c.about.partition(": ")[2].capitalize(), ""]
        lines += ["| exercise | what it is | mistakes known |", "|---|---|---|"]
        lines += [f"| `{c.number}.{e.name}` | {e.title} | {len(e.wrong)} |" for e in c.exercises.values()]
        for plug in c.plugs:
            answers = " and ".join(f"`{n}`" for n in plug.names)
            parts = ", ".join(f"`{n}`" for n in plug.parts)
            command = "cutaway rl train" if plug.agents else " ".join(["cutaway train", *plug.recipes])
            lines += ["", f"Passed, {answers} can take the place of the library's {parts} (`{command} --mine`)."]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    text = page()
    if arguments == ["--check"]:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    raise SystemExit(main(sys.argv[1:]))
