"""What NAT learns from sounds: spoken digits by a speaker it never heard, and spoken words.

    python benchmarks/audio_quality.py DATA --out RUNS [--sets fsdd commands] [--seeds 0 1 2]

DATA holds ``fsdd/recordings`` (Free Spoken Digit Dataset: files like 7_theo_12.wav of six
speakers) and ``speech_commands3`` (three words of Speech Commands, Warden, 2018, in folders train
and test with a folder for each word; no speaker is in both). An encoder is trained on the training
clips of a set, without labels; probes are fitted on the labels of the same clips and evaluated on
the test clips, once. Beside it: the same encoder untrained, and statistics of log-mel spectrograms.

Of the digits, one whole speaker is held out: seed 0, 1 and 2 train and probe on five speakers and
test on george, jackson and lucas. The settings below were chosen with ``--validate``, which never
opens a test clip: of the digits, it holds out nicolas, theo and yweweler, and leaves the test
speaker of that seed out altogether; of the words, a fifth of the training speakers. Runs that are
finished are not made again.
"""

import argparse
import csv
import json
import random
import statistics
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from trained import PROBES, ROWS, accuracies, cell, metrics, train_or_resume

import natlib
from natlib.training import RunDirectory

COMMON: list[str] = [
    "training.device=cpu",
    "training.workers=0",
    "data.mel.hop=0.016",
    "encoder={kind: audio_convnet, widths: [16, 32, 64]}",
    "objective.assignment={kind: stream, slots: 16}",
    "objective.loss={target_weight: 4, repulsion: null}",
    "training.batch_size=64",
]
SETTINGS: dict[str, list[str]] = {
    "fsdd": ["training.epochs=8"],
    "commands": ["training.epochs=12"],
}
RECORD = Path(__file__).parent.parent / "docs" / "measured" / "audio.json"
TESTED = ("george", "jackson", "lucas")
VALIDATED = ("nicolas", "theo", "yweweler")


def digits(folder: Path, seed: int, validate: bool, table: Path) -> dict[str, str]:
    """A table in which one speaker is for testing; as settings of the data."""
    own = seed % len(TESTED)
    test = VALIDATED[own] if validate else TESTED[own]
    left_out = TESTED[own] if validate else None
    rows = []
    for file in sorted((folder / "fsdd" / "recordings").glob("*.wav")):
        digit, speaker, _ = file.stem.split("_")
        # Files that a table does not name would be for training: those left out are for nothing.
        split = {test: "test", left_out: "val"}.get(speaker, "train")
        rows.append((file.name, digit, split))
    return {"source": str(folder / "fsdd" / "recordings"), "labels": written(table, rows)}


def commands(folder: Path, seed: int, validate: bool, table: Path) -> dict[str, str]:
    """The folders as they are, or the training clips with a fifth of their speakers for testing."""
    root = folder / "speech_commands3"
    if not validate:
        return {"source": str(root)}
    files = sorted((root / "train").glob("*/*.flac"))
    speakers = sorted({file.name.split("_")[0] for file in files})
    random.Random(seed).shuffle(speakers)
    test = set(speakers[: len(speakers) // 5])
    rows = [
        (f"{f.parent.name}/{f.name}", f.parent.name,
         "test" if f.name.split("_")[0] in test else "train")
        for f in files
    ]  # fmt: skip
    return {"source": str(root / "train"), "labels": written(table, rows)}


SETS = {"fsdd": digits, "commands": commands}


def written(table: Path, rows: Iterable[tuple[str, str, str]]) -> str:
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "split"])
        writer.writerows(rows)
    return str(table)


def run(name: str, data: dict[str, str], seed: int, folder: Path, settings: list[str]) -> dict:
    """Train and evaluate, unless that has been done."""
    summary = folder / "summary.json"
    if summary.exists():
        return json.loads(summary.read_text())
    seeds = [f"training.seed={seed}", f"evaluation.seed={seed}"]
    config = natlib.compose(
        "audio",
        preset="nat",
        options={"data": data},
        settings=[*COMMON, *SETTINGS[name], *seeds, *settings],
    )
    began = time.process_time()
    resumed = RunDirectory(folder).config_file.exists()
    result = train_or_resume(config, folder)
    # Of the processor, so that it hardly matters what else runs; unknown where a run was resumed.
    seconds = None if resumed else round(time.process_time() - began, 1)
    values = {"seed": seed, "cpu_seconds": seconds}
    log = metrics(folder)
    values["loader_share"] = round(statistics.mean(line["loader_share"] for line in log), 4)
    values |= accuracies(result.evaluation)
    values["test_samples"] = result.evaluation.details.test_samples
    summary.write_text(json.dumps(values, indent=2) + "\n")
    return values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--validate", action="store_true", help="evaluate on training clips only")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--record", type=Path, help=f"write the numbers here ({RECORD.name})")
    arguments = parser.parse_args()
    found = {}
    print("| set | features | kNN | linear | CPU, s |\n|---|---|---|---|---|")
    for name in arguments.sets:
        runs = []
        for seed in arguments.seeds:
            folder = arguments.out / f"{'validate-' * arguments.validate}{name}-{seed}"
            table = folder.with_suffix(".csv")
            data = SETS[name](arguments.data, seed, arguments.validate, table)
            runs.append(run(name, data, seed, folder, arguments.settings))
        settings = [*COMMON, *SETTINGS[name], *arguments.settings]
        found[name] = {"settings": settings, "runs": runs}
        for row in ROWS:
            taken = [one["cpu_seconds"] for one in runs if one["cpu_seconds"]]
            seconds = f"{statistics.mean(taken):.0f}" if taken else "?"
            cells = " | ".join(cell([one[row][probe] for one in runs]) for probe in PROBES)
            print(
                f"| {name} | {row} | {cells} | {seconds if row == 'encoder' else ''} |", flush=True
            )
    if arguments.record:
        versions = {name: metadata.version(name) for name in ("natlib", "torch", "torchaudio")}
        record = {"versions": versions, "validated": arguments.validate, "sets": found}
        arguments.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
