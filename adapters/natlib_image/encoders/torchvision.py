"""Any classification network of torchvision."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
import torchvision.models
from torch import Tensor, nn

from natlib.component import nearest
from natlib.encoders import EncoderRecipe
from natlib.encoders.pretrained import are_weights_replaced
from natlib.errors import ConfigError, one_line
from natlib_image.encoders.network import NetworkEncoder
from natlib_image.encoders.weights import load_state

__all__ = ["Torchvision"]

_CLASSES = 1000
# Of Swin; what follows them is [b, c, h, w] again.
_SWIN = ("features.", "norm")


class Torchvision(EncoderRecipe):
    """A classification network of torchvision by name, without its classifier.

    Weights are fresh, or those of a file; they are never downloaded.
    """

    input_axes: ClassVar[int | None] = 3

    kind: Literal["torchvision"] = "torchvision"
    name: str = "mobilenet_v3_small"
    """One of ``torchvision.models.list_models(module=torchvision.models)``."""
    checkpoint: str | None = None
    """A safetensors file with weights of that network, with or without a classifier."""

    @property
    def pretrained(self) -> str | None:
        """The name of the checkpoint."""
        return None if self.checkpoint is None else Path(self.checkpoint).stem

    def inputs(self) -> dict[str, Any]:
        """See :meth:`EncoderRecipe.inputs`: size, mean and deviation of torchvision's weights."""
        if self.checkpoint is None:
            return {}
        self._check_name()
        known = torchvision.models.get_model_weights(self.name)
        if not len(known):
            return {}
        prepared: Any = known.DEFAULT.transforms()
        size = int(prepared.crop_size[0])
        return {
            "size": size,
            "resize": max(size, int(prepared.resize_size[0])),
            "mean": tuple(prepared.mean),
            "std": tuple(prepared.std),
        }

    def build(self, input_shape: tuple[int, ...]) -> NetworkEncoder:
        """See :meth:`EncoderRecipe.build`.

        Raises:
            ConfigError: no such network, it does not take inputs of this shape, or the checkpoint
                does not fit.
        """
        self._check_name()
        try:
            net = torchvision.models.get_model(
                self.name, weights=None, **self._arguments(input_shape)
            )
            classifier = _remove_classifier(net)
            dim = _features(net, input_shape)
        except (ValueError, RuntimeError, AssertionError) as error:
            reason = one_line(error)
            raise ConfigError(
                f"'{self.name}' does not take inputs of {list(input_shape)}: {reason}; "
                "set data.size to what it was made for"
            ) from error
        if self.checkpoint is not None and not are_weights_replaced():
            load_state(net, Path(self.checkpoint).expanduser(), (classifier,))
        swin = isinstance(net, torchvision.models.SwinTransformer)
        return NetworkEncoder(net, dim, _SWIN if swin else ())

    def _check_name(self) -> None:
        known = torchvision.models.list_models(module=torchvision.models)
        if self.name not in known:
            raise ConfigError(
                f"torchvision has no classification network '{self.name}'; "
                f"{nearest(self.name, known)}"
            )

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


def _remove_classifier(net: nn.Module) -> str:
    """Replace the last layer with one output per class by an identity; returns its name."""
    last = None
    for name, module in net.named_modules():
        width = getattr(module, "out_features", getattr(module, "out_channels", None))
        if isinstance(module, nn.Linear | nn.Conv2d) and width == _CLASSES:
            last = name
    assert last is not None, "no layer with 1000 outputs"
    owner, _, name = last.rpartition(".")
    setattr(net.get_submodule(owner), name, nn.Identity())
    return str(last)


@torch.no_grad()
def _features(net: nn.Module, input_shape: tuple[int, ...]) -> int:
    was_training = net.training
    output = net.eval()(torch.zeros(1, *input_shape))
    net.train(was_training)
    if not isinstance(output, Tensor) or output.ndim != 2:
        raise RuntimeError("its output is not a matrix of features")
    return output.shape[1]
