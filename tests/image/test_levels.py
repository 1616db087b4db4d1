"""Images with more than 8 bits, with transparency, in other formats, and of absurd size."""

import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from natlib.data import notes_of
from natlib.errors import DataError
from natlib_image import Image, formats
from natlib_image.decoding import Decoding, decode, decode_image
from natlib_image.levels import Levels, common_range, to_bytes

from .pictures import noise, tree, write


def rgb(pixels: torch.Tensor) -> np.ndarray:
    return pixels.permute(1, 2, 0).numpy()


def grey(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PILImage.fromarray(values).save(path)
    return path


def png16(path: Path, values: np.ndarray) -> Path:
    """A PNG with 16 bits in each channel; Pillow writes none in colour."""
    height, width, channels = values.shape

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


class TestRange:
    @pytest.mark.parametrize(
        ("floats", "low", "high", "expected"),
        [
            (False, 0, 200, (0, 255)),
            (False, 0, 255, (0, 255)),
            (False, 3, 256, (0, 511)),
            (False, 0, 4000, (0, 4095)),
            (False, 0, 65535, (0, 65535)),
            (False, 0, 1_000_000, (0, 2**20 - 1)),
            (False, -1024, 3071, (-1024, 3071)),
            (False, -7, -7, (-7, -6)),
            (True, 0, 1, (0, 1)),
            (True, 0.2, 0.3, (0, 1)),
            (True, -0.9, 1, (-1, 1)),
            (True, 0, 254.5, (0, 255)),
            (True, 0, 12.5, (0, 12.5)),
            (True, -40, 3000, (-40, 3000)),
            (True, 5, 5, (5, 6)),
        ],
    )
    def test_it_is_as_wide_as_the_values_need(
        self, floats: bool, low: float, high: float, expected: tuple[float, float]
    ) -> None:
        middle = (low + high) / 2
        found = [Levels(floats, middle, high), Levels(floats, low, middle)]
        assert common_range(found, "photos") == expected

    def test_8_bits_need_none(self) -> None:
        assert common_range([], "photos") is None

    def test_whole_numbers_and_floats_are_refused(self) -> None:
        with pytest.raises(
            DataError, match=r"photos have no common range: .* 0 to 4,095 .* 0 to 1;"
        ):
            common_range([Levels(False, 0, 4000), Levels(True, 0, 0.5)], "photos")
        assert common_range([Levels(False, 0, 200), Levels(True, 0, 250.0)], "x") == (0, 255)

    def test_values_beyond_it_are_clipped_and_nan_is_black(self) -> None:
        values = np.array([np.nan, -np.inf, -5, 0, 2, 4, 9, np.inf])
        assert to_bytes(values, (0, 4)).tolist() == [0, 0, 0, 0, 128, 255, 255, 255]


SETS: dict[str, tuple[Any, tuple[float, float], list[int]]] = {
    # Dark and bright images of one set: what each value becomes does not depend on its file.
    "12 bits in 16": ((np.uint16, [0, 819, 1638, 4095]), (0, 4095), [0, 51, 102, 255]),
    "8 bits in 16": ((np.uint16, [0, 51, 102, 255]), (0, 255), [0, 51, 102, 255]),
    "16 bits": ((np.uint16, [0, 257, 13107, 65535]), (0, 65535), [0, 1, 51, 255]),
    "32 bits": ((np.int32, [-1024, 0, 1024, 3071]), (-1024, 3071), [0, 64, 128, 255]),
    "floats": ((np.float32, [0, 0.2, 0.4, 1.0]), (0, 1), [0, 51, 102, 255]),
    "float bytes": ((np.float32, [0, 51, 102, 255]), (0, 255), [0, 51, 102, 255]),
}


@pytest.mark.parametrize("name", SETS)
def test_one_range_for_a_set_is_found_written_down_and_said(name: str, tmp_path: Path) -> None:
    (dtype, values), expected, read = SETS[name]
    for number, value in enumerate(values):
        grey(tmp_path / f"{number}.tif", np.full((8, 8), value, dtype))
    resolved = Image(source=str(tmp_path), size=8).resolved()
    assert resolved.range == expected
    assert Image.model_validate(resolved.model_dump(mode="json")) == resolved
    samples = resolved.dataset("train")
    assert samples is not None
    assert [int(samples[number].pixels.max()) for number in range(4)] == read
    assert [int(samples[number].pixels.min()) for number in range(4)] == read
    (note,) = notes_of(samples)
    assert f"read from {expected[0]:,g} to {expected[1]:,g}, black to white" in note
    # The same file alone, to embed it.
    assert int(resolved.samples([tmp_path / "1.tif"])[0].pixels[0, 0, 0]) == read[1]


def test_a_range_that_is_set_is_kept(tmp_path: Path) -> None:
    grey(tmp_path / "a.png", np.full((8, 8), 500, np.uint16))
    resolved = Image(source=str(tmp_path), range=(0, 1000)).resolved()
    assert resolved.range == (0, 1000)
    assert resolved.samples([tmp_path / "a.png"])[0].pixels.unique().tolist() == [128]
    for wrong in ((1, 0), (3, 3), (0, float("inf")), (float("nan"), 1)):
        with pytest.raises(ValueError, match=r"two numbers, the smaller one first|finite number"):
            Image(range=wrong)


def test_8_bit_images_have_no_range_and_keep_their_values(tmp_path: Path) -> None:
    resolved = Image(source=str(tree(tmp_path, "a.png", "b.jpg", "c.gif", "d.webp"))).resolved()
    assert resolved.range is None
    assert resolved.dataset("train").notes == []  # type: ignore[union-attr]
    # Beside 16-bit images too.
    pixels = noise(8, 8)
    for how in (None, Decoding(range=(0, 4095))):
        assert np.array_equal(rgb(decode(pixels, 8, how)), pixels)


def test_a_16_bit_image_that_nothing_told_of_is_refused(tmp_path: Path) -> None:
    resolved = Image(source=str(tree(tmp_path, "a.png")), size=8).resolved()
    path = grey(tmp_path / "late.png", np.full((8, 8), 500, np.uint16))
    with pytest.raises(
        DataError, match=r"late\.png as an image: it is a 16-bit image.*data\.range"
    ):
        resolved.samples([path])


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_16_bits_are_scaled_by_their_upper_ones(channels: int, tmp_path: Path) -> None:
    values = np.zeros((8, 8, channels), np.uint16)
    values[..., :3] = [0, 1000, 4095]
    values[..., 3:] = 65535
    path = png16(tmp_path / "a.png", values)
    resolved = Image(source=str(tmp_path), size=8).resolved()
    assert resolved.range == (0, 4095)
    red, green, blue = resolved.samples([path])[0].pixels[:, 0, 0].tolist()
    assert (red, blue) == (0, 240)  # 16 levels are left of 12 bits
    assert abs(green - 1000 / 4095 * 255) < 16
    full = decode(path, 8, Decoding(range=(0, 65535)))
    assert full[:, 0, 0].tolist() == [0, 3, 15]


class TestBackground:
    @pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
    @pytest.mark.parametrize("colour", [(255, 255, 255), (10, 20, 30)])
    def test_transparent_pixels_show_it(self, mode: str, colour: tuple[int, int, int]) -> None:
        image = PILImage.new(
            "LA" if mode == "LA" else "RGBA", (8, 8), (0,) * len(mode.strip("P") or "RGBA")
        )
        if mode == "PA":
            image = PILImage.new("PA", (8, 8))
        decoded = decode(image, 8, Decoding(background=colour))
        assert [int(channel.unique()) for channel in decoded] == list(colour)

    def test_half_transparent_pixels_are_mixed(self) -> None:
        image = PILImage.new("RGBA", (8, 8), (255, 0, 0, 128))
        assert decode(image, 8)[:, 0, 0].tolist() == [255, 127, 127]
        assert decode(np.asarray(image), 8)[:, 0, 0].tolist() == [255, 127, 127]

    @pytest.mark.parametrize("mode", ["L", "RGB", "P"])
    def test_a_colour_that_stands_for_transparent(self, mode: str, tmp_path: Path) -> None:
        image = PILImage.new(mode, (8, 8), 0)
        key: Any = (0, 0, 0) if mode == "RGB" else 0
        image.save(tmp_path / "a.png", transparency=key)
        assert decode(tmp_path / "a.png", 8).unique().tolist() == [255]

    def test_opaque_pixels_stay_as_they_are(self) -> None:
        pixels = noise(8, 8)
        opaque = np.concatenate([pixels, np.full((8, 8, 1), 255, np.uint8)], 2)
        assert np.array_equal(rgb(decode(opaque, 8)), pixels)

    def test_it_is_a_setting(self, tmp_path: Path) -> None:
        PILImage.new("RGBA", (8, 8)).save(tmp_path / "a.png")
        resolved = Image(source=str(tmp_path), background=(0, 0, 255)).resolved()
        assert resolved.samples([tmp_path / "a.png"])[0].pixels[:, 0, 0].tolist() == [0, 0, 255]
        with pytest.raises(ValueError, match="background"):
            Image(background=(0, 0, 256))


class TestFormats:
    @pytest.mark.parametrize("suffix", ["avif", "jfif", "jp2", "jpe", "webp", "tiff", "qoi", "tga"])
    def test_they_are_found_and_read(self, suffix: str, tmp_path: Path) -> None:
        if suffix in formats.unavailable():
            pytest.skip(f"Pillow reads no {suffix} here")
        write(tmp_path / f"a.{suffix.upper()}", np.full((16, 16, 3), 90, np.uint8))
        samples = Image(source=str(tmp_path), size=16).resolved().dataset("train")
        assert samples is not None
        assert abs(samples[0].pixels.float().mean() - 90) < 4

    @pytest.mark.parametrize("suffix", ["heic", "heif"])
    def test_heif_with_its_plug_in(self, suffix: str, tmp_path: Path) -> None:
        plugin = pytest.importorskip("pillow_heif")
        image = plugin.from_pillow(PILImage.new("RGB", (64, 64), (90, 90, 90)))
        image.save(tmp_path / "a.heif", quality=90)
        (tmp_path / "a.heif").rename(tmp_path / f"a.{suffix}")
        samples = Image(source=str(tmp_path), size=64).resolved().dataset("train")
        assert samples is not None
        assert abs(samples[0].pixels.float().mean() - 90) < 4

    def test_what_is_missing_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(formats, "find_spec", lambda name: None)
        formats.unavailable.cache_clear()
        try:
            tree(tmp_path, "a.png")
            for name in ("b.heic", "c.HEIC", "d.heif"):
                (tmp_path / name).touch()
            resolved = Image(source=str(tmp_path), size=8).resolved()
            samples = resolved.dataset("train")
            assert samples is not None
            assert list(samples.names) == ["a.png"]
            assert samples.notes == [
                f"left out of {tmp_path}: {many} images, which need pillow-heif "
                "(pip install 'natlib[heif]')"
                for many in ("2 .heic", "1 .heif")
            ]
            with pytest.raises(
                DataError, match=r"b\.heic as an image: reading it needs pillow-heif"
            ):
                resolved.samples([tmp_path / "b.heic"])
        finally:
            formats.unavailable.cache_clear()


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("b.NEF", "another format (darktable-cli photo.nef photo.tif, say)"),
        ("b.cr2", "another format (darktable-cli photo.cr2 photo.tif, say)"),
        ("b.jxl", "another format (djxl image.jxl image.png, say)"),
    ],
)
def test_what_nothing_reads_is_named_with_what_converts_it(
    name: str, needs: str, tmp_path: Path
) -> None:
    tree(tmp_path, "a.png")
    (tmp_path / name).touch()
    resolved = Image(source=str(tmp_path), size=8).resolved()
    samples = resolved.dataset("train")
    assert samples is not None
    (note,) = samples.notes
    assert note == f"left out of {tmp_path}: 1 .{name[2:].lower()} images, which need {needs}"
    with pytest.raises(DataError, match=re.escape(f"reading it needs {needs}")):
        resolved.samples([tmp_path / name])


class TestClipped:
    """What lies beyond the range is counted, and said."""

    @pytest.mark.parametrize(
        ("item", "share"),
        [
            (PILImage.fromarray(np.array([[0, 9, 11, 99]] * 4, np.uint16)), 0.5),
            (np.array([[0.0, 9.0, 11.0, -1.0]] * 4, np.float32), 0.5),
            (np.array([[0, 9, 10, 11]] * 4, np.int32), 0.25),
            (np.array([[0, 99, 99, 99]] * 4, np.uint8), 0.0),
            (PILImage.fromarray(np.full((4, 4, 3), 99, np.uint8)), 0.0),
        ],
        ids=["16 bits", "floats", "whole numbers", "8 bits", "colours of 8 bits"],
    )
    def test_share_of_an_image(self, item: Any, share: float) -> None:
        assert decode_image(item, 4, Decoding(range=(0, 10))).clipped == share

    def test_colours_of_16_bits(self, tmp_path: Path) -> None:
        values = np.zeros((8, 8, 3), np.uint16)
        values[:4, :, 0] = 60_000
        path = png16(tmp_path / "a.png", values)
        assert decode_image(path, 8, Decoding(range=(0, 4095))).clipped == pytest.approx(1 / 6)
        assert decode_image(path, 8, Decoding(range=(0, 65535))).clipped == 0

    def test_is_said(self, tmp_path: Path) -> None:
        for number in range(4):
            values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 60
            values[0, 0] = 4000 if number else 0
            grey(tmp_path / f"{number}.png", values)
        resolved = Image(source=str(tmp_path), size=8, range=(0, 3999)).resolved()
        samples = resolved.dataset("train")
        assert samples is not None
        samples.preload(0)
        assert notes_of(samples)[-1] == (
            "data.range (0 to 3,999) clips values of 3 of 4 images that were looked at, 0.012 of "
            "all their values"
        )


class TestSize:
    def test_more_pixels_than_allowed_are_one_line(self, tmp_path: Path) -> None:
        tree(tmp_path, *[f"{number}.png" for number in range(30)])
        write(tmp_path / "large.png", noise(40, 40))
        resolved = Image(source=str(tmp_path), size=8, max_pixels=1000).resolved()
        samples = resolved.dataset("train")
        assert samples is not None
        samples.preload(0)
        (bad,) = samples.unreadable
        assert bad.reason == (
            "it has 40 x 40 pixels, more than data.max_pixels (1,000); raise that if such images "
            "are meant to be there"
        )
        assert (
            Image(source=str(tmp_path), size=8, max_pixels=1600)
            .resolved()
            .samples([tmp_path / "large.png"])
        )

    def test_pillows_own_limit_is_neither_heard_nor_changed(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        recwarn: pytest.WarningsRecorder,
    ) -> None:
        monkeypatch.setattr(PILImage, "MAX_IMAGE_PIXELS", 100)
        path = write(tmp_path / "a.png", noise(12, 60))
        assert tuple(decode(path, 12).shape) == (3, 12, 24)
        assert not recwarn.list
        assert PILImage.MAX_IMAGE_PIXELS == 100
        with pytest.raises(PILImage.DecompressionBombError):
            PILImage.open(path)


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    modality = Image(size=8, resize=8)
    for path, kind in (
        (tmp_path / "a.png", "named pipe"),
        ("/dev/zero", "device"),
        ("/", "folder"),
    ):
        with pytest.raises(
            DataError, match=f"cannot read .* as an image: it is a {kind}, and no file"
        ):
            modality.samples([path])


def test_images_that_are_nearly_constant_are_said(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / f"{number}.png", noise(8, 8, number) // (1 if number < 2 else 100))
    samples = Image(source=str(tmp_path), size=8).resolved().dataset("train")
    assert samples is not None
    for _ in range(2):
        samples.preload(0)
        (note,) = samples.notes
        assert note.startswith("4 of 6 images are nearly constant after decoding")
