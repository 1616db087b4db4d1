"""What NAT learns from the texts of three small sets, beside an untrained encoder and TF-IDF.

    python benchmarks/text_quality.py DATA --out RUNS [--sets imdb subj trec] [--seeds 0 1 2]

DATA holds imdb.csv, subj.csv and trec.csv with columns split (train, test), label and text:
reviews of films (Maas et al., 2011), subjective and objective sentences (Pang and Lee, 2004), kinds
of questions (Li and Roth, 2002). An encoder is trained on the training texts of a set, without
labels; probes are fitted on their labels and evaluated on the test texts, once. The settings below
were chosen on a fifth of the training texts (see --validate, which evaluates on such a fifth and
never opens the test texts). Runs that are finished are not made again.
"""

import argparse
import csv
import json
import random
import statistics
from importlib import metadata
from pathlib import Path

from trained import ATTRACTION, PROBES, ROWS, accuracies, cell, metrics, train_or_resume

import natlib

COMMON: list[str] = ["training.device=cpu", *ATTRACTION]
SETTINGS: dict[str, list[str]] = {
    "imdb": ["data.length=128"],
    "subj": ["data.length=128"],
    # Questions of ten words, whose first ones matter most: no crop, and an encoder that sees order.
    "trec": [
        "data.length=48",
        "data.augment={crop_scale: [1, 1], delete: 0, drop: 0.3, shuffle: 0}",
        "encoder={kind: text_convnet}",
        "training.epochs=10",
    ],
}
RECORD = Path(__file__).parent.parent / "docs" / "measured" / "text.json"


def validation_table(table: Path, folder: Path) -> Path:
    """The training texts alone, a fifth of them called test."""
    csv.field_size_limit(1 << 30)
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    random.Random(0).shuffle(rows)
    target = folder / f"validation-{table.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "label", "text"])
        for number, row in enumerate(rows):
            split = "test" if number < len(rows) // 5 else "train"
            writer.writerow([split, row["label"], row["text"]])
    return target


def run(name: str, table: Path, seed: int, folder: Path, settings: list[str]) -> dict:
    """Train and evaluate, unless that has been done."""
    summary = folder / "summary.json"
    if summary.exists():
        return json.loads(summary.read_text())
    seeds = [f"training.seed={seed}", f"evaluation.seed={seed}"]
    config = natlib.compose(
        "text",
        preset="nat",
        options={"data": {"source": str(table)}},
        settings=[*COMMON, *SETTINGS[name], *seeds, *settings],
    )
    result = train_or_resume(config, folder)
    # Time of the updates alone, from the log, so that a resumed run counts all of them.
    log = metrics(folder)
    samples = config.training.epochs * len(natlib.load(folder).modality.dataset("train"))
    rate = statistics.harmonic_mean(line["samples_per_second"] for line in log)
    values = {"seed": seed, "seconds": round(samples / rate, 1)}
    values["loader_share"] = round(statistics.mean(line["loader_share"] for line in log), 4)
    values |= accuracies(result.evaluation)
    values["majority"] = round(result.evaluation.details.more["majority"], 2)
    summary.write_text(json.dumps(values, indent=2) + "\n")
    return values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--validate", action="store_true", help="evaluate on training texts only")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--record", type=Path, help=f"write the numbers here ({RECORD.name})")
    arguments = parser.parse_args()
    found = {}
    print("| set | features | kNN | linear | training, s |\n|---|---|---|---|---|")
    for name in arguments.sets:
        table = arguments.data / f"{name}.csv"
        if arguments.validate:
            table = validation_table(table, arguments.out)
        runs = [
            run(name, table, seed, arguments.out / f"{table.stem}-{seed}", arguments.settings)
            for seed in arguments.seeds
        ]
        settings = [*COMMON, *SETTINGS[name], *arguments.settings]
        found[name] = {"settings": settings, "runs": runs}
        for row in ROWS:
            seconds = f"{statistics.mean(one['seconds'] for one in runs):.0f}"
            cells = " | ".join(cell([one[row][probe] for one in runs]) for probe in PROBES)
            print(f"| {name} | {row} | {cells} | {seconds if row == 'encoder' else ''} |")
    if arguments.record:
        versions = {name: metadata.version(name) for name in ("natlib", "torch", "tokenizers")}
        record = {"versions": versions, "validated": arguments.validate, "sets": found}
        arguments.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
