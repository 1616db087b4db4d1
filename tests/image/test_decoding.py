"""Decoding: every kind of image becomes RGB pixels of the right extent, the right way up."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags
from PIL import Image as PILImage

from natlib.errors import DataError
from natlib_image.decoding import Decoding, decode

from .pictures import noise, ramp, write


def rgb(pixels: torch.Tensor) -> np.ndarray:
    return pixels.permute(1, 2, 0).numpy()


def test_pixels_come_back_exactly_where_nothing_is_scaled(tmp_path: Path) -> None:
    pixels = noise(12, 15)
    decoded = decode(write(tmp_path / "a.png", pixels), 12)
    assert decoded.dtype == torch.uint8
    assert decoded.is_contiguous()
    assert np.array_equal(rgb(decoded), pixels)
    assert torch.equal(decode(str(tmp_path / "a.png"), 12), decoded)
    assert torch.equal(decode(PILImage.fromarray(pixels), 12), decoded)
    assert torch.equal(decode(pixels, 12), decoded)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (40, 60, (20, 30)),
        (60, 40, (30, 20)),
        (7, 7, (20, 20)),
        (10, 13, (20, 26)),
        (41, 20, (40, 20)),
    ],
)
def test_the_short_side_is_scaled(height: int, width: int, expected: tuple[int, int]) -> None:
    decoded = decode(ramp(height, width), 20)
    assert tuple(decoded.shape) == (3, *expected)


def test_scaling_down_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    middle = rgb(decode(stripes, 16))[:, 2:-2].astype(int)
    assert np.abs(middle - 127.5).max() <= 2


@pytest.mark.parametrize("short_side", [30, 64, 100])
def test_jpeg_at_a_lower_resolution_shows_the_same(tmp_path: Path, short_side: int) -> None:
    picture = PILImage.fromarray(ramp(480, 640))
    picture.save(tmp_path / "a.jpg", quality=95)
    drafted = rgb(decode(tmp_path / "a.jpg", short_side)).astype(int)
    direct = rgb(decode(picture, short_side)).astype(int)
    assert drafted.shape == direct.shape
    assert np.abs(drafted - direct).max() <= 8


class TestModes:
    @pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "HSV"])
    def test_everything_becomes_rgb(self, mode: str, tmp_path: Path) -> None:
        grey = PILImage.fromarray(np.repeat([[0, 255]], 2, 0).astype(np.uint8))
        picture = grey.convert("RGB").convert(mode)
        expected = np.array([[[0] * 3, [255] * 3]] * 2)
        assert np.abs(rgb(decode(picture, 2)).astype(int) - expected).max() <= 2

    def test_cmyk_jpeg(self, tmp_path: Path) -> None:
        PILImage.fromarray(ramp(32, 32)).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
        decoded = rgb(decode(tmp_path / "a.jpg", 32)).astype(int)
        assert np.abs(decoded - ramp(32, 32)).mean() < 4

    def test_palette_with_transparency_warns_nobody(
        self, tmp_path: Path, recwarn: pytest.WarningsRecorder
    ) -> None:
        picture = PILImage.fromarray(ramp(16, 16)).quantize(16)
        picture.save(tmp_path / "a.png", transparency=bytes(range(16)))
        opaque = np.asarray(picture)[:, :, None] / 255
        expected = np.asarray(picture.convert("RGB")) * opaque + 255 * (1 - opaque)
        assert np.abs(rgb(decode(tmp_path / "a.png", 16)) - expected).max() <= 1
        assert not recwarn.list

    def test_16_bit_grey_png(self, tmp_path: Path) -> None:
        values = np.array([[0, 257 * 10], [257 * 128, 65535]], np.uint16)
        PILImage.fromarray(values).save(tmp_path / "a.png")
        decoded = rgb(decode(tmp_path / "a.png", 2, Decoding(range=(0, 65535))))
        assert decoded[:, :, 0].tolist() == [[0, 10], [128, 255]]
        assert (decoded == decoded[:, :, :1]).all()

    def test_16_bit_pgm(self, tmp_path: Path) -> None:
        values = np.array([[0, 257 * 10], [257 * 128, 65535]], ">u2")
        (tmp_path / "a.pgm").write_bytes(b"P5 2 2 65535\n" + values.tobytes())
        decoded = rgb(decode(tmp_path / "a.pgm", 2, Decoding(range=(0, 65535))))
        assert decoded[:, :, 1].tolist() == [[0, 10], [128, 255]]

    def test_float_tiff(self, tmp_path: Path) -> None:
        values = np.array([[0.0, 0.2], [0.6, 1.0]], np.float32)
        PILImage.fromarray(values).save(tmp_path / "a.tif")
        decoded = rgb(decode(tmp_path / "a.tif", 2, Decoding(range=(0, 1))))
        assert decoded[:, :, 2].tolist() == [[0, 51], [153, 255]]

    def test_first_frame_of_an_animation(self, tmp_path: Path) -> None:
        frames = [PILImage.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        assert rgb(decode(tmp_path / "a.gif", 8))[0, 0].tolist() == [255, 0, 0]


# Where the red corner of the upright image is in the file, for each EXIF orientation.
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = ramp(16, 24)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = PILImage.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f"a.{suffix}"
    options = {"quality": 98} if suffix == "jpg" else {}
    PILImage.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **options)
    decoded = rgb(decode(path, 16)).astype(int)
    assert decoded.shape == upright.shape
    assert np.abs(decoded - upright).max() <= 12


class TestLongImages:
    @pytest.mark.parametrize("turned", [False, True])
    def test_the_middle_is_kept(self, turned: bool) -> None:
        strip = np.zeros((10, 300, 3), np.uint8)
        strip[:, 140:160] = 200
        decoded = rgb(decode(strip.transpose(1, 0, 2) if turned else strip, 10))
        assert decoded.shape == ((20, 10, 3) if turned else (10, 20, 3))
        assert (decoded == 200).all()

    def test_photographs_are_not_cut(self) -> None:
        assert tuple(decode(ramp(90, 160), 45).shape) == (3, 45, 80)

    def test_a_single_row_of_pixels(self) -> None:
        assert tuple(decode(PILImage.fromarray(noise(1, 500)), 16).shape) == (3, 16, 32)


class TestDamage:
    def test_a_text_file_called_jpg(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_text("hello")
        with pytest.raises(OSError, match="cannot identify image file"):
            decode(tmp_path / "a.jpg", 8)

    @pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
    def test_a_truncated_file(self, tmp_path: Path, suffix: str) -> None:
        path = write(tmp_path / f"a.{suffix}", noise(64, 64))
        path.write_bytes(path.read_bytes()[:-2000])
        with pytest.raises(Exception):  # noqa: B017, PT011 - PIL's choice
            decode(path, 64)

    def test_a_file_that_claims_to_be_huge(self, tmp_path: Path) -> None:
        def chunk(name: bytes, data: bytes) -> bytes:
            body = name + data
            return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
        path = tmp_path / "a.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IEND", b""))
        with pytest.raises(DataError, match=r"60,000 x 60,000 pixels, more than data\.max_pixels"):
            decode(path, 8)

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            (np.zeros((4, 4), np.int64), r"int64 \[4, 4\]; expected uint8"),
            (np.zeros((4, 4, 2), np.uint8), r"uint8 \[4, 4, 2\]"),
            (np.zeros((2, 4, 4, 3), np.uint8), r"uint8 \[2, 4, 4, 3\]"),
            (17, "got a int; expected a path"),
        ],
    )
    def test_something_else_altogether(self, item: object, message: str) -> None:
        with pytest.raises(DataError, match=message):
            decode(item, 8)  # type: ignore[arg-type]

    def test_an_array_without_pixels(self) -> None:
        with pytest.raises(ValueError, match=r"empty|zero|0"):
            decode(np.zeros((0, 5, 3), np.uint8), 8)

    def test_grey_arrays(self) -> None:
        grey = noise(6, 6)[:, :, 0]
        expected = np.repeat(grey[:, :, None], 3, 2)
        assert np.array_equal(rgb(decode(grey, 6)), expected)
        assert np.array_equal(rgb(decode(grey[:, :, None], 6)), expected)

    def test_a_callers_image_stays_as_it_was(self, tmp_path: Path) -> None:
        PILImage.fromarray(ramp(256, 256)).save(tmp_path / "a.jpg")
        with PILImage.open(tmp_path / "a.jpg") as picture:
            decode(picture, 16)
            assert picture.size == (256, 256)
