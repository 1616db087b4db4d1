"""NAT, other self-supervised objectives, and NAT together with each of them, on CIFAR-10.

    python benchmarks/combined.py DATA --out RUNS [--seeds 0 1 2] [--record FILE]

DATA is a folder with train/<class>/ and test/<class>/. All rows have the same small convnet (half
as wide as the default), images, epochs, batch size and optimiser (that of the preset ``nat``),
without a search for any of them; alone, each objective encodes two inputs per image and step. NAT
is without repulsion. In NAT + partner it has weight 1 and the partner that of PARTNERS, with which
both have gradients of about equal norm in the first epoch (``--calibrate`` trains that epoch and
prints the shares); accuracy did not choose it. Probes choose their settings on a validation split
of the training images. Runs that are finished are not made again; interrupted ones are resumed.
"""

import argparse
import json
import statistics
from importlib import metadata
from pathlib import Path

from trained import ATTRACTION, PROBES, accuracies, cell, metrics, train_or_resume

import natlib
from natlib.objectives import Combined, Objective, Part
from natlib.training import RunConfig

# The objective, and its weight beside NAT.
PARTNERS: dict[str, tuple[Objective, float]] = {
    "rotation": (Objective.resolve({"kind": "rotation", "copies": 1}), 4.0),
    "vicreg": (Objective.resolve("vicreg"), 0.6),
    "nt_xent": (Objective.resolve("nt_xent"), 0.8),
    "sigreg": (Objective.resolve("sigreg"), 3.0),
    "masked": (Objective.resolve("masked"), 4.0),
}


def beside_nat(nat: Objective, partner: str, weight: float | None = None) -> Combined:
    objective, chosen = PARTNERS[partner]
    chosen = chosen if weight is None else weight
    return Combined(
        parts={"nat": Part(objective=nat), partner: Part(objective=objective, weight=chosen)}
    )


def configuration(seed: int, arguments: argparse.Namespace) -> RunConfig:
    return natlib.compose(
        "image",
        preset="nat",
        options={"data": {"source": str(arguments.data)}},
        settings=[
            *ATTRACTION,
            "encoder={kind: convnet, widths: [16, 32, 64, 128, 128]}",
            "training.precision=bf16",
            "training.knn_every_epochs=null",
            f"training.seed={seed}",
            f"evaluation.seed={seed}",
            f"data.subset_seed={seed}",
            f"data.max_samples={arguments.max_samples}",
            f"training.epochs={arguments.epochs}",
            f"training.batch_size={arguments.batch_size}",
        ],
    )


def run(name: str, objective: Objective, seed: int, arguments: argparse.Namespace) -> dict:
    """Train and evaluate, unless that has been done."""
    folder = arguments.out / f"{name.replace(' + ', '-')}-{seed}"
    summary = folder / "summary.json"
    if summary.exists():
        return json.loads(summary.read_text())
    config = configuration(seed, arguments).model_copy(update={"objective": objective})
    result = train_or_resume(config, folder)
    values: dict = {"seed": seed} | accuracies(result.evaluation)
    log = metrics(folder)
    rate = statistics.harmonic_mean([line["samples_per_second"] for line in log])
    values["seconds"] = round(arguments.epochs * arguments.max_samples / rate, 1)
    for measure in sorted(log[-1]):
        if measure.startswith("gradient_cosine"):
            # Of the first and of the last quarter of the run: it changes on the way.
            cosines = [line[measure] for line in log]
            quarter = max(len(cosines) // 4, 1)
            values["cosine_first"] = round(statistics.mean(cosines[:quarter]), 3)
            values["cosine_last"] = round(statistics.mean(cosines[-quarter:]), 3)
    summary.write_text(json.dumps(values, indent=2) + "\n")
    return values


def calibrate(arguments: argparse.Namespace) -> None:
    """Print each partner's share of the gradients of an epoch with weight 1, and what evens it."""
    for name in arguments.partners:
        arguments.epochs = 1
        folder = arguments.out / f"calibration-{name}"
        config = configuration(0, arguments)
        both = beside_nat(config.objective, name, 1.0)
        # Nobody asks how good these features are.
        evaluation = config.evaluation.model_copy(update={"final": False})
        config = config.model_copy(update={"objective": both, "evaluation": evaluation})
        train_or_resume(config, folder)
        share = statistics.mean(line[f"gradient_share_{name}"] for line in metrics(folder))
        print(f"{name}: share {share:.3f} with weight 1, even with {(1 - share) / share:.2g}")


def cells(runs: list[dict], row: str) -> str:
    return " | ".join(cell([one[row][probe] for one in runs]) for probe in PROBES)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--partners", nargs="+", default=list(PARTNERS), choices=list(PARTNERS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--max-samples", type=int, default=10_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--calibrate", action="store_true", help="measure what evens gradients")
    parser.add_argument("--record", type=Path, help="write the numbers here")
    arguments = parser.parse_args()
    if arguments.calibrate:
        calibrate(arguments)
        return
    nat = configuration(0, arguments).objective
    rows: dict[str, Objective] = {"nat": nat}
    rows |= {name: PARTNERS[name][0] for name in arguments.partners}
    rows |= {f"nat + {name}": beside_nat(nat, name) for name in arguments.partners}
    # Seed after seed, so that a benchmark that is stopped has whole tables.
    found: dict[str, list[dict]] = {name: [] for name in rows}
    for seed in arguments.seeds:
        for name, objective in rows.items():
            found[name].append(run(name, objective, seed, arguments))
    print("| objective | kNN | linear | cosine, first and last quarter | training, s |")
    print("|---|---|---|---|---|")
    for name, runs in found.items():
        seconds = statistics.mean(one["seconds"] for one in runs)
        cosines = ""
        if "cosine_first" in runs[0]:
            means = (
                statistics.mean(r[f"cosine_{part}"] for r in runs) for part in ("first", "last")
            )
            cosines = ", ".join(f"{value:.2f}" for value in means)
        print(f"| {name} | {cells(runs, 'encoder')} | {cosines} | {seconds:.0f} |")
    for row in ("start", "raw"):
        print(f"| {row} | {cells(found['nat'], row)} | | |")
    if arguments.record:
        versions = {name: metadata.version(name) for name in ("natlib", "torch")}
        settings = {key: getattr(arguments, key) for key in ("epochs", "max_samples", "batch_size")}
        weights = {name: weight for name, (_, weight) in PARTNERS.items()}
        record = {"versions": versions, **settings, "weights": weights, "rows": found}
        arguments.record.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
