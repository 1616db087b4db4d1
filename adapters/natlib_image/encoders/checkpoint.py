"""Which encoder reads the checkpoint in a folder."""

from pathlib import Path

from natlib.encoders import EncoderRecipe
from natlib.errors import ConfigError, one_line
from natlib.runtime.reading import read_json
from natlib_image.encoders.image_transformer import ImageTransformer
from natlib_image.encoders.timm_network import Timm

__all__ = ["recipe_in"]


def recipe_in(folder: Path) -> EncoderRecipe:
    """The recipe of an encoder with the weights in a folder.

    Raises:
        ConfigError: there is no such folder, or it is none of timm or transformers.
    """
    path = folder.expanduser().absolute()
    file = path / "config.json"
    try:
        values = read_json(file)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the checkpoint {folder} has no config.json that can be read: {one_line(error)}; "
            "expected a folder that timm or save_pretrained of transformers wrote"
        ) from error
    if isinstance(values, dict) and "architecture" in values and "model_type" not in values:
        return Timm(checkpoint=str(path))
    return ImageTransformer(checkpoint=str(path))
