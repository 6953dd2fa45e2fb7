"""How a tensor prints: PyTorch's layout, four digits, long tensors with an ellipsis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.core.dtypes import FLOATING, default_complex, get_default_dtype
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.overriding.subclass import fields
from cutaway.core.package import package

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

INDENT = len("tensor(")
DEFAULT = {"precision": 4, "threshold": 1000.0, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
PROFILES = {
    "default": DEFAULT,
    "short": {**DEFAULT, "precision": 2, "edgeitems": 2},
    "full": {**DEFAULT, "threshold": float("inf")},
}


class _Options:
    """How tensors print at present."""

    precision: int
    threshold: float
    edgeitems: int
    linewidth: int
    sci_mode: bool | None

    def __init__(self) -> None:
        self.__dict__.update(DEFAULT)


_now = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors print: digits behind the point, elements from which on the middle is left out, how many stay at each edge,
    characters a line, scientific notation (None: where it is shorter). `profile`: "default", "short" or "full".

    Raises ArgumentError for an unknown profile.
    """
    if profile is not None:
        if not isinstance(profile, str) or profile not in PROFILES:
            raise ArgumentError(f"set_printoptions: profile must be one of {', '.join(PROFILES)}, got {profile!r}")
        _now.__dict__.update(PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0):
            raise ArgumentTypeError(f"set_printoptions: {name} must be a number of 0 or more, got {value!r:.60}")
        if name != "threshold" and value is not None and not isinstance(value, int):
            raise ArgumentTypeError(f"set_printoptions: {name} must be a whole number, got {value!r}")
    if sci_mode is not None and not isinstance(sci_mode, bool):
        raise ArgumentError(f"set_printoptions: sci_mode must be True, False or None, got {sci_mode!r:.60}")
    _now.__dict__.update({k: v for k, v in given.items() if v is not None})
    _now.sci_mode = sci_mode


def _formatter(values: np.ndarray) -> tuple[Any, int]:
    """A function from one element to text, and the width that it fills: that of the widest finite element but zeros."""
    if values.dtype.kind == "c":
        return _complex_formatter(values)
    if values.dtype.kind not in FLOATING:
        width = max((len(str(v)) for v in values.flat), default=1)
        return (lambda v: f"{v!s:>{width}}"), width
    shown = values[np.isfinite(values) & (values != 0)]
    size = np.abs(shown.astype(np.float64))
    whole = bool((size == np.ceil(size)).all())
    science = bool(size.size) and bool(
        size.max() / 1000 > size.min() or size.max() > 1e8 or (not whole and size.min() < 1e-4)
    )
    science = science if _now.sci_mode is None else _now.sci_mode
    spec = f".{_now.precision}e" if science else ".0f" if whole else f".{_now.precision}f"
    dot = "." if spec == ".0f" else ""

    def text(v: Any) -> str:
        return f"{v:{spec}}" + (dot if np.isfinite(v) else "")

    width = max((len(text(v)) for v in shown.flat), default=1)
    return (lambda v: f"{text(v):>{width}}"), width


def _complex_formatter(values: np.ndarray) -> tuple[Any, int]:
    """The parts have formats of their own; the imaginary one's place for a sign is not filled up."""
    real, wide = _formatter(values.real)
    imag, tall = _formatter(values.imag)

    def text(v: Any) -> str:
        below = f"{imag(v.imag)}j".lstrip()
        return f"{real(v.real)}{'' if below[0] in '+-' else '+'}{below}"

    return text, wide + tall + 1


def _edges(a: np.ndarray) -> np.ndarray:
    """What is shown of a long tensor: the first and last few along each dimension."""
    edge = _now.edgeitems
    for d, n in enumerate(a.shape):
        if n > 2 * edge:
            a = np.concatenate([a.take(range(edge), d), a.take(range(n - edge, n), d)], d)
    return a


def _lines(a: np.ndarray, form: Any, width: int, indent: int, short: bool) -> str:
    if a.ndim == 0:
        return str(form(a[()]))
    edge = _now.edgeitems
    cut = short and len(a) > 2 * edge
    rows = [*range(edge), None, *range(len(a) - edge, len(a))] if cut else list(range(len(a)))
    if a.ndim == 1:
        parts = [" ..." if i is None else form(a[i]) for i in rows]
        per_line = max(1, (_now.linewidth - indent) // (width + 2))
        lines = [", ".join(parts[k : k + per_line]) for k in range(0, len(parts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    gap = "," + "\n" * (a.ndim - 1) + " " * (indent + 1)
    return "[" + gap.join("..." if i is None else _lines(a[i], form, width, indent + 1, short) for i in rows) + "]"


def show(t: Tensor) -> str:
    """The text of `repr(t)`."""
    a = t._data
    prefix, end, indent = _shell(t)
    if type(a) is not np.ndarray and t.is_meta:
        kind = [] if t.dtype is get_default_dtype() else [f"dtype={t.dtype!r}"]
        notes = ["device='meta'", f"size={tuple(a.shape)}", *kind, *_history(t)]
        return _with_notes(f"{prefix}...", notes, indent) + end
    # An empty tensor has no elements that would show whether they are whole.
    default = get_default_dtype().name
    obvious = (default, default_complex().name if a.dtype.kind == "c" else "", "int64", "bool") if a.size else (default,)
    notes = []
    if a.size == 0 and a.ndim != 1:
        notes.append(f"size={tuple(a.shape)}")
    if t.dtype.name not in obvious:
        notes.append(f"dtype={t.dtype!r}")
    return _with_notes(prefix + _numbers(a, indent), [*notes, *_history(t)], indent) + end


def show_sparse(t: Tensor, parts: list[tuple[str, Tensor]]) -> str:
    """The text of `repr(t)` of a sparse tensor: the tensors that it consists of, by name, and what else there is to say."""
    lines = [f"{name}={_part(part, INDENT + len(name) + 1)}" for name, part in parts]
    obvious = (get_default_dtype().name, default_complex().name if t.is_complex() else "", "int64", "bool")
    notes = [f"size={tuple(t.shape)}", f"nnz={t._nnz()}"]
    if t.dtype.name not in obvious:
        notes.append(f"dtype={t.dtype!r}")
    notes += [f"layout={t.layout!r}", *_history(t)]
    text = "tensor(" + f",\n{' ' * INDENT}".join(lines)
    return _with_notes(text, notes, INDENT, parts[0][0] == "indices") + ")"  # of this layout alone, PyTorch begins a line


def _part(t: Tensor, indent: int) -> str:
    """A tensor within another one's text."""
    a = t._data
    size = f", size={tuple(a.shape)}" if a.size == 0 else ""
    return f"tensor({_numbers(a, indent + INDENT)}{size})"


def _numbers(a: np.ndarray, indent: int) -> str:
    a = a.astype(np.float32) if a.dtype.kind == "V" else a  # whose numbers know no formats everywhere
    short = a.size > _now.threshold
    form, width = _formatter(_edges(a) if short else a)
    return _lines(a, form, width, indent, short) if a.size or a.ndim == 1 else "[]"


def _history(t: Tensor) -> list[str]:
    if t.grad_fn is not None:
        name = t.grad_fn.name() if package() == "torch" else t.grad_fn.name
        return [f"grad_fn=<{name.removeprefix('torch::autograd::')}>"]
    return ["requires_grad=True"] if t.requires_grad else []


def _with_notes(text: str, notes: list[str], indent: int, anew: bool = False) -> str:
    """The text and what is said behind it, on a new line where this one would become too long, or at once (`anew`)."""
    line = len(text) - text.rfind("\n") + 1
    for note in notes:
        if anew or line + len(note) + 2 > _now.linewidth:
            text, line, anew = f"{text},\n{' ' * indent}{note}", indent + len(note), False
        else:
            text, line = f"{text}, {note}", line + len(note) + 2
    return text


def _shell(t: Tensor) -> tuple[str, str, int]:
    """What stands around the numbers, and how far lines are indented; a program's own class has its name there."""
    kind = type(t)
    if kind.__module__.partition(".")[0] in ("cutaway", "torch"):
        return "Parameter containing:\ntensor(" if kind.__name__ == "Parameter" else "tensor(", ")", INDENT
    name = f"{kind.__name__}("
    derived = any(base.__name__ == "Parameter" for base in kind.__mro__)
    if not derived and "_is_param" not in fields(t):
        return name, ")", len(name)
    return ("Parameter containing:\n" if derived else "") + f"Parameter({name}", "))", len(name)
