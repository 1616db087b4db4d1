"""An encoder around a network of another library."""

from typing import Any

from torch import Tensor, nn

from natlib.encoders import Encoder
from natlib.encoders.pooling import pool_stage

__all__ = ["NetworkEncoder"]

# Modules that hold the blocks of networks whose top-level children are not blocks.
_BODIES = (
    *("features", "layers", "trunk_output", "encoder.layers", "blocks", "stages"),
    *("encoder.layer", "encoder.stages", "layer"),
)


class NetworkEncoder(Encoder):
    """A network whose classifier has been removed.

    Stages are the outputs of the network's top-level children, and of the blocks of its body, in
    the order in which they run; the last is ``features``. Maps have the network's own layout
    ([b, h, w, c] in Swin, [b, tokens, c] in ViT).

    Args:
        net: maps images to features Tensor[b, f].
        dim: f.
        channels_last: how names of stages begin whose maps are [b, h, w, c].
    """

    def __init__(self, net: nn.Module, dim: int, channels_last: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.net = net
        self.dim = dim
        self._channels_last = channels_last

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.net(inputs)
        return features

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}

        def watch(name: str, module: nn.Module) -> Any:
            def keep(_: nn.Module, __: Any, output: Any) -> None:
                first = output[0] if isinstance(output, tuple) and output else output
                if isinstance(first, Tensor):
                    # A copy, since the next activation may work in place.
                    outputs[name] = first.clone()

            return module.register_forward_hook(keep)

        hooks = [watch(name, module) for name, module in _parts(self.net)]
        try:
            features = self(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return {**outputs, "features": features}

    def stage_vectors(self, inputs: Tensor, width: int) -> dict[str, Tensor]:
        vectors = {}
        for name, output in self.stages(inputs).items():
            last = output.ndim == 3 or (output.ndim == 4 and name.startswith(self._channels_last))
            vectors[name] = pool_stage(output.movedim(-1, 1) if last else output, width)
        return vectors


def _parts(net: nn.Module) -> list[tuple[str, nn.Module]]:
    parts = []
    for name, module in net.named_modules():
        owner, _, _ = name.rpartition(".")
        if (owner == "" or owner in _BODIES) and not isinstance(module, nn.Identity):
            parts.append((name, module))
    return [(name, module) for name, module in parts if name and name not in _BODIES]
