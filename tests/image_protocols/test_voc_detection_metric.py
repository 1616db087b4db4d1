"""Mean average precision of detections: closed forms, and the loop of the challenge."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from natlib_image_protocols.voc.detection_metric import detection_precision, without_difficult
from natlib_image_protocols.voc.scaled import ScaledImage


def truth_of(boxes: list[list[float]], labels: list[int], difficult: list[bool]) -> ScaledImage:
    return ScaledImage(
        torch.zeros(3, 1, 1, dtype=torch.uint8),
        torch.tensor(boxes).view(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(difficult),
    )


def found_of(boxes: list[list[float]], labels: list[int], scores: list[float]) -> dict[str, Tensor]:
    return {
        "boxes": torch.tensor(boxes).view(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "scores": torch.tensor(scores),
    }


def at(left: float, top: float = 0.0) -> list[float]:
    return [left, top, left + 10, top + 10]


def test_detection_in_closed_form() -> None:
    # Ten objects; nine are found, each with a miss before it in the order of scores.
    truth = [truth_of([at(20 * k) for k in range(10)], [0] * 10, [False] * 10)]
    boxes = [at(20 * (k // 2), 100.0 * (k % 2 == 0)) for k in range(18)]
    found = [found_of(boxes, [0] * 18, [1 - k / 20 for k in range(18)])]
    result = detection_precision(found, truth, ["cell"])
    # Precision is 1/2 at every recall up to 9/10, and recall 1 is never reached.
    assert result["map_50_11"] == pytest.approx(100 * 0.5 * 10 / 11)
    assert result["map_50"] == pytest.approx(100 * 0.5 * 91 / 101)
    assert result["average_precision"] == {"cell": pytest.approx(result["map_50"])}


def test_an_overlap_of_one_half_is_needed() -> None:
    truth = [truth_of([[0, 0, 10, 10]], [1], [False])]
    for height, right in ((5.1, True), (4.9, False)):
        found = [found_of([[0, 0, 10, height]], [1], [0.9])]
        result = detection_precision(found, truth, ["a", "b"])
        assert result["map_50"] == pytest.approx(100.0 * right)
        assert list(result["average_precision"]) == ["b"]
    nothing = detection_precision([found_of([], [], [])], truth, ["a", "b"])
    assert nothing["map_50"] == nothing["map_50_11"] == 0


def test_difficult_objects_are_neither_right_nor_wrong() -> None:
    image = truth_of([at(0), at(50), at(100)], [0, 0, 1], [False, True, False])
    boxes = [at(50), at(52), at(0), at(100), at(50), at(200)]
    found = found_of(boxes, [0, 0, 0, 1, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    kept = without_difficult(found, image)
    # Only detections of the difficult object's own class are forgiven.
    scores = [round(score, 1) for score in kept["scores"].tolist()]
    assert scores == [0.7, 0.6, 0.5, 0.4]
    result = detection_precision([found], [image], ["a", "b"])
    assert result["average_precision"] == pytest.approx({"a": 100, "b": 100})
    easy = image._replace(difficult=torch.zeros(3, dtype=torch.bool))
    assert without_difficult(found, easy) is found
    assert detection_precision([found], [easy], ["a", "b"])["average_precision"]["a"] < 100


def by_the_challenge(found: list[dict[str, Tensor]], truth: list[ScaledImage], label: int) -> float:
    """The loop of the development kit of 2007, for one class."""
    rows = [
        (float(score), number, box)
        for number, each in enumerate(found)
        for score, box, own in zip(each["scores"], each["boxes"], each["labels"], strict=True)
        if own == label
    ]
    taken: set[tuple[int, int]] = set()
    total = sum(int(((t.labels == label) & ~t.difficult).sum()) for t in truth)
    hits, misses, curve = 0, 0, []
    for _, number, box in sorted(rows, key=lambda row: -row[0]):
        own = (truth[number].labels == label).nonzero()[:, 0]
        overlap = box_iou(box[None], truth[number].boxes[own])[0]
        best = int(overlap.argmax()) if len(own) else -1
        if best >= 0 and overlap[best] >= 0.5:
            if truth[number].difficult[own[best]]:
                continue
            fresh = (number, int(own[best])) not in taken
            taken.add((number, int(own[best])))
            hits, misses = hits + fresh, misses + (not fresh)
        else:
            misses += 1
        curve.append((hits / total, hits / (hits + misses)))
    at_recall = (max((p for r, p in curve if r >= k / 10 - 1e-9), default=0) for k in range(11))
    return 100 * sum(at_recall) / 11


def test_against_the_loop_of_the_challenge() -> None:
    rng = torch.Generator().manual_seed(0)
    truth, found = [], []
    for _ in range(30):
        # Objects far apart: whoever overlaps with one overlaps with no other.
        count = int(torch.randint(1, 6, (), generator=rng))
        boxes = torch.tensor([at(40.0 * k) for k in range(count)])
        labels = torch.randint(0, 3, (count,), generator=rng)
        difficult = torch.rand(count, generator=rng) < 0.25
        truth.append(truth_of(boxes.tolist(), labels.tolist(), difficult.tolist()))
        several = boxes.repeat(2, 1) + 4 * torch.randn(2 * count, 1, generator=rng)
        guess = labels.repeat(2)
        wrong = torch.rand(2 * count, generator=rng) < 0.2
        guess = torch.where(wrong, (guess + 1) % 3, guess)
        scores = torch.rand(2 * count, generator=rng)
        found.append(found_of(several.tolist(), guess.tolist(), scores.tolist()))
    wanted = [by_the_challenge(found, truth, label) for label in range(3)]
    assert all(5 < value < 95 for value in wanted)
    result = detection_precision(found, truth, ["a", "b", "c"])
    assert result["map_50_11"] == pytest.approx(sum(wanted) / 3, abs=1e-3)
