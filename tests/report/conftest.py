"""Layouts of UMAP need not be good to be drawn."""

from collections.abc import Iterator

import pytest

from tests.report.few_epochs import shorten_umap


@pytest.fixture(autouse=True, scope="package")
def _short_umap() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        shorten_umap(monkeypatch)
        yield
