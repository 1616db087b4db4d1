"""The tutorial and the example are the same, and as short as they say.

That the tutorial's blocks run, in order, is in tests/docs.
"""

import ast
import io
import tokenize
from pathlib import Path

from tests.docs.pages import ROOT, blocks, joined

EXAMPLE = ROOT / "examples" / "natlib_timeseries"
# What the tutorial leaves out: a page about it, and tests of what is particular to series.
NOT_SHOWN = {"README.md", "tests/test_timeseries.py"}
_LAYOUT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


def test_the_blocks_of_the_tutorial_are_the_files_of_the_example() -> None:
    shown: dict[str, str] = {}
    for block in blocks(ROOT / "docs" / "new-domain.md"):
        if block.file:
            name = block.file.removeprefix("natlib-timeseries/")
            shown[name] = joined(shown.get(name, ""), block.text)
    files = {
        str(path.relative_to(EXAMPLE)): path.read_text()
        for path in EXAMPLE.rglob("*")
        if path.is_file() and not {"__pycache__", ".pytest_cache"} & set(path.parts)
    }
    assert set(files) - set(shown) == NOT_SHOWN
    for name, text in shown.items():
        assert text == files[name], f"docs/new-domain.md and the example differ in {name}"


def lines_of_code(path: Path) -> int:
    """Lines that are not blank and no comment or docstring."""
    text = path.read_text()
    said = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in _LAYOUT
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - said)


def test_the_plugin_has_fewer_than_150_lines_of_code(tmp_path: Path) -> None:
    counted = tmp_path / "counted.py"
    said = '"""Said."""\n\n# Said.\n'
    counted.write_text(f'{said}x = (\n    1,\n)  # said\n\n\ndef f():\n    """Said."""\n')
    assert lines_of_code(counted) == 4
    files = list((EXAMPLE / "natlib_timeseries").rglob("*.py"))
    assert len(files) >= 5
    assert sum(map(lines_of_code, files)) < 150
