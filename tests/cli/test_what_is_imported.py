"""What each command imports: a fresh interpreter, since everything is there in this one."""

import json
import os
import subprocess
import sys
from typing import NamedTuple

import pytest

# Runs commands one after the other.
PROGRAM = """
import json, sys
from natlib_cli.main import run
for words in json.loads(sys.argv[1]):
    sys.argv = ["natlib", *words]
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
# Commands that share an interpreter, and what none of them imports.
NOT_IMPORTED: list[tuple[list[str], set[str]]] = [
    (["--version", "--help"], EVERYTHING | {"pydantic", "ruamel"}),
    (
        ["train --help", "config --help", "eval --help", "plugins", "train --epochs many"],
        EVERYTHING,
    ),
    (
        [f"config show --modality {kind}" for kind in ("audio", "image", "text", "vector")],
        FOR_ONE_PURPOSE | FOR_DATA_AND_TRAINING,
    ),
]


class Done(NamedTuple):
    """Exit code of a command, the packages that are there at its end, and what it printed."""

    code: int
    names: set[str]
    out: str


def imported(*commands: list[str], **variables: str) -> list[Done]:
    """Run commands, one after the other, in an interpreter of their own."""
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    ends = [json.loads(line) for line in said.stderr.splitlines() if line.startswith("[")]
    assert len(ends) == len(commands)
    return [Done(code, set(names), said.stdout) for code, names in ends]


@pytest.mark.parametrize(("commands", "without"), NOT_IMPORTED)
def test_commands(commands: list[str], without: set[str]) -> None:
    found = imported(*(command.split() for command in commands))
    for command, (code, names, _) in zip(commands, found, strict=True):
        assert code == (2 if "many" in command else 0)
        assert "natlib_cli" in names
        assert names & without == set(), command


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train --solver s", ["scipy", "sinkhorn", "sliced", "sparse"]),
        ("train --assignment c", ["cells"]),
        ("config show --targets u", ["uniform_sphere"]),
        ("train --encoder resn", ["resnet"]),
        ("train --modality im", ["image"]),
        ("eval run --protocol few", ["few_labels"]),
        ("train --modality vector --preset ", ["nat", "semi"]),
        ("train --preset d", ["digits", "docstrings"]),
        # Folders and files are the shell's.
        ("report runs/", []),
    ],
)
def test_completion(line: str, expected: list[str]) -> None:
    words = f"natlib {line}"
    (done,) = imported(
        [], _NATLIB_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" "))
    )
    assert [word for word in done.out.split() if "." not in word] == expected
    assert done.names & EVERYTHING == set()


def test_the_library_imports_nothing_before_it_is_used() -> None:
    program = "import sys, natlib; dir(natlib); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    names = {name.partition(".")[0] for name in said.stdout.split()}
    assert "natlib" in names
    assert names & (EVERYTHING | {"pydantic", "ruamel", "rich", "typer"}) == set()
