"""Encoder and objective as one module."""

from collections.abc import Sequence

from torch import Tensor, nn

from natlib.encoders import Encoder
from natlib.objectives import ObjectiveModule, ObjectiveOutput
from natlib.training.micro_batch import encode_in_parts

__all__ = ["Learner"]


class Learner(nn.Module):
    """All that is trained, wrapped for several processes, and saved.

    Args:
        encoder: from views to features, with its initial weights.
        objective: from the features of all views, and of its extra inputs, to a loss.
    """

    def __init__(self, encoder: Encoder, objective: ObjectiveModule) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective
        objective.on_start(encoder)

    def forward(
        self,
        views: Sequence[Tensor],
        index: Tensor,
        *,
        labels: Tensor | None = None,
        epoch: int,
        health: bool,
        parts: int = 1,
    ) -> ObjectiveOutput:
        """One step.

        Args:
            views: v tensors [b, ...], the encoder's inputs.
            index: see :meth:`ObjectiveModule.forward`, as for what is not explained here.
            labels: likewise.
            epoch: likewise.
            health: likewise.
            parts: in how many parts a batch goes through the encoder, to save memory.
        """
        inputs = [*views, *self.objective.extra_inputs(views)]
        # A generator, so that the objective can match one view while the next is computed.
        features = (encode_in_parts(self.encoder, each, parts) for each in inputs)
        output: ObjectiveOutput = self.objective(
            features, index, labels=labels, epoch=epoch, health=health
        )
        return output
