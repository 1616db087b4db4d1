"""Linux allows names that are not UTF-8: they go through every command and come out again."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.command import SMALL, assert_done, natlib

CLASSES = [os.fsdecode(b"b\xffx"), os.fsdecode(b"caf\xe9")]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for shade, name in enumerate(CLASSES):
        folder = tmp_path / os.fsdecode(b"ph\xf4tos") / name
        try:
            folder.mkdir(parents=True)
        except OSError:
            pytest.skip("this file system takes UTF-8 only")
        for number in range(16):
            pixels = np.random.default_rng(number).integers(0, 128, (8, 8, 3), dtype=np.uint8)
            file = folder / os.fsdecode(b"\xfe%d.png" % number)
            Image.fromarray(pixels + np.uint8(100 * shade)).save(file, "png")
    return folder.parent


def test_they_survive_training_evaluation_and_embedding(photos: Path, tmp_path: Path) -> None:
    run, found = tmp_path / os.fsdecode(b"r\xfcn"), tmp_path / "found.json"
    said = assert_done(
        natlib("train", "--modality", "image", *SMALL, "--data", photos, "--out", run)
    )
    assert r"r\udcfcn" in said.out
    assert_done(natlib("train", "--resume", run))
    assert_done(natlib("eval", run, "--json", found))
    assert json.loads(found.read_text())["details"]["classes"] == CLASSES
    assert_done(natlib("embed", run, photos, "--out", tmp_path / "e.npz"))
    with np.load(tmp_path / "e.npz") as file:
        assert sorted(set(file["classes"])) == CLASSES
        assert all((photos / name).is_file() for name in file["names"])
    assert_done(natlib("embed", run, photos, "--out", tmp_path / "e.parquet"))
    parquet = pytest.importorskip("pyarrow.parquet")
    with (tmp_path / "e.parquet").open("rb") as file:
        table = parquet.read_table(file).to_pydict()
    # Parquet holds UTF-8 only: the bytes are written out.
    assert sorted(set(table["classes"])) == [r"b\udcffx", r"caf\udce9"]
    assert table["names"][0].endswith(r"b\udcffx/\udcfe0.png")
