"""Every command that reads texts says which share of them is cut."""

from pathlib import Path

import pytest

from tests.cli.command import assert_done, natlib
from tests.text.tiny_checkpoints import write_modules

CUT = "texts that were looked at (100 %) have more than 10 tokens"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cut")
    lines = [f"{word},a storm at sea {word} " + "rain falls " * 9 for word in ("old", "new") * 30]
    (folder / "long.csv").write_text("label,text\n" + "\n".join(lines) + "\n")
    write_modules(folder / "tiny", ("Normalize", {}))
    return folder


@pytest.mark.parametrize("command", ["eval", "embed", "doctor"])
def test_what_is_cut_is_said(command: str, folder: Path) -> None:
    data, checkpoint = folder / "long.csv", ("--encoder", folder / "tiny", "--modality", "text")
    words = {
        "eval": ("eval", *checkpoint, "--data", data, "--set", "evaluation.weight_decays=[1.0]"),
        "embed": ("embed", *checkpoint, data, "--out", folder / "vectors.npz"),
        "doctor": ("doctor", "--modality", "text", "--data", data, "--set", "data.length=10"),
    }
    said = natlib(*words[command])
    if command != "doctor":  # which finds other faults too
        assert_done(said)
    assert CUT in " ".join((said.out + said.err).split())
