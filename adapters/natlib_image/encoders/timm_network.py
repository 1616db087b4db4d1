"""Any network of timm, fresh or from a local checkpoint."""

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from safetensors import safe_open
from torch import nn

from natlib.component import nearest
from natlib.encoders import EncoderRecipe
from natlib.encoders.pretrained import are_weights_replaced, read_settings
from natlib.errors import ConfigError, one_line
from natlib_image.encoders.network import NetworkEncoder

__all__ = ["Timm"]

# Arguments that the inputs decide, and the classifier of the file.
_OWN = ("img_size", "in_chans", "num_classes")
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


class Timm(EncoderRecipe):
    """A network of timm (PyTorch Image Models) by name, without its classifier.

    Weights are fresh, or those of a local checkpoint; they are never downloaded.
    """

    input_axes: ClassVar[int | None] = 3

    kind: Literal["timm"] = "timm"
    name: str | None = None
    """One of ``timm.list_models()``; by default the one that the checkpoint's folder names."""
    checkpoint: str | None = None
    """A safetensors file with weights of that network, or a folder as timm writes it, with
    ``config.json`` and ``model.safetensors``."""
    arguments: dict[str, bool | int | float | str] | None = None
    """Arguments of the network beside its name, ``{global_pool: max}`` say; by default those that
    the checkpoint's folder gives."""

    @property
    def pretrained(self) -> str | None:
        """The name of the checkpoint."""
        return None if self.checkpoint is None else Path(self.checkpoint).stem

    def inputs(self) -> dict[str, Any]:
        """See :meth:`EncoderRecipe.inputs`: what the checkpoint's ``config.json`` says, or timm."""
        if self.checkpoint is None:
            return {}
        import timm.models

        folder = Path(self.checkpoint).expanduser()
        values: dict[str, Any] = {}
        if folder.is_dir():
            values = _config(folder).get("pretrained_cfg") or {}
        else:
            known = timm.models.get_pretrained_cfg(self._name())
            values = {} if known is None else known.to_dict()
        try:
            size = int(values["input_size"][-1])
            share = float(values.get("crop_pct") or 1.0)
            mean, std = (tuple(map(float, values[name])) for name in ("mean", "std"))
        except (LookupError, TypeError, ValueError):
            return {}
        return {"size": size, "resize": max(size, int(size / share)), "mean": mean, "std": std}

    def completed(self) -> "Timm":
        """The recipe with an absolute path, and the name that the checkpoint's folder gives.

        Raises:
            ConfigError: the checkpoint cannot be read.
        """
        if self.checkpoint is None:
            return self
        path = Path(self.checkpoint).expanduser().absolute()
        update = {"checkpoint": str(path), "name": self._name(), "arguments": self._arguments()}
        return self.model_copy(update=update)

    def build(self, input_shape: tuple[int, ...]) -> NetworkEncoder:
        """See :meth:`EncoderRecipe.build`.

        If the checkpoint is gone when a trained model is built, weights are fresh, and those of the
        model are loaded afterwards.

        Raises:
            ConfigError: no such network, it does not take inputs of this shape, or the checkpoint
                does not fit.
        """
        name = self._name()
        file = None if self.checkpoint is None or are_weights_replaced() else self._file()
        try:
            net = _network(name, input_shape, file, self._arguments())
            dim = _features(net, input_shape)
        except Exception as error:  # timm and its networks raise nearly anything
            where = f" with the weights of {file}" if file is not None else ""
            raise ConfigError(
                f"timm's '{name}'{where} cannot be built for inputs of {list(input_shape)}: "
                f"{one_line(error)[:300]}; name the network that the weights were saved from, or "
                "set data.size to what it was made for"
            ) from error
        return NetworkEncoder(net, dim, ("",) if getattr(net, "output_fmt", "") == "NHWC" else ())

    def _name(self) -> str:
        import timm

        if self.name is None and self.checkpoint is None:
            raise ConfigError("timm needs the name of a network; set encoder.name, resnet18 say")
        name = self.name
        if name is None:
            folder = Path(str(self.checkpoint)).expanduser()
            if not folder.is_dir():
                raise ConfigError(
                    f"the checkpoint {folder} does not say which network of timm it is of; set "
                    "encoder.name"
                )
            name = str(_config(folder).get("architecture", ""))
        if name.partition(".")[0] not in timm.list_models():
            known = timm.list_models()
            raise ConfigError(f"timm has no network '{name}'; {_few(nearest(name, known))}")
        return name

    def _arguments(self) -> dict[str, Any]:
        """What a folder says of its network beside the name.

        Raises:
            ConfigError: an argument is no number and no single word.
        """
        if self.arguments is not None or self.checkpoint is None:
            return dict(self.arguments or {})
        folder = Path(self.checkpoint).expanduser()
        if not folder.is_dir():
            return {}
        config = _config(folder)
        given: dict[str, Any] = {}
        if isinstance(config.get("global_pool"), str):
            given["global_pool"] = config["global_pool"]
        given |= config.get("model_args") or {}
        given = {name: value for name, value in given.items() if name not in _OWN}
        for name, value in given.items():
            plain = isinstance(value, bool | int | float) or (
                isinstance(value, str) and value.isidentifier()
            )
            if not plain or name in ("pretrained", "checkpoint_path", "cache_dir"):
                raise ConfigError(
                    f"{folder / _CONFIG} has the argument {name!r}, {value!r}; expected numbers "
                    "and single words, so save the network without it"
                )
        return given

    def _file(self) -> Path:
        path = Path(str(self.checkpoint)).expanduser()
        file = path / _WEIGHTS if path.is_dir() else path
        if file.suffix != ".safetensors" or not file.is_file():
            raise ConfigError(
                f"the checkpoint {path} is no safetensors file, and no folder with {_WEIGHTS}; "
                "convert weights of another kind with safetensors.torch.save_file"
            )
        return file


def _network(
    name: str, input_shape: tuple[int, ...], file: Path | None, given: dict[str, Any]
) -> nn.Module:
    import timm

    # With the classifier of the file: without it, timm would load whatever fits, and be silent.
    classes = 0 if file is None else _classes(name, file)
    arguments: dict[str, Any] = {**given, "num_classes": classes, "in_chans": input_shape[0]}
    if file is not None:
        overlay = {"file": str(file), "num_classes": classes}
        arguments |= {"pretrained": True, "pretrained_cfg_overlay": overlay}
    try:
        # Transformers need to know; others do not take it.
        net: Any = timm.create_model(name, img_size=input_shape[-1], **arguments)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        net = timm.create_model(name, **arguments)
    if classes:
        # Which also resets the pooling, unless that is named.
        pooling = [given["global_pool"]] if "global_pool" in given else []
        net.reset_classifier(0, *pooling)
    module: nn.Module = net
    return module


def _classes(name: str, file: Path) -> int:
    """How many classes the classifier in a file has; 0 if it has none."""
    import timm.models

    known = timm.models.get_pretrained_cfg(name.partition(".")[0])
    layer = "" if known is None else known.classifier
    layer = layer if isinstance(layer, str) or layer is None else layer[0]
    with safe_open(file, framework="pt") as tensors:
        wanted = f"{layer}.weight"
        names = set(tensors.keys())
        return tensors.get_slice(wanted).get_shape()[0] if wanted in names else 0


def _config(folder: Path) -> dict[str, Any]:
    values = read_settings(folder / _CONFIG, "timm")
    if not isinstance(values.get("architecture"), str):
        raise ConfigError(
            f"{folder / _CONFIG} names no architecture; set encoder.name, and encoder.checkpoint "
            "to the safetensors file"
        )
    return values


@torch.no_grad()
def _features(net: nn.Module, input_shape: tuple[int, ...]) -> int:
    was_training = net.training
    output = net.eval()(torch.zeros(1, *input_shape))
    net.train(was_training)
    if output.ndim != 2:
        raise RuntimeError("its output is not a matrix of features")
    return int(output.shape[1])


def _few(text: str) -> str:
    """Not all thousand names."""
    return re.sub(r"^(expected one of: (?:[^,]+, ){5}).*$", r"\1... (timm.list_models())", text)
