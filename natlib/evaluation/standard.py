"""The evaluation of every run: kNN and a linear probe on trained features and baselines."""

from pathlib import Path

import torch
from torch import Tensor

from natlib.data import Modality, SampleSet
from natlib.encoders import Encoder, EncoderRecipe
from natlib.evaluation.accuracy import majority_baseline, percent
from natlib.evaluation.config import EvaluationConfig
from natlib.evaluation.embedded_splits import ROWS, EvaluationProgress, embed_splits
from natlib.evaluation.knn import knn_predict
from natlib.evaluation.linear import fit_linear_probe
from natlib.evaluation.result import Evaluation, EvaluationDetails, Figure
from natlib.evaluation.splits import find_splits
from natlib.objectives import ObjectiveModule

__all__ = ["STANDARD", "evaluate"]

STANDARD = "standard"
"""What this evaluation is called among protocols."""


def evaluate(
    encoder: Encoder,
    objective: ObjectiveModule,
    modality: Modality,
    config: EvaluationConfig,
    recipe: EncoderRecipe,
    *,
    device: torch.device,
    workers: int = 0,
    progress: EvaluationProgress | None = None,
    train: SampleSet | None = None,
    test: SampleSet | None = None,
    cache: Path | None = None,
    seen: Tensor | None = None,
    source: str | None = None,
    config_hash: str | None = None,
) -> Evaluation:
    """Nearest neighbours and linear probe on encoder, head, a random encoder and raw inputs.

    The last two only if ``config.baselines``.

    Test samples are embedded and predicted once; whatever a probe chooses, it chooses on a
    validation split of the training samples. Modules and torch's global generators are
    afterwards what they were before.

    Args:
        encoder: what is evaluated.
        objective: its head is evaluated too.
        modality: the resolved modality that the encoder was trained with.
        config: settings of the probes.
        recipe: how the encoder was built, for the random one beside it.
        device: what to compute on; encoder and objective must be there.
        workers: processes that decode.
        progress: told about each stage.
        train: the training samples, if they are open already.
        test: the test samples, if they are open already; by default the splits ``test``
            or ``val`` of the source, or a fifth of the training samples.
        cache: a folder in which an index of the source may be kept.
        seen: int64, training samples whose labels training saw; none of them is set aside to
            test on.
        source: where the samples are from, to be noted; None for the source of training.
        config_hash: digest of the run's configuration, to be noted.

    Raises:
        DataError: there are no labels (ask :func:`has_labels` first), or of one class only, or
            samples cannot be read.
        NonFiniteError: an output holds NaN or infinity.
    """
    splits = find_splits(modality, seed=config.seed, train=train, test=test, cache=cache, seen=seen)
    splits.check_classes()
    splits = splits.limited(config.max_train_samples, None, config.seed)
    found = embed_splits(
        encoder, objective, modality, recipe, splits, config,
        device=device, workers=workers, progress=progress, baselines=config.baselines,
    )  # fmt: skip
    known_labels, asked_labels = found.train_labels, found.test_labels
    rows: dict[str, dict[str, Figure]] = {}
    chosen: dict[str, dict[str, float]] = {}
    for done, kind in enumerate(found.train):
        if progress is not None:
            progress("fitting probes", done, len(found.train))
        rows[ROWS[kind]], weight_decay = _probe(
            found.train[kind], known_labels, found.test[kind], asked_labels,
            len(splits.classes), config, device,
        )  # fmt: skip
        chosen[ROWS[kind]] = {"weight_decay": weight_decay}
    if progress is not None:
        progress("fitting probes", len(found.train), len(found.train))
    details = EvaluationDetails(
        train_samples=len(known_labels),
        test_samples=len(asked_labels),
        test_split=splits.test_split,
        held_out=splits.held_out,
        unreadable=found.unreadable,
        notes=splits.notes,
        classes=splits.classes,
        chosen=chosen,
        more={
            "majority": majority_baseline(known_labels, asked_labels),
            "knn_neighbours": min(config.knn_neighbours, len(known_labels)),
            "knn_temperature": config.knn_temperature,
        },
    )
    return Evaluation(
        protocol=STANDARD,
        title="Accuracy on the test samples (%)",
        columns={"knn": "kNN", "linear": "linear probe"},
        rows=rows,
        details=details,
        settings={"kind": STANDARD},
        source=source,
        seed=config.seed,
        config_hash=config_hash,
        train_fingerprint=splits.train.fingerprint(),
        test_fingerprint=splits.test.fingerprint(),
    )


def _probe(
    known: Tensor,
    known_labels: Tensor,
    asked: Tensor,
    asked_labels: Tensor,
    classes: int,
    config: EvaluationConfig,
    device: torch.device,
) -> tuple[dict[str, Figure], float]:
    neighbours = knn_predict(
        known,
        known_labels,
        asked,
        classes,
        config.knn_neighbours,
        config.knn_temperature,
        device=device,
    )
    probe = fit_linear_probe(
        known,
        known_labels,
        weight_decays=config.weight_decays,
        validation_fraction=config.validation_fraction,
        seed=config.seed,
        device=device,
    )
    accuracies = {
        "knn": Figure(value=percent(neighbours, asked_labels)),
        "linear": Figure(value=percent(probe.predict(asked), asked_labels)),
    }
    return accuracies, probe.weight_decay
