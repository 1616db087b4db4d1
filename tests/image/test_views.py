"""Views: reproducible, different for each sample, never showing padding."""

from typing import Literal

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as TF
from pydantic import ValidationError
from torch import Tensor

from natlib_image import Augmentation, Image
from natlib_image.augmentation import one_view

from .pictures import NOTHING, batch_of, noise

SIZE = 16
STRONG = Augmentation(blur=0.5, solarise=0.2)


def image(augment: Augmentation, **options: object) -> Image:
    return Image.model_validate({"size": SIZE, "resize": SIZE, "augment": augment, **options})


def pixel_scale(modality: Image, view: Tensor) -> Tensor:
    """Undo the normalisation."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (modality.mean, modality.std))
    return view * std + mean


@pytest.mark.parametrize("augment", [STRONG, Augmentation(crop="plain")])
def test_seeding_makes_views_reproducible(augment: Augmentation) -> None:
    modality, batch = image(augment), batch_of(noise(16, 20), noise(16, 16, 1), noise(30, 16, 2))
    torch.manual_seed(5)
    first = modality.views(batch, 2)
    torch.manual_seed(5)
    again = modality.views(batch, 2)
    for a, b in zip(first, again, strict=True):
        assert a.shape == (3, *modality.input_shape)
        assert torch.equal(a, b)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(modality.views(batch, 1)[0], first[0])


@pytest.mark.parametrize(
    "augment",
    [
        NOTHING.model_copy(update=update)
        for update in (
            {"crop": "resized"},
            {"flip": 0.5},
            {"jitter": 1.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0},
            {"jitter": 1.0, "brightness": 0.0, "saturation": 0.0, "hue": 0.0},
            {"jitter": 1.0, "brightness": 0.0, "contrast": 0.0, "hue": 0.0},
            {"jitter": 1.0, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0},
            {"grey": 0.5},
            {"blur": 0.5},
            {"solarise": 0.5},
        )
    ],
)
def test_equal_images_get_different_views(augment: Augmentation) -> None:
    torch.manual_seed(0)
    modality = image(augment)
    batch = batch_of(*[noise(SIZE, SIZE)] * 32)
    (view,) = modality.views(batch, 1)
    assert not torch.allclose(view, view[:1].expand_as(view), atol=1e-3)


def test_with_everything_off_a_view_is_the_plain_image() -> None:
    modality, batch = image(NOTHING), batch_of(noise(SIZE, SIZE), noise(SIZE, SIZE, 1))
    assert torch.allclose(modality.views(batch, 1)[0], modality.plain(batch), atol=1e-5)


def test_plain_crops_are_parts_of_the_image() -> None:
    torch.manual_seed(0)
    modality = image(NOTHING.model_copy(update={"flip": 0.5}), resize=20)
    pixels = noise(20, 24)
    (view,) = modality.views(batch_of(*[pixels] * 16), 1)
    found = (pixel_scale(modality, view) * 255).permute(0, 2, 3, 1).numpy()
    windows = [
        part
        for top in range(5)
        for left in range(9)
        for part in (
            pixels[top : top + SIZE, left : left + SIZE],
            pixels[top : top + SIZE, left : left + SIZE][:, ::-1],
        )
    ]
    places = [
        [number for number, part in enumerate(windows) if np.abs(part - one).max() < 0.1]
        for one in found
    ]
    assert all(len(place) == 1 for place in places)
    assert len({place[0] for place in places}) > 8


@pytest.mark.parametrize("crop", ["resized", "plain"])
def test_padding_never_shows(crop: Literal["resized", "plain"]) -> None:
    augment = Augmentation(crop=crop, jitter=0, grey=0)
    torch.manual_seed(0)
    shapes = [(16, 16), (16, 32), (32, 16), (18, 20)] * 8
    batch = batch_of(*[np.full((*shape, 3), 50, np.uint8) for shape in shapes])
    pixels = batch.data["pixels"]
    for row, (height, width) in zip(pixels, shapes, strict=True):
        row[:, height:] = 255
        row[:, :, width:] = 255
    modality = image(augment)
    for view in [*modality.views(batch, 4), modality.plain(batch)]:
        assert torch.allclose(
            pixel_scale(modality, view), torch.tensor(50 / 255), atol=1e-4, rtol=0
        )


def test_neighbours_in_the_batch_do_not_matter() -> None:
    alone = batch_of(noise(16, 16))
    beside = batch_of(noise(16, 16), noise(32, 32, 1))
    modality = image(Augmentation())
    assert torch.allclose(modality.plain(beside)[:1], modality.plain(alone), atol=1e-5)


def test_probabilities_are_shares_of_the_samples() -> None:
    torch.manual_seed(0)
    count = 4000
    pixels = noise(8, 8)
    modality = Image(size=8, resize=8, augment=NOTHING.model_copy(update={"flip": 0.3}))
    (view,) = modality.views(batch_of(*[pixels] * count), 1)
    plain = modality.plain(batch_of(pixels))[0].flip(-1)
    flipped = (view - plain).abs().amax((1, 2, 3)) < 1e-3
    # Four standard errors of a share of 0.3.
    assert flipped.float().mean().item() == pytest.approx(0.3, abs=4 * (0.21 / count) ** 0.5)


def test_operations_are_drawn_independently() -> None:
    torch.manual_seed(0)
    count = 4000
    augment = NOTHING.model_copy(update={"flip": 0.5, "grey": 0.5, "solarise": 0.5})
    modality = Image(size=8, resize=8, augment=augment)
    (view,) = modality.views(batch_of(*[noise(8, 8)] * count), 1)
    codes = (view * 100).round().flatten(1)
    kinds, counts = codes.unique(dim=0, return_counts=True)
    assert len(kinds) == 8
    # Five standard errors of an eighth.
    assert (counts - count / 8).abs().max() < 5 * (count * 7 / 64) ** 0.5


def test_blur_is_torchvisions() -> None:
    torch.manual_seed(0)
    augment = NOTHING.model_copy(update={"blur": 1.0, "blur_sigma": (1.3, 1.3)})
    pixels = torch.rand(3, 3, 70, 70)
    extent = torch.full((3,), 70)
    found = one_view(augment, pixels, extent, extent, 70)
    assert torch.allclose(found, TF.gaussian_blur(pixels, [7, 7], [1.3, 1.3]), atol=1e-4)


@pytest.mark.parametrize(("size", "expected"), [(32, 0.0), (64, 0.0), (96, 0.5), (224, 0.5)])
def test_small_images_are_not_blurred_unless_told(size: int, expected: float) -> None:
    assert Image(size=size).resolved().augment.blur == expected
    told = Image(size=size, augment=Augmentation(blur=0.25)).resolved()
    assert told.augment.blur == 0.25


def test_views_are_normalised() -> None:
    modality = image(NOTHING, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    batch = batch_of(np.full((SIZE, SIZE, 3), 255, np.uint8))
    expected = torch.tensor([0.9 / 0.5, 0.8 / 0.25, 0.7 / 2.0])
    for prepared in (modality.plain(batch), modality.views(batch, 1)[0]):
        assert torch.allclose(prepared.mean((0, 2, 3)), expected, atol=1e-4)


def test_the_batch_is_left_as_it_was() -> None:
    batch = batch_of(noise(16, 16), noise(16, 20, 1))
    before = batch.data["pixels"].clone()
    modality = image(STRONG)
    modality.views(batch, 2)
    modality.plain(batch)
    modality.raw(batch)
    assert torch.equal(batch.data["pixels"], before)


def test_autocast_does_not_round_views() -> None:
    modality, batch = image(STRONG), batch_of(noise(16, 16), noise(16, 20, 1))
    torch.manual_seed(0)
    (expected,) = modality.views(batch, 1)
    torch.manual_seed(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (found,) = modality.views(batch, 1)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


class TestPlain:
    def test_small_images_as_they_are(self) -> None:
        modality, pixels = image(NOTHING), noise(SIZE, SIZE)
        plain = pixel_scale(modality, modality.plain(batch_of(pixels)))[0]
        assert torch.allclose(plain, TF.to_tensor(pixels), atol=1e-5)

    def test_large_images_lose_their_edges(self) -> None:
        modality = image(NOTHING, resize=20)
        pixels = noise(20, 30)
        plain = pixel_scale(modality, modality.plain(batch_of(pixels)))[0]
        expected = TF.to_tensor(pixels[2:18, 7:23])
        assert torch.allclose(plain, expected, atol=1e-5)


class TestRaw:
    def test_small_images_are_their_pixels(self) -> None:
        pixels = noise(SIZE, SIZE)
        raw = image(NOTHING).raw(batch_of(pixels, pixels))
        assert raw.shape == (2, 3 * SIZE * SIZE)
        assert torch.allclose(raw[0], TF.to_tensor(pixels).flatten(), atol=1e-5)

    def test_large_images_are_averaged(self) -> None:
        modality = Image(size=64, resize=64)
        pixels = noise(64, 64)
        raw = modality.raw(batch_of(pixels))
        blocks = TF.to_tensor(pixels).view(3, 32, 2, 32, 2).mean((2, 4))
        assert torch.allclose(raw[0], blocks.flatten(), atol=1e-5)
        assert 0 <= raw.min() <= raw.max() <= 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop_scale": (0.5, 0.2)}, r"crop_scale is \[0.5, 0.2\]; expected 0 < low <= high <= 1"),
        ({"crop_scale": (0.2, 1.5)}, "expected 0 < low <= high <= 1"),
        ({"crop_ratio": (0.0, 1.0)}, "crop_ratio"),
        ({"blur_sigma": (2.0, 1.0)}, "blur_sigma"),
        ({"flip": 1.5}, "flip"),
        ({"hue": 0.7}, "hue"),
        ({"crop": "round"}, "crop"),
        ({"colour": 1}, "unknown key 'colour'"),
    ],
)
def test_settings_that_make_no_sense(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Augmentation.model_validate(values)
