"""Every modality has a whole report."""

import json
from pathlib import Path

import pytest

from natlib.report.sections import map as map_section
from tests.cli.command import assert_done, natlib
from tests.core.families import MODALITIES
from tests.modalities.support import small
from tests.report.page import read_page
from tests.report.test_report import SECTIONS


@pytest.mark.parametrize("kind", MODALITIES)
def test_a_report_has_every_section(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Layouts are tested elsewhere, and take seconds.
    monkeypatch.setattr(map_section, "has_umap", lambda: False)
    run = tmp_path / "run"
    assert_done(natlib("train", *small(kind), "--out", run))
    assert_done(natlib("report", run, "--against", run))
    page = read_page(run / "report.html")
    page.check_loads_nothing()
    assert list(page.sections) == SECTIONS
    data = json.loads(page.scripts[0])
    assert len(data["names"]) == 48
    assert data["pictures"]["kind"] in {"tiles", "words", "drawings"}
    assert page.sections["neighbours"].count("of its class") == 2
    # Compared with itself, the features are the same.
    assert page.sections["layers"].count("1.00") >= 2
    for name in ("views", "targets", "spectrum"):
        assert len(page.sections[name]) > 200, page.sections[name]
