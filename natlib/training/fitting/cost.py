"""What an encoder costs to train, timed on random inputs."""

import time
from typing import NamedTuple

import torch

from natlib.encoders import EncoderRecipe
from natlib.training.fitting.activations import activation_bytes

__all__ = ["Cost", "encoder_cost"]

_INPUTS = 16


class Cost(NamedTuple):
    """What a forward and a backward pass cost.

    Attributes:
        seconds: for one input.
        memory: bytes of activations of one input.
    """

    seconds: float
    memory: float


def encoder_cost(recipe: EncoderRecipe, shape: tuple[int, ...], device: torch.device) -> Cost:
    """Time an encoder; leaves the generators as they were.

    Args:
        recipe: of the encoder.
        shape: of an input, of floating-point numbers.
        device: what to compute on.
    """
    with torch.random.fork_rng():
        encoder = recipe.build(shape).to(device).train()
        inputs = torch.randn(_INPUTS, *shape, device=device)
        memory = activation_bytes(encoder, inputs[:2]) / 2
        # The second time nothing is built, loaded or allocated any more.
        for _ in range(2):
            began = time.perf_counter()
            loss = encoder(inputs).square().sum()
            if loss.requires_grad:  # a frozen encoder has no backward pass
                loss.backward()
            seconds = time.perf_counter() - began
    return Cost(seconds / _INPUTS, memory)
