"""Where a run goes, which run goes on, and that nothing that is there gets lost."""

import gzip
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from natlib.configuration import dump_yaml, read_yaml
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


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 20 pictures and a run on them; copy it before changing it."""
    folder = tmp_path_factory.mktemp("original")
    write_pictures(folder / "photos", 20)
    assert_done(begin(folder))
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which commands run."""
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    config = read_yaml(copy / "run" / "config.yaml")
    config["data"]["source"] = str(copy / "photos")
    (copy / "run" / "config.yaml").write_text(dump_yaml(config))
    monkeypatch.chdir(copy)
    return copy


def begin(folder: Path, *more: str | Path) -> Said:
    photos, out = folder / "photos", folder / "run"
    return natlib(
        "train",
        "--modality",
        "image",
        "--data",
        photos,
        *SMALL,
        "--epochs",
        "2",
        "--out",
        out,
        *more,
    )


def refused(folder: Path, arguments: list[str | Path], *words: str) -> None:
    """Refused, and everything under ``folder`` stays as it was."""
    before = content(folder)
    assert_refused(natlib("train", *arguments), *words)
    assert content(folder) == before


NEW: list[str | Path] = ["--modality", "image", "--data", "photos", *SMALL]


def test_a_run_is_not_replaced_silently(folder: Path) -> None:
    words = ("the run run exists", "--resume run", "--overwrite", "--out")
    refused(folder, [*NEW, "--out", "run"], *words)


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_what_is_no_run_is_left_alone(more: list[str], folder: Path) -> None:
    refused(folder, [*NEW, "--out", "photos", *more], "not a natlib run", "left alone")
    (folder / "a file").write_text("text")
    refused(folder, [*NEW, "--out", "a file", *more], "a file", "is a file")
    refused(folder, [*NEW, "--out", "a file/run", *more], "a file/run could not be written")


def test_an_empty_folder_may_become_a_run(folder: Path) -> None:
    (folder / "empty").mkdir()
    refused(folder, ["--modality", "image", "--data", "gone", "--out", "empty"], "gone")
    refused(folder, [*NEW, "--max-samples", "3", "--out", "empty"], "3 usable samples")
    assert_done(natlib("train", *NEW, "--out", "empty"))
    assert (folder / "empty" / "config.yaml").exists()


RESUME: list[str | Path] = ["--resume", "run"]
CONFLICTS: list[tuple[list[str | Path], str]] = [
    (["--out", "other"], "--out"),
    (["--init-from", "run"], "--init-from"),
    (["--overwrite"], "--overwrite"),
]


@pytest.mark.parametrize(("more", "option"), CONFLICTS)
def test_options_that_do_not_go_with_resume(
    more: list[str | Path], option: str, folder: Path
) -> None:
    refused(folder, [*RESUME, *more], "--resume", f"leave out {option}")


CHANGES: list[tuple[list[str], list[str]]] = [
    (["--epochs", "3"], ["training.epochs was 2, now 3"]),
    (["--batch-size", "4", "--seed", "5"], ["batch_size was 16, now 4", "seed was 0, now 5"]),
    (["--set", "objective.targets.dim=4"], ["objective.targets.dim was 8, now 4"]),
    (["--set", "objective.targets.kind=gaussian"], ["kind was 'uniform_sphere', now 'gaussian'"]),
    (["--set", "encoder.widths=[4]"], ["encoder.widths was [4, 8], now [4]"]),
    (["--preset", "nat2017"], ["preset was 'nat', now 'nat2017'"]),
    (["--max-samples", "18"], ["data.max_samples was None, now 18"]),
    (["--precision", "bf16"], ["training.precision was 'fp32', now 'bf16'"]),
]


@pytest.mark.parametrize(("more", "words"), CHANGES)
def test_resuming_as_another_run(more: list[str], words: list[str], folder: Path) -> None:
    refused(folder, [*RESUME, *more], "not the run that was begun", "--init-from", *words)


def test_resuming_with_other_ways_to_compute(folder: Path) -> None:
    more = ("training.checkpoint_every_steps=1", "training.log_every_steps=1", "evaluation.seed=3")
    settings = [word for setting in more for word in ("--set", setting)]
    assert_done(natlib("train", *RESUME, *settings, "--workers", "1", "--device", "auto"))


def test_the_command_that_began_a_run_resumes_it(folder: Path) -> None:
    (folder / "mine.yaml").write_text(
        "data: {size: null, augment: {blur: null}}\nencoder: null\ntraining: {workers: 0}\n"
    )
    common = ["train", "--modality", "image", "--data", "photos", "--config", "mine.yaml", *SMALL]
    common += ["--set", "data.size=null", "--set", "encoder=null"]
    assert_done(natlib(*common, "--out", "new"))
    assert_done(natlib(*common, "--resume", "new"))


def test_data_that_have_moved_are_the_same_samples(folder: Path) -> None:
    (folder / "photos").rename(folder / "moved")
    refused(folder, RESUME, "photos", "if the data have moved, say where", "--resume run --data")
    write_pictures(folder / "others", 19)
    refused(folder, [*RESUME, "--data", "others"], "data set has changed", "019.png")
    said = assert_done(natlib("train", *RESUME, "--data", "moved"))
    old, new = folder / "photos", folder / "moved"
    moved = f"(data.source was '{old}', now '{new}'); the samples are the same."
    assert f"The data have moved {moved}" in said.err
    # It is looked for there from now on.
    assert "moved" not in assert_done(natlib("train", *RESUME)).err
    assert read_yaml(folder / "run" / "config.yaml")["data"]["source"] == str(new)
    assert read_yaml(folder / "run" / "model" / "model.json")["modality"]["source"] == str(new)


Change = Callable[[Path], None]


def removed(photos: Path) -> None:
    for number in (4, 7):
        (photos / f"{number:03d}.png").unlink()


def added(photos: Path) -> None:
    write_pictures(photos, 1, first=90)


def renamed(photos: Path) -> None:
    (photos / "004.png").rename(photos / "hello.png")


def all_gone(photos: Path) -> None:
    shutil.rmtree(photos)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (removed, ["has changed since the run run began", "2 samples removed (such as 004.png)"]),
        (added, ["1 sample added (such as 090.png)", "--init-from run"]),
        (renamed, ["1 sample added (such as hello.png) and 1 sample removed (such as 004.png)"]),
        (all_gone, ["photos", "neither an existing path"]),
    ],
)
def test_resuming_on_other_data(change: Change, words: list[str], folder: Path) -> None:
    change(folder / "photos")
    refused(folder, RESUME, *words)


def test_resuming_what_is_no_run(folder: Path) -> None:
    for place in ("nowhere", "photos"):
        refused(folder, ["--resume", place], f"{place} holds no natlib run", "run.json")


def test_resuming_a_run_without_checkpoints(folder: Path) -> None:
    shutil.rmtree(folder / "run" / "checkpoints")
    refused(folder, RESUME, "the checkpoints of the run run are gone", "update 4", "--init-from")


def test_resuming_with_a_damaged_checkpoint(folder: Path) -> None:
    newest = folder / "run" / "checkpoints" / "step-000000004"
    damaged = f"checkpoint run/checkpoints/{newest.name} is damaged ("
    remedy = "remove it and resume: the run then goes on from the one before, step-000000002"
    rng = random.Random(0)
    for file in sorted(newest.iterdir()):
        whole = file.read_bytes()
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 0x44
        for left in (whole[: len(whole) // 2], b"", bytes(flipped)):
            file.write_bytes(left)
            refused(folder, RESUME, damaged, file.name, "is not as it was written", remedy)
        file.unlink()
        refused(folder, RESUME, damaged, f"{file.name}: No such file", remedy)
        file.write_bytes(whole)
    # As the line says: removed, it goes on from the one before and ends as it had ended.
    before = content(newest)
    shutil.rmtree(newest)
    assert_done(natlib("train", *RESUME))
    after = content(newest)
    # What was measured has times in it.
    for name in ("weights.safetensors", "optimizer.safetensors", "state.json"):
        assert after[name] == before[name]
    lines = Path("run/metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(set(steps))


def test_resuming_a_finished_run_writes_its_model_again(folder: Path) -> None:
    model = folder / "run" / "model"
    before = content(model)
    damage(model / "encoder.safetensors")
    assert_refused(natlib("embed", "run", "photos", "--out", "x.npz"), "resuming the run")
    assert_done(natlib("train", *RESUME))
    after = content(model)
    # The description names folders that the copied run has elsewhere.
    for name in ("encoder.safetensors", "head.safetensors"):
        assert after[name] == before[name]
    assert_done(natlib("embed", "run", "photos", "--out", "x.npz"))


def test_resuming_a_run_with_other_damage(folder: Path) -> None:
    run = folder / "run"
    config = run / "config.yaml"
    text = config.read_text()
    for broken, word in (
        (text + "[", f"line {text.count(chr(10)) + 1}, column 1: "),
        (text + "more: 1\n", "'more'"),
        ("", "data: a value is needed"),
    ):
        config.write_text(broken)
        refused(folder, RESUME, "config.yaml", word)
    config.write_text(text)
    samples = run / "samples.jsonl.gz"
    whole = samples.read_bytes()
    for broken_samples in (whole[: len(whole) // 2], b"", b"text", gzip.compress(b"[")):
        samples.write_bytes(broken_samples)
        refused(folder, RESUME, "samples.jsonl.gz", "cannot be read")
    samples.unlink()
    refused(folder, RESUME, "samples.jsonl.gz", "cannot be read")
    samples.write_bytes(whole)
    # These two only tell people something: a run goes on without them.
    damage(run / "environment.json")
    (run / "metrics.jsonl").unlink()
    assert_done(natlib("train", *RESUME))
    assert len(json.loads((run / "environment.json").read_text())) == 1


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("encoder.widths=[4, 16]", ["the encoder of run does not fit", "use the same encoder"]),
        ("encoder.widths=[4, 8, 8]", ["the encoder of run does not fit"]),
        ("objective.targets.dim=4", ["the head of run does not fit", "use the same head"]),
        ("objective.head.widths=[8]", ["the head of run does not fit"]),
    ],
)
def test_init_from_another_architecture(setting: str, words: list[str], folder: Path) -> None:
    refused(folder, [*NEW, "--set", setting, "--init-from", "run", "--out", "new"], *words)
    # A run that cannot begin does not replace another one either.
    refused(
        folder,
        [*NEW, "--set", setting, "--init-from", "run", "--out", "run", "--overwrite"],
        *words,
    )


def test_init_from_what_is_no_run(folder: Path) -> None:
    (folder / "empty").mkdir()
    for place, word in (("nowhere", "no run at nowhere"), ("empty", "holds no model")):
        refused(folder, [*NEW, "--init-from", place, "--out", "new"], word)


def test_a_run_may_start_from_itself_and_replace_itself(folder: Path) -> None:
    assert_done(natlib("train", *NEW, "--init-from", "run", "--out", "run", "--overwrite"))


def test_a_folder_that_may_not_be_written(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o500)
    try:
        (closed / "test").touch()
    except PermissionError:
        refused(folder, [*NEW, "--out", "closed/run"], "closed/run")
    else:
        pytest.skip("this user may write everywhere")
