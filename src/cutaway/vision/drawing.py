"""Boxes, masks and key points drawn over an image, under torchvision's names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway.core.autograd import no_grad
from cutaway.core.dtypes import uint8
from cutaway.core.errors import ArgumentError, ArgumentTypeError
from cutaway.core.functions import from_numpy
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor
from cutaway.vision.pillow import from_array, need

Colour = str | tuple[int, int, int]
PALETTE = 2**25 - 1, 2**15 - 1, 2**21 - 1  # of the i-th object: i times these, modulo 255


@no_grad()
def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: Sequence[str | None] | None = None,
    colors: Sequence[Colour] | Colour | None = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: Sequence[Colour] | Colour | None = None,
    label_background_colors: Sequence[Colour] | Colour | None = None,
    fill_labels: bool = False,
) -> Tensor:
    """image[1 or 3, H, W] of bytes, or of floats from 0 to 1, with boxes[N, 4] (left, top, right, bottom in pixels).

    labels: a word a box.  colors: one for all or one a box, a name, "#rrggbb" or (r, g, b); of a palette if not given.
    font: the path of a TrueType font, of `font_size` (10).  fill_labels puts words on a ground of the box's colour, or of
    label_background_colors.
    Raises ArgumentTypeError for what is no tensor, ArgumentError for other shapes and numbers of labels and colours.
    """
    pixels, back = _pixels("draw_bounding_boxes", image)
    corners = boxes.detach().numpy()
    if corners.size and (corners.ndim != 2 or corners.shape[1] != 4):
        raise ArgumentError(f"draw_bounding_boxes: boxes should be [N, 4], got {list(corners.shape)}")
    if (corners.size and (corners[:, 0] > corners[:, 2]).any()) or (corners.size and (corners[:, 1] > corners[:, 3]).any()):
        raise ArgumentError("Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert")
    n = len(corners) if corners.size else 0
    if not n:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=3)
        return image
    words = [None] * n if labels is None else list(labels)
    if len(words) != n:
        raise ArgumentError(
            f"Number of boxes ({n}) and labels ({len(words)}) mismatch. Please specify labels for each box."
        )
    outlines = _colours("draw_bounding_boxes", colors, n)
    lettering, grounds = outlines, outlines
    if label_colors or fill_labels:
        lettering = _colours("draw_bounding_boxes", label_colors or "black", n)
    if fill_labels and label_background_colors:
        grounds = _colours("draw_bounding_boxes", label_background_colors, n)
    picture = from_array(pixels)
    draw = need("draw_bounding_boxes", "ImageDraw").Draw(picture, "RGBA" if fill else None)
    letters = _font(font, font_size)
    each = zip(corners.astype(np.int64).tolist(), outlines, words, lettering, grounds, strict=True)
    for box, colour, word, word_colour, ground in each:
        if fill:
            draw.rectangle(box, fill=(*colour, 100), width=width, outline=colour)
        else:
            draw.rectangle(box, width=width, outline=colour)
        if word is not None:
            at = (box[0] + width + 1, box[1] + width + 1)
            if fill_labels:
                left, top, right, bottom = draw.textbbox(at, word, font=letters)
                draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=ground)
            draw.text(at, word, fill=word_colour, font=letters)
    return back(np.array(picture))


@no_grad()
def draw_segmentation_masks(
    image: Tensor, masks: Tensor, alpha: float = 0.8, colors: Sequence[Colour] | Colour | None = None
) -> Tensor:
    """image[3, H, W] with masks bool[N, H, W] or [H, W] coloured over it, `alpha` opaque.  Colours as of boxes.

    Raises ArgumentTypeError for what is no tensor, ArgumentError for other shapes and dtypes.
    """
    _pixels("draw_segmentation_masks", image)
    if image.shape[0] != 3:
        raise ArgumentError("Pass an RGB image. Other Image formats are not supported")
    shown = masks.detach().numpy()
    shown = shown[None] if shown.ndim == 2 else shown
    if shown.ndim != 3:
        raise ArgumentError("masks must be of shape (H, W) or (batch_size, H, W)")
    if shown.dtype != bool:
        raise ArgumentError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if shown.shape[1:] != tuple(image.shape[1:]):
        raise ArgumentError("The image and the masks must have the same height and width")
    if not len(shown):
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=3)
        return image
    pixels: Any = image.detach().numpy()
    white = 255 if image.dtype.is_floating_point else 1
    drawn: Any = pixels.copy()
    for mask, colour in zip(shown, _colours("draw_segmentation_masks", colors, len(shown)), strict=True):
        drawn[:, mask] = np.array(colour)[:, None] / white
    drawn[:, shown.sum(0) > 1] = 0  # where several overlap
    wide = np.float64 if pixels.dtype == np.float64 else np.float32
    own, over = np.array(1 - alpha, wide), np.array(alpha, wide)
    mixed: Any = pixels.astype(wide) * own + drawn.astype(wide) * over
    return from_numpy(mixed.astype(pixels.dtype))  # type: ignore[no-any-return]


@no_grad()
def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: Sequence[tuple[int, int]] | None = None,
    colors: Colour | None = None,
    radius: int = 2,
    width: int = 3,
    visibility: Tensor | None = None,
) -> Tensor:
    """image[3, H, W] with keypoints[N, K, 2] (x, y in pixels) as dots, and lines between those that connectivity pairs;
    visibility bool[N, K] leaves some out.

    Raises ArgumentTypeError for what is no tensor, ArgumentError for other shapes.
    """
    pixels, back = _pixels("draw_keypoints", image)
    if image.shape[0] != 3:
        raise ArgumentError("Pass an RGB image. Other Image formats are not supported")
    if keypoints.ndim != 3 or keypoints.shape[-1] != 2:
        raise ArgumentError(f"keypoints must be of shape (num_instances, K, 2), got {list(keypoints.shape)}")
    seen = np.ones(keypoints.shape[:2], bool) if visibility is None else visibility.numpy().astype(bool)
    seen = seen[..., 0] if seen.ndim == 3 else seen
    if seen.shape != tuple(keypoints.shape[:2]):
        raise ArgumentError(f"visibility must be of shape {list(keypoints.shape[:2])}, got {list(seen.shape)}")
    picture = from_array(pixels)
    draw = need("draw_keypoints", "ImageDraw").Draw(picture)
    for person, there in zip(keypoints.detach().numpy().astype(np.int64).tolist(), seen, strict=True):
        for (x, y), shown in zip(person, there, strict=True):
            if shown:
                draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colors, outline=None, width=0)
        for a, b in connectivity or ():
            if there[a] and there[b]:
                draw.line((tuple(person[a]), tuple(person[b])), width=width)
    return back(np.array(picture))


def _pixels(op: str, image: Any) -> tuple[np.ndarray, Any]:
    """uint8[H, W, 3], and the way back to a tensor of the image's dtype."""
    if not isinstance(image, Tensor):
        raise ArgumentTypeError(f"Tensor expected, got {describe(image)}")
    if image.dtype != uint8 and not image.dtype.is_floating_point:
        raise ArgumentError(f"{op}: the image should be uint8 or floats, got {image.dtype}")
    if image.ndim != 3:
        raise ArgumentError("Pass individual images, not batches")
    if image.shape[0] not in (1, 3):
        raise ArgumentError("Only grayscale and RGB images are supported")
    floats = image.dtype.is_floating_point
    a = image.detach().numpy()
    a = np.clip(a * a.dtype.type(255.999), 0, 255).astype(np.uint8) if floats else a
    a = np.repeat(a, 3, 0) if len(a) == 1 else a

    def back(pixels: np.ndarray) -> Tensor:
        y: Tensor = from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return y.to(image.dtype) / 255 if floats else y

    return np.ascontiguousarray(a.transpose(1, 2, 0)), back


def _colours(op: str, given: Any, n: int) -> list[tuple[int, int, int]]:
    """n colours as (r, g, b)."""
    if given is None:
        listed: list[Any] = [tuple(i * step % 255 for step in PALETTE) for i in range(n)]
    elif isinstance(given, list):
        if len(given) < n:
            raise ArgumentError(f"{op}: there must be a colour for each of {n} objects, got {len(given)}")
        listed = given[:n]
    elif isinstance(given, (str, tuple)):
        listed = [given] * n
    else:
        raise ArgumentError(f"{op}: colors must be a tuple or a string, or a list thereof, but got {given!r}.")
    named = need(op, "ImageColor")
    return [named.getrgb(c) if isinstance(c, str) else c for c in listed]


def _font(path: str | None, size: int | None) -> Any:
    fonts = need("draw_bounding_boxes", "ImageFont")
    if path is None:
        if size is not None:
            warnings.warn("Argument 'font_size' will be ignored since 'font' is not set.", stacklevel=4)
        return fonts.load_default()
    return fonts.truetype(font=path, size=size or 10)
