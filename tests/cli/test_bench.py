"""``natlib bench``."""

import json
import re
from pathlib import Path

import pytest
import torch

from tests.cli.command import assert_done, assert_refused, natlib

SMALL = ("bench", "solvers", "--sizes", "8,16", "--dim", "6", "--repeats", "2")


def test_table_picture_and_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    picture, numbers = tmp_path / "solvers.svg", tmp_path / "solvers.json"
    said = assert_done(
        natlib(
            *SMALL, "--solvers", "lapjv,greedy", "--features", "random,matched",
            "--out", picture, "--json", numbers,
        )
    )  # fmt: skip
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.out.splitlines()]
    rows = [row for row in rows if row]
    orders = ["order=rows", "order=priced", "order=best"]
    solvers = [["lapjv", ""], *(["greedy", order] for order in orders)]
    blocks = [["random", "8"], ["random", "16"], ["matched", "8"], ["matched", "16"]]
    assert [row[2:4] for row in rows] == solvers * 4
    assert [row[:2] for row in rows if row[2] == "lapjv"] == blocks
    assert {tuple(row[:2]) for row in rows if row[2] == "greedy"} == {("", "")}
    assert {row[5] for row in rows if row[2] == "lapjv"} == {"exact"}
    measured = json.loads(numbers.read_text())["measurements"]
    assert len(measured) == len(rows)
    for row, one in zip(rows, measured, strict=True):
        assert float(row[4]) == pytest.approx(1e3 * one["seconds"], rel=0.01)
    assert "<svg" in picture.read_text()
    assert str(picture) in said.out


def test_what_was_left_out_is_said() -> None:
    said = assert_done(
        natlib(*SMALL, "--solvers", "scipy", "--features", "random", "--limit", "1e-9")
    )
    assert re.search(r"^Left out, .*: scipy: random from b = 16$", said.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--solvers", "lapvj"], ["unknown solver 'lapvj'", "lapjv"]),
        (["--features", "cluster"], ["unknown features 'cluster'", "clustered"]),
        (["--sizes", "8,many"], ["--sizes", "8,many", "whole numbers"]),
        (["--sizes", ","], ["nothing to measure", "size"]),
        (["--limit", "0"], ["limit", "positive"]),
        (["--out", "picture.doc"], ["picture.doc", ".svg"]),
        (["--out", "no/such/picture.svg"], ["no/such"]),
        (["--json", "no/such/file.json"], ["no/such"]),
    ],
)
def test_what_cannot_be_done_is_said_at_once(arguments: list[str], words: list[str]) -> None:
    assert_refused(natlib(*SMALL, *arguments), *words)


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without CUDA")
def test_no_cuda() -> None:
    assert_refused(natlib(*SMALL, "--device", "cuda"), "no CUDA device", "--device cpu")
