"""Pretrained models of ``transformers`` from local folders, without trusting the folders.

A checkpoint that somebody sent is read as numbers and sizes: nothing is fetched, unpickled or run.
``transformers`` never sees the folder. natlib reads ``config.json`` and the safetensors files,
keeps what the installed model's own configuration class declares, and hands over both.
"""

from natlib.encoders.pretrained.folder import (
    are_weights_replaced,
    checkpoint_is_gone,
    read_architecture,
    read_settings,
    read_weights,
    weights_replaced,
    whole_number,
)
from natlib.encoders.pretrained.models import fresh_model, load_pretrained, quiet_transformers

__all__ = [
    "are_weights_replaced",
    "checkpoint_is_gone",
    "fresh_model",
    "load_pretrained",
    "quiet_transformers",
    "read_architecture",
    "read_settings",
    "read_weights",
    "weights_replaced",
    "whole_number",
]
