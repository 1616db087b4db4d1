"""What is the same for every method in a comparison."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.quality.validation import (
    Validation,
    validation_folder,
    validation_speakers,
    validation_table,
)

__all__ = ["ARENAS", "SMALL_CONVNET", "Arena", "Size", "seeded"]


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
        held_out: share of the training samples that settings are evaluated on.
        settings: what all methods share.
        modality: whose preset ``nat`` brings everything else, the views above all.
        validation: how training samples are set aside.
        own: settings of single methods, by their names: lengths in steps that suit longer runs.
        baselines_once: whether the random encoder and raw inputs, which are the same for all
            methods, are evaluated beside one method's final runs only. Where they are large or
            many.
    """

    search: Size
    final: Size
    held_out: float
    settings: tuple[str, ...]
    modality: str = "image"
    validation: Validation = validation_folder
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    baselines_once: bool = False

    def common(self, size: Size, seed: int, *, baselines: bool) -> list[str]:
        """Settings of a run, all but its objective's; evaluated with or without baselines."""
        probes = [] if baselines else ["evaluation.baselines=false"]
        return [*self.settings, *size.settings(), *seeded(seed), *probes]


def seeded(seed: int) -> list[str]:
    """Settings of weights, order, probes and subset."""
    return [f"{key}={seed}" for key in ("training.seed", "evaluation.seed", "data.subset_seed")]


def _swav(warmup: int, frozen: int, queue: int = 2048) -> dict[str, tuple[str, ...]]:
    """In steps: of the shortest runs a sixth without the queue, an epoch with still prototypes."""
    values = {"queue_warmup": warmup, "frozen": frozen, "queue": queue}
    return {"swav": tuple(f"objective.{name}={value}" for name, value in values.items())}


_HEAD = ("objective.views=2", "objective.head.widths=[512]")
# The preset brings views: random resized crop, flip, colour jitter, grey.
_IMAGES = (*_HEAD, "training.batch_size=256")
# Half as wide as the default, and in the precision that every CPU computes in: bf16 takes longer
# than fp32 where it is not built in.
SMALL_CONVNET = "encoder={kind: convnet, widths: [16, 32, 64, 128, 128]}"

ARENAS = {
    # CIFAR-10 and a network that two cores can train.
    "a": Arena(
        search=Size(10_000, 8),
        final=Size(20_000, 15),
        held_out=0.1,
        settings=(*_IMAGES, SMALL_CONVNET, "training.knn_every_epochs=5"),
        own=_swav(warmup=53, frozen=40),
    ),
    # A hundred classes of Tiny ImageNet, 64 x 64, seen as 48 x 48.
    "b": Arena(
        search=Size(7_500, 6),
        final=Size(15_000, 12),
        held_out=0.1,
        settings=(*_IMAGES, SMALL_CONVNET, "data.size=48", "training.knn_every_epochs=4"),
        own=_swav(warmup=30, frozen=30),
        baselines_once=True,
    ),
    # CIFAR-10, all of it, on an accelerator.
    "c": Arena(
        search=Size(45_000, 20),
        final=Size(50_000, 200),
        held_out=0.1,
        settings=(
            *_IMAGES,
            "encoder.kind=resnet",
            "training.precision=bf16",
            "training.knn_every_epochs=20",
        ),
        baselines_once=True,
    ),
    # Three words of Speech Commands; no speaker is both in training and in evaluation.
    "d-audio": Arena(
        search=Size(700, 12),
        final=Size(900, 24),
        held_out=0.2,
        settings=(
            *_HEAD,
            "data.mel.hop=0.016",
            "encoder={kind: audio_convnet, widths: [16, 32, 64]}",
            "training.batch_size=64",
            "training.knn_every_epochs=6",
        ),
        modality="audio",
        validation=validation_speakers,
        own=_swav(warmup=22, frozen=11, queue=512),
    ),
    # Subjective and objective sentences of film reviews: a table with split, label and text.
    "d-text": Arena(
        search=Size(7_000, 10),
        final=Size(8_000, 20),
        held_out=0.1,
        settings=(
            *_HEAD,
            "encoder.kind=bag_of_ngrams",
            "data.length=128",
            "training.batch_size=256",
            "training.knn_every_epochs=5",
        ),
        modality="text",
        validation=validation_table,
        own=_swav(warmup=46, frozen=28),
    ),
}
