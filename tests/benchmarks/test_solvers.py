"""What ``python -m benchmarks.solvers`` measures is measured rightly."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.solvers import picture
from benchmarks.solvers.__main__ import main
from benchmarks.solvers.candidates import _CURVES, Answer, Candidate, candidates
from benchmarks.solvers.instances import FEATURES, Instance, make_instance
from benchmarks.solvers.measurement import Measurement, read_measurements, write_measurements
from benchmarks.solvers.measuring import measure
from benchmarks.solvers.timing import Growth
from natlib.errors import ConfigError, DataError
from natlib.solvers import Greedy, HostSolver, Lapjv, Solver

SMALL: dict[str, Any] = {"sizes": (8, 16), "dim": 6, "repeats": 2}


class AsTheyStand(HostSolver):
    """Row i gets column i: for features and targets without order, a random matching."""

    kind: str = "as_they_stand"

    @property
    def exact(self) -> bool:
        return False

    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], None]:
        return np.arange(len(cost)), None


def measured_solvers(
    chosen: Sequence[str | Solver] | None = None, **values: Any
) -> list[Measurement]:
    return measure(candidates(chosen), **{"features": ["random"], "sizes": [8], **values})


@pytest.mark.parametrize("features", FEATURES)
def test_problems(features: str) -> None:
    problem = make_instance(features, 200, dim=32, seed=3)
    for points in (problem.z, problem.c):
        assert points.shape == (200, 32)
        assert torch.allclose(points.norm(dim=-1), torch.ones(200))
    assert torch.allclose(problem.cost, 0.5 - problem.z @ problem.c.T, atol=1e-6)
    assert (problem.size, problem.count) == (200, 1)
    again = make_instance(features, 200, dim=32, seed=3)
    other = make_instance(features, 200, dim=32, seed=4)
    assert torch.equal(problem.z, again.z)
    assert not torch.allclose(problem.z, other.z)
    several = make_instance(features, 20, dim=32, count=3)
    assert several.cost.shape == (3, 20, 20)
    assert several.count == 3
    # Features are not in the order of the targets, whatever they are.
    own = (problem.z * problem.c).sum(-1).mean()
    assert abs(own - problem.random_similarity()) < 0.15


def test_kinds_of_features_are_what_they_are_called() -> None:
    spread = {}
    for features in FEATURES:
        problem = make_instance(features, 400, dim=64)
        cosine = problem.z @ problem.z.T
        spread[features] = float(cosine.mean()), float(cosine.quantile(0.95))
    assert spread["collapsed"][0] > 0.999
    assert abs(spread["random"][0]) < 0.02
    # A tenth of all pairs lies in one cluster.
    assert spread["clustered"][0] < 0.3
    assert spread["clustered"][1] > 0.8
    matched = make_instance("matched", 400, dim=64)
    best = (matched.z @ matched.c.T).max(-1).values
    assert 0.6 < float(best.mean()) < 0.8


def test_similarity_of_hard_and_soft_matchings() -> None:
    problem = make_instance("random", 12, dim=5)
    rows, columns = linear_sum_assignment(problem.array)
    cosines = (problem.z @ problem.c.T).double().numpy()
    wanted = cosines[rows, columns].mean()
    assert math.isclose(problem.similarity(torch.from_numpy(columns)), wanted, abs_tol=1e-6)
    plan = torch.zeros(12, 12)
    plan[rows, columns] = 1 / 12
    assert math.isclose(problem.similarity(plan), wanted, abs_tol=1e-6)
    uniform = problem.similarity(torch.ones(12, 12))
    assert math.isclose(uniform, problem.random_similarity(), abs_tol=1e-6)
    assert math.isclose(uniform, cosines.mean(), abs_tol=1e-6)


@pytest.mark.parametrize("features", FEATURES)
def test_the_gap_is_0_for_the_optimum_and_1_for_chance(features: str) -> None:
    measured = measured_solvers(
        [Lapjv(), AsTheyStand()], features=[features], sizes=[600], dim=16, repeats=1
    )
    lapjv, chance = measured
    assert (lapjv.solver, chance.solver) == ("lapjv", "as_they_stand")
    assert lapjv.gap is not None
    assert chance.gap is not None
    assert lapjv.gap < 1e-5
    # Collapsed features gain a hundredth of what others gain; the gap is none the smaller.
    assert 0.8 < chance.gap < 1.2


def test_the_optimum_is_known_although_no_exact_solver_is_measured() -> None:
    alone = measured_solvers(["greedy"], features=["random"], **SMALL)
    beside = measured_solvers(["greedy", "scipy"], features=["random"], **SMALL)
    greedy = [row for row in beside if row.solver == "greedy"]
    assert [row.solver for row in alone] == ["greedy"] * len(alone)
    assert [row.gap for row in alone] == pytest.approx([row.gap for row in greedy], abs=1e-6)
    assert any(row.gap for row in alone)


def test_every_registered_solver_is_measured() -> None:
    measured = measured_solvers(features=["clustered"], **SMALL)
    assert {row.solver for row in measured} >= {
        row.kind for row in Solver.registry.listing() if row.origin.startswith("natlib")
    }
    for row in measured:
        assert (row.features, row.dim, row.problems) == ("clustered", 6, 1)
        assert row.seconds is not None
        assert row.seconds > 0
        assert row.repeats == 2
        assert row.gap is not None
        assert 0 <= row.gap < 1
        assert row.exact <= (row.gap < 1e-5)
        assert not row.skipped
    auto = next(row for row in measured if row.solver == "auto")
    assert auto.by in Solver.registry.kinds()
    several = measured_solvers(["lapjv", "scipy"], features=["random"], problems=3, **SMALL)
    assert {(row.problems, row.gap is not None and row.gap < 1e-5) for row in several} == {
        (3, True)
    }


@pytest.mark.parametrize("kind", _CURVES)
def test_settings_of_curves_fit_their_solver(kind: str) -> None:
    cls = Solver.registry.get(kind)
    labels = [candidate.label for candidate in candidates([kind])]
    assert len(set(labels)) == len(_CURVES[kind])
    for setting in _CURVES[kind]:
        cls(**setting)


def test_sizes_that_would_take_too_long_are_left_out() -> None:
    calls = []

    def call(problem: Instance) -> Answer:
        calls.append(problem.size)
        return Answer(torch.arange(problem.size))

    slow = Candidate("slow", "", call, exact=False)
    measured = measure(
        [slow], features=["random", "matched"], sizes=[64, 8],
        dim=4, repeats=3, limit=1e-9,
    )  # fmt: skip
    assert [row.size for row in measured] == [8, 64, 8, 64]
    assert [bool(row.skipped) for row in measured] == [False, True, False, True]
    # The first call is a warm-up; one more counts, although it is above the limit.
    assert calls == [8, 8] * 2
    assert measured[1].seconds is None
    assert measured[1].gap is None
    assert "more than 1e-09 s" in measured[1].skipped


def test_an_answer_that_is_none_has_no_gap() -> None:
    def call(problem: Instance) -> Answer:
        return Answer(torch.zeros(problem.size, problem.size))

    underflows = Candidate("underflows", "", call, exact=False)
    (row,) = measure([underflows], features=["random"], sizes=[8], dim=4, repeats=1)
    assert row.similarity is None
    assert row.gap is None
    assert not row.converged


def test_growth_is_measured_and_stays_between_quadratic_and_cubic() -> None:
    growth = Growth()
    assert growth.predict(10) is None
    growth.add(10, 1.0)
    assert growth.predict(20) == pytest.approx(4)
    growth.add(20, 2**2.5)
    assert growth.predict(40) == pytest.approx(2**5)
    growth.add(40, 2**2.5)
    assert growth.predict(80) == pytest.approx(4 * 2**2.5)
    growth.add(80, 1e6)
    assert growth.predict(160) == pytest.approx(8e6)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"chosen": ["lapvj"]}, "unknown solver 'lapvj'; did you mean 'lapjv'"),
        ({"features": ["colapsed"]}, "unknown features 'colapsed'; did you mean 'collapsed'"),
        ({"sizes": []}, "nothing to measure"),
        ({"chosen": []}, "nothing to measure"),
        ({"sizes": [0]}, "need to be positive"),
        ({"limit": 0.0}, "need to be positive"),
    ],
)
def test_what_cannot_be_measured(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        measured_solvers(**values)


def test_measurements_survive_a_file(tmp_path: Path) -> None:
    measured = measured_solvers(["lapjv", "greedy"], features=["random"], **SMALL)
    file = tmp_path / "solvers.json"
    write_measurements(file, measured)
    assert read_measurements(file) == measured
    machine = json.loads(file.read_text())["environment"]
    assert machine["threads"] == torch.get_num_threads()
    assert machine["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "holds no measurements"),
        ("[]", "holds no measurements"),
        ('{"format": 1, "measurements": [{"speed": 3}]}', "holds no measurements"),
        ('{"format": 2}', "has the format 2"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(DataError, match=words):
        read_measurements(file)


@pytest.mark.parametrize("kinds", [["random"], ["random", "matched", "collapsed"]])
def test_a_picture_has_a_panel_for_each_kind_and_a_point_for_each_measurement(
    kinds: list[str], tmp_path: Path
) -> None:
    measured = measured_solvers([Lapjv(), Greedy()], features=kinds, **SMALL)
    skipped = measured[0].model_copy(update={"seconds": None, "skipped": "slow", "size": 99})
    stranger = measured[0].model_copy(update={"solver": "another.package"})
    image = picture.figure([*measured, skipped, stranger])
    panels = [axes for axes in image.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == kinds
    for axes in panels:
        points = sum(len(dots.get_offsets()) for dots in axes.collections)
        assert points == 4 + (axes is panels[0])
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    names = {text.get_text() for legend in image.legends for text in legend.get_texts()}
    assert names == {"lapjv", "greedy", "another.package", "b = 8", "b = 16"}
    for suffix in (".svg", ".png"):
        picture.draw(measured, tmp_path / f"picture{suffix}")
        assert (tmp_path / f"picture{suffix}").stat().st_size > 1000


def test_pictures_that_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = measured_solvers(["lapjv"], features=["random"], **SMALL)
    with pytest.raises(ConfigError, match=r"ends in \.svg, \.png, \.pdf"):
        picture.draw(measured, tmp_path / "picture.txt")
    with pytest.raises(ConfigError, match="nothing was measured"):
        picture.figure([])
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'natlib\[plot\]'"):
        picture.draw(measured, tmp_path / "picture.png")


def test_settings_of_a_solver_are_named_after_its_kind() -> None:
    (one,) = candidates(["lapjv:levels=256"])
    assert (one.solver, one.setting, one.exact) == ("lapjv", "levels=256", False)
    (two,) = candidates(["sliced:leaf=8,passes=2"])
    assert two.setting == "leaf=8, passes=2"
    with pytest.raises(ConfigError, match="unknown key 'level'; did you mean 'levels'"):
        candidates(["lapjv:level=3"])
    with pytest.raises(ConfigError, match="greater than or equal to 64, got '3'"):
        candidates(["lapjv:levels=3"])
    with pytest.raises(ConfigError, match="key=value"):
        candidates(["lapjv:fast"])


def run_main(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    small = ["--sizes", "8", "16", "--dim", "6", "--repeats", "2"]
    monkeypatch.setattr(sys, "argv", ["benchmarks.solvers", *small, *map(str, words)])
    main()


def test_the_command_writes_tables_numbers_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, drawn = tmp_path / "solvers.json", tmp_path / "solvers.svg"
    chosen = ["--solvers", "lapjv", "greedy", "--features", "random", "--problems", 2]
    run_main(monkeypatch, *chosen, "--seed", 3, "--json", numbers, "--out", drawn)
    rows = read_measurements(numbers)
    assert {(row.size, row.dim, row.problems, row.repeats) for row in rows} == {
        (8, 6, 2, 2),
        (16, 6, 2, 2),
    }
    assert "<svg" in drawn.read_text()
    said = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if "|" in line]
    times = {words[0].strip(): words[1:] for words in said if len(words) == 3}
    for row in rows:
        assert float(times[row.label][row.size == 16]) == pytest.approx(
            1e3 * (row.seconds or 0), rel=0.01
        )
    run_main(monkeypatch, *chosen, "--seed", 4, "--json", numbers)
    assert [row.similarity for row in rows] != [
        row.similarity for row in read_measurements(numbers)
    ]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--solvers", "lapvj"], "unknown solver 'lapvj'"),
        (["--limit", "0"], "need to be positive"),
        (["--out", "picture.doc"], "picture.doc"),
        (["--json", "no/such/file.json"], "no/such is no folder"),
    ],
)
def test_what_the_command_cannot_do_is_said_in_one_line(
    words: list[str], text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run_main(monkeypatch, *words)
    assert text in capsys.readouterr().err.splitlines()[-1]
