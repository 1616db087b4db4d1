"""Runs that several tests look at, made once."""

from pathlib import Path

import pytest

from tests.cli.command import DIGITS, Said, assert_done, natlib


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A small run on digits and what training it printed; tests must not change it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    return run, assert_done(natlib("train", *DIGITS, "--out", run))


@pytest.fixture
def run(trained: tuple[Path, Said]) -> Path:
    return trained[0]
