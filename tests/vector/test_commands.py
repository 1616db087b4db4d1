"""Vectors on the command line: a few bad rows are left out, the rest is refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import Said, assert_done, assert_refused, natlib
from tests.modalities.support import small
from tests.vector.tables import write_customers

BAD = {"nan": np.nan, "infinity": np.inf}


def train(source: Path, *more: str) -> Said:
    words = ["--data", source, "--out", source.parent / "run", *more]
    return natlib("train", *small("vector"), *words)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("data.label=stay", ["customers.csv: the table has no column 'stay'", "'stays'"]),
        ("data.columns=[age, incme]", ["customers.csv: the table has no column 'incme'", "income"]),
        ("data.ignore=[costumer]", ["customers.csv: the table has no column 'costumer'"]),
        ("data.split=part", ["customers.csv: the table has no column 'part'"]),
        ("data.label=stays", ["column 'customer' holds", "data.ignore"]),
    ],
)
def test_columns_that_are_not_there(setting: str, words: list[str], tmp_path: Path) -> None:
    table = write_customers(tmp_path / "customers.csv")
    assert_refused(train(table, "--set", setting), *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_a_few_bad_rows_are_counted_and_skipped(value: float, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(48, 4))
    rows[7] = value
    np.savez(tmp_path / "a.npz", vectors=rows)
    said = assert_done(train(tmp_path / "a.npz"))
    assert "Left out, since they cannot be decoded: 1 (see train.log)" in said.out
    log = (tmp_path / "run" / "train.log").read_text()
    assert "skipped 'train-7': it holds infinity, or nothing at all" in log


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_many_bad_rows_are_refused(value: float, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(48, 4))
    rows[:5] = value
    np.savez(tmp_path / "a.npz", vectors=rows)
    assert_refused(train(tmp_path / "a.npz"), "5 of 48 samples (10.4%)", "train-0")
    rows[:] = value
    np.savez(tmp_path / "a.npz", vectors=rows)
    assert_refused(train(tmp_path / "a.npz"), "a.npz: no row holds finite numbers")
