"""An encoder made of named stages in sequence."""

from torch import Tensor, nn

from natlib.encoders.base import Encoder

__all__ = ["StagedEncoder"]


class StagedEncoder(Encoder):
    """Runs its stages one after the other; the last one returns the features.

    Args:
        stages: modules by name, in order.
        dim: f, the number of features that the last stage returns.
    """

    def __init__(self, stages: dict[str, nn.Module], dim: int) -> None:
        super().__init__()
        self.body = nn.ModuleDict(stages)
        self.dim = dim

    def forward(self, inputs: Tensor) -> Tensor:
        for stage in self.body.values():
            inputs = stage(inputs)
        return inputs

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        outputs = {}
        for name, stage in self.body.items():
            inputs = stage(inputs)
            outputs[name] = inputs
        return outputs
