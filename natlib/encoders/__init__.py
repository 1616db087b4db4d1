"""The encoder contract, projection heads, and encoders that fit any vector."""

from natlib.encoders.base import Encoder, EncoderRecipe
from natlib.encoders.heads import Head, LinearHead, MlpHead
from natlib.encoders.mlp import MlpEncoder
from natlib.encoders.staged import StagedEncoder

__all__ = [
    "Encoder",
    "EncoderRecipe",
    "Head",
    "LinearHead",
    "MlpEncoder",
    "MlpHead",
    "StagedEncoder",
]
