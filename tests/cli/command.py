"""The command line, called inside this process: starting it anew costs seconds."""

import contextlib
import hashlib
import io
import sys
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image as PILImage

from natlib_cli.main import run
from tests.processes import Said


def natlib(*arguments: str | Path) -> Said:
    """Run ``natlib ARGUMENTS``."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        mock.patch.object(sys, "argv", ["natlib", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            run()
        except SystemExit as stop:
            code = stop.code
    assert code is None or isinstance(code, int), code
    return Said(code or 0, out.getvalue(), err.getvalue())


def assert_done(said: Said) -> Said:
    assert said.code == 0, said.err
    assert "Error" not in said.err
    return said


def assert_refused(said: Said, *words: str, code: int = 1) -> None:
    """One line on standard error that holds ``words``, and nothing else anywhere."""
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert said.err.endswith("\n")
    assert said.err.startswith("Error: "), said.err
    for word in words:
        assert word in said.err
    assert said.code == code


ANY_OBJECTIVE = (
    "--batch-size", "16", "--epochs", "1", "--device", "cpu", "--workers", "0",
    "--set", "data.size=8",
    "--set", "encoder={kind: convnet, widths: [4, 8]}",
    "--set", "evaluation.max_train_samples=60",
    "--set", "evaluation.weight_decays=[1.0]",
)  # fmt: skip
SMALL = (
    *ANY_OBJECTIVE,
    "--set", "objective.head.widths=[16]",
    "--set", "objective.targets.dim=8",
    "--set", "objective.assignment=stream",
    "--set", "objective.assignment.slots=2",
)  # fmt: skip
"""Settings with which a run takes a fraction of a second."""

DIGITS = ("--modality", "image", "--max-samples", "32", *SMALL)
"""A small labelled run: 2 updates an epoch."""


def write_pictures(folder: Path, count: int, side: int = 8, first: int = 0) -> Path:
    """A folder with ``count`` grey pictures of noise, named 000.png and on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side), dtype=np.uint8)
        PILImage.fromarray(pixels).save(folder / f"{number:03d}.png")
    return folder


def damage(file: Path) -> None:
    """Cut a file to half of its length."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def content(folder: Path) -> dict[str, str]:
    """A digest of every file under a folder, and the folders, but for indices of data."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        )
        for path in sorted(folder.rglob("*"))
        if "index" not in path.parts
    }
