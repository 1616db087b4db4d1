"""CIFAR-10 on a CPU: the preset ``nat`` and single-view training as in 2017, one network.

    python benchmarks/cifar10.py DATA --out RUNS [--seeds 0 1 2]

DATA is a folder with train/<class>/ and test/<class>/. Both rows have the same small
convnet, samples, epochs, batch size and optimiser; they differ in views, augmentation and
objective. Probes choose their settings on a validation split of the training samples. Runs
that are finished are not made again; interrupted ones are resumed.
"""

import argparse
import json
import statistics
from pathlib import Path

from trained import accuracies, cell, metrics, train_or_resume

import natlib

# The 2017 method in this arena: one view of a weak augmentation, one persistent slot, reassigned in
# every third epoch, no alignment. The optimiser is the other row's.
SINGLE_VIEW = [
    "objective.views=1",
    "objective.assignment={kind: bank, slots: 1, every: 3}",
    "objective.loss={alignment: 0, target_weight: 1, repulsion: null}",
    "objective.targets.dim=128",
    "data.augment.crop_scale=[0.6,1.0]",
    "data.augment.jitter=0",
    "data.augment.grey=0",
]
METHODS = {"nat": [], "2017-style, single view": SINGLE_VIEW}


def run(name: str, settings: list[str], seed: int, arguments: argparse.Namespace) -> dict:
    folder = arguments.out / f"{name.split(',')[0]}-{seed}"
    summary = folder / "summary.json"
    if summary.exists():
        return json.loads(summary.read_text())
    common = [
        "encoder.kind=convnet",
        "training.precision=bf16",
        f"training.seed={seed}",
        f"evaluation.seed={seed}",
        f"data.subset_seed={seed}",
        f"data.max_samples={arguments.max_samples}",
        f"training.epochs={arguments.epochs}",
        f"training.batch_size={arguments.batch_size}",
    ]
    config = natlib.compose(
        "image",
        preset="nat",
        options={"data": {"source": str(arguments.data)}},
        settings=common + settings,
    )
    result = train_or_resume(config, folder)
    # Time of the updates alone, from the log, so that a resumed run counts all of them.
    rates = [line["samples_per_second"] for line in metrics(folder)]
    seconds = arguments.epochs * arguments.max_samples / statistics.harmonic_mean(rates)
    values = {"seconds": seconds} | accuracies(result.evaluation)
    summary.write_text(json.dumps(values, indent=2) + "\n")
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--max-samples", type=int, default=20_000)
    parser.add_argument("--batch-size", type=int, default=256)
    arguments = parser.parse_args()
    results = {
        name: [run(name, settings, seed, arguments) for seed in arguments.seeds]
        for name, settings in METHODS.items()
    }
    print("| features | kNN | linear | training, s |\n|---|---|---|---|")
    for name, runs in results.items():
        for part in ("encoder", "head"):
            found = [[r[part][probe] for r in runs] for probe in ("knn", "linear")]
            seconds = cell([r["seconds"] for r in runs]) if part == "encoder" else ""
            print(f"| {name}, {part} | {' | '.join(map(cell, found))} | {seconds} |")
    first = results["nat"]
    for part in ("start", "raw"):
        found = [[r[part][probe] for r in first] for probe in ("knn", "linear")]
        print(f"| {part} | {' | '.join(map(cell, found))} | |")


if __name__ == "__main__":
    main()
