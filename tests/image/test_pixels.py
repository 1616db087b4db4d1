"""Arrays of pixels: recognised where there is one way to read them, refused where there are two."""

import numpy as np
import pytest
import torch

from natlib.errors import DataError
from natlib_image.decoding import decode
from natlib_image.pixels import as_bytes, channels_last

from .pictures import noise

PIXELS = noise(6, 7, 0)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_channels_in_front_or_behind(count: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 9, count))
    assert np.array_equal(channels_last(pixels), pixels)
    assert np.array_equal(channels_last(np.moveaxis(pixels, 3, 1)), pixels)
    assert np.array_equal(channels_last(pixels[0].transpose(2, 0, 1)), pixels[0])


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((3, 9, 3), "may come first or last"),
        ((5, 4, 8, 1), "may come first or last"),
        ((4, 4, 2), "expected 1, 3 or 4 channels"),
        ((8, 9, 2), "expected 1, 3 or 4 channels"),
        ((2, 8, 9, 5), "expected 1, 3 or 4 channels"),
    ],
)
def test_channels_that_cannot_be_told(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        channels_last(np.zeros(shape))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_of_either_scale(kind: type) -> None:
    assert np.array_equal(as_bytes(PIXELS.astype(kind)), PIXELS)
    assert np.array_equal(as_bytes((PIXELS / 255).astype(kind)), PIXELS)
    assert np.array_equal(as_bytes(np.zeros((4, 4), kind)), np.zeros((4, 4)))


@pytest.mark.parametrize("top", [1.5, 16, 128, 256, 65_535, np.nan, np.inf])
def test_floats_of_another_scale(top: float) -> None:
    values = np.zeros((4, 4))
    values[0, 0] = top
    with pytest.raises(DataError, match="expected floats from 0 to 1, or from 0 to 255"):
        as_bytes(values)
    with pytest.raises(DataError, match=r"are in \[-1, 1\]"):
        as_bytes(np.array([-1.0, 1.0]))


def test_other_types() -> None:
    with pytest.raises(DataError, match="expected uint8, floats"):
        as_bytes(PIXELS.astype(np.int64))


def test_items_of_a_program() -> None:
    """Arrays and tensors as other libraries make them are the same image."""
    expected = decode(PIXELS, 6)
    tensor = torch.from_numpy(PIXELS)
    for item in (
        tensor,
        tensor.permute(2, 0, 1),
        tensor.permute(2, 0, 1).float() / 255,
        tensor.double(),
        PIXELS.transpose(2, 0, 1),
    ):
        assert torch.equal(decode(item, 6), expected)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (torch.zeros(2, 8, 8), r"float32 \[2, 8, 8\]; expected 1, 3 or 4 channels"),
        (np.zeros((3, 9, 3)), r"float64 \[3, 9, 3\]; channels may come first or last"),
        (torch.full((8, 8), 16.0), r"\[8, 8\]; the values are in \[16, 16\].* set data\.range"),
        (np.zeros((0, 8)), r"\[0, 8\]; it is empty"),
        (np.zeros((8, 8), complex), "expected pixels"),
    ],
)
def test_items_that_are_no_image(item: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        decode(item, 6)  # type: ignore[arg-type]
