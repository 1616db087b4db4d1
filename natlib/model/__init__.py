"""A trained model: load it, embed with it, save it, write its embeddings to a file."""

from natlib.model.embeddings_file import EXPORT_SUFFIXES, export_embeddings
from natlib.model.model import Embeddings, Model, Output, load, save_model

__all__ = [
    "EXPORT_SUFFIXES",
    "Embeddings",
    "Model",
    "Output",
    "export_embeddings",
    "load",
    "save_model",
]
