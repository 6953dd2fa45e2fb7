"""Two files that change together: model.safetensors and trainer.safetensors.

A kill at any moment leaves a pair that belongs together.  Each file is written under another name and forced to the
disk; only when both are whole do they take their places, and the presence of the second one's `.next` says so:

    model.next   trainer.next      what a reader does
    -            -                 nothing: the pair in place is the last one
    there        -                 removes model.next: the new pair was never whole
    there or -   there             renames what is there: the new pair is whole
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from cutaway import nn
from cutaway.core.errors import CutawayError, FileFormatError
from cutaway.core.tensor import Tensor
from cutaway.train.tree import flatten, unflatten

MODEL, TRAINER = "model.safetensors", "trainer.safetensors"
_NEXT = ".next"
_FORMAT = "1"


def save(folder: Path, model: dict[str, Any], trainer: dict[str, Any]) -> None:
    """Replace the checkpoint in `folder` by the model's state and the trainer's, whole or not at all.

    Raises OSError if the disk refuses; the checkpoint before is then still in place.
    """
    recover(folder)
    step = str(trainer["step"])
    arrays, plain = flatten(trainer)
    weights, _ = flatten(dict(model))
    _write(folder / (MODEL + _NEXT), weights, {"format": _FORMAT, "step": step})
    _write(folder / (TRAINER + _NEXT), arrays, {"format": _FORMAT, "step": step, "state": json.dumps(plain)})
    recover(folder)


def load(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(the model's arrays by name, the trainer's state) of the last checkpoint.

    Raises FileFormatError, naming the file, if one is missing, damaged, or does not belong to the other.
    """
    recover(folder)
    model, trainer = folder / MODEL, folder / TRAINER
    weights, about = _read(model)
    arrays, state = _read(trainer)
    if about["step"] != state["step"]:
        raise FileFormatError(
            f"{model} is of step {about['step']}, but {trainer} is of step {state['step']}: they do not belong "
            "together; put back the file that was exchanged, or start a new run"
        )
    try:
        return weights, unflatten(arrays, json.loads(state["state"]))
    except (KeyError, ValueError) as e:
        raise FileFormatError(f"{trainer}: not a trainer's state ({e}); start a new run") from None


def fit(model: nn.Module, weights: dict[str, np.ndarray], folder: Path) -> None:
    """Load the arrays into the model.  Raises FileFormatError, naming the file, if they are another model's."""
    try:
        model.load_state_dict({name: Tensor._wrap(a) for name, a in weights.items()})
    except CutawayError as e:
        raise FileFormatError(f"{folder / MODEL}: holds another model than the recipe's: {e}") from None


def exists(folder: Path) -> bool:
    """True if `folder` holds a checkpoint."""
    recover(folder)
    return (folder / TRAINER).exists() or (folder / MODEL).exists()


def recover(folder: Path) -> None:
    """Finish an exchange that was begun, or clear away one that was not ready.  Safe to be killed in."""
    model, trainer = folder / (MODEL + _NEXT), folder / (TRAINER + _NEXT)
    if trainer.exists():
        if model.exists():
            os.replace(model, folder / MODEL)
        os.replace(trainer, folder / TRAINER)
        _sync_folder(folder)
    else:
        model.unlink(missing_ok=True)


def _write(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    from safetensors.numpy import save as to_bytes

    arrays = {name: np.asarray(a, order="C") for name, a in arrays.items()}
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, "wb") as f:
            f.write(to_bytes(arrays, {**metadata, "sha256": _digest(arrays)}))
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        raise FileFormatError(f"{path} is missing: a checkpoint is the pair {MODEL} and {TRAINER}; start a new run")
    try:
        with safe_open(path, framework="numpy") as f:
            metadata = f.metadata() or {}
            arrays = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, OSError) as e:
        raise FileFormatError(f"{path}: damaged, or no safetensors file ({e}); start a new run") from None
    if metadata.get("format") != _FORMAT or "step" not in metadata:
        raise FileFormatError(f"{path}: a safetensors file, but not one of `cutaway train` (format {_FORMAT})")
    if metadata.get("sha256") != _digest(arrays):
        raise FileFormatError(f"{path}: damaged: its content does not match its SHA-256; start a new run")
    return arrays, metadata


def _digest(arrays: dict[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        a = arrays[name]
        total.update(f"{name} {a.dtype.str} {a.shape}\n".encode())
        total.update(np.asarray(a, order="C").data)
    return total.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make the renames themselves survive a power cut, where the system can open a folder."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
