"""Detection and classification in a small set in the format of Pascal VOC: NAT beside random.

    python benchmarks/voc.py VOCdevkit/VOC2007 --out runs/voc [--json FILE]

One small encoder is trained on the images that are not evaluated on, without labels. From it, and
from a randomly initialised one, detectors are trained with each seed; each row of each seed chooses
its learning rate on the validation images, and the test images are read after that. Whatever is
there already is not done again.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import natlib
from natlib.evaluation import Figure
from natlib.protocols import compose_protocol, run_protocol

# Small enough for one core: five narrow convolutions, and images of about a quarter of a VGA photo.
RUN = {
    "encoder": {"kind": "convnet", "widths": [16, 32, 64, 128, 128]},
    # A view is a window of about the scale at which the detector sees the image.
    "data": {"size": 64, "resize": 160, "augment": {"crop_scale": [0.08, 0.4]}},
    "training": {
        "workers": 0, "device": "cpu",
        "optimizer": {"kind": "adamw", "learning_rate": 2e-3, "weight_decay": 1e-4},
        "schedule": {"kind": "cosine", "warmup_steps": 40},
    },
}  # fmt: skip
DETECTOR = (
    "batch_size=2", "batch_norm=trained", "regions=64", "proposals=100",
    "head_width=128",
)  # fmt: skip


def once(file: Path, make: Callable[[], Any]) -> dict[str, Any]:
    """What a file holds; made and written if it is not there, with the CPU seconds it took."""
    if not file.exists():
        began = time.process_time()
        made = make()
        seconds = time.process_time() - began
        file.write_text(json.dumps({"cpu_seconds": seconds, "result": made}, indent=2) + "\n")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def train(source: Path, epochs: int, batch_size: int, out: Path) -> str:
    options = {**RUN, "data": {**RUN["data"], "source": str(source)}}
    options["training"] = {**options["training"], "epochs": epochs, "seed": 0}
    options["training"]["batch_size"] = batch_size
    natlib.train(natlib.compose("image", options=options), out, overwrite=True)
    return out.name


def evaluated(run: Path, kind: str, source: Path, seed: int, *settings: str) -> dict[str, Any]:
    result = run_protocol(
        run,
        compose_protocol(kind, settings),
        data=str(source),
        settings=[f"evaluation.seed={seed}"],
    ).model_dump(mode="json")
    result["source"] = source.name
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--epochs", type=int, default=80, help="of the run")
    parser.add_argument("--batch-size", type=int, default=64, help="of the run")
    parser.add_argument("--detector-epochs", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.005, 0.02])
    parser.add_argument("--side", type=int, default=128, help="short side of a detector's images")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    out, source = arguments.out, arguments.source
    out.mkdir(parents=True, exist_ok=True)
    run = out / "nat"
    training = once(
        out / "training.json", lambda: train(source, arguments.epochs, arguments.batch_size, run)
    )
    detector = (
        *DETECTOR,
        f"epochs={arguments.detector_epochs}",
        f"learning_rates={arguments.rates}",
        f"short_side={arguments.side}",
    )
    classification = once(
        out / "classification.json", lambda: evaluated(run, "voc_classification", source, 0)
    )
    seeds = []
    for seed in arguments.seeds:
        found = once(
            out / f"detection-{seed}.json",
            lambda seed=seed: evaluated(run, "voc_detection", source, seed, *detector),
        )
        print(f"seed {seed}: {rows(found)}", flush=True)
        seeds.append(found)
    print("| start of the detector | mAP@0.5 | mAP@0.5, 11 points | learning rates |")
    print("|---|---|---|---|")
    for name in seeds[0]["result"]["rows"]:
        cells = [
            str(Figure.of([s["result"]["rows"][name][column]["value"] for s in seeds]))
            for column in ("map_50", "map_50_11")
        ]
        chosen = [s["result"]["details"]["chosen"][name]["learning_rate"] for s in seeds]
        print(f"| {name} | {' | '.join(cells)} | {', '.join(f'{rate:g}' for rate in chosen)} |")
    print(f"classification: {rows(classification)}")
    if arguments.json:
        arguments.json.write_text(
            json.dumps(
                {
                    "run": {**RUN, "epochs": arguments.epochs, "training": training},
                    "detection": dict(zip(map(str, arguments.seeds), seeds, strict=True)),
                    "classification": classification,
                },
                indent=2,
            )
            + "\n"
        )


def rows(found: dict[str, Any]) -> str:
    return "; ".join(
        f"{name} " + ", ".join(f"{column} {each['value']:.1f}" for column, each in row.items())
        for name, row in found["result"]["rows"].items()
    )


if __name__ == "__main__":
    main()
