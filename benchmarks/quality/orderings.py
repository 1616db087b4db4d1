"""What the 2017 paper found about its own method, asked again in small."""

from benchmarks.quality.arenas import SMALL_CONVNET, Size, seeded

__all__ = ["ORDERINGS", "SIZE", "recipe"]

# Twelve epochs: slots are reassigned in four of them.
SIZE = Size(10_000, 12)

_NEVER = ["objective.assignment.unit=step", "objective.assignment.every=1000000000"]

ORDERINGS: dict[str, list[str]] = {
    "as published: Sobel, sphere, every third epoch": [],
    "one-hot targets": ["objective.targets.kind=one_hot"],
    "reassigned in every epoch": ["objective.assignment.every=1"],
    # But for the first batch, whose number is 0.
    "never reassigned": _NEVER,
    "colours": ["encoder.sobel=false"],
}


def recipe(size: Size, seed: int) -> list[str]:
    """Settings over the preset ``nat2017``: small images, a small network, fewer dimensions."""
    return [
        # As 224 of 256 pixels are.
        "data.size=32",
        "data.resize=36",
        SMALL_CONVNET,
        "encoder.sobel=true",
        "objective.targets.dim=128",
        "training.knn_every_epochs=3",
        *size.settings(),
        *seeded(seed),
        f"objective.assignment.seed={seed}",
    ]
