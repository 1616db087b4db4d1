"""UMAP for a few epochs: its loops run as Python here, which is slow."""

import pytest

__all__ = ["shorten_umap"]


def shorten_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make UMAP ten times quicker until the test ends."""
    monkeypatch.setattr("natlib.report.projection._EPOCHS", 20)
