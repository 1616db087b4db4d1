"""Evaluation protocols, and what they evaluate."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from natlib.component import Component, Registry
from natlib.data import Modality, SampleSet, training_labels, training_samples
from natlib.encoders import Encoder
from natlib.evaluation import (
    EmbeddedSplits,
    Evaluation,
    EvaluationConfig,
    EvaluationDetails,
    EvaluationProgress,
    Figure,
    Splits,
    Start,
    embed_splits,
    find_splits,
    random_encoder,
)
from natlib.families import PROTOCOLS
from natlib.model import EmbeddingModel
from natlib.training import RunConfig, RunDirectory, start_of

__all__ = ["Protocol", "Subject"]


def _silent(stage: str, done: int, total: int) -> None:
    return None


@dataclass(frozen=True)
class Subject:
    """A trained run, or a checkpoint as it came, as a protocol sees it.

    Attributes:
        model: encoder, head, modality and encoder recipe of a run, on ``device``.
        modality: the model's, with the source of the samples to evaluate on.
        config: the configuration of the run.
        evaluation: settings that protocols share: seed, sizes, share of the validation split.
        directory: the run directory.
        source: the source that was asked for; None for the run's own.
        workers: processes that decode.
        progress: told about each stage.
        name: what the encoder is called in tables.
    """

    model: EmbeddingModel
    modality: Modality
    config: RunConfig
    evaluation: EvaluationConfig
    directory: RunDirectory
    source: str | None = None
    workers: int = 0
    progress: EvaluationProgress = field(default=_silent)
    name: str = "encoder"

    @property
    def device(self) -> torch.device:
        """The device to compute on."""
        return self.model.device

    @property
    def start(self) -> Start | None:
        """What the encoder was before it was trained; None where nobody trained it."""
        if self.model.with_head is None:
            return None
        return start_of(self.config, self.directory)

    @property
    def names(self) -> dict[str, str]:
        """What rows of the encoder, and of what it was before, are called in tables."""
        names = {"encoder": self.name, "raw": "raw inputs"}
        return names if self.start is None else {**names, "start": self.start.name}

    def start_encoders(self, samples: SampleSet, index: torch.Tensor) -> dict[str, Encoder]:
        """The run's encoder as it began, as ``start``; empty where nobody trained it.

        Args:
            samples: where the statistics of its batch norms come from.
            index: int64[n], which of them.

        Raises:
            CheckpointError: the weights that it began with are missing or damaged.
        """
        if self.start is None:
            return {}
        encoder = self.start.encoder(
            self.modality,
            samples,
            index,
            device=self.device,
            batch_size=self.evaluation.batch_size,
            workers=self.workers,
        )
        return {"start": encoder}

    def random_encoder(self, samples: SampleSet, index: torch.Tensor, seed: int) -> Encoder:
        """The run's encoder with random weights, to train from scratch.

        Args:
            samples: where the statistics of its batch norms come from.
            index: int64[n], which of them.
            seed: of the weights.
        """
        return random_encoder(
            self.model.recipe,
            self.modality,
            samples,
            index,
            seed=seed,
            device=self.device,
            batch_size=self.evaluation.batch_size,
            workers=self.workers,
        )

    def training_samples(self) -> tuple[SampleSet, torch.Tensor | None]:
        """The training samples, and int64, those whose labels the run has seen, if any.

        Raises:
            DataError: the source cannot be read.
        """
        if self.source is not None:
            return training_samples(self.modality), None
        labels = self.config.labels
        samples = training_samples(self.modality, labels, self.directory.index)
        return samples, None if labels is None else training_labels(samples, labels).index

    def splits(self) -> Splits:
        """Labelled training and test samples, the former at most ``max_train_samples``.

        Raises:
            DataError: there are no labels, or only one class has samples.
        """
        cache = self.directory.index if self.source is None else None
        train, seen = self.training_samples()
        found = find_splits(
            self.modality, seed=self.evaluation.seed, train=train, cache=cache, seen=seen
        )
        found.check_classes()
        return found.limited(self.evaluation.max_train_samples, None, self.evaluation.seed)

    def embedded(
        self,
        splits: Splits | None = None,
        seen_as: Callable[[Encoder], Encoder] | None = None,
    ) -> EmbeddedSplits:
        """Features of the encoder, its head and their baselines, with their labels.

        Args:
            splits: which samples; by default :meth:`splits`.
            seen_as: wraps the encoder, and what it was, before they embed; the head and reduced
                inputs are then left out.

        Raises:
            DataError: there are no labels, or samples cannot be read.
            NonFiniteError: an output holds NaN or infinity.
        """
        return embed_splits(
            self.model.encoder,
            self.model.with_head if seen_as is None else None,
            self.modality,
            self.start,
            self.splits() if splits is None else splits,
            self.evaluation,
            device=self.device,
            workers=self.workers,
            progress=self.progress,
            seen_as=seen_as,
            name=self.name,
        )


class Protocol(Component):
    """One way to evaluate a run. A plug-in registers its own under ``natlib.protocols``."""

    registry: ClassVar[Registry[Any]] = PROTOCOLS

    @abstractmethod
    def run(self, subject: Subject) -> Evaluation:
        """Evaluate a run beside its baselines.

        Settings are chosen on a validation split of the training samples; test samples are
        predicted once. The model is left as it was.

        Raises:
            DataError: the samples do not fit the protocol; the message says why.
        """

    def result(
        self,
        subject: Subject,
        title: str,
        columns: Mapping[str, str],
        rows: Mapping[str, Mapping[str, Figure | float]],
        details: EvaluationDetails,
        *,
        train_fingerprint: str,
        test_fingerprint: str,
        names: Mapping[str, str] | None = None,
    ) -> Evaluation:
        """An evaluation in which protocol, run and data are filled in.

        Args:
            subject: what was evaluated.
            title: what the table shows, with the unit.
            columns: what each column shows.
            rows: figures of each row by column.
            details: what the figures were measured on.
            train_fingerprint: digest of the training samples.
            test_fingerprint: digest of the test samples.
            names: what rows are called in tables, where not by their keys.
        """
        return Evaluation(
            protocol=self.kind,
            title=title,
            columns=dict(columns),
            rows={
                name: {
                    column: each if isinstance(each, Figure) else Figure(value=each)
                    for column, each in row.items()
                }
                for name, row in rows.items()
            },
            names=dict(names or {}),
            details=details,
            settings=self.model_dump(mode="json"),
            source=subject.source,
            seed=subject.evaluation.seed,
            config_hash=subject.config.digest(),
            train_fingerprint=train_fingerprint,
            test_fingerprint=test_fingerprint,
        )

    def result_on(
        self,
        subject: Subject,
        found: EmbeddedSplits,
        title: str,
        columns: Mapping[str, str],
        rows: Mapping[str, Mapping[str, Figure | float]],
        *,
        chosen: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Evaluation:
        """:meth:`result` of a protocol that works on embedded splits."""
        splits = found.splits
        return self.result(
            subject,
            title,
            columns,
            rows,
            EvaluationDetails(
                train_samples=len(found.train_labels),
                test_samples=len(found.test_labels),
                test_split=splits.test_split,
                held_out=splits.held_out,
                unreadable=found.unreadable,
                notes=splits.notes,
                classes=splits.classes,
                chosen=dict(chosen or {}),
                more=dict(more or {}),
            ),
            train_fingerprint=splits.train.fingerprint(),
            test_fingerprint=splits.test.fingerprint(),
            names={kind: name for kind, name in found.names.items() if kind in rows},
        )
