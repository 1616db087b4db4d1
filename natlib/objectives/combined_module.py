"""The module of a weighted sum of objectives.

Shapes: v views, b samples in the batch, f features.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from natlib.errors import ConfigError
from natlib.objectives.base import ObjectiveModule, ObjectiveOutput
from natlib.objectives.part import Part
from natlib.objectives.weight_schedules import ConstantWeight
from natlib.runtime.progress import ProgressReporter, Work

__all__ = ["CombinedModule", "compare_gradients"]


class CombinedModule(ObjectiveModule):
    """The modules of all parts of :class:`Combined`.

    Args:
        parts: the objectives by name, the main one first.
        views: views of a sample in a step.
        feature_dim: f, the number of features of the encoder.
        samples: n, the size of the data set; needed if a part needs it.
    """

    def __init__(
        self, parts: Mapping[str, Part], views: int, feature_dim: int, samples: int | None
    ) -> None:
        super().__init__()
        self.configured = dict(parts)
        self.views = views
        built = {name: part.objective.build(feature_dim, samples) for name, part in parts.items()}
        for name, module in built.items():
            if module.loss_is_sum:
                raise ConfigError(
                    f"the part '{name}' sums its loss over the batch, and parts average; set "
                    f"objective.parts.{name}.objective.loss.reduction to mean"
                )
        self.parts = nn.ModuleDict(built)
        self.shown = _union(module.shown for module in built.values())
        self.timed = _union(module.timed for module in built.values())
        # The number of extra inputs of each part in this step, in the order of the parts.
        self._extra = dict.fromkeys(built, 0)

    @property
    def main(self) -> ObjectiveModule:
        """The main part, the first one."""
        return next(iter(self.modules_by_name().values())).main

    @property
    def head(self) -> nn.Module:  # type: ignore[override]
        """The head of the main part."""
        return self.main.head

    def modules_by_name(self) -> dict[str, ObjectiveModule]:
        """The modules of the parts, the main one first."""
        found = {}
        for name, module in self.parts.items():
            assert isinstance(module, ObjectiveModule)
            found[name] = module
        return found

    def embed(self, features: Tensor) -> Tensor:
        """The main part's embeddings of features Tensor[b, f]."""
        return self.main.embed(features)

    def class_scores(self, features: Tensor) -> Tensor | None:
        """Those of the first part that has a classifier."""
        scores = (each.class_scores(features) for each in self.modules_by_name().values())
        return next((found for found in scores if found is not None), None)

    def on_start(self, encoder: nn.Module) -> None:
        """Call every part's; see :meth:`ObjectiveModule.on_start`."""
        for module in self.modules_by_name().values():
            module.on_start(encoder)

    def after_update(self, encoder: nn.Module, done: float) -> None:
        """Call every part's; see :meth:`ObjectiveModule.after_update`."""
        for module in self.modules_by_name().values():
            module.after_update(encoder, done)

    def extra_inputs(self, views: Sequence[Tensor]) -> list[Tensor]:
        """The extra inputs of all parts, one part after the other."""
        found: list[Tensor] = []
        for name, module in self.modules_by_name().items():
            inputs = module.extra_inputs(views[: self.configured[name].objective.views])
            self._extra[name] = len(inputs)
            found += inputs
        return found

    def take_labels(self, labels: Tensor, classes: Sequence[str]) -> None:
        """See :meth:`ObjectiveModule.take_labels`."""
        for module in self.modules_by_name().values():
            module.take_labels(labels, classes)

    def forward(
        self,
        features: Iterable[Tensor],
        index: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        shared = _SharedFeatures(features)
        losses: dict[str, Tensor] = {}
        named: dict[str, Tensor] = {}
        measures: dict[str, Tensor] = {}
        pseudo_labels: Tensor | None = None
        extra = self.views
        for name, module in self.modules_by_name().items():
            views, own = self.configured[name].objective.views, self._extra[name]
            wanted = [*range(views), *range(extra, extra + own)]
            extra += own
            output = module(shared.take(wanted), index, labels=labels, epoch=epoch, health=health)
            losses[name] = output.loss
            named[name] = output.loss.detach()
            named |= {f"{name}_{part}": value for part, value in output.parts.items()}
            _add_measures(measures, output.health, "" if len(losses) == 1 else f"{name}_")
            pseudo_labels = output.pseudo_labels if pseudo_labels is None else pseudo_labels
        shared.check_count(extra)
        weights = {name: part.weight_in(epoch) for name, part in self.configured.items()}
        loss = torch.stack([weights[name] * losses[name] for name in losses]).sum()
        if health:
            for name, part in self.configured.items():
                if not isinstance(part.schedule, ConstantWeight):
                    measures[f"weight_{name}"] = torch.tensor(weights[name])
            if loss.requires_grad and len(losses) > 1:
                measures |= compare_gradients(losses, weights, shared.seen)
        return ObjectiveOutput(loss, named, measures, pseudo_labels)

    def before_epoch(self, epoch: int) -> Work | None:
        """The work of all parts, one part after the other."""
        found = [module.before_epoch(epoch) for module in self.modules_by_name().values()]
        due = [work for work in found if work is not None]

        def all_of_it(progress: ProgressReporter) -> bool:
            return all(work(progress) for work in due)

        return all_of_it if due else None


class _SharedFeatures:
    """Features, each computed once, when the first part asks for it."""

    def __init__(self, features: Iterable[Tensor]) -> None:
        self._source = iter(features)
        self.seen: list[Tensor] = []

    def take(self, positions: list[int]) -> Iterator[Tensor]:
        """The features at these positions, in this order."""
        for position in positions:
            while len(self.seen) <= position:
                following = next(self._source, None)
                if following is None:
                    return  # the part's own error says what is missing
                self.seen.append(following)
            yield self.seen[position]

    def check_count(self, count: int) -> None:
        """Check that there are no features that no part takes.

        Raises:
            ConfigError: there are more or fewer than ``count``.
        """
        self.seen += self._source
        if len(self.seen) != count:
            raise ConfigError(
                f"the objective 'combined' needs the features of {count} inputs, got "
                f"{len(self.seen)}; encode the views, then what extra_inputs(views) returns"
            )


def _union(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """All texts, each once, in their order."""
    return tuple(dict.fromkeys(text for group in groups for text in group))


def compare_gradients(
    losses: dict[str, Tensor], weights: dict[str, float], features: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Compare the gradients of the parts with respect to the features.

    The gradients of all inputs that were made from a sample are summed, so that parts with
    inputs of their own can be compared: row i of every input belongs to sample i.

    Args:
        losses: scalars, by the name of the part.
        weights: weights of the losses.
        features: tensors [b, f] that the losses were computed from and that require a gradient.

    Returns:
        ``gradient_cosine_A_B``: above 0 the parts agree, below 0 they oppose each other.
        ``gradient_share_A``: the norm of the weighted gradient over the sum of these norms.
    """
    of_samples: dict[str, Tensor] = {}
    for name, loss in losses.items():
        found = torch.autograd.grad(loss, list(features), retain_graph=True, allow_unused=True)
        zero = torch.zeros_like(features[0], dtype=torch.float32)
        of_samples[name] = sum((g.float() for g in found if g is not None), zero).flatten()
    measures = {
        f"gradient_cosine_{one}_{other}": F.cosine_similarity(
            of_samples[one], of_samples[other], dim=0
        )
        for one, other in combinations(losses, 2)
    }
    norms = {name: weights[name] * gradient.norm() for name, gradient in of_samples.items()}
    total = torch.stack(list(norms.values())).sum().clamp_min(torch.finfo(torch.float32).tiny)
    return measures | {f"gradient_share_{name}": norm / total for name, norm in norms.items()}


def _add_measures(measures: dict[str, Tensor], found: dict[str, Tensor], prefix: str) -> None:
    for name, value in found.items():
        if name.endswith("_seconds"):  # of all parts together
            measures[name] = measures.get(name, torch.zeros(())) + value
        else:
            measures[prefix + name] = value
