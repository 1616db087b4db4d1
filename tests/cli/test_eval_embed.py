"""``natlib eval`` and ``natlib embed``."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import natlib as library
from tests.cli.command import (
    SMALL,
    Said,
    assert_done,
    assert_refused,
    content,
    damage,
    natlib,
    write_pictures,
)  # fmt: skip
from tests.cli.test_training import cells


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Labelled pictures in two splits, one of them damaged."""
    for number, name in enumerate(("cat", "dog")):
        write_pictures(tmp_path / "pets" / "train" / name, 12, first=20 * number)
        write_pictures(tmp_path / "pets" / "test" / name, 3, side=13, first=20 * number + 12)
    damage(tmp_path / "pets" / "train" / "cat" / "002.png")
    return tmp_path / "pets"


def test_eval_says_what_training_said(trained: tuple[Path, Said], tmp_path: Path) -> None:
    run, training = trained
    before = content(run)
    said = assert_done(natlib("eval", run, "--json", tmp_path / "e.json"))
    assert cells(said.out) == cells(training.out)
    assert said.out.endswith(f"Written to {tmp_path / 'e.json'}\n")
    result = json.loads((tmp_path / "e.json").read_text())
    assert result == json.loads((run / "evaluations" / "standard.json").read_text())
    assert list(result["rows"]) == ["encoder", "head", "start", "raw", "reduced"]
    for row in result["rows"].values():
        assert row.keys() == {"knn", "linear", "five_per_class"}
        for figure in row.values():
            accuracy = figure["value"]
            # A share of the test samples, in percent.
            hits = accuracy / 100 * result["details"]["test_samples"]
            assert 0 <= accuracy <= 100
            assert figure["seeds"] or math.isclose(hits, round(hits), abs_tol=1e-6)
    assert result["details"]["held_out"] is True
    assert content(run) == before


def test_eval_of_a_run_without_labels(tmp_path: Path) -> None:
    photos, run = write_pictures(tmp_path / "photos", 20), tmp_path / "run"
    natlib("train", "--modality", "image", "--data", photos, *SMALL, "--out", run)
    assert_refused(natlib("eval", run), "no training sample has a label", "give a source with")


def test_eval_on_a_source_with_other_classes(run: Path, classes: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.json"
    said = assert_done(natlib("eval", run, "--data", classes, "--json", out))
    details = json.loads(out.read_text())["details"]
    assert details["classes"] == ["cat", "dog"]
    assert (details["train_samples"], details["test_samples"]) == (23, 6)
    assert details["unreadable"] == 1
    assert [row[0] for row in cells(said.out)] == [
        "encoder",
        "head",
        "as it began (random)",
        "raw inputs",
        "raw inputs, PCA to 8",
    ]


@pytest.mark.parametrize("command", ["eval", "embed"])
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere", ["nowhere", "there is no run at", "train one first"]),
        ("empty", ["empty", "no"]),
        ("a file", ["a file"]),
    ],
)
def test_something_that_is_no_run(
    command: str, place: str, words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").touch()
    more = ("digits", "--out", tmp_path / "x.npz") if command == "embed" else ()
    words = words if command == "embed" else words[:1]
    assert_refused(natlib(command, tmp_path / place, *more), *words)
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize("command", ["eval", "embed"])
def test_a_damaged_model_is_named(command: str, run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    damage(copy / "model" / "encoder.safetensors")
    more = ("digits", "--out", tmp_path / "x.npz") if command == "embed" else ()
    assert_refused(natlib(command, copy, *more), "encoder.safetensors", "resuming the run")


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
@pytest.mark.parametrize("output", ["encoder", "head"])
def test_embed_writes_what_the_model_gives(
    suffix: str, output: str, run: Path, classes: Path, tmp_path: Path
) -> None:
    before = content(run)
    out = tmp_path / "new" / f"x{suffix}"
    said = assert_done(natlib("embed", run, classes, "--out", out, "--output", output))
    assert said.out == (
        f"Embeddings written to {out}: 29\nLeft out, since they cannot be decoded: 1\n"
    )
    if suffix == ".npz":
        with np.load(out, allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
    else:
        table = pq.read_table(out)
        columns = {name: np.array(table[name].to_pylist()) for name in table.column_names}
    assert columns.keys() == {"embeddings", "names", "splits", "labels", "classes"}
    names = sorted(p.relative_to(classes) for p in classes.rglob("*.png") if p.name != "002.png")
    paths = [Path(name) for name in columns["names"].tolist()]
    assert all(path.is_file() for path in paths)
    assert columns["splits"].tolist() == [path.parts[-3] for path in paths]
    assert sorted(path.relative_to(classes) for path in paths) == names
    assert columns["classes"].tolist() == [path.parent.name for path in paths]
    assert columns["labels"].tolist() == [int(path.parent.name == "dog") for path in paths]
    expected = library.load(run).embed(paths, output=output)
    np.testing.assert_allclose(columns["embeddings"], expected, rtol=1e-4, atol=1e-6)
    assert content(run) == before
    # Nothing half-written stays beside it.
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_embed_without_labels_has_none(run: Path, tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", 3)
    assert_done(natlib("embed", run, photos, "--out", tmp_path / "x.npz"))
    with np.load(tmp_path / "x.npz") as file:
        assert set(file.files) == {"embeddings", "names", "splits"}
        assert file["names"].tolist() == [str(photos / f"00{n}.png") for n in range(3)]


def test_embed_takes_single_files_and_several_folders(
    run: Path, classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "photos", 3)
    write_pictures(tmp_path / "more", 2)
    said = assert_done(natlib("embed", run, "photos/001.png", "--out", "one.npz"))
    assert said.out == "Embeddings written to one.npz: 1\n"
    words = ("photos", "more/001.png", "more", "photos/002.png")
    assert_done(natlib("embed", run, *words, "--out", "all.npz"))
    with np.load("one.npz") as one, np.load("all.npz") as every:
        assert one["names"].tolist() == ["photos/001.png"]
        assert every["names"].tolist() == [
            "photos/000.png", "photos/001.png", "photos/002.png", "more/000.png", "more/001.png",
            "more/001.png", "photos/002.png",
        ]  # fmt: skip
        assert every["splits"].tolist() == ["train"] * 5 + [""] * 2
        expected = library.load(run).embed(every["names"].tolist())
        np.testing.assert_allclose(every["embeddings"], expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(one["embeddings"], expected[1:2], rtol=1e-4, atol=1e-6)
    # Numbers of classes are those of one source; their names are everybody's.
    assert_done(natlib("embed", run, classes, classes, "--out", "twice.npz"))
    with np.load("twice.npz") as twice:
        assert set(twice.files) == {"embeddings", "names", "splits", "classes"}
    assert_refused(natlib("embed", run, "gone.png", "--out", "x.npz"), "gone.png")


@pytest.mark.parametrize("name", ["x.csv", "x", "x.npz.gz"])
def test_embed_into_an_unknown_kind_of_file(name: str, run: Path, tmp_path: Path) -> None:
    out = tmp_path / name
    assert_refused(natlib("embed", run, "digits", "--out", out), name, ".npz or .parquet")
    assert not list(tmp_path.iterdir())


def test_embed_refuses_before_it_touches_the_file_that_is_there(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.npz"
    out.write_bytes(b"what was there")
    (tmp_path / "nothing").mkdir()
    assert_refused(natlib("embed", run, tmp_path / "nothing", "--out", out), "no images in")
    assert_refused(natlib("embed", run, tmp_path / "gone", "--out", out), "gone")
    damage(write_pictures(tmp_path / "photos", 1) / "000.png")
    assert_refused(natlib("embed", run, tmp_path / "photos", "--out", out), "could be decoded")
    assert out.read_bytes() == b"what was there"
    assert_refused(natlib("embed", run, "digits", "--out", out / "y.npz"), str(out))
