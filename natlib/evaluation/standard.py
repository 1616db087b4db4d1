"""The evaluation of every run: kNN and a linear probe on trained features and baselines."""

from pathlib import Path

import torch
from torch import Tensor

from natlib.data import Modality, SampleSet
from natlib.data.sparse import rows_of
from natlib.encoders import Encoder
from natlib.evaluation.accuracy import majority_baseline, percent
from natlib.evaluation.config import EvaluationConfig
from natlib.evaluation.embedded_splits import EmbeddedSplits, EvaluationProgress, embed_splits
from natlib.evaluation.five_labels import PER_CLASS, FiveLabels, draw_five, five_labels_accuracy
from natlib.evaluation.knn import knn_predict
from natlib.evaluation.linear import fit_linear_probe
from natlib.evaluation.modes import evaluating
from natlib.evaluation.result import Evaluation, EvaluationDetails, Figure
from natlib.evaluation.splits import find_splits
from natlib.evaluation.start import Start
from natlib.objectives import ObjectiveModule

__all__ = ["STANDARD", "evaluate"]

STANDARD = "standard"
"""What this evaluation is called among protocols."""


def evaluate(
    encoder: Encoder,
    objective: ObjectiveModule | None,
    modality: Modality,
    config: EvaluationConfig,
    start: Start | None,
    *,
    device: torch.device,
    workers: int = 0,
    progress: EvaluationProgress | None = None,
    train: SampleSet | None = None,
    test: SampleSet | None = None,
    cache: Path | None = None,
    seen: Tensor | None = None,
    classifier: ObjectiveModule | None = None,
    source: str | None = None,
    config_hash: str | None = None,
    name: str = "encoder",
) -> Evaluation:
    """Nearest neighbours and linear probes on encoder and head, and on their baselines.

    These are the encoder as it began, raw inputs, and raw inputs reduced to as many numbers as the
    encoder has features; only if ``config.baselines``. One probe sees all labels, another five of
    each class (the mean of five draws). Where training saw labels, a third one sees just those, and
    the classifier of the objective, if it has one, is measured beside it.

    Test samples are embedded and predicted once; whatever a probe chooses, it chooses on a
    validation split of the training samples. Modules and torch's global generators are
    afterwards what they were before.

    Args:
        encoder: what is evaluated.
        objective: its head is evaluated too, if there is one.
        modality: the resolved modality that the encoder was trained with.
        config: settings of the probes.
        start: what the encoder was before it was trained; None where nobody trained it.
        device: what to compute on; encoder and objective must be there.
        workers: processes that decode.
        progress: told about each stage.
        train: the training samples, if they are open already.
        test: the test samples, if they are open already; by default the splits ``test``
            or ``val`` of the source, or a fifth of the training samples.
        cache: a folder in which an index of the source may be kept.
        seen: int64, training samples whose labels training saw; none of them is set aside to
            test on.
        classifier: the objective with the classifier that training gave it, where that is at hand:
            a saved model has none.
        source: where the samples are from, to be noted; None for the source of training.
        config_hash: digest of the run's configuration, to be noted.
        name: what the encoder is called in tables.

    Raises:
        DataError: there are no labels (ask :func:`has_labels` first), or of one class only, or
            samples cannot be read.
        NonFiniteError: an output holds NaN or infinity.
    """
    splits = find_splits(modality, seed=config.seed, train=train, test=test, cache=cache, seen=seen)
    splits.check_classes()
    splits = splits.limited(config.max_train_samples, None, config.seed)
    found = embed_splits(
        encoder, objective, modality, start, splits, config,
        device=device, workers=workers, progress=progress, baselines=config.baselines,
        name=name,
    )  # fmt: skip
    probes = _Probes(found, config, device, seen)
    rows: dict[str, dict[str, Figure]] = {}
    chosen: dict[str, dict[str, float]] = {}
    for done, kind in enumerate(found.names):
        if progress is not None:
            progress("fitting probes", done, len(found.names))
        rows[kind], chosen[kind] = probes.of(kind)
    own = None if classifier is None else probes.of_classifier(classifier)
    names = dict(found.names)
    if own is not None:
        rows["classifier"], names["classifier"] = own, "the run's own classifier"
    if progress is not None:
        progress("fitting probes", len(found.names), len(found.names))
    known_labels, asked_labels = found.train_labels, found.test_labels
    details = EvaluationDetails(
        train_samples=len(known_labels),
        test_samples=len(asked_labels),
        test_split=splits.test_split,
        held_out=splits.held_out,
        unreadable=found.unreadable,
        notes=[*splits.notes, *probes.notes()],
        classes=splits.classes,
        chosen=chosen,
        more={
            "majority": majority_baseline(known_labels, asked_labels),
            "knn_neighbours": min(config.knn_neighbours, len(known_labels)),
            "knn_temperature": config.knn_temperature,
            "reduced_fitted_on": None if found.reduction is None else found.reduction.fitted_on,
        },
    )
    columns = {"knn": "kNN", "linear": "linear probe", "five_per_class": "5 labels per class"}
    if probes.seen is not None:
        columns["seen_labels"] = f"the run's {len(probes.seen):,} labels"
    return Evaluation(
        protocol=STANDARD,
        title=f"Accuracy on {len(asked_labels):,} test samples (%, ± standard error)",
        columns=columns,
        rows=rows,
        names=names,
        details=details,
        settings={"kind": STANDARD},
        source=source,
        seed=config.seed,
        config_hash=config_hash,
        train_fingerprint=splits.train.fingerprint(),
        test_fingerprint=splits.test.fingerprint(),
    )


class _Probes:
    """The probes of every kind of features.

    Attributes:
        seen: positions of the training samples whose labels training saw; None if it saw none.
    """

    def __init__(
        self,
        found: EmbeddedSplits,
        config: EvaluationConfig,
        device: torch.device,
        seen: Tensor | None,
    ) -> None:
        self._found = found
        self._config = config
        self._device = device
        self._five: FiveLabels = draw_five(found.train_labels, found.splits.classes, config.seed)
        self.seen = None
        if seen is not None:
            self.seen = torch.isin(found.splits.train_index, seen.cpu()).nonzero().squeeze(1)

    def of(self, kind: str) -> tuple[dict[str, Figure], dict[str, float]]:
        """Accuracies by column, and the weight decays that were chosen."""
        found, config = self._found, self._config
        train, test = found.train[kind], found.test[kind]
        neighbours = knn_predict(
            train,
            found.train_labels,
            test,
            len(found.splits.classes),
            config.knn_neighbours,
            config.knn_temperature,
            device=self._device,
        )
        figures = {"knn": self._figure(neighbours)}
        figures["linear"], weight_decay = self._linear(train, found.train_labels, test)
        chosen = {"weight_decay": weight_decay}
        figures["five_per_class"] = five_labels_accuracy(
            train, found.train_labels, test, found.test_labels, self._five.draws
        )
        if self.seen is not None:
            labels = found.train_labels[self.seen]
            few = rows_of(train, self.seen)
            figures["seen_labels"], chosen["seen_labels"] = self._linear(few, labels, test)
        return figures, chosen

    def of_classifier(self, objective: ObjectiveModule) -> dict[str, Figure] | None:
        """Accuracy of the objective's classifier, which saw the labels that training saw."""
        if self.seen is None:
            return None
        with evaluating(objective):
            scores = objective.class_scores(self._found.test["encoder"].to(self._device))
        return None if scores is None else {"seen_labels": self._figure(scores.argmax(1).cpu())}

    def notes(self) -> list[str]:
        """What has to be said of the figures."""
        found, notes = self._found, []
        if self._five.fewer:
            some = ", ".join(self._five.fewer[:3])
            notes.append(
                f"{len(self._five.fewer)} of {len(found.splits.classes)} classes have fewer than "
                f"{PER_CLASS} training samples ({some}): all of theirs are drawn"
            )
        if "raw" in found.train and found.reduction is None:
            notes.append(
                f"raw inputs have {found.train['raw'].shape[1]} numbers and the encoder "
                f"{found.train['encoder'].shape[1]} features, so they are not reduced"
            )
        return notes

    def _linear(self, train: Tensor, labels: Tensor, test: Tensor) -> tuple[Figure, float]:
        config = self._config
        probe = fit_linear_probe(
            train,
            labels,
            weight_decays=config.weight_decays,
            validation_fraction=config.validation_fraction,
            seed=config.seed,
            device=self._device,
        )
        return self._figure(probe.predict(test)), probe.weight_decay

    def _figure(self, predicted: Tensor) -> Figure:
        labels = self._found.test_labels
        return Figure.of([percent(predicted, labels)], len(labels))
