"""What a source leaves out, guesses or changes, in lines that are said to the user."""

from typing import Any

__all__ = ["notes_of"]


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
