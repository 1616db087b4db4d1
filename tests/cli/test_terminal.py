"""Names and texts that hold what a terminal obeys: shown written out, wherever they are shown."""

import ast
import io
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from natlib.configuration import parse_yaml
from natlib.data import Thumbnail
from natlib.doctor import Finding
from natlib.escaping import escaped
from natlib.evaluation import Evaluation, EvaluationDetails, Figure
from natlib.runtime.log import logger
from natlib.runtime.terminal import SafeConsole
from natlib.training import ConsoleProgress
from natlib_cli import doctor, output
from tests.cli.command import SMALL, natlib, write_pictures

ROOT = Path(__file__).parents[2]

HOSTILE = {
    "colour": "\x1b[31m",
    "window title": "\x1b]0;owned\x07",
    "clear the screen": "\x1b[2J\x1b[H",
    "8-bit sequence": "\x9b31m",
    "device control": "\x90q\x9c",
    "overwrite the line": "\rfine",
    "backspaces": "\b\b\b",
    "bell": "\a",
    "delete": "\x7f",
    "right to left": "\u202egnp.exe",
    "isolate": "\u2066x\u2069",
    "line separator": "\u2028Error: none",
    "next line": "\x85Error: none",
    "bytes that are not UTF-8": "\udc9b31m\udcff",
}
MARKUP = "[red]x[/red] :smile: [/] [link=file:///]"
"""Which rich would interpret."""
OBEYED = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), *"\u2028\u2029\u202e\u2066"}
OBEYED -= {"\n", "\t"}


def assert_safe(shown: str) -> None:
    assert not OBEYED & set(shown), ascii(shown)
    assert not any(0xD800 <= ord(c) < 0xE000 for c in shown), ascii(shown)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_terminal_obeys_is_written_out_as_in_python(text: str) -> None:
    shown = escaped(text)
    assert_safe(shown)
    assert shown.encode("ascii").decode("unicode_escape") == text
    assert escaped(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Käthe's cat.png",
        "猫/😀",
        "👩‍👩‍👧",
        "שלום",
        "می‌روم",
        "e\u0301",
        "C:\\new\\x1b",
        "a\tb",
        MARKUP,
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text


def test_a_line_break_passes_only_where_there_are_lines() -> None:
    assert escaped("a\nError: b") == "a\\nError: b"
    assert escaped("a\n\x1bb", lines=True) == "a\n\\x1bb"


def _table(text: str) -> Table:
    table = Table(text, title=text, caption=text)
    table.add_row(text)
    table.add_row(Text(text))
    return table


PRINTED: dict[str, Callable[[SafeConsole, str], None]] = {
    "text": lambda console, text: console.print(text),
    "lines": lambda console, text: console.say(text, (text, "bold"), text),
    "table": lambda console, text: console.print(_table(text)),
    "group": lambda console, text: console.print(Group(text, text)),
}


@pytest.mark.parametrize("shown", PRINTED.values(), ids=PRINTED.keys())
def test_a_console_shows_no_text_unescaped(shown: Callable[[SafeConsole, str], None]) -> None:
    for text in (*HOSTILE.values(), MARKUP):
        out = io.StringIO()
        shown(SafeConsole(file=out), f"a{text}b")
        assert_safe(out.getvalue())
        assert f"a{escaped(text)}b" in out.getvalue()
        # Styled text of somebody else: rich drops some of it, and nothing passes.
        SafeConsole(file=out).print(Panel(Text(text)))
        assert_safe(out.getvalue())


def test_a_table_with_such_names_is_still_a_table() -> None:
    out = io.StringIO()
    SafeConsole(file=out).print(_table("\x1b[2Ja"))
    lines = [line for line in out.getvalue().splitlines() if line.startswith(("│", "┃"))]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_no_text_unescaped(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for text in (*HOSTILE.values(), MARKUP):
        out = io.StringIO()
        console = SafeConsole(file=out)
        monkeypatch.setattr(console, "_force_terminal", terminal)
        with ConsoleProgress(console, every=0.0) as progress:
            progress.stage(text, 2)
            progress.advance(1, text)
            progress.say(f"a\n{text}")
        # On a terminal, the bar's own sequences stay.
        shown = out.getvalue()
        assert text not in shown or text == MARKUP
        assert f"a\\n{escaped(text)}" in shown
        if not terminal:
            assert_safe(shown)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_log_takes_one_line_for_each_message(text: str) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logger.addHandler(handler)
    try:
        logger.warning("skipped '%s': %s", f"a\n{text}", OSError(text))
        logger.warning(text)
    finally:
        logger.removeHandler(handler)
    assert_safe(out.getvalue())
    assert out.getvalue().count("\n") == 2
    assert out.getvalue().startswith(f"skipped 'a\\n{escaped(text)}': ")


REFUSED: dict[str, tuple[str, ...]] = {
    "a run to report": ("report", "{}"),
    "a run to evaluate": ("eval", "{}"),
    "a run to embed with": ("embed", "{}", "x", "--out", "x.npz"),
    "a run to examine": ("doctor", "{}"),
    "runs to compare": ("compare", "{}", "x"),
    "a run to resume": ("train", "--resume", "{}"),
    "a run to begin from": ("train", "--modality", "image", "--init-from", "{}", "--out", "x"),
    "a source": ("train", "--modality", "image", "--data", "{}", "--out", "x"),
    "a source to examine": ("doctor", "--modality", "vector", "--data", "{}"),
    "a modality": ("train", "--modality", "{}"),
    "a preset": ("config", "show", "--modality", "image", "--preset", "{}"),
    "a kind": ("config", "show", "--modality", "image", "--solver", "{}"),
    "a key": ("config", "show", "--modality", "image", "--set", "{}=1"),
    "a value": ("config", "show", "--modality", "image", "--set", "training.epochs={}"),
    "a protocol": ("eval", "x", "--protocol", "{}"),
    "a configuration": ("config", "show", "--config", "{}"),
    "an option": ("train", "--{}"),
    "a command": ("{}",),
    "a device": ("train", "--device", "{}"),
    "a file of embeddings": ("embed", "x", "y", "--out", "{}"),
}


@pytest.mark.parametrize("command", REFUSED.values(), ids=REFUSED.keys())
def test_errors_show_no_argument_unescaped(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("a\x1b]0;owned\x07[red]\rfine", "b\x9b31m\u202e"):
        said = natlib(*(part.format(text) for part in command))
        assert said.code
        assert said.out == ""
        assert said.err.startswith("Error: ")
        assert said.err.count("\n") == 1
        assert_safe(said.err)


def test_a_configuration_is_shown_as_text_that_reads_as_it_was(tmp_path: Path) -> None:
    name = "x\x1b[2J\x9b\u202e:\x85[red]"
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"data": {"source": name}}))
    said = natlib("config", "show", "--modality", "vector", "--config", file)
    assert_safe(said.out)
    assert parse_yaml(said.out, "it")["data"]["source"] == name


@pytest.mark.parametrize("text", [*HOSTILE.values(), MARKUP], ids=[*HOSTILE.keys(), "markup"])
def test_results_and_findings_show_no_name_unescaped(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"a{text}b"
    details = EvaluationDetails(
        train_samples=1, test_samples=1, test_split=name, held_out=False, classes=[name]
    )
    output.print_evaluation(
        Evaluation(
            protocol=name, title=name, columns={"c": name}, rows={name: {"c": Figure.of([1.0])}},
            details=details, settings={}, source=name, seed=0, config_hash=None,
            train_fingerprint=name, test_fingerprint=name,
        )
    )  # fmt: skip
    doctor._print(name, Finding("act", name, {name: 1.0}, name, (name,)))
    output.print_note(name)
    said = capsys.readouterr()
    assert_safe(said.out)
    assert_safe(said.err)
    assert said.out.count(escaped(name)) >= 5
    assert said.err == f"{escaped(name)}\n"


def test_a_run_with_such_a_name_is_compared_and_examined(run: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "a\x1b[2J[red]\u202e"
    shutil.copytree(run, hostile)
    compared = natlib("compare", run, hostile, "--out", tmp_path / "page\x1b.html")
    examined = natlib("doctor", hostile, "--samples", "16")
    shown = natlib("config", "init", tmp_path / "c\x1b.yaml", "--modality", "image")
    for said in (compared, examined, shown):
        assert said.code in (0, 3), said.err
        assert_safe(said.out)
        assert_safe(said.err)
        assert "\\x1b" in said.out
    # The page escapes for browsers.
    page = (tmp_path / "page\x1b.html").read_text()
    assert "[red]" in page
    assert Thumbnail.from_text("<script>").to_html().count("<") == 2


def test_every_command_on_such_data(tmp_path: Path) -> None:
    """Folder, classes, files and run: all have names that a terminal would obey."""
    data, run = tmp_path / "data\x1b]0;x\x07[red]", tmp_path / "run\x1b[31m"
    for name in ("cat\x1b[2J\n", "dog\u202e[bold]"):
        write_pictures(data / name, 24)
        (data / name / "bro\x9bken\rfine\n.png").write_bytes(b"no picture")
    for command in (
        ("train", "--modality", "image", "--data", data, *SMALL, "--out", run),
        ("train", "--resume", run),
        ("doctor", run, "--samples", "16"),
        ("doctor", "--modality", "image", "--data", data),
        ("eval", run, "--protocol", "retrieval"),
        ("embed", run, data, "--out", tmp_path / "e\x1b.npz"),
        ("config", "show", run),
    ):
        said = natlib(*command)
        assert said.code in (0, 3), said.err
        assert_safe(said.out)
        assert_safe(said.err)
    log = (run / "train.log").read_text()
    assert_safe(log)
    skipped = {line.split("'")[1] for line in log.splitlines() if "skipped" in line}
    assert skipped == {
        "cat\\x1b[2J\\n/bro\\x9bken\\rfine\\n.png",
        "dog\\u202e[bold]/bro\\x9bken\\rfine\\n.png",
    }


def test_nothing_prints_or_logs_past_the_two_places_that_escape() -> None:
    """What shows text goes through ``SafeConsole`` and ``natlib.runtime.log``."""
    allowed = {
        "natlib/runtime/terminal.py": {"Console"},
        "natlib/runtime/log.py": {"getLogger"},
        "cli/natlib_cli/config.py": {"echo"},  # of JSON in ASCII, and of YAML that is escaped
    }
    found: dict[str, set[str]] = {}
    for folder in ("natlib", "adapters", "cli"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                name = _called(node)
                if name in {"print", "Console", "getLogger", "echo", "secho", "rich_print"}:
                    found.setdefault(str(file.relative_to(ROOT)), set()).add(name)
                if isinstance(node, ast.Attribute) and node.attr in {"stdout", "stderr"}:
                    found.setdefault(str(file.relative_to(ROOT)), set()).add(node.attr)
    assert {k: v for k, v in found.items() if not v <= allowed.get(k, set())} == {}


def _called(node: ast.AST) -> str | None:
    """The name of a function that is called; a method only where it is not a console's."""
    if not isinstance(node, ast.Call):
        return "Console" if isinstance(node, ast.ClassDef) and _derives(node) else None
    if isinstance(node.func, ast.Name):
        return node.func.id
    if not isinstance(node.func, ast.Attribute) or node.func.attr == "print":
        return None
    return node.func.attr
    return (
        node.func.attr
        if isinstance(node.func, ast.Attribute) and node.func.attr != "print"
        else None
    )


def _derives(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Console" for base in node.bases)
