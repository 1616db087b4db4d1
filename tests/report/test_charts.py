"""Charts: scales, ticks, curves, histograms and heat maps."""

import math
import re

import numpy as np
import pytest
import torch

from natlib.doctor import LOWEST_SPREAD, MOST_LOADER_SHARE, MOST_SOLVER_SHARE
from natlib.report.charts import Curve, Reference, heat_map, line_chart, steps
from natlib.report.charts.axes import Axis, label, labels, ticks
from natlib.report.metrics import PANELS, panels_of
from natlib.report.sections.targets import histogram

AXES = {"x_name": "update", "y_name": "loss"}


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (0.4134, 0.4139), (1e6, 5e6), (-1, 0)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 5
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
    if len(found) > 1:
        step = found[1] - found[0]
        assert f"{step:.0e}"[0] in "125"
    assert len(set(labels(found))) == len(found)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "0"), (1583.2, "1583"), (15832, "15.8k"), (2.5e6, "2.5M"),
     (0.41349, "0.413"), (9.4e-8, "9.4e-08")],
)  # fmt: skip
def test_numbers_are_short(value: float, text: str) -> None:
    assert label(value) == text


def test_logarithmic_scales_space_powers_evenly() -> None:
    axis = Axis(1, 1000, 0, 300, log=True)
    assert [axis.place(value) for value in (1, 10, 100, 1000)] == pytest.approx([0, 100, 200, 300])


def points(chart: str) -> list[list[float]]:
    (path,) = re.findall(r'class="curve[^"]*" d="([^"]+)"', chart)
    return [[float(n) for n in pair.split(",")] for pair in re.findall(r"[ML]([-\d.,]+)", path)]


def test_a_curve_rises_where_values_do_and_holds_its_ends() -> None:
    found = points(line_chart([Curve("a", [0, 1, 2, 3], [5, 6, 8, 7])], **AXES))
    x, y = [p[0] for p in found], [p[1] for p in found]
    assert x == sorted(x)
    # Pixels count downwards.
    assert y[0] > y[1] > y[3] > y[2]


def test_a_single_point_is_a_dot_above_its_place_on_the_axis() -> None:
    chart = line_chart([Curve("knn", [240], [99.0])], **AXES)
    assert 'class="curve c0 point"' in chart
    ticks_below = re.findall(r'text-anchor="middle">([^<]*)', chart)
    assert ticks_below == ["240"]


def test_a_curve_is_broken_where_it_is_not_finite() -> None:
    chart = line_chart([Curve("a", [0, 1, 2, 3], [1, math.nan, math.inf, 2])], **AXES)
    (path,) = re.findall(r'class="curve[^"]*" d="([^"]+)"', chart)
    assert path.count("M") == 2
    assert "nan" not in chart
    assert "inf" not in chart


def test_a_long_curve_is_thinned_to_means() -> None:
    steps_ = list(range(10_000))
    curve = Curve("a", steps_, [float(n % 2) for n in steps_])
    found = points(line_chart([curve], [Reference(0, "low"), Reference(1, "high")], **AXES))
    assert len(found) == 300
    heights = [y for _, y in found]
    assert max(heights) - min(heights) < 8  # neighbours average out


@pytest.mark.parametrize("values", [[], [3.0], [0.0, 0.0], [math.nan]])
def test_nothing_to_draw_is_no_error(values: list[float]) -> None:
    curve = Curve("a", list(range(len(values))), values)
    chart = line_chart([curve], [Reference(1, "one")], **AXES)
    assert chart.startswith("<svg")
    assert "one" in chart


def test_nothing_to_draw_on_logarithmic_axes_is_no_error() -> None:
    for curves in ([], [Curve("a", [1.0], [0.0])]):
        assert line_chart(curves, log_x=True, log_y=True, **AXES).startswith("<svg")


@pytest.mark.parametrize("count", [1, 3])
def test_every_curve_and_both_axes_have_a_name(count: int) -> None:
    curves = [Curve(f"metric {n}", [0, 1], [n, n + 1], last=f"{n}.5") for n in range(count)]
    chart = line_chart(curves, [Reference(0.5, "limit")], x_name="update", y_name="share of d")
    assert re.findall(r'<text class="axis"[^>]*>([^<]*)', chart) == ["share of d", "update"]
    legend = re.findall(r'<li class="c(\d)">([^<]*) <b>([^<]*)</b>', chart)
    assert legend == [(str(n), f"metric {n}", f"{n}.5") for n in range(count)]
    # References are written over the curves, and above their lines.
    assert chart.index('class="curve') < chart.index(">limit<")


def test_names_are_escaped() -> None:
    bad = '<script>"&'
    chart = line_chart([Curve(bad, [0, 1], [0, 1]), Curve("b", [0, 1], [1, 0])],
                       [Reference(1, bad)], x_name=bad, y_name=bad)  # fmt: skip
    chart += heat_map([[0.5]], [bad], [bad], what=bad)
    assert "<script" not in chart
    assert chart.count("&lt;script&gt;&#34;&amp;") >= 9


def test_a_histogram_counts_everything_once() -> None:
    one, other = torch.tensor([0.0, 0.1, 0.1, 1.0]), torch.linspace(0, 1, 101)
    edges, (first, second) = histogram([one, other], 10)
    assert (edges[0], edges[-1], len(edges)) == (0, 1, 11)
    for values, shares in ((one, first), (other, second)):
        counts, _ = np.histogram(values.double().numpy(), bins=np.array(edges))
        assert shares == pytest.approx(100 * counts / len(values))
    x, y = steps(edges, first)
    assert len(x) == len(y) == 22
    assert (y[0], y[-1]) == (0, 0)


def test_a_histogram_of_equal_values() -> None:
    edges, (shares,) = histogram([torch.ones(7)], 4)
    assert edges[0] < 1 < edges[-1]
    assert sorted(shares) == [0, 0, 0, 100]


def test_every_metric_is_drawn_once_and_only_the_estimate_is_left_out() -> None:
    known = [name for panel in PANELS for name in panel.names]
    further = ["loss_rotation", "gradient_cosine_a_b", "vicreg_embedding_std", "my_own"]
    found = [name for panel in panels_of([*known, *further, "seconds_left"], {})
             for name in panel.names]  # fmt: skip
    assert sorted(found) == sorted([*known, *further])
    (panel,) = panels_of(["loss_target"], {"loss_target": (Reference(0.7, "line"),)})
    assert panel.references == (Reference(0.7, "line"),)


def test_every_panel_says_what_its_axis_measures() -> None:
    names = [name for panel in PANELS for name in panel.names]
    panels = panels_of([*names, "loss_a", "weight_a", "gradient_share_a", "b_knn", "own"], {})
    assert all(panel.axis and panel.meaning for panel in panels)
    assert [p.axis for p in panels if p.names == ("b_knn",)] == ["accuracy in %"]


def test_the_limits_of_the_curves_are_those_of_the_doctor() -> None:
    found = {p.names[0]: [r.value for r in p.references] for p in PANELS}
    assert found["loader_share"] == [MOST_LOADER_SHARE]
    assert found["solver_share"] == [MOST_SOLVER_SHARE]
    assert LOWEST_SPREAD in found["embedding_std"]
