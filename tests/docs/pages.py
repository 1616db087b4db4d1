"""Pages of the documentation, cut into what the tests look at."""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Block", "blocks", "inline_code", "joined", "page_name"]

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if not {"_build", "_generated"} & set(page.relative_to(ROOT).parts)
)

_FENCE = re.compile(r"^```(\{?[\w-]*\}?)(.*)$")
_COMMENT = re.compile(r"^<!-- (test|ci|file): (.*) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: where it stands.
        line: number of its first line of text, from 1.
        language: what follows the fence, with braces for a directive.
        text: what is in it.
        note: what a comment right above says to the tests or to ``.ci/run``, or nothing.
        file: the file that a comment right above says the block belongs in, or nothing.
    """

    page: Path
    line: int
    language: str
    text: str
    note: str
    file: str = ""


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    found, kind, note = [], "", ""
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        comment, fence = _COMMENT.match(lines[number]), _FENCE.match(lines[number])
        if fence:
            end = lines.index("```", number + 1)
            text = "\n".join(lines[number + 1 : end])
            file, note = (note, "") if kind == "file" else ("", note)
            found.append(Block(page, number + 2, fence[1], text, note, file))
            number = end
        kind, note = (comment[1], comment[2]) if comment else ("", "")
        number += 1
    return found


def joined(before: str, block: str) -> str:
    """A file of a tutorial with one more block: the rest of a class, or something new."""
    if not before:
        return f"{block}\n"
    return f"{before}\n{block}\n" if block.startswith(" ") else f"{before}\n\n{block}\n"


def inline_code(page: Path) -> list[str]:
    """Everything between single backticks, outside fenced blocks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [" ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]


def page_name(page: Path) -> str:
    """The name of a page in the list of tests."""
    return str(page.relative_to(ROOT))
