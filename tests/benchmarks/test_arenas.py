"""Small arenas of every modality, and commands that are killed."""

import csv
import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import natlib

pytest.importorskip("lightly", reason="the peers' losses are lightly's (extra 'benchmark')")

from benchmarks.quality.__main__ import main
from benchmarks.quality.orderings import ORDERINGS
from benchmarks.quality.running import run
from benchmarks.quality.tables import final_table, score
from natlib.errors import NonFiniteError
from tests.processes import Moment, run_python

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """A command on 8 samples; returns the lines of its table."""

    def call(what: str, arena: str, data: Path, *more: str) -> list[str]:
        words = [what, arena, str(data), "--out", str(tmp_path / "runs"), "--size", "8", "1"]
        for setting in ("training.batch_size=4", "training.knn_every_epochs=1"):
            words += ["--set", setting]
        monkeypatch.setattr(sys, "argv", ["quality", *words, *more])
        main()
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]

    return call


def cells(table: list[str], column: int) -> list[str]:
    return [line.split("|")[column].strip() for line in table[2:]]


def evaluated_on(runs: Path) -> dict[str, set[int]]:
    """How many samples runs were evaluated on."""
    found: dict[str, set[int]] = {}
    for path in runs.rglob("evaluations/standard.json"):
        details = json.loads(path.read_text())["details"]
        found.setdefault(path.parent.parent.parent.name, set()).add(details["test_samples"])
    return found


def test_images(images: Path, tmp_path: Path, command: Any) -> None:
    words = ("final", "a", images, "--trials", "2", "--methods", "nat", "simclr")
    table = command(*words, "--seeds", "0", "1")
    assert cells(table, 1) == ["nat", "simclr", "random encoder", "raw inputs"]
    assert set(cells(table, 2)) == {"2"}
    assert (tmp_path / "runs" / "a" / "curves.png").stat().st_size > 5_000
    # Runs that are there are read: nothing is trained again.
    made = sorted((tmp_path / "runs").rglob("summary.json"))
    assert all(json.loads(path.read_text())["curve"] for path in made)
    times = [path.stat().st_mtime_ns for path in made]
    assert command(*words, "--seeds", "0", "1") == table
    assert [path.stat().st_mtime_ns for path in made] == times
    # A search never opens the test images.
    assert evaluated_on(tmp_path / "runs") == {"search": {2}, "final": {8}}
    rows = command(
        "ablation", "a", images, "--trials", "2", "--seeds", "0", "--only", "as it is", "m = 1"
    )
    assert cells(rows, 1)[:2] == ["as it is", "m = 1"]


def test_baselines_are_evaluated_once(images: Path, tmp_path: Path, command: Any) -> None:
    words = ("final", "b", images, "--trials", "1", "--seeds", "0", "--methods", "simclr", "nat")
    table = command(*words)
    assert cells(table, 1) == ["simclr", "nat", "random encoder", "raw inputs"]
    found = {
        path.parent.relative_to(tmp_path / "runs" / "b").as_posix(): json.loads(path.read_text())
        for path in (tmp_path / "runs").rglob("summary.json")
    }
    assert {name for name, run in found.items() if "raw" in run} == {"final/nat-0"}
    assert all("head" in run for run in found.values())
    rows = command("ablation", "b", images, "--trials", "1", "--seeds", "0", "--only", "as it is")
    assert cells(rows, 1) == ["as it is"]


def test_updates_are_timed_in_turns(
    images: Path, tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.quality.__main__.MEASURED", tmp_path)
    methods = ("--methods", "nat", "simclr", "byol")
    words = ("speed", "a", images, "--trials", "1", *methods, "--size", "8", "5", "--record")
    table = command(*words, "--rounds", "6")
    assert cells(table, 1) == ["nat", "simclr", "byol"]
    assert cells(table, 3)[1] == "1.00"
    found = json.loads((tmp_path / "quality-a-speed.json").read_text())
    assert [found[name]["settings"]["kind"] for name in found] == [
        "nat", "lightly_simclr", "lightly_byol",
    ]  # fmt: skip
    for timed in found.values():
        assert len(timed["seconds"]) == 6
        assert min(timed["seconds"]) > 0
    with pytest.raises(SystemExit, match="a run has 10 updates, and 8 rounds after 3"):
        command(*words, "--rounds", "8")


def test_what_is_recorded_is_not_made_again(
    images: Path, tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.quality.__main__.MEASURED", tmp_path)
    words = ("a", images, "--trials", "2", "--methods", "nat", "simclr", "--seeds", "0", "--record")
    # A part of the search first, as in an earlier sitting.
    command("search", "a", images, "--trials", "1", "--methods", "nat", "--record")
    (first,) = json.loads((tmp_path / "quality-a-search.json").read_text())["nat"]
    table = command("final", *words)
    found = json.loads((tmp_path / "quality-a-search.json").read_text())
    assert {name: len(runs) for name, runs in found.items()} == {"nat": 2, "simclr": 2}
    assert found["nat"][0] == first
    shutil.rmtree(tmp_path / "runs")
    assert command("final", *words) == table
    assert not list((tmp_path / "runs").rglob("metrics.jsonl"))
    # Other settings are other runs.
    command("final", *words, "--set", "training.optimizer.weight_decay=0.5")
    assert len(json.loads((tmp_path / "quality-a-final.json").read_text())["nat"]) == 2


def test_the_questions_of_the_paper(
    images: Path, tmp_path: Path, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    table = command("orderings", "a", images, "--seeds", "0")
    assert cells(table, 1)[:-2] == list(ORDERINGS)
    configs = [
        natlib.compose(file=folder / "config.yaml")
        for folder in sorted((tmp_path / "runs" / "a" / "orderings").iterdir())
        if folder.is_dir()
    ]
    objectives = [config.objective for config in configs]
    banks = [objective.assignment for objective in objectives]
    assert all(isinstance(bank, natlib.Bank) for bank in banks)
    assert [o.targets.kind for o in objectives] == [
        "uniform_sphere", "one_hot", "uniform_sphere", "uniform_sphere", "uniform_sphere",
    ]  # fmt: skip
    assert [(bank.every, bank.unit) for bank in banks] == [
        (3, "epoch"), (3, "epoch"), (1, "epoch"), (10**9, "step"), (3, "epoch"),
    ]  # fmt: skip
    assert [config.encoder.sobel for config in configs] == [True, True, True, True, False]
    with pytest.raises(SystemExit):
        command("orderings", "d-text", images)
    assert "the paper's recipe is for images" in capsys.readouterr().err


def test_images_of_a_hundred_classes(images: Path, tmp_path: Path, command: Any) -> None:
    # Evaluated on val/, where there is no test/.
    (images / "test").rename(images / "val")
    table = command(
        "final", "b", images, "--trials", "1", "--methods", "byol", "swav", "--seeds", "0"
    )
    assert cells(table, 1)[:2] == ["byol", "swav"]
    assert evaluated_on(tmp_path / "runs") == {"search": {2}, "final": {8}}
    rows = command(
        "ablation", "b", images, "--trials", "1", "--seeds", "0",
        "--only", "matched on the first view", "aligned with a teacher, 0.99",
    )  # fmt: skip
    assert cells(rows, 1)[:2] == ["matched on the first view", "aligned with a teacher, 0.99"]


def test_sounds(tmp_path: Path, command: Any) -> None:
    pytest.importorskip("torchaudio", reason="an arena is of sound (extra 'audio')")
    from tests.audio.sounds import tone, write

    for split, speakers in (("train", 10), ("test", 4)):
        for kind, hertz in (("low", 200), ("high", 1200)):
            for speaker in range(speakers):
                name = f"{split[1]}{speaker:02x}_nohash_0.wav"
                write(tmp_path / "sounds" / split / kind / name, tone(hertz + 9 * speaker, 0.3))
    words = ("--trials", "1", "--methods", "nat", "byol", "--seeds", "0")
    table = command("final", "d-audio", tmp_path / "sounds", *words)
    assert cells(table, 1)[:2] == ["nat", "byol"]
    # A fifth of the speakers, each of whom says both words; then those of the test clips.
    assert evaluated_on(tmp_path / "runs") == {"search": {4}, "final": {8}}


def test_texts(tmp_path: Path, command: Any) -> None:
    pytest.importorskip("tokenizers", reason="an arena is of text (extra 'text')")
    from tests.text.corpora import sentences

    with (tmp_path / "texts.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "label", "text"])
        for number, (label, text) in enumerate(sentences(60)):
            writer.writerow(["test" if number % 6 == 0 else "train", label, text])
    words = ("--trials", "1", "--methods", "nat", "simsiam", "--seeds", "0")
    table = command("final", "d-text", tmp_path / "texts.csv", *words)
    assert cells(table, 1)[:2] == ["nat", "simsiam"]
    found = evaluated_on(tmp_path / "runs")
    assert found["final"] == {10}
    assert len(found["search"]) == 1
    assert max(found["search"]) < 10


SETTINGS = [
    "objective.views=2", "encoder={kind: convnet, widths: [8, 16]}", "training.batch_size=4",
    "training.epochs=3", "data.max_samples=16", "training.device=cpu", "training.workers=0",
]  # fmt: skip


def timeless(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name != "seconds"}


def test_a_run_without_a_checkpoint_is_begun_again(images: Path, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", images, SETTINGS)
    # Killed while the directory was written, and before the first update.
    for name, files in (("early", ["samples.jsonl.gz"]), ("late", ["config.yaml", "train.log"])):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        for file in files:
            (tmp_path / name / file).write_bytes((tmp_path / "whole" / file).read_bytes())
        assert timeless(run(tmp_path / name, images, SETTINGS)) == timeless(whole)


def test_settings_that_diverge_end_no_search(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverged(*_: Any, **__: Any) -> None:
        raise NonFiniteError("the features of sample 'x' became NaN or infinite", 0)

    (tmp_path / "bad").mkdir()
    monkeypatch.setattr("natlib.train", diverged)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    bad = run(tmp_path / "bad", images, SETTINGS)
    assert score(bad) == 0
    monkeypatch.undo()
    assert run(tmp_path / "bad", images, SETTINGS) == bad
    good = run(tmp_path / "good", images, SETTINGS)
    lines = final_table({"nat": [bad, good], "none": [bad]}).splitlines()
    assert lines[2].startswith(f"| nat (1 diverged) | 1 | {good['encoder']['knn']:.1f} |")
    assert lines[3].startswith("| none (1 diverged) | 0 | - |")


def test_killed_at_any_moment_a_search_goes_on(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["search", "a", str(images), "--methods", "byol", "--trials", "1", "--size", "22", "12"]
    for setting in (
        "training.batch_size=8", "training.checkpoint_every_steps=1", "training.device=cpu",
        "encoder.widths=[8,16]", "training.workers=0", "training.knn_every_epochs=null",
    ):  # fmt: skip
        words += ["--set", setting]
    out = tmp_path / "killed"
    command = ["-m", "benchmarks.quality", *words, "--out", out]
    # Before the first checkpoint, while the second one is written, and between two.
    for moment in (
        Moment("torch.optim.AdamW.step"),
        Moment("natlib.training.checkpoint.flush", 5),
        Moment("torch.optim.AdamW.step", 3),
    ):
        assert run_python(*command, folder=ROOT, moment=moment).code == -signal.SIGKILL
    summaries = []
    for folder in (out, tmp_path / "whole"):
        monkeypatch.setattr(sys, "argv", ["quality", *words, "--out", str(folder)])
        main()
        text = (folder / "a" / "search" / "byol-00" / "summary.json").read_text()
        summaries.append(timeless(json.loads(text)))
    assert summaries[0] == summaries[1]
    starts = [
        len(json.loads((folder / "a/search/byol-00/environment.json").read_text()))
        for folder in (out, tmp_path / "whole")
    ]
    assert starts[0] > starts[1] == 1
