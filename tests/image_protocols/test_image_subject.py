"""Whether a run was trained on what it is evaluated on."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import natlib
from natlib.data.concatenated import ConcatenatedSamples
from natlib.errors import DataError
from natlib.protocols import run_protocol, subject_of
from natlib_image_protocols.image_subject import seen_in_training
from tests.cli.command import assert_done
from tests.cli.command import natlib as command
from tests.image.pictures import noise, write


def trained(source: Path, out: Path) -> Path:
    config = natlib.compose(
        "image",
        options={
            "data": {"source": str(source), "size": 16, "resize": 18},
            "encoder": {"kind": "convnet", "widths": [4, 8]},
            "training": {"epochs": 1, "batch_size": 16, "workers": 0, "device": "cpu"},
            "evaluation": {"weight_decays": [0.01], "batch_size": 16},
        },
    )
    with torch.random.fork_rng(devices=[]):
        return natlib.train(config, out).run


@pytest.fixture
def everything(drawn: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A set, and a run that was trained on all of its images, the test images among them."""
    copy = Path(shutil.copytree(drawn, tmp_path / "VOC2007"))
    return copy, trained(copy / "JPEGImages", tmp_path / "everything")


def test_runs_on_all_images_of_a_set_have_seen_the_test_images(
    drawn: Path, drawn_run: Path, everything: tuple[Path, Path]
) -> None:
    copy, run = everything
    for source in (copy, drawn):  # the files themselves, and copies of them
        details = run_protocol(run, "voc_classification", data=str(source)).details
        assert (details.held_out, details.more["seen_in_training"]) == (False, 12)
    said = assert_done(command("eval", run, "--protocol", "voc_classification", "--data", copy))
    assert "has seen 12 of the 12 test samples in training" in " ".join(said.out.split())
    # The run on the set as natlib reads it has left them out.
    details = run_protocol(drawn_run, "voc_classification", data=str(drawn)).details
    assert (details.held_out, details.more["seen_in_training"]) == (True, 0)


def test_detection_says_it_too(everything: tuple[Path, Path]) -> None:
    copy, run = everything
    small = ["epochs=1", "short_side=48", "head_width=16", "regions=8", "proposals=20"]
    options = [part for text in small for part in ("--set", text)]
    assert_done(command("eval", run, "--protocol", "voc_detection", "--data", copy, *options))
    text = (run / "evaluations" / "voc_detection-VOC2007.json").read_text()
    assert '"held_out": false' in text


def test_a_name_alone_is_not_the_image(everything: tuple[Path, Path], tmp_path: Path) -> None:
    copy, run = everything
    subject = subject_of(run)
    files = sorted((copy / "JPEGImages").iterdir())
    assert seen_in_training(subject, files) == files
    other = [write(tmp_path / "other" / file.name, noise(8, 8, n)) for n, file in enumerate(files)]
    twin = Path(shutil.copy(files[3], tmp_path / "other" / files[3].name))
    renamed = Path(shutil.copy(files[4], tmp_path / "other" / "renamed.jpg"))
    assert seen_in_training(subject, [*other, renamed]) == [twin]


def test_where_the_training_images_are_gone_the_name_is_enough(
    everything: tuple[Path, Path], tmp_path: Path
) -> None:
    copy, run = everything
    subject = subject_of(run)
    other = [write(tmp_path / "other" / name, noise(8, 8)) for name in ("000001.png", "x.png")]
    assert seen_in_training(subject, other) == []
    shutil.rmtree(copy)
    assert seen_in_training(subject, other) == other[:1]
    # And without the names it cannot be found out.
    (run / "samples.jsonl.gz").unlink()
    with pytest.raises(DataError, match=r"samples\.jsonl\.gz"):
        seen_in_training(subject, other)


def test_of_several_sources_the_name_is_enough(
    everything: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = everything
    subject = subject_of(run)
    own = subject.config.data.dataset("train")
    assert own is not None
    joined = ConcatenatedSamples([own], torch.full((len(own),), -1), [])
    monkeypatch.setattr("natlib_image_protocols.image_subject.training_samples", lambda *_: joined)
    other = [write(tmp_path / "other" / name, noise(8, 8)) for name in ("000001.png", "x.png")]
    assert seen_in_training(subject, other) == other[:1]


def test_names_may_stand_in_several_folders(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        for image in range(8):
            write(tmp_path / "train" / name / f"{image}.png", noise(16, 16, 10 * number + image))
    run = trained(tmp_path, tmp_path / "run")
    asked = [write(tmp_path / "asked" / f"{n}" / "2.png", noise(16, 16, n)) for n in (2, 12, 50)]
    assert set(seen_in_training(subject_of(run), asked)) == set(asked[:2])


def test_sources_without_files_have_none_in_common(tmp_path: Path) -> None:
    images = np.stack([noise(16, 16, number) for number in range(20)])
    np.savez(tmp_path / "x.npz", images=images)
    subject = subject_of(trained(tmp_path / "x.npz", tmp_path / "run"))
    names = subject.directory.sample_names()
    assert len(names) == 20
    asked = [write(tmp_path / "asked" / f"{name}.png", images[0]) for name in names]
    assert seen_in_training(subject, asked) == []
