"""Models of ``transformers`` from what a checkpoint holds."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from torch import nn

from natlib.component import nearest
from natlib.encoders.pretrained.folder import read_architecture, read_weights
from natlib.encoders.pretrained.settings import known_settings
from natlib.errors import ConfigError, NatlibError, one_line
from natlib.runtime.log import logger
from natlib.runtime.model_size import no_larger_than

__all__ = ["fresh_model", "load_pretrained", "quiet_transformers"]

# They fetch a kernel from a hub by themselves, whatever their configuration says.
_FETCHING = ("mra", "rwkv", "yoso")
# What comes with torch and transformers.
_BUILT_IN = (None, "eager", "sdpa")


def load_pretrained(
    folder: Path, *, settings: Mapping[str, Any] | None = None, unused: tuple[str, ...] = ()
) -> nn.Module:
    """The model in a folder, with its weights.

    Args:
        folder: a folder that ``save_pretrained`` has written.
        settings: settings that replace those of the folder's ``config.json``.
        unused: parts of names of weights that a checkpoint may lack, as the encoder does not use
            them.

    Raises:
        ConfigError: a file is missing or damaged, the weights do not fit ``config.json``, or the
            model is of a kind that would fetch code.
        CheckpointError: ``config.json`` describes a model that is far larger than the weights.
    """
    architecture = read_architecture(folder)
    # Copies: weights that stay in a file would change with it.
    weights = {name: tensor.clone() for name, tensor in read_weights(folder).items()}
    what = f"config.json of the checkpoint {folder}"
    with quiet_transformers():
        try:
            config, model_class = _described(architecture, settings or {}, what)
            with no_larger_than(weights, what):
                model, report = model_class.from_pretrained(
                    None,
                    config=config,
                    state_dict=weights,
                    use_kernels=False,
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,  # they are an error below, in words of our own
                )
        except NatlibError:
            raise
        except Exception as error:  # transformers raises nearly anything
            raise ConfigError(
                f"the checkpoint {folder} cannot be read: {one_line(error)}; write it again with "
                "save_pretrained, or install what it needs"
            ) from error
    names = sorted(str(name) for name in report["missing_keys"])
    lacking = [name for name in names if not any(part in name for part in unused)]
    if lacking:
        raise ConfigError(
            f"the checkpoint {folder} lacks {len(lacking)} weights ({lacking[0]}, ...); "
            "expected those of the model in its config.json"
        )
    if report.get("mismatched_keys"):
        raise ConfigError(
            f"weights of the checkpoint {folder} have other shapes than its config.json says; "
            "write it again with save_pretrained"
        )
    return _checked(model, what)


def fresh_model(architecture: Mapping[str, Any], *, settings: Mapping[str, Any]) -> nn.Module:
    """A model with fresh weights.

    Args:
        architecture: what ``config.json`` says, or would say.
        settings: settings that replace those.

    Raises:
        ConfigError: there is no such model, the settings do not go together, or it is of a kind
            that would fetch code.
    """
    import transformers

    what = f"the encoder's architecture '{architecture.get('model_type')}'"
    with quiet_transformers():
        try:
            config, _ = _described(architecture, settings, what)
            # In the type of the checkpoint's weights.
            auto: Any = transformers.AutoModel  # without annotations
            return _checked(auto.from_config(config), what)
        except NatlibError:
            raise
        except Exception as error:  # transformers raises nearly anything
            raise ConfigError(
                f"{what} cannot be built: {one_line(error)}; install the version of transformers "
                "that the run was made with"
            ) from error


def _described(
    architecture: Mapping[str, Any], settings: Mapping[str, Any], what: str
) -> tuple[Any, Any]:
    """Configuration and class of the model that an architecture describes."""
    from transformers import CONFIG_MAPPING, MODEL_MAPPING

    kind = str(architecture.get("model_type"))
    if kind not in CONFIG_MAPPING:
        known = nearest(kind, list(CONFIG_MAPPING.keys()))
        raise ConfigError(f"{what} names no model of transformers, model_type is {kind!r}; {known}")
    if kind in _FETCHING:
        raise ConfigError(
            f"{what} is a model that fetches code to run (model_type {kind!r}), which natlib does "
            "not do; use another one"
        )
    config_class = CONFIG_MAPPING[kind]
    if config_class.sub_configs_defaults:
        raise ConfigError(
            f"{what} is made of several models (model_type {kind!r}); expected an encoder alone, "
            "so save that part of it with save_pretrained"
        )
    if config_class not in MODEL_MAPPING:
        raise ConfigError(f"{what} is of no encoder (model_type {kind!r}); use another one")
    kept, left_out = known_settings(architecture, config_class)
    if left_out:
        logger.warning(
            "%s: left out %s, which this model does not declare and which could name code",
            what,
            ", ".join(left_out),
        )
    config = config_class(**kept)
    config.update(dict(settings))
    found = MODEL_MAPPING[config_class]
    return config, found[0] if isinstance(found, tuple) else found


def _checked(model: Any, what: str) -> nn.Module:
    """The model, whose attention is one that comes with ``transformers``."""
    used = model.config._attn_implementation
    if used not in _BUILT_IN:
        raise ConfigError(f"{what} asks for the attention {used!r}; expected one that is built in")
    return cast("nn.Module", model)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and no advice on standard error while a model is made."""
    import transformers.utils.logging

    # Without annotations.
    hf: Any = transformers.utils.logging
    verbosity, bars = hf.get_verbosity(), hf.is_progress_bar_enabled()
    hf.set_verbosity_error()
    hf.disable_progress_bar()
    try:
        yield
    finally:
        hf.set_verbosity(verbosity)
        if bars:
            hf.enable_progress_bar()
