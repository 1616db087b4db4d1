"""The 2017 paper's protocol: a fresh multilayer perceptron on frozen features."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from natlib.component import Condition, Settings, register
from natlib.data.sparse import is_sparse, rows_of
from natlib.evaluation import Evaluation, Figure, percent, stratified_split
from natlib.evaluation.modes import seeded
from natlib.protocols.base import Protocol, Subject
from natlib.protocols.fitting import cut, decayed, fit_classifier

__all__ = ["Mlp", "MlpTraining"]


class MlpTraining(Settings):
    """The perceptron and its training, by default as in the paper.

    (Linear, batch norm, ReLU, dropout), (linear, batch norm, ReLU), linear; SGD with momentum.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(("dropout",), on=("widths",), holds=bool, remedy="give {widths} at least one"),
    )

    widths: tuple[PositiveInt, ...] = (4096, 4096)
    """Width of each hidden layer."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Dropout after the first of them."""
    epochs: int = Field(default=100, ge=1)
    """Passes over the training samples. The learning rate is constant for a fifth of them and
    then falls as one over the epoch."""
    batch_size: int = Field(default=256, ge=2)
    """Samples in a step."""
    learning_rates: tuple[PositiveFloat, ...] = Field(default=(0.1, 0.01), min_length=1)
    """Learning rates to choose from, on a validation split; the paper's is 0.1."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum."""
    weight_decay: float = Field(default=1e-8, ge=0)
    """Weight decay."""

    def build(self, features: int, classes: int) -> nn.Sequential:
        """A fresh perceptron, from Tensor[b, features] to logits Tensor[b, classes]."""
        layers: list[nn.Module] = []
        for number, width in enumerate(self.widths):
            layers += [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
            layers += [nn.Dropout(self.dropout)] if number == 0 and self.dropout else []
            features = width
        return nn.Sequential(*layers, nn.Linear(features, classes))

    def optimizer(self, module: nn.Module) -> torch.optim.Optimizer:
        """SGD over the weights of a module; its learning rate is set in every step."""
        return torch.optim.SGD(
            module.parameters(), lr=0.1, momentum=self.momentum, weight_decay=self.weight_decay
        )


@register
class Mlp(Protocol):
    """Accuracy of a fresh multilayer perceptron on frozen features, trained as in the paper."""

    kind: Literal["mlp"] = "mlp"
    training: MlpTraining = MlpTraining()
    """How the perceptron is trained."""

    def run(self, subject: Subject) -> Evaluation:
        found = subject.embedded()
        labels, classes = found.train_labels, len(found.splits.classes)
        rows: dict[str, dict[str, Figure]] = {}
        chosen: dict[str, dict[str, Any]] = {}
        for kind, name in found.names.items():
            train, test = found.train[kind], found.test[kind]
            rate, tried = self._choose(subject, name, train, labels, classes)
            module = self._fit(subject, name, train, labels, classes, rate)
            accuracy = percent(_predict(subject, module, test), found.test_labels)
            rows[kind] = {"accuracy": Figure.of([accuracy], len(found.test_labels))}
            chosen[kind] = {"learning_rate": rate, "validation_accuracy": tried}
        return self.result_on(
            subject,
            found,
            "Accuracy on the test samples (%)",
            {"accuracy": "MLP"},
            rows,
            chosen=chosen,
        )

    def _choose(
        self, subject: Subject, name: str, train: Tensor, labels: Tensor, classes: int
    ) -> tuple[float, dict[str, float]]:
        config = subject.evaluation
        rates: Sequence[float] = sorted(set(self.training.learning_rates), reverse=True)
        kept, aside = stratified_split(labels, config.validation_fraction, config.seed)
        if len(rates) == 1 or not len(aside):
            return rates[0], {}
        known, asked = rows_of(train, kept), rows_of(train, aside)
        right = {}
        for rate in rates:
            module = self._fit(subject, name, known, labels[kept], classes, rate)
            right[rate] = percent(_predict(subject, module, asked), labels[aside])
        best = max(rates, key=lambda rate: right[rate])
        return best, {f"{rate:g}": each for rate, each in right.items()}

    def _fit(
        self,
        subject: Subject,
        name: str,
        train: Tensor,
        labels: Tensor,
        classes: int,
        rate: float,
    ) -> nn.Module:
        settings, device = self.training, subject.device
        steps = len(cut(labels, settings.batch_size))
        with seeded(device, subject.evaluation.seed):
            module = settings.build(train.shape[1], classes).to(device)

            def batches(_epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
                for part in cut(torch.randperm(len(labels)), settings.batch_size):
                    yield _dense(train, part, device), labels[part].to(device)

            fit_classifier(
                module,
                settings.optimizer(module),
                batches,
                epochs=settings.epochs,
                steps=steps,
                rate=decayed(rate, settings.epochs),
                told=lambda done, total: subject.progress(f"MLP on {name}", done, total),
            )
        return module


@torch.no_grad()
def _predict(subject: Subject, module: nn.Module, features: Tensor) -> Tensor:
    parts = cut(torch.arange(features.shape[0]), subject.evaluation.batch_size)
    return torch.cat(
        [module(_dense(features, part, subject.device)).argmax(1).cpu() for part in parts]
    )


def _dense(features: Tensor, part: Tensor, device: torch.device) -> Tensor:
    rows = rows_of(features, part)
    return (rows.to_dense() if is_sparse(rows) else rows).to(device)
