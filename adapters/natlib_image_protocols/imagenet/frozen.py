"""Frozen features that perceptrons are trained on: encoders up to a feature map, and pixels."""

import torch
from torch import Tensor, nn

from natlib.encoders import Encoder
from natlib.encoders.pooling import pool_stage
from natlib.errors import ConfigError
from natlib.evaluation import Splits
from natlib.evaluation.modes import evaluating
from natlib.protocols import Subject
from natlib.protocols.stages import Stages

__all__ = ["FrozenRows", "last_map"]


class FrozenRows:
    """Features of crops for every row of the table: the encoder, what it was before, raw inputs.

    Args:
        subject: the run.
        splits: gives the training images, for the batch statistics of random weights.
        stage: the stage of the encoders whose output is used; None for :func:`last_map`.
        width: largest number of features.

    Attributes:
        stage: the stage of the encoders whose output is used.
        widths: number of features of each row.

    Raises:
        ConfigError: the encoder has no such stage, or no map.
    """

    def __init__(self, subject: Subject, splits: Splits, stage: str | None, width: int) -> None:
        encoder, shape = subject.model.encoder, subject.modality.input_shape
        self.stage = last_map(encoder, shape) if stage is None else stage
        before = subject.start_encoders(splits.train, splits.train_index)
        both = {"encoder": encoder, **before}
        self._rows: dict[str, nn.Module] = {
            name: Stages(each, width, (self.stage,)) for name, each in both.items()
        }
        self._rows["raw"] = _Pixels(width)
        with evaluating(encoder):
            found = self(torch.zeros(1, *shape, device=subject.device))
        self.widths = {name: features.shape[1] for name, features in found.items()}

    @torch.no_grad()
    def __call__(self, crops: Tensor) -> dict[str, Tensor]:
        """float32[b, f] of each row; encoders must be in evaluation mode.

        Args:
            crops: Tensor[b, 3, s, s] as the modality prepares them.
        """
        return {name: row(crops) for name, row in self._rows.items()}


class _Pixels(nn.Module):
    """The crops themselves, averaged over the finest grid that has at most ``width`` numbers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._width = width

    def forward(self, crops: Tensor) -> Tensor:
        return pool_stage(crops, self._width)


def last_map(encoder: Encoder, input_shape: tuple[int, ...]) -> str:
    """The last stage that returns a map [b, channels, h, w] with more than one position.

    For an ``alexnet`` this is conv5, as in the 2017 paper.

    Raises:
        ConfigError: there is none.
    """
    weight = next(encoder.parameters())
    with evaluating(encoder):
        outputs = encoder.stages(weight.new_zeros(1, *input_shape))
    maps = [name for name, output in outputs.items() if output[0, 0].numel() > 1 < output.ndim - 2]
    if not maps:
        raise ConfigError(
            "no stage of this encoder returns a map [b, channels, height, width]; choose the stage "
            f"to use, --set stage=NAME with one of: {', '.join(outputs)}"
        )
    return maps[-1]
