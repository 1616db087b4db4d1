"""Sound on the command line: a run and what comes of it, and what cannot be trained on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

import natlib as library
from natlib.configuration import read_yaml
from tests.cli.command import Said, assert_done, assert_refused, content, natlib
from tests.training.test_exact_resume import StopAfter, assert_same_run

from .sounds import RATE, hiss, tone, tree, write
from .test_encoders import checkpoint

SMALL = (
    "--batch-size", "16", "--epochs", "2", "--device", "cpu", "--workers", "0",
    "--set", "data.mel.bands=16",
    "--set", "objective.head={kind: mlp, widths: [16]}",
    "--set", "objective.targets.dim=8",
    "--set", "objective.assignment.slots=2",
    "--set", "evaluation.weight_decays=[1.0]",
)  # fmt: skip
CONVNET = ("--set", "encoder={kind: audio_convnet, widths: [4, 8], features: 8}")
Make = Callable[[Path], object]


def train(source: Path | str, out: Path, *more: str | Path) -> Said:
    encoder = () if any("encoder" in str(word) for word in more) else CONVNET
    words = ("--modality", "audio", "--data", source, *SMALL, *encoder, "--out", out, *more)
    return natlib("train", *words)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones and hiss, 20 each for training and 8 for testing."""
    root = tmp_path_factory.mktemp("sounds") / "sounds"
    for number in range(28):
        split = "train" if number < 20 else "test"
        write(root / split / "tone" / f"{number}.wav", tone(200 + 40 * number, 0.3))
        write(root / split / "hiss" / f"{number}.flac", hiss(0.4, seed=number))
    return root


@pytest.fixture(scope="module")
def run(sounds: Path) -> Path:
    out = sounds.parent / "run"
    said = assert_done(train(sounds, out))
    assert "raw inputs" in said.out
    return out


def test_a_run_says_how_inputs_are_made(run: Path) -> None:
    data = read_yaml(run / "config.yaml")["data"]
    assert (data["kind"], data["rate"], data["seconds"]) == ("audio", RATE, 0.4)
    assert data["mean"] < 0 < data["std"]


def test_raw_inputs_are_statistics_of_log_mel(run: Path) -> None:
    found = json.loads((run / "evaluations" / "standard.json").read_text())
    # A tone has all of its power in one band, hiss in all of them.
    assert found["rows"]["raw"]["linear"]["value"] == 100
    assert found["details"]["test_samples"] == 16


def test_resuming_gives_what_an_uninterrupted_run_gives(
    sounds: Path, run: Path, tmp_path: Path
) -> None:
    base = library.compose(file=run / "config.yaml", settings=["training.log_every_steps=1"])
    whole, half = tmp_path / "whole", tmp_path / "half"
    assert library.train(base, whole).finished
    stopped = library.train(base, half, progress=StopAfter(2))
    assert (stopped.finished, stopped.step) == (False, 2)
    assert_done(natlib("train", "--resume", half))
    assert_same_run(whole, half)


def test_eval_and_embed(run: Path, sounds: Path, tmp_path: Path) -> None:
    assert "raw inputs" in assert_done(natlib("eval", run)).out
    # Another rate, two channels, another length: all are brought to the form of the model.
    other = np.stack([tone(440, 1.5, 11_025), tone(440, 1.5, 11_025)], 1)
    new = tmp_path / "new"
    write(new / "a.ogg", other, 11_025)
    write(new / "b.wav", hiss(0.05))
    for source, count in ((sounds, 56), (new, 2)):
        out = tmp_path / f"{count}.npz"
        assert_done(natlib("embed", run, source, "--out", out))
        with np.load(out) as file:
            assert file["embeddings"].shape == (count, 16)
            assert np.isfinite(file["embeddings"]).all()
            names, rows = file["names"].tolist(), file["embeddings"]
    assert [Path(name).name for name in names] == ["a.ogg", "b.wav"]
    model = library.load(run)
    np.testing.assert_allclose(rows, model.embed([new / "a.ogg", new / "b.wav"]), atol=1e-4)


def test_a_table_of_labels(sounds: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    lines = ["file,label,split"]
    for file in sorted(sounds.rglob("*.*")):
        shutil.copy(file, flat)
        kind, split = file.parent.name, file.parent.parent.name
        lines.append(f"{file.name},{kind},{split}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    table = f"data.labels={tmp_path / 'labels.csv'}"
    assert_done(train(flat, tmp_path / "run", "--set", table))
    standard = tmp_path / "run" / "evaluations" / "standard.json"
    details = json.loads(standard.read_text())["details"]
    assert (details["classes"], details["test_samples"]) == (["hiss", "tone"], 16)


@pytest.mark.parametrize(
    ("form", "encoder"),
    [
        ("log_mel", "kind: audio_resnet"),
        ("waveform", "kind: wav2vec, layers: 1, width: 16, heads: 2, channels: 8"),
        (
            "waveform",
            "kind: wav2vec, architecture: hubert, layers: 1, width: 16, heads: 2, channels: 8",
        ),
    ],
)
def test_other_encoders(sounds: Path, tmp_path: Path, form: str, encoder: str) -> None:
    settings = ("--set", f"encoder={{{encoder}}}", "--set", f"data.representation={form}")
    more = ("--max-samples", "16", "--epochs", "1")
    assert_done(train(sounds, tmp_path / "run", *settings, *more))
    model = library.load(tmp_path / "run")
    assert model.embed([(tone(), RATE)]).shape == (1, model.encoder.dim)


def test_a_checkpoint_goes_on_learning(sounds: Path, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "wav2vec")
    settings = (
        "--set", f"encoder={{kind: wav2vec, checkpoint: {folder}}}",
        "--set", "data.representation=waveform",
    )  # fmt: skip
    assert_done(train(sounds, tmp_path / "run", *settings, "--max-samples", "16"))
    before = load_file(folder / "model.safetensors")
    after = load_file(tmp_path / "run" / "model" / "encoder.safetensors")
    name = "encoder.layers.0.attention.q_proj.weight"
    assert not (before[name] == after[f"model.{name}"]).all()
    # The model is whole without the folder that it began from.
    vectors = library.load(tmp_path / "run").embed([(tone(), RATE)])
    shutil.rmtree(folder)
    again = library.load(tmp_path / "run").embed([(tone(), RATE)])
    np.testing.assert_array_equal(again, vectors)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_checkpoint_that_is_missing_a_file(sounds: Path, tmp_path: Path, missing: str) -> None:
    folder = checkpoint(tmp_path / "wav2vec")
    (folder / missing).unlink()
    settings = (
        "--set", f"encoder={{kind: wav2vec, checkpoint: {folder}}}",
        "--set", "data.representation=waveform",
    )  # fmt: skip
    said = train(sounds, tmp_path / "run", *settings)
    assert_refused(said, f"has no {missing}", str(folder), "save_pretrained")
    assert not (tmp_path / "run").exists()


def empty(folder: Path) -> None:
    folder.mkdir()


def a_file(folder: Path) -> None:
    write(folder.with_suffix(".wav"), tone()).rename(folder)


def no_sounds(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("to do")


def text_called_sounds(folder: Path) -> None:
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.wav").write_text("to do")


def all_empty(folder: Path) -> None:
    for number in range(20):
        write(folder / f"{number}.wav", np.zeros(0, np.float32))


def all_silent(folder: Path) -> None:
    for number in range(20):
        write(folder / f"{number}.wav", np.zeros(4000, np.float32))


def one_sound(folder: Path) -> None:
    write(folder / "a.wav", tone())


def too_many_damaged(folder: Path) -> None:
    tree(folder, *(f"{number:02d}.wav" for number in range(40)))
    write(folder / "03.wav", np.zeros(4000, np.float32))
    write(folder / "14.wav", np.full(4000, np.nan, np.float32), subtype="FLOAT")
    (folder / "15.wav").write_bytes(b"ID3 no sound at all")


BAD: dict[Make, list[str]] = {
    empty: ["no sounds in", "folder", "wav"],
    a_file: ["folder is a file", "expected a folder of sounds"],
    no_sounds: ["no sounds in", "folder", "wav"],
    text_called_sounds: ["none of the first sounds", "folder", "are they sounds?"],
    all_empty: ["none of the first sounds", "folder", "are they sounds?"],
    all_silent: ["none of the first sounds", "folder", "are they sounds?"],
    one_sound: ["1 usable samples are fewer than one batch of 16"],
    too_many_damaged: ["3 of 40 sounds (7.5%) cannot be decoded", "03.wav (it is silent"],
}


@pytest.mark.parametrize("make", BAD)
def test_data_that_cannot_be_trained_on(make: Make, tmp_path: Path, run: Path) -> None:
    source = tmp_path / "folder"
    make(source)
    new = tmp_path / "new" / "run"
    assert_refused(train(source, new), *BAD[make])
    assert not new.exists()
    # An older run is replaced only when the new one can begin.
    before = content(run)
    assert_refused(train(source, run, "--overwrite"), *BAD[make])
    assert content(run) == before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["data.labels=/no/such.csv"], ["/no/such.csv does not exist", "'file' and 'label'"]),
        (["encoder={kind: bag_of_ngrams}"], ["bag_of_ngrams"]),
        (["data.representation=waveform"], ["'audio_convnet' does not read", "log_mel"]),
        (["data.representation=wave"], ["data.representation", "log_mel", "waveform"]),
        (["data.seconds=20"], ["seconds 20 is more than longest 10"]),
        (["data.rate=10"], ["data.rate", "1000"]),
        (["data.mel.low=9000"], ["data.mel.low is 9000 Hz", "the highest frequency is 4000 Hz"]),
        (["data.mel.high=50"], ["mel.low is 60 Hz", "the highest frequency is 50 Hz", "mel.high"]),
        (["data.rate=1000", "data.mel.low=500"], ["the highest frequency is 500 Hz"]),
        (["data.mel.bands=400"], ["of 400 mel bands are narrower", "data.mel.bands"]),
        (["data.augment.nois=0.1"], ["unknown key", "did you mean", "noise"]),
        (
            ["data.representation=waveform", "encoder={kind: wav2vec, checkpoint: /no/such}"],
            ["/no/such is not a folder"],
        ),
    ],
)
def test_settings_that_do_not_fit(
    sounds: Path, tmp_path: Path, settings: list[str], words: list[str]
) -> None:
    more = [word for setting in settings for word in ("--set", setting)]
    assert_refused(train(sounds, tmp_path / "run", *more), *words)
    assert not (tmp_path / "run").exists()


def write_odd(root: Path) -> None:
    """70 sounds: three cannot be used, and many are unusual, but can."""
    tree(root, *(f"{number:02d}.wav" for number in range(70)))
    for number, subtype in enumerate(("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")):
        write(root / f"0{number}.wav", tone(500), subtype=subtype)
    write(root / "05.wav", np.clip(tone(500, peak=20.0), -1, 1))
    write(root / "06.wav", tone(500, peak=8.0), subtype="FLOAT")
    # Cut off in the middle of its samples, as an upload that broke off: the rest is there.
    file = write(root / "07.wav", tone(500, 0.6))
    file.write_bytes(file.read_bytes()[: 44 + 4800])
    write(root / "08.wav", np.zeros(4000, np.float32))
    write(root / "09.wav", np.zeros(0, np.float32))
    spoilt = tone(500)
    spoilt[100] = np.nan
    write(root / "10.wav", spoilt, subtype="FLOAT")


@pytest.mark.parametrize("lazily", [False, True])
def test_odd_sounds_are_read_and_bad_ones_counted(lazily: bool, tmp_path: Path) -> None:
    write_odd(tmp_path / "sounds")
    run = tmp_path / "run"
    cache = ("--set", "data.cache_gib=0") if lazily else ()
    said = assert_done(train(tmp_path / "sounds", run, *cache))
    assert said.out.startswith("Left out, since they cannot be decoded: 3 (see train.log)\n")
    log = (run / "train.log").read_text()
    assert log.count("skipped '08.wav': it is silent") == 1
    assert log.count("skipped '09.wav': it is empty") == 1
    assert log.count("skipped '10.wav': it holds NaN") == 1
    assert log.count("skipped") == 3


def test_a_bad_sound_among_those_to_embed(run: Path, tmp_path: Path) -> None:
    write_odd(tmp_path / "sounds")
    said = assert_done(natlib("embed", run, tmp_path / "sounds", "--out", tmp_path / "e.npz"))
    assert "3" in said.err + said.out
    with np.load(tmp_path / "e.npz") as file:
        names = file["names"].tolist()
        assert np.isfinite(file["embeddings"]).all()
    assert not {"08.wav", "09.wav", "10.wav"} & {Path(name).name for name in names}
    assert len(names) == 67


def test_sounds_that_change_under_a_run(tmp_path: Path) -> None:
    root = tree(tmp_path / "sounds", *(f"{number:02d}.wav" for number in range(20)))
    assert_done(train(root, tmp_path / "run"))
    (root / "19.wav").unlink()
    said = natlib("train", "--resume", tmp_path / "run")
    assert_refused(said, "has changed", "1 sample removed (such as 19.wav)")


def test_the_embedded_notes_are_the_default(tmp_path: Path) -> None:
    out = tmp_path / "run"
    said = natlib(
        "train", "--modality", "audio", *SMALL, *CONVNET, "--epochs", "1", "--max-samples", "48",
        "--set", "evaluation.max_train_samples=48", "--out", out,
    )  # fmt: skip
    assert_done(said)
    config = read_yaml(out / "config.yaml")
    assert (config["preset"], config["data"]["source"]) == ("notes", "notes")
