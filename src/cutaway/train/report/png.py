"""A PNG encoder in twenty lines (PNG specification, third edition: chunks, filter type 0, zlib)."""

import base64
import struct
import zlib

import numpy as np

from cutaway.core.errors import ShapeError

_COLOUR_TYPE = {1: 0, 3: 2}  # channels -> the specification's code for grey and for RGB


def encode_png(pixels: np.ndarray) -> bytes:
    """PNG bytes of `pixels[H, W]` (grey) or `pixels[H, W, 3]` (RGB), uint8.

    Raises ShapeError for any other shape.
    """
    image = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if image.ndim != 3 or image.shape[2] not in _COLOUR_TYPE:
        raise ShapeError(f"encode_png: pixels must be [H, W] or [H, W, 3], got {list(pixels.shape)} {pixels.dtype}.")
    height, width, channels = image.shape
    # Each row starts with the number of its filter; 0 leaves the row as it is.
    rows = np.zeros((height, 1 + width * channels), np.uint8)
    rows[:, 1:] = image.astype(np.uint8).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPE[channels], 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def data_uri(pixels: np.ndarray) -> str:
    """The picture as text that an <img src> takes, so that a page needs no second file."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode("ascii")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
