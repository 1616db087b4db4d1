"""Which settings of a stranger's ``config.json`` reach ``transformers``."""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import fields
from typing import Any

__all__ = ["known_settings"]

# Fields of every configuration class that say nothing of the network: who wrote it, labels of
# classifiers (whose number makes a table of names), and what a call returns.
_OF_NO_USE = {
    "_name_or_path",
    "architectures",
    "id2label",
    "label2id",
    "model_type",
    "name_or_path",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "problem_type",
    "return_dict",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}
# Of several classes that do not declare it; what it names is looked up in tables of transformers.
_OLDER = ("rope_parameters", "rope_scaling")
_OF_LAYERS = "per_layer_config"
# Settings of this kind choose an implementation, a file, a package or a repository.
_CODE = re.compile(
    r"^_|implementation|auto_map|kernels|kernel_config|quantization|remote|plan$|path|backbone|"
    r"backend|fusion_config|repo|pipeline|(^|_)(adapter|class|code|custom|file|files|hub|library|"
    r"module|modules|revision|url|weights)($|_)"
)
# Of no path, address or repository.
_WORD = re.compile(r"\w{1,40}", re.ASCII)
_LAYERS = re.compile(r"(layers?|blocks|depth)$")
_MOST_LAYERS = 10_000
_DTYPES = ("float32", "float16", "bfloat16", "float64")


def known_settings(
    architecture: Mapping[str, Any], config_class: Any
) -> tuple[dict[str, Any], list[str]]:
    """The settings of a ``config.json`` that describe a network.

    These are the fields that the installed class declares, and numbers and single words beside
    them, which another version wrote and the class may still read, unless their names are those of
    code. Everything else is left out. That is every setting that reaches code which is not
    installed: ``auto_map``, ``_attn_implementation`` (a repository of kernels),
    ``quantization_config``, ``transformers_weights`` (another file) and their like, under names
    that are not known today too.

    Args:
        architecture: what ``config.json`` says.
        config_class: the configuration class of ``transformers`` for its ``model_type``.

    Returns:
        The settings, and the names of those left out.

    Raises:
        ValueError: the type of the weights is not one of floating-point numbers, or there are
            more than 10,000 layers.
    """
    declared = {field.name for field in fields(config_class)} | set(config_class.attribute_map)
    kept, left_out = _sorted_out(architecture, declared)
    if isinstance(layers := architecture.get(_OF_LAYERS), dict):
        # Settings of single layers, under the same rules.
        inner = {
            n: _sorted_out(one, declared) for n, one in layers.items() if isinstance(one, dict)
        }
        kept[_OF_LAYERS] = {number: settings for number, (settings, _) in inner.items()}
        left_out = {key for key in left_out if key != _OF_LAYERS}.union(
            *(names for _, names in inner.values())
        )
    dtype = architecture.get("dtype") or architecture.get("torch_dtype")
    kept.pop("dtype", None)
    if dtype is not None:
        kept["dtype"] = str(dtype).removeprefix("torch.")
        if kept["dtype"] not in _DTYPES:
            raise ValueError(f"weights of type {dtype!r}, expected one of: {', '.join(_DTYPES)}")
    for key, value in kept.items():
        if _LAYERS.search(key) and isinstance(value, int) and value > _MOST_LAYERS:
            raise ValueError(f"{key} is {value:,}, expected {_MOST_LAYERS:,} at most")
    return kept, sorted(left_out)


def _sorted_out(settings: Mapping[str, Any], declared: Set[str]) -> tuple[dict[str, Any], set[str]]:
    """The settings to keep, and the names of the others."""
    kept, left_out = {}, set()
    for key, value in settings.items():
        if key in _OF_NO_USE:
            continue
        if key in declared or key in _OLDER or _is_harmless(key, value):
            kept[key] = value
        elif value is not None:
            left_out.add(key)
    return kept, left_out


def _is_harmless(key: str, value: Any) -> bool:
    """Whether a setting that the class does not declare can name no code."""
    values: Iterable[Any] = value if isinstance(value, list) else [value]
    return all(
        (isinstance(one, int | float) and not isinstance(one, bool))
        or (_CODE.search(key) is None and _is_word(one))
        for one in values
    )


def _is_word(value: Any) -> bool:
    return isinstance(value, bool) or (
        isinstance(value, str) and _WORD.fullmatch(value) is not None
    )
