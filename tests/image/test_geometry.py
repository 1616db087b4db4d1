"""Boxes and crops: inside the valid extent, distributed as torchvision's, resampled right."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import RandomResizedCrop

from natlib_image.geometry import Boxes, centre_boxes, crop, plain_boxes, resized_boxes

SCALE, RATIO = (0.2, 1.0), (3 / 4, 4 / 3)


def filled(value: float, count: int) -> Tensor:
    return torch.full((count,), value)


def extents(count: int, *sizes: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Heights and widths, each of the sizes ``count`` times."""
    pairs = torch.tensor(sizes).repeat(count, 1)
    return pairs[:, 0], pairs[:, 1]


class TestResizedBoxes:
    @pytest.mark.parametrize("size", [(32, 32), (20, 64), (64, 33), (4, 4)])
    def test_inside_the_image_and_within_the_ranges(self, size: tuple[int, int]) -> None:
        torch.manual_seed(0)
        height, width = extents(2000, size)
        boxes = resized_boxes(height, width, SCALE, RATIO)
        for value in boxes:
            assert torch.equal(value, value.round())
        assert (boxes.left >= 0).all()
        assert (boxes.top >= 0).all()
        assert (boxes.left + boxes.width <= width).all()
        assert (boxes.top + boxes.height <= height).all()
        assert (boxes.width >= 1).all()
        assert (boxes.height >= 1).all()
        # Sides are rounded, by half a pixel at most.
        assert ((boxes.width + 0.5) * (boxes.height + 0.5) >= SCALE[0] * height * width).all()
        assert ((boxes.width + 0.5) / (boxes.height - 0.5) >= RATIO[0]).all()
        assert ((boxes.width - 0.5) / (boxes.height + 0.5) <= RATIO[1]).all()

    @pytest.mark.parametrize(("height", "width"), [(40, 40), (30, 60)])
    def test_distributed_as_torchvision_draws(self, height: int, width: int) -> None:
        torch.manual_seed(1)
        count = 20_000
        ours = resized_boxes(*extents(count, (height, width)), SCALE, RATIO)
        image = torch.zeros(1, height, width)
        drawn = [RandomResizedCrop.get_params(image, SCALE, RATIO) for _ in range(count // 2)]
        top, left, box_h, box_w = torch.tensor(drawn, dtype=torch.float32).T
        theirs = Boxes(left, top, box_w, box_h)
        for mine, reference in zip(ours, theirs, strict=True):
            error = (mine.var() / len(mine) + reference.var() / len(reference)).sqrt()
            assert abs(mine.mean() - reference.mean()) < 4 * error
            assert mine.std() == pytest.approx(reference.std().item(), rel=0.04)

    def test_an_image_in_which_no_box_fits_gets_its_middle(self) -> None:
        # A box of nearly the whole area of a 10 : 1 image can never be nearly square.
        height, width = extents(5, (10, 100))
        boxes = resized_boxes(height, width, (0.9, 1.0), RATIO)
        expected = RandomResizedCrop.get_params(torch.zeros(1, 10, 100), [0.9, 1.0], list(RATIO))
        for found, value in zip(
            (boxes.top, boxes.left, boxes.height, boxes.width), expected, strict=True
        ):
            assert torch.equal(found, filled(value, 5))

    def test_every_sample_draws_for_itself(self) -> None:
        torch.manual_seed(2)
        boxes = resized_boxes(*extents(64, (32, 32)), SCALE, RATIO)
        assert len(set(map(tuple, torch.stack(boxes, 1).tolist()))) > 50


def test_plain_boxes_reach_every_place() -> None:
    torch.manual_seed(3)
    boxes = plain_boxes(*extents(400, (7, 9)), size=5)
    assert set(boxes.left.tolist()) == {0, 1, 2, 3, 4}
    assert set(boxes.top.tolist()) == {0, 1, 2}
    assert set(boxes.width.tolist()) == set(boxes.height.tolist()) == {5}


def test_plain_boxes_of_images_that_are_too_small() -> None:
    boxes = plain_boxes(*extents(3, (4, 9)), size=5)
    assert (boxes.height == 4).all()
    assert (boxes.top == 0).all()
    assert (boxes.width == 5).all()


def test_centre_boxes() -> None:
    boxes = centre_boxes(*extents(1, (256, 300), (256, 256), (320, 256)), share=224 / 256)
    assert torch.equal(boxes.width, filled(224, 3))
    assert torch.equal(boxes.height, filled(224, 3))
    assert boxes.left.tolist() == [38, 16, 16]
    assert boxes.top.tolist() == [16, 16, 48]


class TestCrop:
    pixels = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    full = (torch.tensor([12, 12]), torch.tensor([16, 16]))

    def test_an_unscaled_box_is_a_slice(self) -> None:
        boxes = Boxes(*(torch.tensor(v) for v in ([3.0, 8], [1.0, 4], [8.0, 8], [8.0, 8])))
        view = crop(self.pixels, *self.full, boxes, 8)
        assert torch.allclose(view[0], self.pixels[0, :, 1:9, 3:11], atol=1e-5)
        assert torch.allclose(view[1], self.pixels[1, :, 4:12, 8:16], atol=1e-5)

    @pytest.mark.parametrize("size", [5, 12, 29])
    def test_the_whole_image_is_scaled_as_by_interpolate(self, size: int) -> None:
        boxes = Boxes(filled(0, 2), filled(0, 2), filled(16, 2), filled(12, 2))
        expected = F.interpolate(self.pixels, (size, size), mode="bilinear", align_corners=False)
        assert torch.allclose(crop(self.pixels, *self.full, boxes, size), expected, atol=1e-5)

    def test_padding_changes_nothing(self) -> None:
        boxes = Boxes(filled(0, 2), filled(0, 2), filled(16, 2), filled(12, 2))
        padded = F.pad(self.pixels, (0, 9, 0, 5), value=1e3)
        assert torch.allclose(
            crop(padded, *self.full, boxes, 29), crop(self.pixels, *self.full, boxes, 29), atol=1e-2
        )

    def test_mirroring_is_per_sample(self) -> None:
        boxes = Boxes(filled(2, 2), filled(1, 2), filled(9, 2), filled(7, 2))
        straight = crop(self.pixels, *self.full, boxes, 8)
        mirrored = crop(self.pixels, *self.full, boxes, 8, torch.tensor([True, False]))
        assert torch.allclose(mirrored[0], straight[0].flip(-1), atol=1e-5)
        assert torch.equal(mirrored[1], straight[1])


def test_boxes_of_an_empty_batch() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert [len(value) for value in resized_boxes(none, none, SCALE, RATIO)] == [0] * 4
    assert (
        np.prod(crop(torch.zeros(0, 3, 4, 4), none, none, Boxes(*[torch.zeros(0)] * 4), 2).shape)
        == 0
    )
