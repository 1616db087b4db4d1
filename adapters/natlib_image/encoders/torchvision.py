"""Any classification network of torchvision."""

from typing import Any, ClassVar, Literal

import torch
import torchvision.models
from torch import Tensor, nn

from natlib.component import nearest
from natlib.encoders import Encoder, EncoderRecipe
from natlib.encoders.pooling import pool_stage
from natlib.errors import ConfigError, one_line

__all__ = ["Torchvision", "TorchvisionEncoder"]

_CLASSES = 1000
# Modules that hold the blocks of networks whose top-level children are not blocks.
_BODIES = ("features", "layers", "trunk_output", "encoder.layers", "blocks")


class TorchvisionEncoder(Encoder):
    """A torchvision network whose classifier has been removed.

    Stages are the outputs of the network's top-level children, and of the blocks of its body, in
    the order in which they run; the last is ``features``. Maps have the network's own layout
    ([b, h, w, c] in Swin, [b, tokens, c] in ViT).

    Args:
        net: maps images to features Tensor[b, f].
        dim: f.
    """

    def __init__(self, net: nn.Module, dim: int) -> None:
        super().__init__()
        self.net = net
        self.dim = dim

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.net(inputs)
        return features

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}

        def watch(name: str, module: nn.Module) -> Any:
            def keep(_: nn.Module, __: Any, output: Any) -> None:
                if isinstance(output, Tensor):
                    # A copy, since the next activation may work in place.
                    outputs[name] = output.clone()

            return module.register_forward_hook(keep)

        hooks = [watch(name, module) for name, module in _parts(self.net)]
        try:
            features = self.net(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return {**outputs, "features": features}

    def stage_vectors(self, inputs: Tensor, width: int) -> dict[str, Tensor]:
        swin = isinstance(self.net, torchvision.models.SwinTransformer)
        vectors = {}
        for name, output in self.stages(inputs).items():
            last = output.ndim == 3 or (swin and name.startswith(("features.", "norm")))
            vectors[name] = pool_stage(output.movedim(-1, 1) if last else output, width)
        return vectors


class Torchvision(EncoderRecipe):
    """A classification network of torchvision by name, with fresh weights and no classifier.

    Weights are never downloaded.
    """

    input_axes: ClassVar[int | None] = 3

    kind: Literal["torchvision"] = "torchvision"
    name: str = "mobilenet_v3_small"
    """One of ``torchvision.models.list_models(module=torchvision.models)``."""

    def build(self, input_shape: tuple[int, ...]) -> TorchvisionEncoder:
        """See :meth:`EncoderRecipe.build`.

        Raises:
            ConfigError: no such network, or it does not take inputs of this shape.
        """
        known = torchvision.models.list_models(module=torchvision.models)
        if self.name not in known:
            raise ConfigError(
                f"torchvision has no classification network '{self.name}'; "
                f"{nearest(self.name, known)}"
            )
        try:
            net = torchvision.models.get_model(
                self.name, weights=None, **self._arguments(input_shape)
            )
            _remove_classifier(net)
            dim = _features(net, input_shape)
        except (ValueError, RuntimeError, AssertionError) as error:
            reason = one_line(error)
            raise ConfigError(
                f"'{self.name}' does not take inputs of {list(input_shape)}: {reason}; "
                "set data.size to what it was made for"
            ) from error
        return TorchvisionEncoder(net, dim)

    def _arguments(self, input_shape: tuple[int, ...]) -> dict[str, Any]:
        """Arguments of the constructor besides the name."""
        arguments: dict[str, Any] = {}
        if self.name in ("googlenet", "inception_v3"):
            # No auxiliary classifiers, which would make the output a tuple.
            arguments |= {"aux_logits": False, "init_weights": True}
        if self.name.startswith("vit_"):
            arguments["image_size"] = input_shape[-1]
        if self.name.startswith("maxvit"):
            arguments["input_size"] = tuple(input_shape[1:])
        return arguments


def _remove_classifier(net: nn.Module) -> None:
    """Replace the last layer with one output per class by an identity."""
    last = None
    for name, module in net.named_modules():
        width = getattr(module, "out_features", getattr(module, "out_channels", None))
        if isinstance(module, nn.Linear | nn.Conv2d) and width == _CLASSES:
            last = name
    assert last is not None, "no layer with 1000 outputs"
    owner, _, name = last.rpartition(".")
    setattr(net.get_submodule(owner), name, nn.Identity())


@torch.no_grad()
def _features(net: nn.Module, input_shape: tuple[int, ...]) -> int:
    was_training = net.training
    output = net.eval()(torch.zeros(1, *input_shape))
    net.train(was_training)
    if not isinstance(output, Tensor) or output.ndim != 2:
        raise RuntimeError("its output is not a matrix of features")
    return output.shape[1]


def _parts(net: nn.Module) -> list[tuple[str, nn.Module]]:
    parts = []
    for name, module in net.named_modules():
        owner, _, _ = name.rpartition(".")
        if (owner == "" or owner in _BODIES) and not isinstance(module, nn.Identity):
            parts.append((name, module))
    return [(name, module) for name, module in parts if name and name not in _BODIES]
