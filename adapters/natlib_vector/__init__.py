"""Vectors and tables as a modality of natlib."""
