"""Where an encoder computes.

On a GPU of Apple (``mps``) the encoder is alone: views, head, assignment and loss stay on the CPU,
since that GPU has no float64, which matching and targets need, and lacks some operations of the
modalities. The encoder is where the time goes.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from natlib.encoders.base import Encoder

__all__ = ["computes_on", "data_device", "encoders_in", "place_encoder"]

_CPU = torch.device("cpu")
# Types of devices on which an encoder is alone.
_ALONE = frozenset({"mps"})


def data_device(device: torch.device) -> torch.device:
    """Where everything but the encoder is, if the encoder computes on ``device``."""
    return _CPU if device.type in _ALONE else device


def computes_on(encoder: nn.Module) -> torch.device:
    """Where an encoder's weights are."""
    return next((weight.device for weight in encoder.parameters()), _CPU)


def place_encoder(encoder: nn.Module, device: torch.device | str) -> None:
    """Move an encoder to a device.

    On ``mps`` inputs are brought there, and outputs of the encoder and of its stages back. A copy
    of the encoder does the same, and one that is moved to the CPU computes there.
    """
    device = torch.device(device)
    encoder.to(device)
    if data_device(device) == device or "forward" in vars(encoder):
        return
    for name in ("forward", "stages"):
        method = getattr(type(encoder), name, None)
        if method is not None:
            # An attribute of this one encoder, which its class's method is looked up after.
            vars(encoder)[name] = partial(_there_and_back, encoder, method)


def encoders_in(module: nn.Module) -> list[nn.Module]:
    """The encoders that a module holds, a teacher's say; none that is inside of another."""
    found: list[nn.Module] = []
    for child in module.children():
        found += [child] if isinstance(child, Encoder) else encoders_in(child)
    return found


def _there_and_back(encoder: nn.Module, method: Any, inputs: Tensor) -> Any:
    outputs = method(encoder, inputs.to(computes_on(encoder)))
    if isinstance(outputs, Tensor):
        return outputs.to(inputs.device)
    return {name: output.to(inputs.device) for name, output in outputs.items()}
