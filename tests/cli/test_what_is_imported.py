"""What each command imports: a fresh interpreter, since everything is there in this one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.command import SMALL

PROGRAM = """
import json, sys
from natlib_cli.main import run
try:
    run()
except SystemExit as stop:
    code = stop.code
names = {name.partition(".")[0] for name in sys.modules}
print(json.dumps([code or 0, sorted(names)]), file=sys.stderr)
"""

# Each of them takes longer to import than everything that a command without it needs.
NUMERIC = {"torch", "numpy", "scipy"}
FOR_ONE_PURPOSE = {
    "jinja2", "kornia", "llvmlite", "matplotlib", "numba", "pandas", "pyarrow", "torchaudio",
    "torchmetrics", "torchvision", "transformers", "umap",
}  # fmt: skip
FOR_DATA_AND_TRAINING = {"sklearn", "sympy", "tensorboard"}

EVERYTHING = NUMERIC | FOR_ONE_PURPOSE | FOR_DATA_AND_TRAINING
NOT_IMPORTED: dict[str, set[str]] = {
    "--version": EVERYTHING | {"pydantic", "ruamel"},
    "--help": EVERYTHING | {"pydantic", "ruamel"},
    "train --help": EVERYTHING,
    "config --help": EVERYTHING,
    "eval --help": EVERYTHING,
    "plugins": EVERYTHING,
    "train --epochs many": EVERYTHING,
    "config show --modality audio": FOR_ONE_PURPOSE | FOR_DATA_AND_TRAINING,
    "config show --modality image": FOR_ONE_PURPOSE | FOR_DATA_AND_TRAINING,
    "config show --modality text": FOR_ONE_PURPOSE | FOR_DATA_AND_TRAINING,
    "config show --modality vector": FOR_ONE_PURPOSE | FOR_DATA_AND_TRAINING,
}


class Done(NamedTuple):
    """Exit code of a command, the packages that are there at its end, and what it printed."""

    code: int
    names: set[str]
    out: str


def imported(*arguments: str | Path, **variables: str) -> Done:
    """Run a command in an interpreter of its own."""
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    code, names = json.loads(said.stderr.splitlines()[-1])
    return Done(code, set(names), said.stdout)


@pytest.mark.parametrize("command", NOT_IMPORTED)
def test_a_command(command: str) -> None:
    code, names, _ = imported(*command.split())
    assert code == (2 if "many" in command else 0)
    assert "natlib_cli" in names
    assert names & NOT_IMPORTED[command] == set()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train --solver s", ["scipy", "sinkhorn", "sliced", "sparse"]),
        ("train --assignment c", ["cells"]),
        ("config show --targets u", ["uniform_sphere"]),
        ("train --encoder resn", ["resnet"]),
        ("train --modality im", ["image"]),
        ("eval run --protocol few", ["few_labels"]),
    ],
)
def test_completion(line: str, expected: list[str]) -> None:
    words = f"natlib {line}"
    done = imported(
        _NATLIB_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" "))
    )
    assert [word for word in done.out.split() if "." not in word] == expected
    assert done.names & EVERYTHING == set()


def test_training(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run", "--max-samples", "32")
    code, names, _ = imported("train", "--modality", "image", *SMALL, *out)
    assert code == 0
    assert {"torch", "tensorboard"} <= names
    assert names & FOR_ONE_PURPOSE == set()


def test_the_library_imports_nothing_before_it_is_used() -> None:
    program = "import sys, natlib; dir(natlib); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    names = {name.partition(".")[0] for name in said.stdout.split()}
    assert "natlib" in names
    assert names & (EVERYTHING | {"pydantic", "ruamel", "rich", "typer"}) == set()
