"""The protocol: the same probes on trained features and on their baselines."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from natlib.data import Modality, SampleSet
from natlib.encoders import Encoder, EncoderRecipe
from natlib.evaluation.config import EvaluationConfig
from natlib.evaluation.embedded_splits import EvaluationProgress, embed_splits, positions
from natlib.evaluation.features import encode
from natlib.evaluation.knn import knn_predict
from natlib.evaluation.linear import fit_linear_probe
from natlib.evaluation.result import Accuracy, Evaluation, EvaluationDetails
from natlib.evaluation.splits import Splits, find_splits
from natlib.objectives import ObjectiveModule

__all__ = ["evaluate", "online_knn", "percent"]


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
) -> Evaluation:
    """Nearest neighbours and linear probe on encoder, head, a random encoder and raw inputs.

    The last two only if ``config.baselines``.

    Test samples are embedded and judged once; whatever a probe chooses, it chooses on a
    validation split of the training samples. Modules and torch's global generators are
    afterwards what they were before.

    Args:
        encoder: what is judged.
        objective: its head is judged too.
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

    Raises:
        DataError: there are no labels (ask :func:`has_labels` first), or samples cannot
            be read.
        NonFiniteError: an output holds NaN or infinity.
    """
    splits = find_splits(modality, seed=config.seed, train=train, test=test, cache=cache, seen=seen)
    splits = splits.limited(config.max_train_samples, None, config.seed)
    found = embed_splits(
        encoder, objective, modality, recipe, splits, config,
        device=device, workers=workers, progress=progress, baselines=config.baselines,
    )  # fmt: skip
    known_labels, asked_labels = found.train_labels, found.test_labels
    accuracies: dict[str, Accuracy] = {}
    decays: dict[str, float] = {}
    for done, name in enumerate(found.train):
        if progress is not None:
            progress("fitting probes", done, len(found.train))
        accuracies[name], decays[name] = _judge(
            found.train[name], known_labels, found.test[name], asked_labels,
            len(splits.classes), config, device,
        )  # fmt: skip
    if progress is not None:
        progress("fitting probes", len(found.train), len(found.train))
    details = EvaluationDetails(
        train_samples=len(known_labels),
        test_samples=len(asked_labels),
        test_split=splits.test_split,
        held_out=splits.held_out,
        unreadable=found.unreadable,
        classes=splits.classes,
        majority=percent(known_labels.mode().values.expand_as(asked_labels), asked_labels),
        weight_decays=decays,
        knn_neighbours=min(config.knn_neighbours, len(known_labels)),
        knn_temperature=config.knn_temperature,
        seed=config.seed,
        train_fingerprint=splits.train.fingerprint(),
        test_fingerprint=splits.test.fingerprint(),
    )
    return Evaluation(**accuracies, details=details)


def online_knn(
    encoder: Encoder,
    modality: Modality,
    splits: Splits,
    config: EvaluationConfig,
    *,
    device: torch.device,
    workers: int = 0,
    max_train: int = 5_000,
    max_test: int = 2_000,
) -> float:
    """Accuracy of kNN on encoder features in percent, quick enough to watch training with.

    Args:
        encoder: what is judged.
        modality: what prepares the samples.
        splits: see :func:`find_splits`; found once, before training.
        config: settings of the neighbours and of the random subsets.
        device: what to compute on; the encoder must be there.
        workers: processes that decode.
        max_train: samples that vote, at most.
        max_test: samples that are asked for, at most.
    """
    few = splits.limited(max_train, max_test, config.seed)
    embed = partial(
        encode, modality, encoder=encoder, device=device,
        batch_size=config.batch_size, workers=workers,
    )  # fmt: skip
    known = embed(samples=few.train, index=few.train_index)
    asked = embed(samples=few.test, index=few.test_index)
    predicted = knn_predict(
        known.features["encoder"],
        few.train_labels[positions(known.index, few.train_index)],
        asked.features["encoder"],
        len(few.classes),
        config.knn_neighbours,
        config.knn_temperature,
        device=device,
    )
    return percent(predicted, few.test_labels[positions(asked.index, few.test_index)])


def _judge(
    known: Tensor,
    known_labels: Tensor,
    asked: Tensor,
    asked_labels: Tensor,
    classes: int,
    config: EvaluationConfig,
    device: torch.device,
) -> tuple[Accuracy, float]:
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
    accuracy = Accuracy(
        knn=percent(neighbours, asked_labels),
        linear=percent(probe.predict(asked), asked_labels),
    )
    return accuracy, probe.weight_decay


def percent(predicted: Tensor, labels: Tensor) -> float:
    """Share of predictions that are right, in percent."""
    return 100.0 * float((predicted == labels).double().mean())
