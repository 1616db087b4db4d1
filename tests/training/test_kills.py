"""A run survives a kill at any call that changes the disk; a sample of the calls is tried here."""

import json
from pathlib import Path

from tests.processes import run_python

ROOT = Path(__file__).parents[2]


def test_a_run_goes_on_after_a_kill_anywhere(tmp_path: Path) -> None:
    variables = {"PYTHONPATH": str(ROOT)}
    said = run_python("-m", "tests.training.kills", tmp_path, "60", variables=variables)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert not found["failures"], "\n".join(found["failures"])
    assert found["kills"] >= found["calls"] // 60
