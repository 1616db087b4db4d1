"""A console for text that somebody else may have made: the terminal obeys none of it."""

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from natlib.escaping import escaped

__all__ = ["SafeConsole"]


class SafeConsole(Console):
    """A console for text of any origin: no markup, and everything :func:`escaped`.

    Args:
        stderr: write to standard error.
        quiet: write nothing.
        file: write there.
    """

    def __init__(
        self, *, stderr: bool = False, quiet: bool = False, file: IO[str] | None = None
    ) -> None:
        # No markup: names may hold brackets and colons.
        super().__init__(
            stderr=stderr, quiet=quiet, file=file, highlight=False, markup=False, emoji=False
        )

    def say(self, *parts: str | tuple[str, str]) -> None:
        """Print one line, whatever the width of the terminal and whatever the parts hold.

        Args:
            parts: texts, or pairs of a text and its style, one after the other.
        """
        whole = [
            escaped(part) if isinstance(part, str) else (escaped(part[0]), part[1])
            for part in parts
        ]
        self.print(Text.assemble(*whole), soft_wrap=True)

    def render_str(self, text: str, **options: Any) -> Text:
        """Called for each string, cells of tables too; before their widths are measured."""
        return super().render_str(escaped(text, lines=True), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Called for everything that is printed; what rich itself tells the terminal stays."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=escaped(segment.text, lines=True))
