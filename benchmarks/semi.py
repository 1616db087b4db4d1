"""What a few labels are worth: supervised, NAT first, or NAT with labels; images, sound, text.

    python benchmarks/semi.py cifar10=DIR speech=DIR trec=FILE --out RUNS [--seeds 0 1 2]

cifar10 and speech are folders with train/<class>/ and test/<class>/ (10 kinds of images; three
spoken words), trec a table with the columns split, label and text (6 kinds of questions). NAT is
trained on all training samples without labels, once for each seed; then the protocol ``semi`` is
run for each part of the labels, which the seed draws. Weight and share of the classifier are the
protocol's defaults, which were chosen on CIFAR-10: on training images that were set aside.
Supervised training and fine-tuning have NAT's optimiser and learning rate, 20 epochs of the
labelled samples, and as many updates as UPDATES says at least. Results are kept one by one, so that
a benchmark that is stopped goes on; ``--record`` adds to what the file holds, seeds or sets.
"""

import argparse
import json
from importlib import metadata
from pathlib import Path

from trained import ATTRACTION, cell, train_or_resume

import natlib
from natlib.protocols import FineTuning, Semi, run_protocol

# Modality, settings of the run of NAT.
SETTINGS: dict[str, tuple[str, list[str]]] = {
    "cifar10": (
        "image",
        [
            *ATTRACTION,
            "encoder={kind: convnet, widths: [16, 32, 64, 128, 128]}",
            "training.precision=bf16",
            "training.epochs=8",
            "data.max_samples=5000",
        ],
    ),
    "speech": (
        "audio",
        ["encoder={kind: audio_convnet, widths: [16, 32, 64]}", "training.epochs=15"],
    ),
    "trec": ("text", ["encoder.kind=bag_of_ngrams", "data.length=128"]),
}
Results = dict[str, dict[str, list[dict]]]
COMMON = ["training.device=cpu", "training.workers=0", "training.knn_every_epochs=null"]
# The learning rate is that of NAT.
UPDATES = {"cifar10": 400, "speech": 200, "trec": 100}


def trained(name: str, source: str, seed: int, arguments: argparse.Namespace) -> Path:
    """A run of NAT on all samples, made unless it is there."""
    folder = arguments.out / f"{name}-{seed}"
    modality, settings = SETTINGS[name]
    seeds = [f"training.seed={seed}", f"evaluation.seed={seed}"]
    if modality == "image":
        seeds.append(f"data.subset_seed={seed}")
    config = natlib.compose(
        modality,
        preset="nat",
        options={"data": {"source": source}},
        settings=[*COMMON, *settings, *seeds, *arguments.settings],
    )
    train_or_resume(config, folder)
    return folder


def evaluated(name: str, run: Path, part: str, seed: int) -> dict:
    """Accuracies of all rows with one part of the labels, measured unless that has been done."""
    kept = run / f"semi-{part}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    amount = (float(part[:-1]) / 100,) if part.endswith("%") else ()
    protocol = Semi(
        fractions=amount,
        per_class=() if amount else (int(part),),
        seeds=1,
        finetune=FineTuning(epochs=20, min_updates=UPDATES[name], learning_rates=(4e-3,)),
    )
    result = run_protocol(run, protocol, settings=[f"evaluation.seed={seed}"])
    (column,) = result.columns
    values = {
        "seed": seed,
        "part": column,
        "labels": result.details.more["labels"][column],
        "rows": {row: round(figures[column].value, 2) for row, figures in result.rows.items()},
        "pseudo_label_accuracy": {
            row: round(said[column][0]["pseudo_label_accuracy"], 2)
            for row, said in result.details.chosen.items()
            if "pseudo_label_accuracy" in said[column][0]
        },
    }
    kept.write_text(json.dumps(values, indent=1) + "\n")
    return values


def merged(known: Results, found: Results) -> Results:
    """Both, by set and part; a seed that is in both is taken from ``found``."""
    both: Results = {}
    for name in known | found:
        for part in known.get(name, {}) | found.get(name, {}):
            runs = known.get(name, {}).get(part, []) + found.get(name, {}).get(part, [])
            by_seed = {one["seed"]: one for one in runs}
            both.setdefault(name, {})[part] = [by_seed[seed] for seed in sorted(by_seed)]
    return both


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", metavar="SET=PATH")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--parts", nargs="+", default=["1%", "10%", "4"], help="1%% 10%% 4, say")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--record", type=Path, help="add the numbers to this file")
    arguments = parser.parse_args()
    found: Results = {}
    for seed in arguments.seeds:
        for pair in arguments.data:
            name, _, source = pair.partition("=")
            run = trained(name, source, seed, arguments)
            for part in arguments.parts:
                result = evaluated(name, run, part, seed)
                found.setdefault(name, {}).setdefault(part, []).append(result)
    if arguments.record and arguments.record.exists():
        found = merged(json.loads(arguments.record.read_text())["sets"], found)
    for name, parts in found.items():
        columns = [f"{runs[0]['part']} ({runs[0]['labels']})" for runs in parts.values()]
        print(f"| {name} | " + " | ".join(columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        for row in next(iter(parts.values()))[0]["rows"]:
            cells = [cell([one["rows"][row] for one in runs]) for runs in parts.values()]
            print(f"| {row} | " + " | ".join(cells) + " |")
        print()
    if arguments.record:
        versions = {name: metadata.version(name) for name in ("natlib", "torch")}
        settings = {name: SETTINGS[name][1] for name in found}
        record = {"versions": versions, "settings": settings, "sets": found}
        arguments.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
