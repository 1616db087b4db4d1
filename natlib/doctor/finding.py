"""What a diagnosis finds, and what a diagnosis is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

__all__ = ["Diagnosis", "Finding", "UnknownFactError", "Verdict", "diagnosis"]

Verdict = Literal["fine", "act", "unknown", "irrelevant"]
"""``fine``; ``act``: something is to be done; ``unknown``: what decides has not been measured, or
not yet; ``irrelevant``: it cannot go wrong here."""

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Finding:
    """What one diagnosis says.

    Attributes:
        verdict: whether something is to be done.
        said: what was found, in words.
        evidence: the numbers that it stands on, by name.
        next_step: what to do; empty where nothing is to be done.
        names: some of the samples that it is about.
    """

    verdict: Verdict
    said: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    next_step: str = ""
    names: tuple[str, ...] = ()


class UnknownFactError(Exception):
    """A fact that a diagnosis needs is not there; its text says why."""


@dataclass(frozen=True)
class Diagnosis(Generic[Subject]):
    """One thing that may be wrong.

    Attributes:
        name: what it is called, in output and in the documentation.
        reads: what it looks at.
        acts: when something is to be done.
        ask: finds out, or raises ``UnknownFactError``.
    """

    name: str
    reads: str
    acts: str
    ask: Callable[[Subject], Finding]

    def __call__(self, subject: Subject) -> Finding:
        """Ask; what cannot be known is a finding, too."""
        try:
            return self.ask(subject)
        except UnknownFactError as why:
            return Finding("unknown", str(why))


def diagnosis(
    name: str, *, reads: str, acts: str
) -> Callable[[Callable[[Subject], Finding]], Diagnosis[Subject]]:
    """Make a function a diagnosis; see :class:`Diagnosis`."""

    def made(ask: Callable[[Subject], Finding]) -> Diagnosis[Subject]:
        return Diagnosis(name, reads, acts, ask)

    return made
