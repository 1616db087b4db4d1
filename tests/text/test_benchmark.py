"""The benchmark of text, on tables that are made up."""

import json
from pathlib import Path

from tests.docs.pages import ROOT
from tests.processes import run_python

from .corpora import write_table


def bench(folder: Path, *words: str | Path) -> str:
    small = (
        "training.epochs=1", "training.batch_size=32", "data.length=16", "data.vocabulary=300",
        "encoder={kind: bag_of_ngrams, width: 8}", "evaluation.weight_decays=[1.0]",
    )  # fmt: skip
    done = run_python(
        ROOT / "benchmarks" / "text_quality.py", folder, "--out", folder / "runs",
        "--sets", "subj", "--seeds", "0", "1", *words,
        *(word for setting in small for word in ("--set", setting)),
    )  # fmt: skip
    assert done.code == 0, done.err
    return done.out


def test_rows_of_a_set_and_their_record(tmp_path: Path) -> None:
    write_table(tmp_path / "subj.csv", 120)
    said = bench(tmp_path, "--record", tmp_path / "text.json")
    rows = [line.split("|")[1:3] for line in said.splitlines() if line.startswith("| subj")]
    parts = ("encoder", "head", "start", "raw", "reduced")
    assert [[cell.strip() for cell in row] for row in rows] == [["subj", part] for part in parts]
    runs = json.loads((tmp_path / "text.json").read_text())["sets"]["subj"]["runs"]
    assert [run["seed"] for run in runs] == [0, 1]
    for seed, run in enumerate(runs):
        evaluations = tmp_path / "runs" / f"subj-{seed}" / "evaluations"
        found = json.loads((evaluations / "standard.json").read_text())["rows"]
        assert round(found["encoder"]["linear"]["value"], 2) == run["encoder"]["linear"]


def test_validation_never_sees_the_test_texts(tmp_path: Path) -> None:
    table = write_table(tmp_path / "subj.csv", 120)
    bench(tmp_path, "--validate")
    (held,) = (tmp_path / "runs").glob("validation-*.csv")
    known = [line for line in table.read_text().splitlines() if line.endswith(",test")]
    words = held.read_text()
    assert len(known) == 30
    assert not any(line.split('"')[1] in words for line in known)
    assert (words.count("\ntest,"), words.count("\ntrain,")) == (18, 72)
