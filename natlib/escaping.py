"""Text of any origin and length, for a line that people read."""

import re

__all__ = ["escaped", "short", "shown"]

# Control characters (escape sequences begin with one, of 7 or of 8 bits), separators of lines,
# changes of the direction of writing, and surrogates, which stand for bytes that are not UTF-8.
_OBEYED = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_LINE = re.compile(f"[\n{_OBEYED}]")
_LINES = re.compile(f"[{_OBEYED}]")
_LONGEST_TEXT = 600
_LONGEST_VALUE = 120


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


def short(text: str, longest: int = _LONGEST_TEXT) -> str:
    """A text, escaped; of a long one the beginning and the end."""
    text = escaped(text)
    if len(text) <= longest:
        return text
    return f"{text[: longest * 2 // 3]} ... ({len(text):,} characters) ... {text[-longest // 4 :]}"


def shown(value: object) -> str:
    """A value as Python writes it, cut if it is long."""
    try:
        return short(repr(value), _LONGEST_VALUE)
    except ValueError:  # it holds a number of more digits than Python writes
        return f"a {type(value).__name__} with a number of thousands of digits"
