"""Images and volumes read between their pixels, at computed places: spatial transformers (Jaderberg et al. 2015)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from cutaway.core.aval import show
from cutaway.core.creation import linspace
from cutaway.core.errors import ArgumentError, ShapeError
from cutaway.core.functions import ones_like, stack, where
from cutaway.core.op import composite
from cutaway.functional._check import floating, is_tensor

if TYPE_CHECKING:
    from cutaway.core.tensor import Tensor

MODES, PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
SHARPNESS = -0.75  # of the cubic kernel (Keys 1981, where it is called a)


@composite(r"A \, (x, y, 1)^\top")
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Where each pixel of an output [N, C, H, W] comes from under an affine map.  theta[N, 2, 3] -> grid[N, H, W, 2].

    Of an output [N, C, D, H, W]: theta[N, 3, 4] -> grid[N, D, H, W, 3].
    Places run from -1 to 1 over the image: its corner pixels' centres with align_corners=True, else their outer edges.
    Raises ShapeError for another theta or size.
    """
    op = "affine_grid"
    is_tensor(op, theta=theta)
    floating(op, theta)
    n, _, *out = (*size, 0, 0)[: max(len(size), 2)]
    dims = len(out)
    if dims not in (2, 3) or tuple(theta.shape) != (n, dims, dims + 1):
        raise ShapeError(
            f"{op}: expected theta[N, 2, 3] and size (N, C, H, W), or theta[N, 3, 4] and size (N, C, D, H, W), "
            f"got {show(theta)} and {tuple(size)}"
        )
    lines = [_line(m, align_corners, theta).reshape([-1 if k == d else 1 for k in range(dims)]) for d, m in enumerate(out)]
    axes = [line.expand(out) for line in reversed(lines)]
    places = stack([*axes, ones_like(axes[0])], -1).reshape((1, -1, dims + 1)).expand((n, -1, dims + 1))
    return (places @ theta.transpose(1, 2)).reshape((n, *out, dims))


def _line(n: int, align_corners: bool | None, like: Tensor) -> Tensor:
    """n places from -1 to 1."""
    if n < 2:
        return linspace(0, 0, n, dtype=like.dtype)  # type: ignore[no-any-return]
    line = linspace(-1, 1, n, dtype=like.dtype)
    return line if align_corners else line * (n - 1) / n  # in this order: that of PyTorch's roundings


@composite(r"\sum_{hw} x_{nchw} \max(0, 1 - |u - w|) \max(0, 1 - |v - h|)")
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The image at the places of `grid`.  input[N, C, H, W], grid[N, H', W', 2] of (x, y) from -1 to 1 -> [N, C, H', W'].

    Of a volume: input[N, C, D, H, W], grid[N, D', H', W', 3] of (x, y, z) -> [N, C, D', H', W'].
    mode: "bilinear" (of a volume: trilinear), "nearest" or, for images, "bicubic" (Keys 1981).
    padding_mode, outside: "zeros", the "border" pixel, or a "reflection".
    Raises ShapeError, ArgumentError for another mode.
    """
    op = "grid_sample"
    is_tensor(op, input=input, grid=grid)
    floating(op, input)
    if mode not in MODES or padding_mode not in PADDINGS:
        raise ArgumentError(
            f"{op}: mode must be one of {', '.join(MODES)} and padding_mode of {', '.join(PADDINGS)}, "
            f"got {mode!r} and {padding_mode!r}"
        )
    dims = input.ndim - 2
    if dims not in (2, 3) or grid.ndim != input.ndim or grid.shape[0] != input.shape[0] or grid.shape[-1] != dims:
        raise ShapeError(
            f"{op}: expected input[N, C, H, W] and grid[N, H', W', 2], or input[N, C, D, H, W] and grid[N, D', H', W', 3], "
            f"got {show(input)} and {show(grid)}"
        )
    if mode == "bicubic" and dims == 3:
        raise ArgumentError(f"{op}: bicubic is for images, got {show(input)}; use 'bilinear' for volumes")
    aligned = bool(align_corners)
    sizes = tuple(input.shape[:1:-1])
    places = [_in_pixels(grid[..., k], size, aligned) for k, size in enumerate(sizes)]
    inside = [_inside(u, size, aligned, padding_mode) for u, size in zip(places, sizes, strict=True)]
    if mode == "nearest":
        return pixels(input, [u.detach().round() for u in inside])
    if mode == "bilinear":
        axes = [list(sides(u)) for u in inside]
    else:
        axes = [
            [(_inside(at, size, aligned, padding_mode), weight) for at, weight in _cubic(u)]
            for u, size in zip(places, sizes, strict=True)
        ]
    total: Tensor | None = None
    for corner in product(*reversed(axes)):  # the last place, x, runs fastest
        weight = corner[-1][1]
        for _, more in reversed(corner[:-1]):
            weight = weight * more
        part = pixels(input, [at for at, _ in reversed(corner)]) * weight.unsqueeze(1)
        total = part if total is None else total + part
    assert total is not None
    return total


def _in_pixels(at: Tensor, size: int, align_corners: bool) -> Tensor:
    """A place from -1 to 1 in pixels."""
    return (at + 1) * ((size - 1) / 2) if align_corners else (at + 1) * (size / 2) - 0.5


def _inside(u: Tensor, size: int, align_corners: bool, padding: str) -> Tensor:
    """A place in pixels, brought into the image as `padding` says."""
    if padding == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        if span == 0:
            return u * 0
        z = (u - low).abs()
        turns = (z.detach() / span).floor()
        z = z - turns * span
        u = z + (turns % 2) * (span - 2 * z) + low
    if padding == "zeros":
        return u
    return where((u > 0) & (u < size - 1), u, u.detach().clamp(0.0, size - 1.0))  # no gradient at the edge itself


def sides(u: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The pixels on both sides of a place, and what each weighs."""
    left = u.detach().floor()
    far = u - left
    yield left, 1 - far
    yield left + 1, far


def _cubic(u: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The four pixels around a place, and what each weighs."""
    left, a = u.detach().floor(), SHARPNESS
    far = u - left
    for k in (-1, 0, 1, 2):
        z = (far - k) if k < 1 else (k - far)  # the distance
        near = ((a + 2) * z - (a + 3)) * z * z + 1
        yield left + k, near if k in (0, 1) else ((a * z - 5 * a) * z + 8 * a) * z - 4 * a


def pixels(x: Tensor, at: list[Tensor]) -> Tensor:
    """x[n, :, y, x] at whole places (x, y) or (x, y, z), 0 outside.  at: [N, H', W'] each -> [N, C, H', W']."""
    n, c, *sizes = x.shape
    flat: Any = 0
    inside: Any = True
    for u, size in zip(reversed(at), sizes, strict=True):
        inside = inside & (u >= 0) & (u <= size - 1)
        flat = flat * size + u.clamp(0, size - 1)
    where = flat.long().reshape((n, 1, -1)).expand((n, c, -1))
    y = x.reshape((n, c, -1)).gather(2, where).reshape((n, c, *at[0].shape[1:]))
    return y.masked_fill(~inside.unsqueeze(1), 0.0)
