"""The plug-in for time series on UCR sets: NAT beside a random encoder and the raw series.

    python benchmarks/timeseries.py UCRArchive_2018/SwedishLeaf ... --out runs/ucr [--json FILE]

For every set, each candidate augmentation trains on a file that holds the training series alone,
and is evaluated by nearest neighbours on a fifth of them. The best one then trains with every seed,
and only now the test series are read. The plug-in is taken from examples/, installed or not.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from trained import accuracies, cell

import natlib
from natlib.configuration import read_yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "natlib_timeseries"))

from natlib_timeseries.modality import TimeSeries

CANDIDATES = {
    "gentle": {"crop": 0.85, "warp": 0.05, "scale": 0.1, "jitter": 0.05, "mask": 0.1},
    "preset": {"crop": 0.7, "warp": 0.1, "scale": 0.2, "jitter": 0.1, "mask": 0.2},
    "strong": {"crop": 0.5, "warp": 0.2, "scale": 0.4, "jitter": 0.2, "mask": 0.4},
}


def trained(source: Path, augment: str, seed: int, epochs: int, out: Path) -> dict[str, Any]:
    """A run of the preset with another augmentation; one that is there is read, not made again."""
    summary = out / "summary.json"
    if summary.exists():
        found: dict[str, Any] = json.loads(summary.read_text())
        return found
    assert TimeSeries.presets is not None
    values = read_yaml(TimeSeries.presets / "nat.yaml")
    values["data"] = TimeSeries(source=str(source), augment=CANDIDATES[augment])
    # Of the random encoder too, which each seed draws anew.
    values["evaluation"] = {**values.get("evaluation", {}), "seed": seed}
    values["training"] |= {"seed": seed, "epochs": epochs, "device": "cpu", "workers": 0}
    began = time.perf_counter()
    result = natlib.train(natlib.RunConfig.model_validate(values), out, overwrite=True)
    if result.evaluation is None:
        raise SystemExit(f"{out} was interrupted; run the same command again")
    values = {"seconds": time.perf_counter() - began}
    values |= accuracies(result.evaluation)
    summary.write_text(json.dumps(values, indent=2) + "\n")
    return values


def training_series(folder: Path, out: Path) -> Path:
    """A file with the training series of a set, and nothing else."""
    samples = TimeSeries(source=str(folder)).resolved().dataset("train")
    assert samples is not None
    assert samples.labels is not None
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "train.npz", series=samples.array, labels=samples.labels.numpy())
    return out / "train.npz"


def nearest_raw(folder: Path) -> float:
    """Accuracy of the single nearest neighbour among raw series (Euclidean, standardised)."""
    data = TimeSeries(source=str(folder)).resolved()
    found = []
    for split in ("train", "test"):
        samples = data.dataset(split)
        assert samples is not None
        assert samples.labels is not None
        batch = data.collate([samples[index] for index in range(len(samples))])
        found.append((data.raw(batch).double(), samples.labels[batch.index]))
    (known, labels), (asked, wanted) = found
    nearest = torch.cdist(asked, known).argmin(1)
    return 100.0 * float((labels[nearest] == wanted).double().mean())


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Choose the augmentation of a set, then train with every seed."""
    out = arguments.out / folder.name
    alone = training_series(folder, out)
    validation = {
        name: trained(alone, name, 0, arguments.epochs, out / f"choose-{name}")["encoder"]["knn"]
        for name in CANDIDATES
    }
    chosen = max(validation, key=lambda name: validation[name])
    runs = [
        trained(folder, chosen, seed, arguments.epochs, out / f"{chosen}-{seed}")
        for seed in arguments.seeds
    ]
    return {
        "set": folder.name, "epochs": arguments.epochs, "seeds": arguments.seeds,
        "validation knn": validation, "chosen": chosen, "nearest raw": nearest_raw(folder),
        "runs": runs,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    measured = [measure(folder, arguments) for folder in arguments.sets]
    print("| set | features | kNN | linear | raw, 1 nearest | augmentation | training, s |")
    print("|---|---|---|---|---|---|---|")
    for row in measured:
        for part in ("encoder", "head", "start", "raw"):
            accuracies = [[run[part][probe] for run in row["runs"]] for probe in ("knn", "linear")]
            cells = [row["set"], part, *map(cell, accuracies)]
            if part == "encoder":
                seconds = cell([run["seconds"] for run in row["runs"]])
                cells += [f"{row['nearest raw']:.1f}", row["chosen"], seconds]
            print(f"| {' | '.join([*cells, '', '', ''][:7])} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
