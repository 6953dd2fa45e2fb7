"""The text that the chapter's networks learn: sentences of a small grammar, so that what they write can be judged.

Subject and verb agree in number, however many words stand between: "the keys of the old ship are small." A network that
only looks at the last letters cannot know whether "is" or "are" comes.
"""

from __future__ import annotations

import re

import numpy as np

NOUNS = ("ship", "boat", "gull", "lamp", "wave", "sailor", "letter", "tower", "key", "song")
ADJECTIVES = ("old", "small", "red", "quiet", "far", "bright")
PLACES = ("near", "under", "behind", "above", "of")
ACTS = ("see", "follow", "hear", "need", "greet")  # with an object
REST = ("sleep", "wait", "sing", "return")  # without

_NOUN = rf"the (?:(?:{'|'.join(ADJECTIVES)}) )?({'|'.join(NOUNS)})(s?)"
_BE = rf"(is|are) (?:(?:{'|'.join(ADJECTIVES)})|(?:{'|'.join(PLACES[:4])}) {_NOUN})"
_ACT = rf"({'|'.join(ACTS)})(s?) {_NOUN}"
_REST = rf"({'|'.join(REST)})(s?)"
_SENTENCE = re.compile(rf"{_NOUN}(?: (?:{'|'.join(PLACES)}) {_NOUN})?(?: {_BE}| {_ACT}| {_REST})\.")
WORDS = frozenset(
    (*ADJECTIVES, *PLACES, "the", "is", "are") + tuple(w + s for w in (*NOUNS, *ACTS, *REST) for s in ("", "s"))
)


def text(sentences: int, seed: int = 0) -> str:
    """So many sentences, with a blank between."""
    rng = np.random.default_rng(seed)
    pick = lambda words: words[int(rng.integers(len(words)))]
    some = lambda share: rng.random() < share

    def noun(many: bool) -> str:
        return "the " + (pick(ADJECTIVES) + " " if some(0.4) else "") + pick(NOUNS) + ("s" if many else "")

    def sentence() -> str:
        many = some(0.5)
        subject = noun(many) + (f" {pick(PLACES)} {noun(some(0.5))}" if some(0.5) else "")
        kind = rng.integers(4)
        if kind == 0:
            return f"{subject} {'are' if many else 'is'} {pick(ADJECTIVES)}."
        if kind == 1:
            return f"{subject} {'are' if many else 'is'} {pick(PLACES[:4])} {noun(some(0.5))}."
        end = "" if many else "s"
        return f"{subject} {pick(REST)}{end}." if kind == 2 else f"{subject} {pick(ACTS)}{end} {noun(some(0.5))}."

    return " ".join(sentence() for _ in range(sentences))


def grammatical(sentence: str) -> bool:
    """Whether a sentence is one of the grammar, with a verb that agrees with its subject."""
    found = _SENTENCE.fullmatch(sentence)
    if found is None:
        return False
    many = found[2] == "s"
    if found[5]:
        return (found[5] == "are") == many
    return ((found[9] if found[8] else found[13]) == "s") != many


def judged(written: str) -> tuple[float, float]:
    """Of a text that begins anywhere: the share of words that exist, and that of whole sentences that are grammatical."""
    words = re.findall(r"[a-z]+", written)[1:-1]
    sentences = [s.strip() + "." for s in written.split(".")[1:-1]]
    known = sum(w in WORDS for w in words) / max(len(words), 1)
    return known, sum(map(grammatical, sentences)) / max(len(sentences), 1)
