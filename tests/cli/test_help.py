"""The main command: help, version, plug-ins, and arguments that no command takes."""

import re
from importlib import metadata

import pytest

import natlib as library
from natlib.data import Modality
from natlib.families import FAMILIES
from tests.cli.command import assert_done, assert_refused, natlib


def test_version() -> None:
    assert assert_done(natlib("--version")).out == f"natlib {library.__version__}\n"


def test_help_shows_commands_in_their_groups() -> None:
    out = assert_done(natlib("--help")).out
    titles = re.findall(r"╭─ (.+?) ─+╮", out)
    assert titles == ["Options", "Train", "Use and evaluate", "Look up"]
    groups = dict(zip(titles, re.split(r"╭─ .+? ─+╮", out)[1:], strict=True))
    commands = {
        title: re.findall(r"^│ (\w+) ", body, re.MULTILINE) for title, body in groups.items()
    }
    assert commands["Train"] == ["train"]
    assert commands["Use and evaluate"] == ["eval", "embed", "report", "compare", "doctor"]
    assert commands["Look up"] == ["plugins", "config"]


@pytest.mark.parametrize("command", [[], ["config"]])
def test_without_a_command_the_help_is_shown(command: list[str]) -> None:
    said = natlib(*command)
    assert said.code == 2
    assert "Usage: " in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], ["trian", "train", "natlib --help"]),
        (["train", "--epoch", "3"], ["--epoch", "--epochs", "natlib train --help"]),
        (["train", "--epochs", "many"], ["--epochs", "integer"]),
        (["train", "--epochs"], ["--epochs"]),
        (["train", "--device", "tpu"], ["--device", "tpu", "cuda"]),
        (["train", "photos"], ["photos"]),
        (["config", "shwo"], ["shwo", "show", "natlib config --help"]),
        (["embed"], ["SOURCE", "natlib embed --help"]),
        (["embed", "run", "digits"], ["--out"]),
        (["embed", "run", "digits", "--out", "x.npz", "--output", "tail"], ["tail", "head"]),
    ],
)
def test_arguments_that_no_command_takes(arguments: list[str], words: list[str]) -> None:
    assert_refused(natlib(*arguments), *words, code=2)


def test_plugins_lists_every_kind_of_every_family() -> None:
    out = assert_done(natlib("plugins")).out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    listed = {(row[0], row[1], row[2]) for row in rows if row}
    for registry in FAMILIES:
        for row in registry.listing():
            assert (registry.noun, row.kind, row.origin) in listed
    assert ("modality", "image", f"natlib {library.__version__}") in listed


@pytest.mark.parametrize("command", [["train"], ["config", "show"], ["config", "init"]])
def test_help_names_the_modalities_that_are_installed(command: list[str]) -> None:
    words = " ".join(assert_done(natlib(*command, "--help")).out.replace("│", " ").split())
    found = re.search("Kind of data: (.+?);", words)
    assert found is not None
    named = found[1].split(", ")
    installed = {entry.name for entry in metadata.entry_points(group=Modality.registry.group)}
    # Other tests of this process may have registered modalities, before the help was made or after.
    assert installed <= set(named) <= set(Modality.registry.kinds())
    assert named == sorted(named)
    assert {"audio", "image", "text", "vector"} <= installed
