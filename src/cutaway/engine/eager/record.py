"""Record: what is known of a plan, as words in the object cache, from which a later process has it without tracing."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from cutaway.core.dtypes import ALL
from cutaway.engine.eager.plan import Plan

LARGEST = 1 << 14  # bytes of a plan's constants: with larger ones it is traced again


def write(plan: Plan) -> bytes:
    """The record of a plan; empty if there is something in it that words cannot say."""
    kept = plan.keep()
    if kept is None:
        return b""
    try:
        text = json.dumps(kept, default=_word)
        same = _read(text)["attrs"] == kept["attrs"]
    except (TypeError, ValueError):
        return b""
    return text.encode() if same else b""


def read(plan: Plan, text: bytes) -> bool:
    """Make of a plan what was written; False if its code is gone."""
    return plan.take(_read(text))


def _read(text: str | bytes) -> dict[str, Any]:
    """What was written; sequences are tuples."""
    words: dict[str, Any] = _tuples(json.loads(text, object_hook=_meaning))
    return words


def _word(value: Any) -> dict[str, Any]:
    """What JSON has no word for."""
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if isinstance(value, np.ndarray) and value.nbytes <= LARGEST:
        return {"dtype": value.dtype.name, "shape": value.shape, "bytes": base64.b64encode(value.tobytes()).decode()}
    raise TypeError


def _meaning(words: dict[str, Any]) -> Any:
    """What `_word` has written."""
    if words.keys() == {"dtype"}:
        return _dtype(words["dtype"])
    if words.keys() == {"dtype", "shape", "bytes"}:
        return np.frombuffer(base64.b64decode(words["bytes"]), _dtype(words["dtype"])).reshape(words["shape"])
    return words


def _dtype(name: str) -> np.dtype:
    return next(d for d in ALL if d.name == name).np


def _tuples(value: Any) -> Any:
    """Lists as tuples, which JSON does not know."""
    if isinstance(value, list):
        return tuple([_tuples(v) for v in value])
    return {k: _tuples(v) for k, v in value.items()} if isinstance(value, dict) else value
