"""Cross-entropy on the samples that have labels.

Shapes: v views, b samples in the batch, c classes.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from natlib.assignment import check_labels
from natlib.component import register
from natlib.encoders import Head, LinearHead
from natlib.errors import ConfigError
from natlib.objectives.all_gather import all_gather_with_grad
from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.embedding import embed_views, expect_views, to_float32

__all__ = ["Supervised", "SupervisedModule"]


@register
class Supervised(Objective):
    """Cross-entropy of the labelled samples in the batch, from each of their views.

    By itself it is ordinary supervised training on the labelled samples; the encoder, and its
    batch norm, compute the unlabelled ones too.
    """

    kind: Literal["supervised"] = "supervised"
    views: int = Field(default=1, ge=1, le=1024)
    """Augmented views of a sample in a step."""
    head: Head = LinearHead()
    """From features to a logit for each class."""
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Label smoothing: the share of each label that is spread evenly over all classes."""
    classes: int | None = Field(default=None, ge=2)
    """How many classes there are. Filled in when a run begins."""

    @property
    def uses_labels(self) -> bool:
        return True

    def for_classes(self, labelled: Sequence[int]) -> Self:
        if self.classes not in (None, len(labelled)):
            raise ConfigError(
                f"the objective 'supervised' has classes {self.classes}, and the labels have "
                f"{len(labelled)}; leave classes out: it is filled in when a run begins"
            )
        return self.model_copy(update={"classes": len(labelled)})

    def build(self, feature_dim: int, samples: int | None = None) -> "SupervisedModule":
        """See :meth:`Objective.build`.

        Raises:
            ConfigError: ``classes`` is not set.
        """
        if self.classes is None:
            raise ConfigError(
                "the objective 'supervised' does not know the number of classes; set classes, or "
                "call for_classes first"
            )
        return SupervisedModule(self, feature_dim, self.classes)


class SupervisedModule(ObjectiveModule):
    """The classifier of :class:`Supervised`."""

    def __init__(self, config: Supervised, feature_dim: int, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.head: nn.Module = config.head.build(feature_dim, classes)

    def embed(self, features: Tensor) -> Tensor:
        """Logits Tensor[b, c]."""
        return to_float32(self.head(features))

    def class_scores(self, features: Tensor) -> Tensor:
        """The logits."""
        return self.embed(features)

    def forward(
        self,
        features: Iterable[Tensor],
        index: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        views = self.config.views
        z_VBC = embed_views(expect_views(features, views, 0, "supervised"), self.embed)
        own = check_labels(labels, "supervised", self.classes).to(z_VBC.device)
        # A mean over the labelled samples of all processes, whose numbers of them differ.
        all_VBC, known = all_gather_with_grad(z_VBC, axis=1), all_gather_with_grad(own) >= 0
        target = all_gather_with_grad(own)[known].repeat(views)
        scores = all_VBC[:, known].flatten(0, 1)
        if not len(scores):
            # No labelled sample: DistributedDataParallel still waits for a gradient of each weight.
            return ObjectiveOutput(all_VBC.sum() * 0.0, {}, {})
        with torch.autocast(scores.device.type, enabled=False):
            loss = F.cross_entropy(scores, target, label_smoothing=self.config.smoothing)
        right = (scores.detach().argmax(-1) == target).float().mean()
        measures = {"labelled_accuracy": 100.0 * right} if health else {}
        return ObjectiveOutput(loss, {}, measures)
