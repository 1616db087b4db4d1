"""Inputs as pictures, by their shape."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from natlib.data import Thumbnail, input_picture


def pixels(thumbnail: Thumbnail | None) -> np.ndarray:
    assert thumbnail is not None
    assert thumbnail.media == "image/png"
    return np.asarray(Image.open(io.BytesIO(thumbnail.data)))


def test_colours_are_stretched_from_the_least_to_the_largest_value() -> None:
    inputs = torch.linspace(-3, 5, 3 * 4 * 6).view(3, 4, 6)
    found = pixels(input_picture(inputs))
    expected = ((inputs + 3) / 8 * 255).round().permute(1, 2, 0)
    assert np.array_equal(found, expected.numpy())


def test_one_channel_is_grey() -> None:
    found = pixels(input_picture(torch.tensor([[[0.0, 1.0], [2.0, 4.0]]])))
    assert np.array_equal(found[..., 0], [[0, 64], [128, 255]])
    assert np.array_equal(found[..., 0], found[..., 2])


def test_a_constant_is_drawn_without_a_division_by_zero() -> None:
    assert not pixels(input_picture(torch.full((3, 2, 2), 7.0))).any()


@pytest.mark.parametrize(("shape", "curves"), [((20,), 1), ((3, 20), 3)])
def test_series_are_curves(shape: tuple[int, ...], curves: int) -> None:
    found = input_picture(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    assert found is not None
    assert found.media == "image/svg+xml"
    assert found.data.count(b"<path") == curves


@pytest.mark.parametrize(
    "inputs", [torch.zeros(5, dtype=torch.int64), torch.zeros(2, 4, 4), torch.zeros(3, 0, 4)]
)
def test_nothing_is_shown_of_what_only_the_modality_understands(inputs: torch.Tensor) -> None:
    assert input_picture(inputs) is None
