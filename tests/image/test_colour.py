"""Colour operations against torchvision's, and what they must leave alone."""

import colorsys

import pytest
import torch
import torchvision.transforms.functional as TF
from torch import Tensor

from natlib_image.colour import jitter, solarise

# Dull colours, so that no operation leaves [0, 1] and clipping does not come into play.
DULL = 0.4 + 0.2 * torch.rand(4, 3, 6, 5, generator=torch.Generator().manual_seed(0))
LUMA = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)


def change(
    pixels: Tensor = DULL,
    *,
    brightness: float = 1,
    contrast: float = 1,
    saturation: float = 1,
    hue: float = 0,
    grey: bool = False,
) -> Tensor:
    def each(value: float) -> Tensor:
        return torch.full((len(pixels),), value)

    return jitter(
        pixels,
        each(brightness),
        each(contrast),
        each(saturation),
        each(hue),
        torch.full((len(pixels),), grey),
    )


def test_factors_of_one_change_nothing() -> None:
    assert torch.allclose(change(), DULL, atol=1e-6)


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.4])
@pytest.mark.parametrize("operation", ["brightness", "contrast", "saturation"])
def test_each_operation_is_torchvisions(operation: str, factor: float) -> None:
    expected = getattr(TF, f"adjust_{operation}")(DULL, factor)
    # torchvision rounds the weights of luminance to four digits.
    assert torch.allclose(change(**{operation: factor}), expected, atol=1e-3)


def test_operations_compose() -> None:
    expected = TF.adjust_brightness(DULL, 1.2)
    expected = TF.adjust_contrast(expected, 0.7)
    expected = TF.adjust_saturation(expected, 1.3)
    found = change(brightness=1.2, contrast=0.7, saturation=1.3)
    assert torch.allclose(found, expected, atol=1e-3)


def test_grey_is_luminance() -> None:
    found = change(grey=True, saturation=1.4, hue=0.3)
    assert torch.allclose(found, (DULL * LUMA).sum(1, keepdim=True).expand_as(DULL), atol=1e-6)


@pytest.mark.parametrize("hue", [-0.5, -0.1, 0.05, 0.25])
def test_hue_keeps_luminance_and_can_be_undone(hue: float) -> None:
    turned = change(hue=hue)
    assert not torch.allclose(turned, DULL, atol=1e-2)
    assert torch.allclose((turned * LUMA).sum(1), (DULL * LUMA).sum(1), atol=1e-6)
    assert torch.allclose(change(turned, hue=-hue), DULL, atol=1e-5)


def test_a_full_turn_of_the_hue_changes_nothing() -> None:
    assert torch.allclose(change(hue=1.0), DULL, atol=1e-5)


def test_grey_images_have_no_hue_to_turn() -> None:
    grey = DULL.mean(1, keepdim=True).expand_as(DULL).contiguous()
    assert torch.allclose(change(grey, hue=0.3, saturation=1.4), grey, atol=1e-6)


@pytest.mark.parametrize("colour", [(0.6, 0.5, 0.4), (0.4, 0.6, 0.5), (0.45, 0.4, 0.6)])
@pytest.mark.parametrize("hue", [-0.1, 0.1])
def test_hue_turns_the_way_torchvisions_does(
    colour: tuple[float, float, float], hue: float
) -> None:
    pixel = torch.tensor(colour).view(1, 3, 1, 1)
    before, ours, theirs = (
        colorsys.rgb_to_hsv(*image.flatten().tolist())[0]
        for image in (pixel, change(pixel, hue=hue), TF.adjust_hue(pixel, hue))
    )
    ours, theirs = ((after - before + 0.5) % 1 - 0.5 for after in (ours, theirs))
    # YIQ and HSV measure angles differently, so the size agrees only roughly.
    assert ours * theirs > 0
    assert 0.4 < ours / theirs < 2.5


def test_samples_do_not_share_their_factors() -> None:
    one = torch.ones(4)
    brightness = torch.tensor([1.0, 0.5, 1.0, 1.0])
    contrast = torch.tensor([1.0, 1.0, 0.5, 1.0])
    grey = torch.tensor([False, False, False, True])
    found = jitter(DULL, brightness, contrast, one, torch.zeros(4), grey)
    assert torch.allclose(found[0], DULL[0], atol=1e-6)
    assert torch.allclose(found[1], DULL[1] / 2, atol=1e-6)
    assert torch.allclose(found[2], TF.adjust_contrast(DULL[2], 0.5), atol=1e-3)
    assert torch.allclose(found[3], TF.rgb_to_grayscale(DULL[3], 3), atol=1e-3)


def test_results_are_clipped() -> None:
    bright = change(torch.rand(2, 3, 8, 8), brightness=3, contrast=3, saturation=3)
    assert bright.min() == 0
    assert bright.max() == 1


def test_solarise() -> None:
    pixels = torch.rand(2, 3, 8, 8)
    found = solarise(pixels, torch.tensor([True, False]))
    assert torch.equal(found[0], TF.solarize(pixels[0], 0.5))
    assert torch.equal(found[1], pixels[1])
