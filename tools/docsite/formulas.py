"""Formulas: TeX to MathML while the site is built, so that a page needs no script for them."""

from __future__ import annotations

import re
from html import unescape
from importlib import resources

from latex2mathml.converter import convert

_FORMULA = re.compile(r'(?s)<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>')
_BRACKETS = {"lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉"}  # which it cannot make large
_FUNCTION = re.compile(r"(<mi>(?:log|ln|exp|tanh|sinh|cosh|sin|cos|tan)</mi>)(?=<(?:mi|mn|msub|msup|msubsup|mfrac|msqrt)\b)")
_BEFORE = "&#x0003D;|&#x02190;|=|\\(|&#x00028;|&#x0002C;|,|&#x02264;|&#x0003E;"  # after these a minus is a sign
_SIGN = re.compile(rf"(<mo(?: [^>]*)?>(?:{_BEFORE})</mo>(?:<mspace[^>]*>)?)<mo>&#x02212;</mo>")


def drawn(html: str) -> str:
    """A page's HTML with its formulas as MathML."""
    return _FORMULA.sub(lambda m: mathml(unescape(m[2] or m[3]), block=m[3] is not None), html)


def mathml(tex: str, block: bool = False) -> str:
    """One formula.  Raises ValueError for TeX that latex2mathml does not read."""
    readable = re.sub(r"(\\[Bb]ig+)\\([lr](?:floor|ceil))\b", lambda m: m[1] + _BRACKETS[m[2]], tex.strip())
    made = convert(readable, display="block" if block else "inline")
    if unread := re.search(r"[\\&](?!#|amp;|lt;|gt;|quot;)[^<]*", re.sub(r"<mtext>.*?</mtext>", "", made)):
        raise ValueError(f"{unread[0]!r} is left over of {tex.strip()!r}: write it in TeX that latex2mathml reads")
    made = _FUNCTION.sub(r'\1<mspace width="0.167em" />', made)
    return _SIGN.sub(r'\1<mo form="prefix">&#x02212;</mo>', made)


def font() -> bytes:
    """A font for formulas (STIX Two, SIL Open Font License), for readers whose machine has none."""
    return resources.files("ziamath").joinpath("fonts", "STIXTwoMath-Regular.ttf").read_bytes()
