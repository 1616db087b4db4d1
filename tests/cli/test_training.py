"""``natlib train``: what it says, what it leaves behind, and which setting wins."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from natlib.configuration import read_yaml
from natlib.evaluation import Evaluation
from natlib.training.checkpoint import latest_checkpoint
from tests.cli.command import DIGITS, SMALL, Said, assert_done, natlib, write_pictures


def cells(out: str) -> list[list[str]]:
    """Rows of the table in an output."""
    return [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line
    ]


def table_of(evaluation: Evaluation) -> list[list[str]]:
    return evaluation.cells()


def test_it_ends_with_the_table_and_says_where_the_run_is(trained: tuple[Path, Said]) -> None:
    run, said = trained
    evaluation = Evaluation.from_json((run / "evaluations" / "standard.json").read_text())
    assert cells(said.out) == table_of(evaluation)
    assert [row[0] for row in cells(said.out)] == [
        "encoder",
        "head",
        "as it began (random)",
        "raw inputs",
        "raw inputs, PCA to 8",
    ]
    assert said.out.splitlines()[-2].endswith(f"The run is in {run}")
    last = f"A page about it: natlib report {run}. Does it work? natlib doctor {run}"
    assert said.out.splitlines()[-1] == last


def test_what_the_run_directory_holds(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == {
        "checkpoints", "config.yaml", "environment.json", "evaluations", "metrics.jsonl",
        "model", "run.json", "samples.jsonl.gz", "tensorboard", "train.log",
    }  # fmt: skip
    assert {path.name for path in (run / "model").iterdir()} == {
        "encoder.safetensors", "head.safetensors", "model.json",
    }  # fmt: skip
    assert latest_checkpoint(run / "checkpoints").name == "step-000000002"
    config = read_yaml(run / "config.yaml")
    assert (config["preset"], config["data"]["source"], config["data"]["size"]) == (
        "digits",
        "digits",
        8,
    )
    (start,) = json.loads((run / "environment.json").read_text())
    assert start["command"][:2] == ["natlib", "train"]
    log = (run / "train.log").read_text()
    assert "training on 32 samples (0 unreadable), 2 updates" in log
    assert "finished at update 2 of 2" in log


def test_metrics_are_the_same_in_the_file_and_in_tensorboard(run: Path) -> None:
    first, *_ = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert (first["step"], first["epoch"]) == (1, 0)
    assert {"loss", "matched_cosine", "random_cosine", "learning_rate"} <= first.keys()
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    for name in first.keys() - {"step", "epoch", "time"}:
        scalar = events.Scalars(name)[0]
        assert scalar.step == 1
        assert scalar.value == pytest.approx(first[name], rel=1e-5)


def test_without_labels_it_says_so(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", 20)
    run = tmp_path / "run"
    said = assert_done(
        natlib("train", "--modality", "image", "--data", photos, *SMALL, "--out", run)
    )
    assert said.out.startswith("Not evaluated: there are no labels.\n")
    assert f"The run is in {run}\n" in said.out
    assert not (run / "evaluations" / "standard.json").exists()


def test_what_is_left_out_is_said_once_without_an_evaluation(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    write_pictures(photos, 20)
    (photos / "notes.txt").touch()
    off = ("--set", "evaluation.final=false", "--out", tmp_path / "run")
    said = natlib("train", "--modality", "image", "--data", photos, *SMALL, *off)
    assert said.code == 0
    assert (said.out + said.err).count("left out of") == 1


def test_without_an_evaluation_it_says_so(tmp_path: Path) -> None:
    off = ("--set", "evaluation.final=false")
    said = assert_done(natlib("train", *DIGITS, *off, "--out", tmp_path / "run"))
    assert said.out.startswith("Not evaluated: evaluation.final is false.\n")
    assert not (tmp_path / "run" / "evaluations").exists()


def test_labels_that_nothing_can_be_evaluated_with_do_not_stop_training(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for number in range(20):
        write_pictures(photos / f"thing {number}", 1, first=number)
    run = tmp_path / "run"
    arguments = ("--data", photos, *SMALL, "--set", "training.knn_every_epochs=1", "--out", run)
    said = assert_done(natlib("train", "--modality", "image", *arguments))
    assert said.out.startswith("Not evaluated: no class has two labelled samples")
    assert f"The run is in {run}\n" in said.out
    assert latest_checkpoint(run / "checkpoints").name == "step-000000002"
    assert "not evaluated: no class has two labelled samples" in (run / "train.log").read_text()


def test_a_name_with_brackets_and_colons_is_printed_as_it_is(tmp_path: Path) -> None:
    run = tmp_path / "a [bold] :smile: run"
    photos = write_pictures(tmp_path / "photos", 20)
    said = assert_done(
        natlib("train", "--modality", "image", "--data", photos, *SMALL, "--out", run)
    )
    assert f"The run is in {run}\n" in said.out


def test_by_default_the_run_is_a_new_one_in_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "photos", 20)
    monkeypatch.chdir(tmp_path)
    said = assert_done(natlib("train", "--modality", "image", "--data", "photos", *SMALL))
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("image-nat-")
    assert f"The run is in runs/{run.name}\n" in said.out
    saved = read_yaml(run / "config.yaml")
    assert saved["data"]["source"] == str(tmp_path / "photos")
