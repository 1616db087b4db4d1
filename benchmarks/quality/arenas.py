"""What is the same for every method in a comparison."""

from dataclasses import dataclass

__all__ = ["ARENAS", "Arena", "Size"]


@dataclass(frozen=True)
class Size:
    """How much of the data is trained on, and how often."""

    samples: int
    epochs: int

    def settings(self) -> list[str]:
        return [f"data.max_samples={self.samples}", f"training.epochs={self.epochs}"]


@dataclass(frozen=True)
class Arena:
    """Data, network and budget.

    Attributes:
        search: size of the runs that settings are chosen by.
        final: size of the runs that are reported.
        held_out: share of the training images of each class that settings are judged on.
        settings: what all methods share.
    """

    search: Size
    final: Size
    held_out: float
    settings: tuple[str, ...]

    def common(self, size: Size, seed: int) -> list[str]:
        """Settings of a run, all but its objective's."""
        seeds = [
            f"{key}={seed}" for key in ("training.seed", "evaluation.seed", "data.subset_seed")
        ]
        return [*self.settings, *size.settings(), *seeds]


# The preset brings views: random resized crop, flip, colour jitter, grey.
_SHARED = (
    "objective.views=2",
    "objective.head.widths=[512]",
    "training.batch_size=256",
    "training.precision=bf16",
)

ARENAS = {
    # CIFAR-10 and a network that two cores can train.
    "a": Arena(
        search=Size(10_000, 8),
        final=Size(20_000, 15),
        held_out=0.1,
        settings=(*_SHARED, "encoder.kind=convnet", "training.knn_every_epochs=5"),
    ),
    # A hundred classes of Tiny ImageNet, 64 x 64.
    "b": Arena(
        search=Size(7_500, 6),
        final=Size(15_000, 12),
        held_out=0.1,
        settings=(*_SHARED, "encoder.kind=convnet", "training.knn_every_epochs=4"),
    ),
    # CIFAR-10, all of it, on an accelerator.
    "c": Arena(
        search=Size(45_000, 20),
        final=Size(50_000, 200),
        held_out=0.1,
        settings=(*_SHARED, "encoder.kind=resnet", "training.knn_every_epochs=20"),
    ),
}
