"""Folders that ``sentence-transformers`` has written, read without running anything in them.

``modules.json`` lists what a text goes through: a transformer, a pooling, and perhaps dense layers
and a normalisation. The names of classes in it are compared with those that are known here; none
is imported.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from safetensors import SafetensorError
from torch import Tensor

from natlib.component import Condition, Settings
from natlib.encoders.pretrained import read_settings
from natlib.errors import ConfigError, one_line
from natlib.runtime.reading import read_json
from natlib.runtime.tensors import read_tensors
from natlib_text.encoders.pooling import Pooling

__all__ = [
    "SentenceFolder",
    "TopLayer",
    "read_sentence_folder",
    "top_weights",
    "transformer_folder",
]

_WRITER = "sentence-transformers"
_MODULES = "modules.json"
_PACKAGE = "sentence_transformers."
# By the last part of a class's name; they have moved between modules of the package.
_DENSE, _NORMALIZE, _LAYER_NORM = "Dense", "Normalize", "LayerNorm"
_NOTHING = ("Dropout",)
# How poolings were written before 5.7.
_FLAGS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
Activation = Literal["identity", "tanh", "relu", "gelu", "silu", "sigmoid"]
_ACTIVATIONS: dict[str, Activation] = {
    "torch.nn.modules.linear.Identity": "identity",
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.activation.ReLU": "relu",
    "torch.nn.modules.activation.GELU": "gelu",
    "torch.nn.modules.activation.SiLU": "silu",
    "torch.nn.modules.activation.Sigmoid": "sigmoid",
}
_WEIGHTS = "model.safetensors"


class TopLayer(Settings):
    """A layer after the pooling."""

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("outputs", "bias", "activation"),
            on=("kind",),
            holds=lambda kind: kind == "dense",
            remedy="set {kind} to dense",
        ),
    )

    kind: Literal["dense", "normalize", "layer_norm"]
    """A linear map with an activation, scaling to length 1, or a layer norm."""
    outputs: int | None = None
    """Numbers that a linear map returns."""
    bias: bool = True
    """Whether a linear map adds a bias."""
    activation: Activation = "tanh"
    """What follows a linear map."""


class SentenceFolder(NamedTuple):
    """What a folder of ``sentence-transformers`` says besides the transformer itself.

    Attributes:
        pooling: how outputs for tokens become a vector.
        top: the layers after it.
        paths: the folder of each of these layers.
        length: tokens at most, special ones included; None if it does not say.
        prompt: what is put before each text.
    """

    pooling: tuple[Pooling, ...]
    top: tuple[TopLayer, ...]
    paths: tuple[Path, ...]
    length: int | None
    prompt: str


def transformer_folder(folder: Path) -> Path:
    """The folder of the transformer: the folder itself, or the one that ``modules.json`` names.

    Raises:
        ConfigError: ``modules.json`` cannot be read, or names no transformer first.
    """
    modules = _modules(folder)
    return folder if modules is None else modules[0][1]


def read_sentence_folder(folder: Path) -> SentenceFolder | None:
    """What a folder says; None if ``sentence-transformers`` has not written it.

    Raises:
        ConfigError: a file cannot be read, or asks for what natlib does not have.
    """
    modules = _modules(folder)
    if modules is None:
        return None
    pooling: tuple[Pooling, ...] = ("mean",)
    top, paths = [], []
    for name, path in modules[1:]:
        values = (
            read_settings(path / "config.json", _WRITER)
            if name not in (_NORMALIZE, *_NOTHING)
            else {}
        )
        if name == "Pooling":
            pooling = _pooling(values, path)
        elif name == _DENSE:
            top.append(_dense(values, path))
            paths.append(path)
        elif name in (_NORMALIZE, _LAYER_NORM):
            top.append(TopLayer(kind="normalize" if name == _NORMALIZE else "layer_norm"))
            paths.append(path)
        elif name not in _NOTHING:
            raise ConfigError(
                f"the checkpoint {folder} has a module '{name}', which natlib does not have; "
                "expected a Transformer, then Pooling, Dense, LayerNorm, Dropout or Normalize"
            )
    return SentenceFolder(
        pooling, tuple(top), tuple(paths), _length(modules[0][1]), _prompt(folder)
    )


def top_weights(found: SentenceFolder) -> dict[str, Tensor]:
    """The weights of the layers after the pooling, as a module list of them names them.

    Raises:
        ConfigError: a file is missing, damaged or of another kind.
    """
    weights: dict[str, Tensor] = {}
    for number, (layer, path) in enumerate(zip(found.top, found.paths, strict=True)):
        if layer.kind == "normalize":
            continue
        try:
            tensors = read_tensors(path / _WEIGHTS)
        except (OSError, SafetensorError) as error:
            raise ConfigError(
                f"{path / _WEIGHTS} cannot be read: {one_line(error)}; save the model again with "
                "sentence-transformers, as safetensors"
            ) from error
        weights |= {f"{number}.{name}": tensor.clone() for name, tensor in tensors.items()}
    return weights


def _modules(folder: Path) -> list[tuple[str, Path]] | None:
    """Name and folder of each module, in order; None without ``modules.json``."""
    file = folder / _MODULES
    if not file.is_file():
        return None
    try:
        listed = [(str(each["type"]), str(each["path"])) for each in read_json(file)]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(
            f"{file} cannot be read: {one_line(error)}; save the model again with "
            "sentence-transformers"
        ) from error
    for name, path in listed:
        if not name.startswith(_PACKAGE):
            raise ConfigError(
                f"{file} names the class {name!r}, which is code that natlib does not run; "
                "expected classes of sentence_transformers"
            )
        if Path(path).name != path:
            raise ConfigError(f"{file} names the folder {path!r}; expected one inside {folder}")
    if not listed or not listed[0][0].endswith(".Transformer"):
        first = listed[0][0] if listed else "nothing"
        raise ConfigError(f"{file} begins with {first}; expected a Transformer")
    return [(name.rpartition(".")[2], folder / path) for name, path in listed]


def _length(folder: Path) -> int | None:
    """Tokens at most: its own number, or else the tokenizer's, if there are as many positions."""
    own = read_settings(folder / "sentence_bert_config.json", _WRITER, optional=True).get(
        "max_seq_length"
    )
    if isinstance(own, int) and own > 0:
        return own
    known = (
        read_settings(folder / "tokenizer_config.json", _WRITER, optional=True).get(
            "model_max_length"
        ),
        read_settings(folder / "config.json", _WRITER, optional=True).get(
            "max_position_embeddings"
        ),
    )
    return min((each for each in known if isinstance(each, int) and each > 0), default=None)


def _pooling(values: dict[str, Any], path: Path) -> tuple[Pooling, ...]:
    given = values.get("pooling_mode")
    if given is None:
        modes: list[Any] = [mode for flag, mode in _FLAGS.items() if values.get(flag)] or ["mean"]
    else:
        modes = [given] if isinstance(given, str) else list(given)
    unknown = [mode for mode in modes if mode not in get_args(Pooling)]
    if unknown:
        raise ConfigError(
            f"{path / 'config.json'} names the pooling {unknown[0]!r}; expected one of: "
            f"{', '.join(get_args(Pooling))}"
        )
    if values.get("include_prompt") is False:
        raise ConfigError(
            f"{path / 'config.json'} leaves the prompt out of the pooling (include_prompt), which "
            "natlib does not; use another checkpoint"
        )
    return tuple(modes)


def _dense(values: dict[str, Any], path: Path) -> TopLayer:
    named = str(values.get("activation_function", "torch.nn.modules.activation.Tanh"))
    outputs = values.get("out_features")
    known = named in _ACTIVATIONS
    if not known or not isinstance(outputs, int) or values.get("use_residual"):
        what = "use_residual" if known else f"the activation {named!r}"
        raise ConfigError(
            f"{path / 'config.json'} has {what}, which natlib does not have; expected a linear map "
            f"with one of: {', '.join(sorted(_ACTIVATIONS.values()))}"
        )
    if values.get("module_input_name", "sentence_embedding") != "sentence_embedding":
        raise ConfigError(
            f"{path / 'config.json'} maps tokens rather than texts (module_input_name), which "
            "natlib does not; use another checkpoint"
        )
    return TopLayer(
        kind="dense",
        outputs=outputs,
        bias=values.get("bias", True) is not False,
        activation=_ACTIVATIONS[named],
    )


def _prompt(folder: Path) -> str:
    """The text that is put before each text unless another one is asked for."""
    values = read_settings(folder / "config_sentence_transformers.json", _WRITER, optional=True)
    prompts, default = values.get("prompts"), values.get("default_prompt_name")
    if not isinstance(prompts, dict) or default is None:
        return ""
    prompt = prompts.get(default)
    return prompt if isinstance(prompt, str) else ""
