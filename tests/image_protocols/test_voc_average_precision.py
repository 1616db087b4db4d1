"""Average precision of the challenge, against its definition and against torchmetrics."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from torchmetrics.detection import MeanAveragePrecision

from natlib_image_protocols.voc.average_precision import average_precision, average_precisions


def by_definition(scores: np.ndarray, present: np.ndarray) -> tuple[float, float]:
    """Both rules, threshold by threshold."""
    points = []
    for threshold in sorted(set(scores.tolist())):
        found = scores >= threshold
        points.append((present[found].sum() / present.sum(), present[found].mean()))

    def best(recall: float) -> float:
        return max((p for r, p in points if r >= recall - 1e-9), default=0.0)

    eleven = sum(best(k / 10) for k in range(11)) / 11
    steps = sorted({0.0, *(r for r, _ in points)})
    area = sum((b - a) * best(b) for a, b in pairwise(steps))
    return 100 * eleven, 100 * area


@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=60).filter(
        lambda rows: any(present for _, present in rows)
    )
)
def test_both_rules_are_as_defined(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in rows], dtype=np.float32)
    present = np.array([present for _, present in rows])
    assert average_precision(scores, present) == pytest.approx(by_definition(scores, present))


@pytest.mark.parametrize("late", [1, 2, 5, 9])
def test_eleven_points_in_closed_form(late: int) -> None:
    # Ten images with the class: 10 - late come first, then as many without, then the rest. Up to
    # a recall of (10 - late) / 10 precision is 1; beyond it the best is at the end.
    order = [True] * (10 - late) + [False] * 7 + [True] * late
    found = average_precision(-np.arange(len(order), dtype=np.float64), np.array(order))
    assert found.eleven_point == pytest.approx(100 * ((11 - late) + late * 10 / 17) / 11)
    assert found.area == pytest.approx(100 * ((10 - late) + late * 10 / 17) / 10)


def test_extremes() -> None:
    present = np.array([True, True, False, False])
    assert average_precision(np.array([4.0, 3, 2, 1]), present) == pytest.approx((100, 100))
    assert average_precision(np.array([1.0, 1, 1, 1]), present) == pytest.approx((50, 50))
    assert np.isnan(average_precision(np.zeros(2), np.zeros(2, dtype=bool))).all()


def test_against_torchmetrics() -> None:
    # As detection in which every image is one box, with a score for each class.
    rng = torch.Generator().manual_seed(0)
    labels = (torch.rand(60, 3, generator=rng) < 0.3).long()
    scores = torch.rand(60, 3, generator=rng) + 0.2 * labels
    box = torch.tensor([[0.0, 0.0, 9.0, 9.0]])
    metric = MeanAveragePrecision(
        iou_thresholds=[0.5], rec_thresholds=[k / 10 for k in range(11)], class_metrics=True
    )
    for row, truth in zip(scores, labels, strict=True):
        here = truth.nonzero()[:, 0]
        metric.update(
            [{"boxes": box.expand(3, 4), "scores": row, "labels": torch.arange(3)}],
            [{"boxes": box.expand(len(here), 4), "labels": here}],
        )
    expected = 100 * metric.compute()["map_per_class"]
    found = [ap.eleven_point for ap in average_precisions(scores, labels)]
    torch.testing.assert_close(torch.tensor(found), expected, rtol=1e-4, atol=0)


def test_area_is_the_interpolated_one() -> None:
    # scikit-learn's own average precision is the area under the curve as it is, so never more.
    rng = np.random.default_rng(0)
    present = rng.random(200) < 0.2
    scores = rng.random(200) + 0.3 * present
    plain = 100 * average_precision_score(present, scores)
    assert plain < average_precision(scores, present).area < plain + 10
    falling = np.array([True, True, True, False, False])  # nothing to interpolate here
    order = -np.arange(5.0)
    assert average_precision(order, falling).area == pytest.approx(
        100 * average_precision_score(falling, order)
    )


def test_difficult_images_are_left_out() -> None:
    rng = torch.Generator().manual_seed(1)
    labels = torch.randint(-1, 2, (50, 4), generator=rng)
    scores = torch.rand(50, 4, generator=rng)
    for column, found in enumerate(average_precisions(scores, labels)):
        kept = labels[:, column] >= 0
        alone = average_precisions(scores[kept][:, [column]], labels[kept][:, [column]])[0]
        assert found == alone
        # Whatever the others are given changes nothing.
        changed = torch.where(kept, scores[:, column], 9.0)[:, None]
        assert average_precisions(changed, labels[:, [column]])[0] == found
