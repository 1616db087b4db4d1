"""Vision models of ``transformers``, from a local checkpoint."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from natlib.encoders import Encoder, EncoderRecipe
from natlib.encoders.one_or_more import OneOrMore
from natlib.encoders.pooling import pool_stage
from natlib.encoders.pretrained import (
    are_weights_replaced,
    checkpoint_is_gone,
    fresh_model,
    load_pretrained,
    read_architecture,
    read_settings,
)
from natlib.errors import ConfigError, one_line

__all__ = ["ImageTransformer"]

Pooling = Literal["cls", "mean", "pooler"]
# Never used: images are not masked, and vectors are pooled here.
_UNUSED = ("pooler", "mask_token", "head.")
_PREPROCESSOR = "preprocessor_config.json"


class ImageTransformer(EncoderRecipe):
    """A vision model of ``transformers`` (ViT, DINOv2, SigLIP's vision tower, ConvNeXt).

    Positions are interpolated where images have another size than in the checkpoint's training, if
    the model can do that.
    """

    input_axes: ClassVar[int | None] = 3

    kind: Literal["image_transformer"] = "image_transformer"
    checkpoint: str | None = None
    """A folder with ``config.json`` and ``model.safetensors``, as ``save_pretrained`` writes it;
    needed."""
    pooling: OneOrMore[Pooling] | None = None
    """What becomes the features: ``cls``, the first token; ``mean`` of the patches or over the map;
    ``pooler``, the model's own; several are put side by side. By default ``cls``; for a model
    without such a token ``mean``, and for one that returns maps ``pooler``."""
    architecture: dict[str, Any] | None = None
    """The checkpoint's ``config.json``; filled in when a run begins, so that a trained model can
    be loaded without the checkpoint that it started from."""

    @property
    def pretrained(self) -> str | None:
        """The name of the checkpoint's folder."""
        return None if self.checkpoint is None else Path(self.checkpoint).name

    def inputs(self) -> dict[str, Any]:
        """See :meth:`EncoderRecipe.inputs`: what ``preprocessor_config.json`` says."""
        if self.checkpoint is None or self.architecture is not None:
            return {}  # or filled in before
        folder = self._folder()
        values = read_settings(folder / _PREPROCESSOR, "save_pretrained", optional=True)
        size = _side(values.get("crop_size")) if values.get("do_center_crop") else None
        resize = _side(values.get("size"))
        size = size or resize or _side(read_architecture(folder).get("image_size"))
        if size is None:
            return {}
        inputs: dict[str, Any] = {"size": size, "resize": max(size, resize or size)}
        return inputs | _normalisation(values)

    def completed(self) -> "ImageTransformer":
        """The recipe with the architecture of its checkpoint filled in.

        Raises:
            ConfigError: the checkpoint cannot be read.
        """
        folder = self._folder()
        update = {"checkpoint": str(folder), "architecture": read_architecture(folder)}
        return self.model_copy(update=update)

    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        """See :meth:`EncoderRecipe.build`; inputs are [3, h, w].

        If the folder is gone, weights are fresh, and those of a trained model are loaded
        afterwards.

        Raises:
            ConfigError: the checkpoint cannot be read, or does not take inputs of this shape.
        """
        folder = self._folder()
        settings = {} if self._wants_pooler() else {"vision_use_head": False}
        if self.architecture is not None and (are_weights_replaced() or checkpoint_is_gone(folder)):
            model = fresh_model(self.architecture, settings=settings)
        else:
            unused = tuple(part for part in _UNUSED if part != "pooler" or not self._wants_pooler())
            model = load_pretrained(folder, settings=settings, unused=unused)
        try:
            return _Vision(model, self.pooling, input_shape)
        except ConfigError:
            raise
        except Exception as error:  # models raise nearly anything for another size
            raise ConfigError(
                f"the checkpoint {folder} does not take inputs of {list(input_shape)}: "
                f"{one_line(error)}; set data.size to what it was trained on"
            ) from error

    def _folder(self) -> Path:
        if not self.checkpoint:
            raise ConfigError(
                "the encoder 'image_transformer' needs the folder of a model; set "
                "encoder.checkpoint, or train another encoder from fresh weights"
            )
        return Path(self.checkpoint).expanduser().absolute()

    def _wants_pooler(self) -> bool:
        return self.pooling is not None and "pooler" in self.pooling


class _Vision(Encoder):
    """A vision model of ``transformers`` and a pooling.

    Args:
        model: reads ``pixel_values``.
        pooling: see :attr:`ImageTransformer.pooling`.
        input_shape: of one image.
    """

    def __init__(
        self, model: nn.Module, pooling: tuple[Pooling, ...] | None, input_shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.model = model
        config: Any = model.config
        self._config = config
        was_training = model.training
        model.eval()
        with torch.enable_grad():
            output = self._output(torch.zeros(1, *input_shape))
            self._prefix = self._tokens_before_patches(output.last_hidden_state, input_shape)
            self._pooling: tuple[Pooling, ...] = pooling or (self._default(output),)
            self._check(output)
            features = self._features(output)
            self.dim = int(features.shape[1])
            self._freeze_unused(features)
        model.train(was_training)

    def forward(self, inputs: Tensor) -> Tensor:
        if not len(inputs):  # which some models refuse
            return torch.zeros(0, self.dim, device=inputs.device)
        return self._features(self._output(inputs))

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        output = self._output(inputs, output_hidden_states=True)
        first, *others = output.hidden_states
        outputs = {"embedding": first}
        outputs |= {f"layer{number}": layer for number, layer in enumerate(others, start=1)}
        outputs["features"] = self._features(output)
        return outputs

    def stage_vectors(self, inputs: Tensor, width: int) -> dict[str, Tensor]:
        return {
            name: pool_stage(output.movedim(-1, 1) if output.ndim == 3 else output, width)
            for name, output in self.stages(inputs).items()
        }

    def _output(self, inputs: Tensor, **more: Any) -> Any:
        given: dict[str, Any] = {"pixel_values": inputs, **more}
        if inputs.shape[-1] != getattr(self._config, "image_size", inputs.shape[-1]):
            given["interpolate_pos_encoding"] = True
            if self._config.model_type == "dinov2":  # which always interpolates
                del given["interpolate_pos_encoding"]
        return self.model(**given)

    def _tokens_before_patches(self, values: Tensor, input_shape: tuple[int, ...]) -> int:
        """Tokens that stand for no patch, the class token first; 0 for maps."""
        patch = getattr(self._config, "patch_size", None)
        if values.ndim != 3 or not isinstance(patch, int):
            return 0
        patches = (input_shape[1] // patch) * (input_shape[2] // patch)
        return max(0, values.shape[1] - patches)

    def _default(self, output: Any) -> Pooling:
        if self._prefix:
            return "cls"
        is_map = output.last_hidden_state.ndim == 4
        return "pooler" if is_map and _pooler(output) is not None else "mean"

    def _freeze_unused(self, features: Tensor) -> None:
        """Masks, poolers and the like: several processes would wait for their gradients."""
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            features.sum(), trained, allow_unused=True
        )
        for weight, gradient in zip(trained, found, strict=True):
            if gradient is None:
                weight.requires_grad_(False)

    def _check(self, output: Any) -> None:
        if "cls" in self._pooling and not self._prefix:
            raise ConfigError(
                "encoder.pooling has 'cls', and this model has no class token; use 'mean'"
            )
        if "pooler" in self._pooling and _pooler(output) is None:
            raise ConfigError(
                "encoder.pooling has 'pooler', and this model has none; use 'cls' or 'mean'"
            )

    def _features(self, output: Any) -> Tensor:
        values: Tensor = output.last_hidden_state
        found: dict[str, Tensor] = {}
        if values.ndim == 3:
            found = {"cls": values[:, 0], "mean": values[:, self._prefix :].mean(1)}
        else:
            found = {"mean": values.mean((2, 3))}
        if "pooler" in self._pooling:
            found["pooler"] = output.pooler_output.flatten(1)
        return torch.cat([found[mode] for mode in self._pooling], dim=1)


def _pooler(output: Any) -> Tensor | None:
    found: Tensor | None = getattr(output, "pooler_output", None)
    return found


def _normalisation(values: dict[str, Any]) -> dict[str, Any]:
    """Mean and deviation for pixels from 0 to 1, as ``preprocessor_config.json`` treats them."""
    if not values:
        return {}
    # What a white pixel is before the mean is subtracted.
    factor = values.get("rescale_factor", 1 / 255) if values.get("do_rescale", True) else 1.0
    white = 255.0 * float(factor) if isinstance(factor, int | float) else 1.0
    found = [values.get(name) for name in ("image_mean", "image_std")]
    if not values.get("do_normalize", True):
        found = [[0.0] * 3, [1.0] * 3]
    if not all(isinstance(given, list) and len(given) == 3 for given in found):
        return {}
    mean, std = (tuple(float(each) / white for each in given) for given in found if given)
    return {"mean": mean, "std": std}


def _side(value: Any) -> int | None:
    """The side of a square, in one of the ways that it is written."""
    if isinstance(value, dict):
        value = value.get("shortest_edge", value.get("height"))
    return value if isinstance(value, int) and value > 0 else None
