"""The encoder contract, projection heads, and encoders that fit any vector."""

from natlib.encoders.base import Encoder, EncoderRecipe
from natlib.encoders.heads import Head, LinearHead, MlpHead
from natlib.encoders.mlp import MlpEncoder
from natlib.encoders.placement import computes_on, data_device, encoders_in, place_encoder
from natlib.encoders.staged import StagedEncoder

__all__ = [
    "Encoder",
    "EncoderRecipe",
    "Head",
    "LinearHead",
    "MlpEncoder",
    "MlpHead",
    "StagedEncoder",
    "computes_on",
    "data_device",
    "encoders_in",
    "place_encoder",
]
