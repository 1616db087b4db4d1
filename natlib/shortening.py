"""Values and texts of any length in a line for people."""

from natlib.runtime.escaping import escaped

__all__ = ["short", "shown"]

_LONGEST_TEXT = 600
_LONGEST_VALUE = 120


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
