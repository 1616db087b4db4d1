"""What is done before a protocol looks at a run."""

from pathlib import Path

import pytest

from natlib.protocols import subject_of


def test_protocols_have_memory_as_in_training(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many of them train, where it counts as much."""
    calls: list[str] = []
    monkeypatch.setattr("natlib.protocols.running.disable_trim", lambda: calls.append("called"))
    subject_of(run, device="cpu")
    assert calls == ["called"]
