"""The benchmark on UCR sets, on two that are made up."""

from pathlib import Path

import numpy as np

from natlib.configuration import read_yaml
from tests.timeseries.test_plugin import python
from tests.timeseries.test_tutorial import ROOT


def write_set(folder: Path, seed: int) -> Path:
    """A UCR folder of two kinds of waves."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for end, count in (("TRAIN", 70), ("TEST", 20)):
        labels = np.arange(count) % 2
        clock = np.linspace(0, 6, 24) * (1 + labels[:, None])
        waves = np.sin(clock) + rng.normal(0, 0.3, (count, 24))
        table = np.concatenate([labels[:, None] + 1, waves], axis=1)
        np.savetxt(folder / f"{folder.name}_{end}.tsv", table, delimiter="\t")
    return folder


def test_every_set_has_its_baselines(tmp_path: Path) -> None:
    sets = [write_set(tmp_path / name, seed) for seed, name in enumerate(("Slow", "Fast"))]
    words = ["--out", tmp_path / "runs", "--epochs", "1", "--seeds", "0", "1"]
    script = ROOT / "benchmarks" / "timeseries.py"
    said = python(tmp_path, script, *sets, *words)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines()[-8:]]
    parts = ("encoder", "head", "start", "raw")
    assert [row[:2] for row in rows] == [[s, p] for s in ("Slow", "Fast") for p in parts]
    # A wave of another pitch is told apart by the raw series, whatever one epoch has taught.
    assert float(rows[0][4]) > 90
    assert all("±" in row[2] for row in rows)
    # A seed is that of the random encoder too, so that its row has a spread of its own.
    for config in (tmp_path / "runs").glob("*/*-[01]/config.yaml"):
        values = read_yaml(config)
        seed = int(config.parent.name[-1])
        assert (values["training"]["seed"], values["evaluation"]["seed"]) == (seed, seed)
    # Finished runs are read, not made again.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("summary.json")}
    assert len(before) == 2 * (3 + 2)
    assert python(tmp_path, script, *sets, *words).splitlines()[-8:] == said.splitlines()[-8:]
    assert before == {path: path.stat().st_mtime_ns for path in before}
