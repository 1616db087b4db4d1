"""Commands behave alike for every registered modality, on the samples that each embeds."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import natlib as library
from natlib.configuration import parse_yaml, preset_names, read_yaml
from natlib.data import Modality
from natlib.training.checkpoint import latest_checkpoint
from tests.cli.command import assert_done, assert_refused, natlib
from tests.core.families import MODALITIES
from tests.modalities.support import small
from tests.processes import in_two_processes
from tests.text.corpora import write_table
from tests.training.test_exact_resume import StopAfter, assert_same_run, metrics

by_kind = pytest.mark.parametrize("kind", MODALITIES)
UPDATES = 6


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each modality, made by the command when it is asked for; not to be changed."""
    return Runs(tmp_path_factory.mktemp("runs"))


class Runs(dict[str, Path]):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __missing__(self, kind: str) -> Path:
        run = self.folder / kind
        said = assert_done(natlib("train", *small(kind), "--out", run))
        assert f"The run is in {run}\n" in said.out
        self[kind] = run
        return run


def config_of(kind: str, *more: str) -> library.RunConfig:
    words = small(kind)
    settings = [*(word for word in words if "=" in word), *more]
    return library.compose(
        kind, preset="nat", settings=[*settings, "data.max_samples=48", "training.epochs=2"]
    )


@by_kind
def test_train_leaves_a_whole_run(kind: str, runs: dict[str, Path]) -> None:
    run = runs[kind]
    config = read_yaml(run / "config.yaml")
    assert (config["data"]["kind"], config["preset"]) == (kind, "nat")
    assert config["encoder"]["kind"]
    assert latest_checkpoint(run / "checkpoints").name == f"step-{UPDATES:09d}"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {line["step"] for line in lines} == set(range(1, UPDATES + 1))
    assert sum("knn" in line for line in lines) == 2


@by_kind
def test_the_table_has_both_baselines(kind: str, runs: dict[str, Path], tmp_path: Path) -> None:
    run = runs[kind]
    said = assert_done(natlib("eval", run, "--json", tmp_path / "e.json"))
    for name in ("encoder", "head", "as it began (random)", "raw inputs"):
        assert re.search(rf"│ {re.escape(name)} +│ +[\d.]+ ± [\d.]+ │ +[\d.]+ ± ", said.out), (
            said.out
        )
    result = json.loads((tmp_path / "e.json").read_text())
    assert result == json.loads((run / "evaluations" / "standard.json").read_text())
    for row in result["rows"].values():
        assert 0 <= row["knn"]["value"] <= 100
    assert result["details"]["test_samples"] > 0
    assert len(result["details"]["classes"]) > 1


# What ``--output`` does is the same for every modality.
@pytest.mark.parametrize(
    ("kind", "output"), [("vector", "encoder"), *((kind, "head") for kind in MODALITIES)]
)
def test_embed_writes_every_sample_with_its_name(
    kind: str, output: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    run, out = runs[kind], tmp_path / "e.npz"
    source = read_yaml(run / "config.yaml")["data"]["source"]
    assert_done(natlib("embed", run, source, "--out", out, "--output", output))
    model = library.load(run)
    counts = [
        0 if samples is None else len(samples)
        for split in ("train", "val", "test")
        for samples in [model.modality.with_source(source).dataset(split)]
    ]
    with np.load(out) as file:
        assert len(file["embeddings"]) == len(file["names"]) == sum(counts)
        assert np.isfinite(file["embeddings"]).all()
        width = file["embeddings"].shape[1]
        assert width == (8 if output == "head" else model.encoder.dim)
        assert len(set(file["classes"])) > 1


@by_kind
def test_a_resumed_run_equals_an_uninterrupted_one(
    kind: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    part = tmp_path / "part"
    stopped = library.train(config_of(kind), part, progress=StopAfter(4))
    assert (stopped.step, stopped.finished) == (4, False)
    assert_done(natlib("train", "--resume", part))
    assert_same_run(runs[kind], part)
    assert metrics(runs[kind]) == metrics(part)
    found = [(run / "evaluations" / "standard.json").read_text() for run in (runs[kind], part)]
    assert found[0] == found[1]


def begin(config: library.RunConfig, run: Path) -> None:
    library.train(config, run)


@by_kind
def test_two_processes(kind: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    own = []
    if kind == "text":
        # To read the whole standard library takes each process seconds.
        table = write_table(tmp_path / "texts.csv", 120)
        columns = ("data.column=text", "data.label=label", "data.split=split")
        own = [f"data.source={table}", *columns]
    in_two_processes(begin, config_of(kind, *own), run)
    assert ", cpu x 2, from update 0" in (run / "train.log").read_text()
    assert latest_checkpoint(run / "checkpoints").name == f"step-{UPDATES:09d}"
    evaluation = json.loads((run / "evaluations" / "standard.json").read_text())
    assert list(evaluation["rows"])[:4] == ["encoder", "head", "start", "raw"]
    losses = [line["loss"] for line in metrics(run) if "loss" in line]
    assert len(losses) == UPDATES
    assert np.isfinite(losses).all()


@by_kind
@pytest.mark.parametrize("place", ["gone", "empty"])
def test_a_source_that_is_not_there_is_one_line(kind: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    source = tmp_path / place
    said = natlib("train", "--modality", kind, "--data", source, "--out", tmp_path / "run")
    assert_refused(said, place)
    assert not (tmp_path / "run").exists()


@by_kind
def test_a_run_embeds_and_judges_no_source_that_is_not_there(
    kind: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    for words in (["embed", runs[kind], gone, "--out", tmp_path / "e.npz"],
                  ["eval", runs[kind], "--data", gone]):  # fmt: skip
        assert_refused(natlib(*words), "gone")
    assert not (tmp_path / "e.npz").exists()


@by_kind
def test_settings_are_explained_and_refused_alike(kind: str, tmp_path: Path) -> None:
    assert "nat" in preset_names(Modality.registry.get(kind).presets)
    file = tmp_path / "config.yaml"
    assert_done(natlib("config", "init", file, "--modality", kind))
    shown = assert_done(natlib("config", "show", "--config", file, "--modality", kind)).out
    plain = assert_done(natlib("config", "show", "--modality", kind)).out
    assert parse_yaml(shown, "shown") == parse_yaml(plain, "plain")
    said = natlib("train", "--modality", kind, "--set", "data.sorce=x", "--out", tmp_path / "run")
    assert_refused(said, "unknown key 'data.sorce'; did you mean 'source'?")
    said = natlib("train", "--modality", kind, "--preset", "nta", "--out", tmp_path / "run")
    assert_refused(said, "unknown preset 'nta'; did you mean 'nat'?")


def test_natlibs_own_modalities_are_there() -> None:
    assert {"audio", "image", "text", "vector"} <= set(MODALITIES)
