"""Write out characters that a terminal would obey."""

import re

__all__ = ["escaped"]

# Control characters (escape sequences begin with one, of 7 or of 8 bits), separators of lines,
# changes of the direction of writing, and surrogates, which stand for bytes that are not UTF-8.
_OBEYED = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_LINE = re.compile(f"[\n{_OBEYED}]")
_LINES = re.compile(f"[{_OBEYED}]")


def escaped(text: str, *, lines: bool = False) -> str:
    r"""A text in which every character that a terminal obeys is written out.

    Names of files, keys of a configuration, class names and what a damaged file holds may contain
    sequences that move the cursor, change the title of the window or overwrite what was said. They
    are shown as Python writes them: ``\x1b``, ``\u202e``.

    Args:
        text: any text.
        lines: whether it may have several lines; otherwise a line break is written out too, so that
            no name can pass for a second message.
    """
    return (_LINES if lines else _LINE).sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
