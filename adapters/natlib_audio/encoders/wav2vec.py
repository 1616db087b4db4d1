"""wav2vec 2.0, HuBERT and the like over waveforms, with ``transformers``."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from natlib.component import Condition
from natlib.encoders import Encoder, EncoderRecipe
from natlib.encoders.pooling import pool_stage
from natlib.encoders.pretrained import read_settings
from natlib.errors import ConfigError, one_line
from natlib_audio.encoders.checkpoint import fresh_model, load_checkpoint, read_architecture
from natlib_audio.encoders.pooling import mean_over_time
from natlib_audio.waves import LEVEL

__all__ = ["Wav2Vec"]

# The front end of wav2vec 2.0: a vector for every 320 values, 20 ms at 16 kHz.
_STRIDES = (5, 2, 2, 2, 2, 2, 2)
_KERNELS = (10, 3, 3, 3, 3, 2, 2)


class Wav2Vec(EncoderRecipe):
    """Convolutions over the wave, a transformer encoder, and the mean of its outputs over time.

    By default a small wav2vec 2.0 (Baevski et al., NeurIPS 2020, arXiv 2006.11477) with fresh
    weights; with ``checkpoint``, the wav2vec 2.0, HuBERT, WavLM or data2vec model in that folder.
    """

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("architecture", "layers", "width", "heads", "channels", "dropout"),
            on=("checkpoint",),
            holds=lambda checkpoint: checkpoint is None,
            remedy="set {checkpoint} to null for fresh weights",
        ),
    )

    input_axes: ClassVar[int | None] = 1

    kind: Literal["wav2vec"] = "wav2vec"
    architecture: Literal["wav2vec2", "hubert"] = "wav2vec2"
    """Architecture of a model with fresh weights."""
    layers: PositiveInt = 4
    """Number of layers."""
    width: PositiveInt = 256
    """Width of each layer, and the number of features."""
    heads: PositiveInt = 4
    """Attention heads in each layer."""
    channels: PositiveInt = 128
    """Channels of the convolutions before the layers."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout probability of outputs in training."""
    checkpoint: str | None = None
    """A folder with ``config.json`` and ``model.safetensors``, as ``save_pretrained`` writes it.
    The checkpoint then determines the settings above, and how waves are prepared
    (``preprocessor_config.json``)."""
    config: dict[str, Any] | None = None
    """The checkpoint's ``config.json``; filled in when a run begins, so that a trained model can
    be loaded without the checkpoint that it started from."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self

    def inputs(self) -> dict[str, Any]:
        """See :meth:`EncoderRecipe.inputs`: waves at the checkpoint's rate, scaled as it says.

        Where it wants waves of mean 0 and variance 1, their root mean square is 1: a constant
        offset stays.
        """
        if self.checkpoint is None or self.config is not None:
            return {}  # or filled in before
        folder = Path(self.checkpoint).expanduser()
        values = read_settings(
            folder / "preprocessor_config.json", "save_pretrained", optional=True
        )
        rate = values.get("sampling_rate")
        inputs: dict[str, Any] = {"representation": "waveform"}
        if isinstance(rate, int) and rate > 0:
            inputs["rate"] = rate
        scaled = values.get("do_normalize")
        if isinstance(scaled, bool):
            inputs |= {"equal_level": scaled, "mean": 0.0, "std": LEVEL if scaled else 1.0}
        return inputs

    def completed(self, values: int) -> Self:
        """The recipe with the architecture of its checkpoint filled in.

        Args:
            values: length of an input.

        Raises:
            ConfigError: the checkpoint cannot be read, or inputs are too short.
        """
        recipe = self
        if self.checkpoint is not None:
            folder = Path(self.checkpoint).expanduser().absolute()
            config = read_architecture(folder)
            recipe = self.model_copy(update={"checkpoint": str(folder), "config": config})
        recipe._check_length(values)
        return recipe

    @property
    def pretrained(self) -> str | None:
        """The name of the checkpoint's folder."""
        return None if self.checkpoint is None else Path(self.checkpoint).name

    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        """See :meth:`EncoderRecipe.build`; inputs are [values].

        With a checkpoint, the encoder has the weights of the checkpoint. If its folder is gone,
        they are fresh, and those of a trained model are loaded afterwards.

        Raises:
            ConfigError: the checkpoint cannot be read, or inputs are not waves.
        """
        if len(input_shape) != 1:
            raise ConfigError(
                f"wav2vec needs inputs [values], got {list(input_shape)}; "
                "set data.representation=waveform"
            )
        self._check_length(input_shape[0])
        if self.checkpoint is None:
            return _Wav2Vec(fresh_model(self._architecture()))
        return _Wav2Vec(load_checkpoint(Path(self.checkpoint).expanduser(), self.config))

    def _architecture(self) -> dict[str, Any]:
        """What ``config.json`` would say."""
        if self.config is not None:
            return self.config
        return {
            "model_type": self.architecture,
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": 4 * self.width,
            "conv_dim": [self.channels] * len(_STRIDES),
            "conv_stride": list(_STRIDES),
            "conv_kernel": list(_KERNELS),
            # With it, padding does not change what is computed of the rest.
            "feat_extract_norm": "layer",
            "do_stable_layer_norm": True,
            "num_conv_pos_embeddings": 32,
            "num_conv_pos_embedding_groups": 16 if self.width % 16 == 0 else 1,
            "hidden_dropout": self.dropout,
            "attention_dropout": self.dropout,
            "feat_proj_dropout": self.dropout,
            "activation_dropout": 0.0,
        }

    def _check_length(self, values: int) -> None:
        config = self._architecture()
        left = values
        kernels, strides = config.get("conv_kernel", _KERNELS), config.get("conv_stride", _STRIDES)
        try:
            for kernel, stride in zip(kernels, strides, strict=True):
                left = (left - int(kernel)) // int(stride) + 1
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ConfigError(
                f"the checkpoint's config.json has no valid 'conv_kernel' and 'conv_stride': "
                f"{one_line(error)}; expected as many whole numbers in each"
            ) from error
        if left < 1:
            raise ConfigError(
                f"inputs of {values:,} values are too short for wav2vec, which needs a few hundred "
                f"for one vector; raise data.seconds or data.rate"
            )


class _Wav2Vec(Encoder):
    """A model of ``transformers`` on waves, with an attention mask if it was trained with one."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        # Without annotations.
        self._lengths: Any = model._get_feat_extract_output_lengths
        config: Any = model.config
        self.dim = int(config.hidden_size)
        # The others were trained on padded waves without a mask, as their documentation says.
        self._masked = config.feat_extract_norm == "layer"

    def forward(self, inputs: Tensor) -> Tensor:
        valid = _sounding(inputs)
        output = self.model(inputs, attention_mask=self._mask(valid))
        return self._mean(output.last_hidden_state, valid)

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        valid = _sounding(inputs)
        output = self.model(inputs, attention_mask=self._mask(valid), output_hidden_states=True)
        outputs = {}
        # Not every model returns the output of its convolutions: HuBERT does not.
        if "extract_features" in output:
            outputs["convolutions"] = output.extract_features
        for number, layer in enumerate(output.hidden_states):
            outputs[f"layer{number}" if number else "embedding"] = layer
        outputs["features"] = self._mean(output.last_hidden_state, valid)
        return outputs

    def stage_vectors(self, inputs: Tensor, width: int) -> dict[str, Tensor]:
        valid = _sounding(inputs)
        means = {
            name: self._mean(output, valid) if output.ndim == 3 else output
            for name, output in self.stages(inputs).items()
        }
        return {name: pool_stage(mean, width) for name, mean in means.items()}

    def _mask(self, valid: Tensor) -> Tensor | None:
        return valid.long() if self._masked else None

    def _mean(self, outputs: Tensor, valid: Tensor) -> Tensor:
        """The mean over the vectors of values that are not padding."""
        count = self._lengths(valid.sum(1)).clamp(min=1)
        place = torch.arange(outputs.shape[1], device=outputs.device)
        return mean_over_time(outputs.transpose(1, 2), place < count[:, None])


def _sounding(inputs: Tensor) -> Tensor:
    """bool[b, t]: everything up to the last nonzero value of waves float32[b, t]."""
    found = inputs != 0
    last = inputs.shape[1] - 1 - found.flip(1).int().argmax(1)
    last = torch.where(found.any(1), last, inputs.shape[1] - 1)
    return torch.arange(inputs.shape[1], device=inputs.device) <= last[:, None]
