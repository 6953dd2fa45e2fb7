"""Image files as tensors uint8[C, H, W], read and written by Pillow.  There are no videos."""

from __future__ import annotations

import io
import os
from enum import Enum
from typing import Any

import numpy as np

from cutaway.core.aval import show
from cutaway.core.errors import ArgumentTypeError, FileFormatError
from cutaway.core.functions import from_numpy
from cutaway.core.refusal import describe
from cutaway.core.tensor import Tensor
from cutaway.vision.pillow import need
from cutaway.vision.transforms.functional import pil_to_tensor, to_pil_image

__all__ = [
    "ImageReadMode", "decode_image", "encode_jpeg", "encode_png", "read_file", "read_image", "write_file", "write_jpeg",
    "write_png",
]  # fmt: skip

Path = str | os.PathLike[str]


class ImageReadMode(Enum):
    """The channels that are wanted; UNCHANGED: those of the file, a palette being three."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


PILLOW = {"GRAY": "L", "GRAY_ALPHA": "LA", "RGB": "RGB", "RGB_ALPHA": "RGBA"}


def read_file(path: Path) -> Tensor:
    """The bytes of a file, uint8[N].  Raises FileNotFoundError."""
    with open(path, "rb") as f:
        return from_numpy(np.frombuffer(bytearray(f.read()), np.uint8))


def write_file(filename: Path, data: Tensor) -> None:
    """Write uint8[N] as the bytes of a file."""
    with open(filename, "wb") as f:
        f.write(_bytes(data, "write_file", 1).tobytes())


def decode_image(
    input: Tensor | Path, mode: ImageReadMode | str = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """The image uint8[C, H, W] in the bytes uint8[N] of a file, or in the file of this name: PNG, JPEG, GIF, WebP, ...

    `mode` is the channels wanted, also as a word such as "RGB".  Raises FileFormatError for what is no image.
    """
    image_module = need("decode_image")
    data = _bytes(input if isinstance(input, Tensor) else read_file(input), "decode_image", 1)
    wanted = (ImageReadMode[mode.upper()] if isinstance(mode, str) else mode).name
    try:
        image = image_module.open(io.BytesIO(data.tobytes()))
        image.load()
    except (OSError, SyntaxError) as e:
        raise FileFormatError(f"decode_image: no image, or a broken one ({e})") from None
    if apply_exif_orientation:
        image = need("decode_image", "ImageOps").exif_transpose(image)
    if wanted in PILLOW:
        image = image.convert(PILLOW[wanted])
    elif image.mode == "P":
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    return pil_to_tensor(image)


def read_image(
    path: Path, mode: ImageReadMode | str = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """The image uint8[C, H, W] in a file.  See `decode_image`."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """uint8[1 or 3, H, W] as the bytes uint8[N] of a PNG file."""
    return _encoded(input, "PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor, quality: int = 75) -> Tensor:
    """uint8[1 or 3, H, W] as the bytes uint8[N] of a JPEG file of this quality, 1 to 100."""
    return _encoded(input, "JPEG", quality=quality)


def write_png(input: Tensor, filename: Path, compression_level: int = 6) -> None:
    """Write uint8[1 or 3, H, W] as a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: Path, quality: int = 75) -> None:
    """Write uint8[1 or 3, H, W] as a JPEG file of this quality, 1 to 100."""
    write_file(filename, encode_jpeg(input, quality))


def _encoded(image: Tensor, format: str, **options: Any) -> Tensor:
    _bytes(image, f"encode_{format.lower()}", 3)
    buffer = io.BytesIO()
    to_pil_image(image).save(buffer, format=format, **options)
    return from_numpy(np.frombuffer(bytearray(buffer.getvalue()), np.uint8))


def _bytes(x: Any, op: str, ndim: int) -> np.ndarray:
    if not isinstance(x, Tensor) or x.dtype.np != np.uint8 or x.ndim != ndim or (ndim == 3 and x.shape[0] not in (1, 3)):
        got = show(x) if isinstance(x, Tensor) else describe(x)
        raise ArgumentTypeError(f"{op}: expected {'uint8[N]' if ndim == 1 else 'uint8[1 or 3, H, W]'}, got {got}")
    return x.detach().numpy()


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.io", name, __all__)
