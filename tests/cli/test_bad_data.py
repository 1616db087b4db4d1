"""Data that cannot be trained on, and data that only looks like it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from tests.cli.command import (
    SMALL,
    Said,
    assert_done,
    assert_refused,
    content,
    damage,
    natlib,
    write_pictures,
)

Make = Callable[[Path], object]


def train(photos: Path | str, out: Path, *more: str | Path) -> Said:
    return natlib("train", "--modality", "image", "--data", photos, *SMALL, "--out", out, *more)


def log_of(run: Path) -> str:
    return (run / "train.log").read_text()


def nothing(photos: Path) -> None:
    """There is no such folder."""


def empty(photos: Path) -> None:
    photos.mkdir()


def no_images(photos: Path) -> None:
    (photos / "in here").mkdir(parents=True)
    (photos / "in here" / "notes.txt").write_text("to do")


def a_file(photos: Path) -> None:
    photos.write_text("to do")


def text_called_images(photos: Path) -> None:
    photos.mkdir()
    for number in range(20):
        (photos / f"{number}.png").write_text("to do")


def one_image(photos: Path) -> None:
    write_pictures(photos, 1)


def too_few(photos: Path) -> None:
    write_pictures(photos, 15)


def too_many_damaged(photos: Path) -> None:
    write_pictures(photos, 40)
    for number in (3, 14, 15):
        damage(photos / f"{number:03d}.png")


def no_training_images(photos: Path) -> None:
    (photos / "train").mkdir(parents=True)
    write_pictures(photos / "test", 20)


BAD: dict[Make, list[str]] = {
    nothing: ["photos", "neither an existing path nor a known set"],
    empty: ["no images in", "photos", "png"],
    no_images: ["no images in", "photos", "png"],
    a_file: ["photos", "is a file", "expected a folder of images"],
    text_called_images: ["none of the first images", "photos"],
    one_image: ["1 usable samples are fewer than one batch of 16"],
    too_few: ["15 usable samples are fewer than one batch of 16", "at most 15"],
    too_many_damaged: ["3 of 40 images (7.5%) cannot be decoded", "003.png", "repair or remove"],
    no_training_images: ["no images in", "train"],
}


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is in the way of another one; it has to stay as it is."""
    folder = tmp_path_factory.mktemp("earlier")
    assert_done(train(write_pictures(folder / "photos", 20), folder / "run"))
    return folder / "run"


@pytest.mark.parametrize("make", BAD)
def test_data_that_cannot_be_trained_on(make: Make, tmp_path: Path, earlier: Path) -> None:
    photos = tmp_path / "photos"
    make(photos)
    natural_size = ("--set", "data.size=null") if make is text_called_images else ()
    new = tmp_path / "new" / "run"
    assert_refused(train(photos, new, *natural_size), *BAD[make])
    assert not new.exists()
    # An older run is replaced only when the new one can begin.
    before = content(earlier)
    assert_refused(train(photos, earlier, "--overwrite", *natural_size), *BAD[make])
    assert content(earlier) == before


def test_a_name_that_nearly_exists_is_suggested(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 1)
    assert_refused(
        train(tmp_path / "photo", tmp_path / "run"), f"did you mean '{tmp_path}/photos'?"
    )
    assert_refused(train("digit", tmp_path / "run"), "did you mean 'digits'?")


def test_max_samples_below_a_batch(tmp_path: Path) -> None:
    said = train(write_pictures(tmp_path / "photos", 20), tmp_path / "run", "--max-samples", "9")
    assert_refused(said, "9 usable samples are fewer than one batch of 16")


@pytest.mark.parametrize("lazily", [False, True])
def test_a_few_damaged_images_are_skipped_counted_and_listed(lazily: bool, tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", 41)
    damage(photos / "003.png")
    (photos / "012.png").write_bytes(b"")
    run = tmp_path / "run"
    cache = ("--set", "data.cache_gib=0") if lazily else ()
    said = assert_done(train(photos, run, "--epochs", "2", *cache))
    log = log_of(run)
    for name in ("003.png", "012.png"):
        assert log.count(f"skipped '{name}': ") == 1
    assert log.count("skipped") == 2
    assert said.out.startswith("Left out, since they cannot be decoded: 2 (see train.log)\n")
    assert "finished at update 6 of 6, 2 samples unreadable" in log
    if not lazily:
        assert "training on 39 samples (2 unreadable)" in log


def test_too_many_damaged_images_found_while_training(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", 40)
    for number in (3, 14, 15):
        damage(photos / f"{number:03d}.png")
    run = tmp_path / "run"
    # Of a preset, it would say that ten epochs are needed for a measurement.
    settings = ("--set", "data.cache_gib=0", "--set", "training.knn_every_epochs=1")
    said = train(photos, run, *settings)
    assert_refused(said, "3 of 40 samples cannot be decoded", "more than 5 %", "train.log")
    for number in (3, 14, 15):
        assert f"skipped '{number:03d}.png': " in log_of(run)
    # Repaired, it goes on from the start: the same samples are there.
    write_pictures(photos, 40)
    assert_done(train(photos, run, "--overwrite"))


def test_images_that_vanish_while_training(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", 41)
    run = tmp_path / "run"
    assert_done(train(photos, run, "--set", "data.cache_gib=0"))
    (photos / "005.png").unlink()
    said = natlib("train", "--resume", run)
    assert_refused(said, "has changed", "1 sample removed (such as 005.png)")


def test_images_of_all_sorts(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", 8)
    chance = np.random.default_rng(0)
    modes = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"]
    suffixes = {"LA": "png", "P": "gif", "RGBA": "webp", "CMYK": "jpg", "I;16": "tif", "F": "tiff"}
    for number, mode in enumerate(modes):
        height, width = chance.integers(1, 70, 2).tolist()
        picture = PILImage.fromarray(chance.integers(0, 256, (height, width), dtype=np.uint8))
        if mode == "I;16":
            picture = PILImage.fromarray(
                chance.integers(0, 2**16, (height, width), dtype=np.uint16)
            )
        elif mode != "L":
            picture = picture.convert(mode)
        picture.save(photos / f"{mode.replace(';', '')}-{number}.{suffixes.get(mode, 'png')}")
    run = tmp_path / "run"
    assert_refused(train(photos, run), "no common range", "data.range")
    assert_done(train(photos, run, "--set", "data.range=[0, 65535]"))
    assert f"training on {8 + len(modes)} samples (0 unreadable)" in log_of(run)


def test_what_a_folder_leaves_out_is_said_wherever_it_is_read(tmp_path: Path) -> None:
    photos, run = tmp_path / "set", tmp_path / "run"
    for split, count in (("train", 16), ("test", 4)):
        for number, label in enumerate(("cat", "dog")):
            write_pictures(photos / split / label, count, first=100 * number)
    (photos / "train" / "labels.csv").touch()
    (photos / "test" / "readme.txt").touch()
    (photos / "extra").mkdir()
    beside = f"Note: left out of {photos}: 1 folder beside the splits (extra)\n"
    other = f"Note: left out of {photos}/train: 1 file of another kind (1 .csv)\n"
    tested = f"Note: left out of {photos}/test: 1 file of another kind (1 .txt)\n"
    said = assert_done(train(photos, run))
    assert said.err.startswith(beside + other)
    assert beside + other + tested in said.out
    assert beside.removeprefix("Note: ") in log_of(run)
    said = assert_done(natlib("embed", run, photos, "--out", tmp_path / "e.npz"))
    assert beside + other in said.err
    assert tested in said.err
    assert tested in assert_done(natlib("eval", run)).out
    data = natlib("doctor", "--modality", "image", "--data", photos, "--set", "data.size=8")
    assert beside + other + tested in data.out


def test_a_folder_that_is_called_like_a_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cifar10", "digits"):
        write_pictures(tmp_path / name, 20)
    monkeypatch.chdir(tmp_path)
    said = assert_done(train("cifar10", tmp_path / "run"))
    assert f"the source is the folder {tmp_path / 'cifar10'}, not the set" in said.err
    assert (
        "preset: nat\n"
        in assert_done(natlib("config", "show", "--modality", "image", "--data", "digits")).out
    )
    # Samples that come with the modality are still what it is trained on without a source.
    run = tmp_path / "default"
    natlib("train", "--modality", "image", "--max-samples", "32", *SMALL, "--out", run)
    assert "training on 32 samples" in log_of(run)
    assert "folder" not in log_of(run)
