"""Images read between their pixels, at places that are computed: spatial transformers (Jaderberg et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cutaway.core.aval import show
from cutaway.core.creation import linspace
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.functions import ones_like, stack
from cutaway.core.op import composite
from cutaway.functional._check import floating, is_tensor

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

MODES, PADDINGS = ("bilinear", "nearest"), ("zeros", "border", "reflection")


@composite(r"A \, (x, y, 1)^\top")
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Where each pixel of an output [N, C, H, W] comes from under an affine map.  theta[N, 2, 3] -> grid[N, H, W, 2].

    Places run from -1 to 1 over the image: its corner pixels' centres with align_corners=True, else their outer edges.
    Raises ShapeError for another theta or size.
    """
    op = "affine_grid"
    is_tensor(op, theta=theta)
    floating(op, theta)
    n, _, h, w = (*size, 0, 0, 0, 0)[:4]
    if tuple(theta.shape) != (n, 2, 3) or len(size) != 4:
        raise ShapeError(f"{op}: expected theta[N, 2, 3] and size (N, C, H, W), got {show(theta)} and {tuple(size)}")
    x, y = _line(w, align_corners, theta).expand((h, w)), _line(h, align_corners, theta).unsqueeze(1).expand((h, w))
    places = stack([x, y, ones_like(x)], -1).reshape((1, h * w, 3)).expand((n, h * w, 3))
    return (places @ theta.transpose(1, 2)).reshape((n, h, w, 2))


def _line(n: int, align_corners: bool | None, like: Tensor) -> Tensor:
    """n places from -1 to 1."""
    if n < 2:
        return linspace(0, 0, n, dtype=like.dtype)  # type: ignore[no-any-return]
    edge = 1.0 if align_corners else (n - 1) / n
    return linspace(-edge, edge, n, dtype=like.dtype)  # type: ignore[no-any-return]


@composite(r"\sum_{hw} x_{nchw} \max(0, 1 - |u - w|) \max(0, 1 - |v - h|)")
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The image at the places of `grid`.  input[N, C, H, W], grid[N, H', W', 2] of (x, y) from -1 to 1 -> [N, C, H', W'].

    mode: "bilinear" or "nearest".  padding_mode, outside: "zeros", the "border" pixel, or a "reflection".
    Raises ShapeError, ArgumentError for another mode ("bicubic", and volumes, are not offered).
    """
    op = "grid_sample"
    is_tensor(op, input=input, grid=grid)
    floating(op, input)
    if mode not in MODES or padding_mode not in PADDINGS:
        raise ArgumentError(
            f"{op}: mode must be one of {', '.join(MODES)} and padding_mode of {', '.join(PADDINGS)}, "
            f"got {mode!r} and {padding_mode!r}"
        )
    if input.ndim != 4 or grid.ndim != 4 or grid.shape[0] != input.shape[0] or grid.shape[3] != 2:
        raise ShapeError(f"{op}: expected input[N, C, H, W] and grid[N, H', W', 2], got {show(input)} and {show(grid)}")
    _, _, h, w = input.shape
    x, y = (_place(grid[..., k], size, bool(align_corners), padding_mode) for k, size in enumerate((w, h)))
    if mode == "nearest":
        return _pixels(input, x.detach().round(), y.detach().round())
    left, top = x.detach().floor(), y.detach().floor()
    right, low = x - left, y - top  # how far to the next pixel
    corners = (
        (left, top, (1 - right) * (1 - low)),
        (left + 1, top, right * (1 - low)),
        (left, top + 1, (1 - right) * low),
        (left + 1, top + 1, right * low),
    )
    parts = [_pixels(input, u, v) * weight.unsqueeze(1) for u, v, weight in corners]
    return parts[0] + parts[1] + parts[2] + parts[3]


def _place(at: Tensor, size: int, align_corners: bool, padding: str) -> Tensor:
    """A place from -1 to 1 in pixels, brought into the image as `padding` says."""
    u = (at + 1) * ((size - 1) / 2) if align_corners else ((at + 1) * size - 1) / 2
    if padding == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        if span == 0:
            return u * 0
        z = (u - low).abs()
        turns = (z.detach() / span).floor()
        z = z - turns * span
        u = z + (turns % 2) * (span - 2 * z) + low
    if padding != "zeros":
        u = u.clamp(0.0, size - 1.0)
    return u


def _pixels(x: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """x[n, :, v, u] at whole places, 0 outside.  u[N, H', W'] -> [N, C, H', W']."""
    n, c, h, w = x.shape
    inside = (u >= 0) & (u <= w - 1) & (v >= 0) & (v <= h - 1)
    flat = (v.clamp(0, h - 1) * w + u.clamp(0, w - 1)).long().reshape((n, 1, -1)).expand((n, c, u.numel() // n))
    y = x.reshape((n, c, h * w)).gather(2, flat).reshape((n, c, *u.shape[1:]))
    return y.masked_fill(~inside.unsqueeze(1), 0.0)
