"""Image files against Pillow."""

from __future__ import annotations

import io as python_io

import numpy as np
import pytest

import cutaway
from cutaway.vision import io

from .conftest import photograph

Image = pytest.importorskip("PIL.Image")
IMAGE = Image.fromarray(photograph())


@pytest.mark.parametrize("kind", ["RGB", "L", "RGBA", "LA", "P", "1"])
@pytest.mark.parametrize("mode", list(io.ImageReadMode))
def test_reading(tmp_path, kind, mode):
    IMAGE.convert(kind).save(tmp_path / "a.png")
    wanted = {"UNCHANGED": {"P": "RGB", "1": "L"}.get(kind, kind), **io.PILLOW}[mode.name]
    expected = np.asarray(Image.open(tmp_path / "a.png").convert(wanted)).reshape(33, 41, -1).transpose(2, 0, 1)
    x = io.read_image(str(tmp_path / "a.png"), mode)
    assert x.dtype == cutaway.uint8
    np.testing.assert_array_equal(x.numpy(), expected)
    np.testing.assert_array_equal(io.decode_image(io.read_file(tmp_path / "a.png"), mode.name.lower()).numpy(), expected)


def test_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a right angle
    IMAGE.save(tmp_path / "a.jpg", exif=exif)
    assert io.read_image(tmp_path / "a.jpg").shape == (3, 33, 41)
    assert io.read_image(tmp_path / "a.jpg", apply_exif_orientation=True).shape == (3, 41, 33)


@pytest.mark.parametrize("channels", [1, 3])
def test_writing(tmp_path, channels):
    x = cutaway.from_numpy(photograph().transpose(2, 0, 1)[:channels].copy())
    io.write_png(x, tmp_path / "a.png")
    np.testing.assert_array_equal(io.read_image(tmp_path / "a.png").numpy(), x.numpy())
    io.write_jpeg(x, tmp_path / "a.jpg", quality=90)
    buffer = python_io.BytesIO()
    Image.fromarray(x.permute(1, 2, 0).numpy().squeeze()).save(buffer, "JPEG", quality=90)
    assert (tmp_path / "a.jpg").read_bytes() == buffer.getvalue()


def test_what_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="no image"):
        io.decode_image(cutaway.zeros(10, dtype=cutaway.uint8))
    IMAGE.save(tmp_path / "a.png")
    with pytest.raises(RuntimeError, match="broken"):
        io.decode_image(io.read_file(tmp_path / "a.png")[:300])
    with pytest.raises(TypeError, match=r"expected uint8\[1 or 3, H, W\], got float32"):
        io.write_png(cutaway.rand(3, 4, 4), tmp_path / "b.png")
    with pytest.raises(FileNotFoundError):
        io.read_image(tmp_path / "none.png")
    with pytest.raises(AttributeError, match="'read_image'"):
        io.read_images  # noqa: B018
