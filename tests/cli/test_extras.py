"""Extras install alone: each modality trains with what its own extra declares, and no more."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from natlib.extras import how_to_install
from tests.cli.command import assert_refused, natlib
from tests.cli.test_what_is_imported import FOR_ONE_PURPOSE

# One interpreter, in which nothing but natlib's own dependencies can be imported, starts training;
# then a fork for each command has what an extra adds.
PROGRAM = """
import contextlib, io, json, os, sys
from importlib.machinery import PathFinder

class Installed:
    missing = set()

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in cls.missing:
            return None
        return PathFinder.find_spec(name, path, target)

    find_distributions = PathFinder.find_distributions
    invalidate_caches = PathFinder.invalidate_caches

without, commands = json.loads(sys.argv[1])
Installed.missing = set(without[""])
sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
import natlib.training, natlib.model, natlib.evaluation, natlib.training.event_file
from natlib_cli.main import run

for number, (extra, words) in enumerate(commands):
    if os.fork() == 0:
        Installed.missing = set(without[extra])
        sys.argv = ["natlib", *words]
        said, code = io.StringIO(), None
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            try:
                run()
            except SystemExit as stop:
                code = stop.code
        names = sorted({name.partition(".")[0] for name in sys.modules})
        print(json.dumps([code or 0, said.getvalue(), names]), flush=True)
        os._exit(0)
    os.wait()
"""

SMALL = (
    "--max-samples", "32", "--batch-size", "16", "--epochs", "1", "--device", "cpu",
    "--workers", "0", "--set", "training.knn_every_epochs=null",
    "--set", "evaluation.max_train_samples=60", "--set", "evaluation.weight_decays=[1.0]",
    "--set", "evaluation.baselines=false",
)  # fmt: skip
NEED_MORE = ("audio", "image", "text")
MODALITIES = ("audio", "image", "text", "vector")


def distributions(extra: str) -> set[str]:
    """What ``pip install natlib[extra]`` installs, beside natlib itself; '' for no extra."""
    seen: set[tuple[str, str]] = set()
    waiting = [("natlib", extra)]
    while waiting:
        name, inner = waiting.pop()
        if (name, inner) in seen:
            continue
        seen.add((name, inner))
        try:
            needed = [Requirement(text) for text in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:  # of another platform
            continue
        for one in needed:
            if one.marker is None or one.marker.evaluate({"extra": inner}):
                waiting += [(canonicalize_name(one.name), more) for more in ("", *one.extras)]
    return {name for name, _ in seen}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """What comes of training on each modality: (extra, modality) to code, error and packages."""
    modules = {
        name: {canonicalize_name(one) for one in found}
        for name, found in metadata.packages_distributions().items()
    }
    without = {}
    for extra in ("", *MODALITIES):
        there = distributions(extra)
        without[extra] = [name for name, found in modules.items() if not found & there]
    asked = [(kind, kind) for kind in MODALITIES] + [("", kind) for kind in NEED_MORE]
    runs = tmp_path_factory.mktemp("extras")
    # A tokenizer is trained on it: quicker than on the docstrings that come along.
    rows = [f"{word} number {n},{word}" for n in range(20) for word in ("one", "two")]
    (runs / "texts.csv").write_text("\n".join(["text,label", *rows]))
    data = {"text": ["--data", "texts.csv"]}
    commands = [
        (extra, ["train", "--modality", kind, *data.get(kind, []), *SMALL,
                 "--out", f"run-{extra}-{kind}"])
        for extra, kind in asked
    ]  # fmt: skip
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([without, commands])],
        cwd=runs, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(lines) == len(asked), said.stderr
    return dict(zip(asked, lines, strict=True))


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_modality_trains_with_its_extra_alone(modality: str, done: dict[Any, Any]) -> None:
    code, error, names = done[modality, modality]
    assert code == 0, error
    assert {"torch", "tensorboard", f"natlib_{modality}"} <= set(names)
    if modality in ("image", "vector"):
        assert set(names) & FOR_ONE_PURPOSE == set()


@pytest.mark.parametrize("modality", NEED_MORE)
def test_without_it_the_error_names_the_extra(modality: str, done: dict[Any, Any]) -> None:
    code, error, _ = done["", modality]
    assert code == 1
    assert error.count("\n") == 1
    assert error.startswith(f"Error: the modality '{modality}' of natlib ")
    assert error.endswith(f"pip install 'natlib[{modality}]'\n")


def test_a_package_that_turns_out_missing_later_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        def train(*_: Any, **__: Any) -> None:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

        monkeypatch.setattr("natlib.training.train", train)

    words = ("train", "--modality", "image", "--out", tmp_path / "run")
    missing("transformers.models")
    said = natlib(*words)
    assert_refused(said, "needs transformers.models, which is not", "pip install 'natlib[text]'")
    missing("a_plug_in_needs_it")
    assert_refused(natlib(*words), "No module named 'a_plug_in_needs_it'", "NATLIB_TRACEBACK")


@pytest.mark.parametrize(
    ("module", "needed_by", "extra"),
    [
        ("torchvision", "natlib_image.encoders.resnet", "image"),
        ("torchvision.models", "natlib_audio.encoders.resnet", "audio"),
        ("transformers", "natlib_text.modality", "text"),
        ("transformers", "", "text"),
        ("torchmetrics", "", "voc"),
        ("pillow_heif", "", "heif"),
        ("no_such_package", "", None),
        ("torch", "", None),  # of no extra
    ],
)
def test_the_extra_that_has_a_package(module: str, needed_by: str, extra: str | None) -> None:
    expected = None if extra is None else f"pip install 'natlib[{extra}]'"
    assert how_to_install(module, needed_by) == expected
