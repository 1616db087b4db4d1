"""Which encoder reads the checkpoint in a folder."""

from pathlib import Path

from natlib.encoders import EncoderRecipe
from natlib.encoders.pretrained import read_settings
from natlib_image.encoders.image_transformer import ImageTransformer
from natlib_image.encoders.timm_network import Timm

__all__ = ["recipe_in"]


def recipe_in(folder: Path) -> EncoderRecipe:
    """The recipe of an encoder with the weights in a folder.

    Raises:
        ConfigError: there is no such folder, or it is none of timm or transformers.
    """
    path = folder.expanduser().absolute()
    values = read_settings(path / "config.json", "timm, or save_pretrained of transformers,")
    if "architecture" in values and "model_type" not in values:
        return Timm(checkpoint=str(path))
    return ImageTransformer(checkpoint=str(path))
