"""Runs beside each other: what differs, last values, curves, and bad input."""

import json
from pathlib import Path

import pytest

import natlib
from natlib.configuration import dump_yaml
from natlib.errors import ConfigError, DataError, RunNotFoundError
from natlib.report import compare, write_comparison
from natlib.runs import read_run_log
from tests.report.page import read_page
from tests.training.support import INFO


def run_at(path: Path, *settings: str, metrics: list[dict[str, float]]) -> Path:
    """A run directory as training leaves it, without the training."""
    path.mkdir(parents=True)
    config = natlib.compose("image", settings=list(settings))
    (path / "config.yaml").write_text(dump_yaml(config.model_dump(mode="json")))
    (path / "run.json").write_text(INFO.model_dump_json())
    lines = [json.dumps({"step": n, "epoch": 0, "time": 0.0} | line)
             for n, line in enumerate(metrics, start=1)]  # fmt: skip
    (path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [
        run_at(tmp_path / "a" / "run", "training.seed=1",
               metrics=[{"loss": 2.0}, {"loss": 1.5, "knn": 80.0}, {"loss": 1.25}]),
        run_at(tmp_path / "b" / "run", "objective={kind: vicreg}",
               metrics=[{"loss": 30.0, "loss_variance": 0.5}]),
    ]  # fmt: skip


def test_settings_that_differ_and_only_these(two: list[Path]) -> None:
    found = compare(two)
    assert found.runs == ["a/run", "b/run"]
    assert found.settings["training.seed"] == ["1", "0"]
    assert found.settings["objective.kind"] == ["nat", "vicreg"]
    assert found.settings["objective.assignment.slots"] == ["8", "-"]
    assert all(len(set(cells)) > 1 for cells in found.settings.values())
    assert "training.epochs" not in found.settings


def test_metrics_are_the_last_ones(two: list[Path]) -> None:
    found = compare(two)
    assert found.metrics["loss"] == ["1.25", "30"]
    assert found.metrics["knn"] == ["80", "-"]
    assert found.metrics["loss_variance"] == ["-", "0.5"]
    assert found.evaluations == {}


def test_the_page_has_a_curve_for_each_run_and_loads_nothing(
    two: list[Path], tmp_path: Path
) -> None:
    write_comparison(compare(two), tmp_path / "c.html")
    page = read_page(tmp_path / "c.html")
    page.check_loads_nothing()
    assert list(page.sections) == ["curves", "table"]
    curves = [values["class"] for tag, values in page.tags if tag == "path"]
    assert [name.split()[1] for name in curves] == ["c0", "c1", "c0", "c1"]
    assert "objective.kind" in page.sections["table"]


def test_runs_of_one_name_are_told_apart_by_their_folders(two: list[Path], tmp_path: Path) -> None:
    other = run_at(tmp_path / "c", metrics=[{"loss": 1.0}])
    assert compare([two[0], other]).runs == ["run", "c"]


def test_bad_input(two: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two runs or more"):
        compare(two[:1])
    with pytest.raises(ConfigError, match="given twice"):
        compare([two[0], two[1], two[0] / ".." / "run"])
    with pytest.raises(RunNotFoundError, match="none"):
        compare([two[0], tmp_path / "none"])
    with pytest.raises(ConfigError, match=r"ends in \.html"):
        write_comparison(compare(two), tmp_path / "c.png")
    lines = (two[1] / "metrics.jsonl").read_text()
    (two[1] / "metrics.jsonl").write_text(f'{{"loss": 1}}\n{lines}')
    with pytest.raises(DataError, match=r"line 1 of .*metrics\.jsonl is damaged"):
        compare(two)


def test_a_line_that_is_being_written_is_left_out(two: list[Path]) -> None:
    with (two[0] / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "ep')
    log = read_run_log(two[0])
    assert (log.step, log.metrics["loss"].values) == (3, [2.0, 1.5, 1.25])
    assert log.metrics["knn"].steps == [2]
