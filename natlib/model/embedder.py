"""A checkpoint as it came, ready to embed samples."""

from pathlib import Path

import torch

from natlib.data import Modality
from natlib.encoders import EncoderRecipe
from natlib.evaluation.modes import untouched_random
from natlib.model.embedding_model import EmbeddingModel

__all__ = ["Embedder"]


class Embedder(EmbeddingModel):
    """An encoder as it came, before anybody has trained it on data of their own.

    Inputs are prepared as its checkpoint says: its tokenizer, the size of images, the rate of
    sounds. What it does not say is as in a run.

        Embedder(encoder="all-MiniLM-L6-v2", modality="text").embed(["a storm at sea"])

    Args:
        encoder: the folder of a checkpoint, or a recipe.
        modality: kind of the modality, or one with settings of its own, a source say.
        device: where the encoder goes.

    Raises:
        ConfigError: the modality reads no checkpoints, or this one cannot be read.
        DataError: the modality's source cannot be read.
        DeviceError: this machine has no such device.
    """

    def __init__(
        self,
        encoder: str | Path | EncoderRecipe,
        modality: str | Modality,
        device: str | torch.device = "cpu",
    ) -> None:
        given: Modality = Modality.resolve(modality)
        recipe = encoder
        if not isinstance(recipe, EncoderRecipe):
            recipe = given.encoder_in(Path(recipe))
        given.check_encoder(recipe)
        resolved = given.for_encoder(recipe).resolved()
        recipe = resolved.complete(recipe)
        with untouched_random(torch.device("cpu")):
            built = recipe.build(resolved.input_shape)
        super().__init__(built.eval(), resolved, recipe)
        self.to(device)

    @property
    def name(self) -> str:
        """What to call it in tables."""
        return f"{self.recipe.pretrained or self.recipe.kind}, as it came"
