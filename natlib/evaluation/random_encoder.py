"""The baseline of every trained encoder: the same network, freshly initialised."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from natlib.data import Modality, SampleSet, load_batches
from natlib.encoders import Encoder, EncoderRecipe
from natlib.encoders.pretrained import weights_replaced
from natlib.evaluation.modes import evaluating, untouched_random

__all__ = ["estimate_batch_norm", "random_encoder"]

_BATCHES = 8


def random_encoder(
    recipe: EncoderRecipe,
    modality: Modality,
    samples: SampleSet,
    index: Tensor,
    *,
    seed: int,
    device: torch.device,
    batch_size: int = 512,
    workers: int = 0,
) -> Encoder:
    """A freshly initialised encoder whose batch norms know the statistics of the data.

    Fresh batch norms normalise by mean 0 and variance 1, that is not at all; features of
    such an encoder may vanish or explode with depth, which would make a weak baseline.
    Here their statistics come from up to eight batches of training samples; no weight
    is trained. The encoder computes in evaluation mode like the trained one.

    Args:
        recipe: how the trained encoder was built.
        modality: what prepares the samples, and knows the shape of an input.
        samples: the training samples.
        index: int64[s], the ones to choose batches from.
        seed: seed of weights and batches.
        device: where the encoder goes.
        batch_size: samples in a batch.
        workers: processes that decode.
    """
    with untouched_random(device):
        # Not torch.manual_seed, which would seed accelerators as well.
        torch.default_generator.manual_seed(seed)
        with weights_replaced():  # not those of a checkpoint
            encoder = recipe.build(modality.input_shape)
        encoder = encoder.to(device)
        if _batch_norms(encoder):
            order = index[torch.randperm(len(index))][: _BATCHES * batch_size]
            batches = [part.tolist() for part in torch.split(order, batch_size)]
            loaded = load_batches(modality, samples, batches, device=device, workers=workers)
            estimate_batch_norm(encoder, (modality.plain(b) for b in loaded if len(b.index) > 1))
    return encoder.eval()


def estimate_batch_norm(encoder: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Set running statistics to the average over batches of inputs; nothing else changes."""
    norms = _batch_norms(encoder)
    momentum = [norm.momentum for norm in norms]
    with evaluating(encoder):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches
            norm.training = True
        for batch in inputs:
            encoder(batch)
    for norm, before in zip(norms, momentum, strict=True):
        norm.momentum = before


def _batch_norms(encoder: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [
        part
        for part in encoder.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats
    ]
