"""A trained model, or an encoder as it came: embed with it, save it, write embeddings to a file."""

from natlib.model.embedder import Embedder
from natlib.model.embedding_model import EmbeddingModel, Embeddings, Output
from natlib.model.embeddings_file import EXPORT_SUFFIXES, export_embeddings
from natlib.model.model import Model, load, save_model

__all__ = [
    "EXPORT_SUFFIXES",
    "Embedder",
    "EmbeddingModel",
    "Embeddings",
    "Model",
    "Output",
    "export_embeddings",
    "load",
    "save_model",
]
