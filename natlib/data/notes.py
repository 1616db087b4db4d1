"""What a source leaves out, guesses or changes, in lines that are said to the user."""

from typing import Any

__all__ = ["noted", "notes_of", "share"]


def notes_of(samples: Any) -> list[str]:
    """Lines about samples that a user should read, without a full stop.

    A :class:`natlib.data.SourceSplit` or :class:`natlib.data.SampleSet` may have an attribute
    ``notes``, a sequence of such lines: files that are not read, say, or a range that was guessed.
    Many findings of one kind are one line that counts them. ``natlib train`` says them as it
    starts and writes them to ``train.log``.

    Args:
        samples: a split or a sample set.
    """
    return list(getattr(samples, "notes", ()))


def noted(samples: Any) -> list[str]:
    """:func:`notes_of`, after a look at some samples where a sample set has not had one yet."""
    look = getattr(samples, "look", None)
    if look is not None:
        look()
    return notes_of(samples)


def share(count: int, total: int, noun: str) -> str:
    """A part of some samples in words: ``3 of the 32 images that were looked at (9 %)``."""
    return f"{count} of the {total} {noun} that were looked at ({100 * count / total:.0f} %)"
