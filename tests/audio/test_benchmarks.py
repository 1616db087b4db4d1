"""The benchmark of quality keeps speakers apart, and reads finished runs again."""

import csv
import importlib.util
import json
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest

from .sounds import tone, write

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
SMALL = (
    "training.epochs=1", "training.batch_size=16", "data.mel.bands=16", "training.precision=fp32",
    "encoder={kind: audio_convnet, widths: [4], features: 8}", "objective.head.widths=[16]",
    "evaluation.weight_decays=[1.0]",
)  # fmt: skip


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    file = Path(__file__).parents[2] / "benchmarks" / "audio_quality.py"
    spec = importlib.util.spec_from_file_location("audio_quality", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for number, speaker in enumerate(SPEAKERS):
        for digit in range(2):
            for take in range(4):
                wave = tone(200 + 800 * digit + 20 * number + take, 0.2)
                write(root / "fsdd" / "recordings" / f"{digit}_{speaker}_{take}.wav", wave)
    for split, voices in (("train", 20), ("test", 5)):
        for word in ("bed", "cat"):
            for voice in range(voices):
                name = f"{split}{voice:02d}_nohash_0.flac"
                write(root / "speech_commands3" / split / word / name, tone(300 + voice, 0.2))
    return root


def splits(table: str) -> dict[str, set[str]]:
    """The speakers of each split of a table."""
    found = defaultdict(set)
    with Path(table).open(newline="") as file:
        for row in csv.DictReader(file):
            name = Path(row["file"]).name
            found[row["split"]].add(name.split("_")[1 if row["file"] == name else 0])
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_speaker_that_is_tested_was_never_heard(
    benchmark: ModuleType, data: Path, tmp_path: Path, seed: int
) -> None:
    tested = SPEAKERS[seed]
    final = splits(benchmark.digits(data, seed, False, tmp_path / "f.csv")["labels"])
    assert final == {"train": set(SPEAKERS) - {tested}, "test": {tested}}
    chosen = splits(benchmark.digits(data, seed, True, tmp_path / "v.csv")["labels"])
    validated = SPEAKERS[3 + seed]
    # Those of the test are set aside: only training and test are read.
    assert chosen == {
        "train": set(SPEAKERS) - {tested, validated},
        "test": {validated},
        "val": {tested},
    }


def test_words_are_validated_on_speakers_of_their_own(
    benchmark: ModuleType, data: Path, tmp_path: Path
) -> None:
    assert benchmark.commands(data, 0, False, tmp_path / "f.csv") == {
        "source": str(data / "speech_commands3")
    }
    found = splits(benchmark.commands(data, 0, True, tmp_path / "v.csv")["labels"])
    assert len(found["test"]) == 4
    assert len(found["train"]) == 16
    assert not found["train"] & found["test"]


def test_runs_and_reads_finished_runs_again(
    benchmark: ModuleType,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = tmp_path / "audio.json"
    words = ["audio_quality.py", str(data), "--out", str(tmp_path / "runs"), "--seeds", "0", "1"]
    more = [word for setting in SMALL for word in ("--set", setting)]
    monkeypatch.setattr(sys, "argv", [*words, *more, "--record", str(record)])
    benchmark.main()
    table = capsys.readouterr().out
    first = record.read_text()
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:]]
    kinds = ("encoder", "head", "start", "raw", "reduced")
    assert [(a.strip(), b.strip()) for a, b in rows] == [
        (name, kind) for name in ("fsdd", "commands") for kind in kinds
    ]
    sets = json.loads(first)["sets"]
    assert [run["test_samples"] for run in sets["fsdd"]["runs"]] == [8, 8]
    assert [run["test_samples"] for run in sets["commands"]["runs"]] == [10, 10]
    began = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").rglob("*.safetensors")}
    benchmark.main()
    assert capsys.readouterr().out == table
    assert record.read_text() == first
    assert {file: file.stat().st_mtime_ns for file in began} == began
