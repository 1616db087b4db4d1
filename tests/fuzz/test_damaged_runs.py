"""Runs with a damaged file: commands do without it, or refuse in one line."""

from pathlib import Path

import pytest

from tests.fuzz.damage import Damaged, runs_to_damage

SEED = 20_261_201
COUNT = 40


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return runs_to_damage(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("start", range(0, COUNT, 10))
def test_one_file_of_a_run_is_damaged(start: int, runs: dict[str, Path], tmp_path: Path) -> None:
    for number in range(start, start + 10):
        damaged = Damaged.draw(SEED, number, runs)
        _, wrong = damaged.outcome(tmp_path / "copy")
        assert wrong is None, f"seed {SEED}, case {number}, {damaged}: {wrong}"
