"""A plug-in of somebody else's, built and installed as such, is one of natlib's modalities."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from natlib.data import Modality
from natlib.encoders import EncoderRecipe
from tests.cli.command import Said, assert_done, assert_refused, natlib
from tests.modalities.support import small
from tests.processes import run_python
from tests.timeseries.test_tutorial import EXAMPLE


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the example, installed from the wheel that its own build makes."""
    folder = tmp_path_factory.mktemp("site")
    words = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", folder]
    command = [sys.executable, "-m", "pip", "install", *words, EXAMPLE]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same folder, on the path of this process for the length of a test."""
    monkeypatch.syspath_prepend(site)


def python(site: Path, *words: str | Path) -> str:
    """What another process prints that has the plug-in."""
    said = run_python(*words, folder=site, variables={"COLUMNS": "200", "PYTHONPATH": str(site)})
    assert said.code == 0, said.out + said.err
    return said.out


def test_its_own_tests_pass_where_it_is_installed(site: Path) -> None:
    # Without the source beside them: what is tested is what the wheel holds.
    tests = ["-p", "no:cacheprovider", "-o", "pythonpath=", "-q", EXAMPLE / "tests"]
    said = python(site, "-m", "pytest", *tests)
    assert re.search(r"^\d\d passed", said, re.MULTILINE), said


def test_the_help_of_train_names_it(site: Path) -> None:
    words = " ".join(python(site, "-m", "natlib_cli", "train", "--help").replace("│", " ").split())
    assert re.search(r"Kind of data: [\w, ]*\btimeseries\b", words), words


def test_it_is_there_only_where_it_is_installed(
    installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = assert_done(natlib("plugins")).out
    for noun, kind in (("modality", "timeseries"), ("encoder", "conv1d")):
        assert re.search(rf"│ {noun} +│ {kind} +│ natlib-timeseries 0\.1\.0 +│", out), out
    monkeypatch.undo()
    assert "timeseries" not in Modality.registry.kinds()
    assert "conv1d" not in EncoderRecipe.registry.kinds()
    said = natlib("train", "--modality", "timeserie")
    assert_refused(said, "unknown modality 'timeserie'")


@pytest.mark.usefixtures("installed")
class TestCommands:
    @pytest.fixture
    def trained(self, tmp_path: Path) -> tuple[Path, Said]:
        run = tmp_path / "run"
        return run, assert_done(natlib("train", *small("timeseries"), "--out", run))

    def test_a_run_is_evaluated(self, trained: tuple[Path, Said], tmp_path: Path) -> None:
        run, said = trained
        for row in ("encoder", "head", "as it began (random)", "raw inputs"):
            assert re.search(rf"│ {re.escape(row)} +│ +[\d.]+ ± [\d.]+ │ +[\d.]+ ± ", said.out), (
                said.out
            )
        assert_done(natlib("embed", run, "waves", "--out", tmp_path / "waves.npz"))
        with np.load(tmp_path / "waves.npz") as file:
            assert file["embeddings"].shape == (500, 256)
            assert len(set(file["names"])) == 500

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({"series": np.full((30, 1, 20), np.nan)}, ["30 of 30 samples", "NaN or infinity"]),
            ({"values": np.ones((30, 1, 20))}, ["has no 'series' [n, channels, time]"]),
            ({"series": np.ones((30, 20))}, ["has no 'series' [n, channels, time]"]),
            ({"series": np.array([["a"]])}, ["cannot be read as series"]),
        ],
    )
    def test_bad_series_are_one_line(
        self, arrays: dict[str, np.ndarray], words: list[str], tmp_path: Path
    ) -> None:
        np.savez(tmp_path / "a.npz", **arrays)
        said = natlib(
            "train", *small("timeseries"), "--data", tmp_path / "a.npz", "--out", tmp_path / "run"
        )
        assert_refused(said, *words)

    def test_a_few_bad_series_are_counted_and_skipped(self, tmp_path: Path) -> None:
        series = np.random.default_rng(0).normal(size=(48, 1, 20))
        series[5, 0, 3] = np.inf
        np.savez(tmp_path / "a.npz", series=series)
        words = ["--data", tmp_path / "a.npz", "--out", tmp_path / "run"]
        said = assert_done(natlib("train", *small("timeseries"), *words))
        assert "Left out, since they cannot be decoded: 1 (see train.log)" in said.out
        log = (tmp_path / "run" / "train.log").read_text()
        assert "skipped 'train-5': it holds NaN or infinity" in log
