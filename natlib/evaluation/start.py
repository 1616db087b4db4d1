"""The baseline of every trained encoder: the same encoder as it began."""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor

from natlib.data import Modality, SampleSet
from natlib.encoders import Encoder, EncoderRecipe
from natlib.encoders.pretrained import weights_replaced
from natlib.errors import CheckpointError, one_line
from natlib.evaluation.random_encoder import random_encoder
from natlib.runtime.tensors import read_tensors

__all__ = ["Start"]


class Start(NamedTuple):
    """What an encoder was before it was trained.

    Attributes:
        recipe: how it was built.
        seed: of random weights.
        weights: file with the weights that it began with; None if they were random.
        name: what the encoder is called in tables.
    """

    recipe: EncoderRecipe
    seed: int = 0
    weights: Path | None = None
    name: str = "as it began (random)"

    def encoder(
        self,
        modality: Modality,
        samples: SampleSet,
        index: Tensor,
        *,
        device: torch.device,
        batch_size: int = 512,
        workers: int = 0,
    ) -> Encoder:
        """The encoder in evaluation mode.

        Batch norms of random weights get the statistics of training samples, see
        :func:`random_encoder`.

        Args:
            modality: what prepares the samples, and knows the shape of an input.
            samples: the training samples.
            index: int64[s], the ones to take statistics from.
            device: where the encoder goes.
            batch_size: samples in a batch.
            workers: processes that decode.

        Raises:
            CheckpointError: the weights that it began with are missing or damaged.
        """
        if self.weights is None:
            return random_encoder(
                self.recipe, modality, samples, index,
                seed=self.seed, device=device, batch_size=batch_size, workers=workers,
            )  # fmt: skip
        with weights_replaced():
            encoder = self.recipe.build(modality.input_shape)
        try:
            encoder.load_state_dict(read_tensors(self.weights))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(
                f"the weights that the encoder began with cannot be read from {self.weights}: "
                f"{one_line(error)}; restore the file, or set evaluation.baselines to false"
            ) from error
        return encoder.to(device).eval()
