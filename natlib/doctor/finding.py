"""Findings, and the diagnoses that return them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

__all__ = [
    "EXAMPLES",
    "Diagnosis",
    "Finding",
    "UnknownFactError",
    "Verdict",
    "diagnosis",
    "evidence_text",
    "limited",
]

EXAMPLES = 3
"""Samples that a finding names at most."""

Verdict = Literal["fine", "act", "unknown", "irrelevant"]
"""``fine``; ``act``: the user should do something; ``unknown``: a measurement is missing, perhaps
only as yet; ``irrelevant``: the problem cannot occur here."""

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Finding:
    """The result of a diagnosis.

    Attributes:
        verdict: whether the user should do something.
        message: the finding in words.
        evidence: the numbers that support it, by name.
        next_step: what to do; empty unless the verdict is ``act``.
        names: the names of some samples concerned.
    """

    verdict: Verdict
    message: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    next_step: str = ""
    names: tuple[str, ...] = ()


def evidence_text(evidence: Mapping[str, float]) -> str:
    """The numbers of a finding with their names, in three significant digits."""
    return ", ".join(f"{name} {_number(value)}" for name, value in evidence.items())


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def limited(
    value: float,
    limit: float,
    evidence: Mapping[str, float],
    *,
    fine: str,
    act: str,
    next_step: str,
    names: tuple[str, ...] = (),
) -> Finding:
    """A finding about a number that should not exceed a limit.

    Args:
        value: the number.
        limit: up to here the verdict is ``fine``, and ``act`` above.
        evidence: see :class:`Finding`.
        fine: the message up to the limit.
        act: the message above it.
        next_step: what to do then.
        names: see :class:`Finding`.
    """
    if value <= limit:
        return Finding("fine", fine, evidence, names=names)
    return Finding("act", act, evidence, next_step, names)


class UnknownFactError(Exception):
    """A fact that a diagnosis needs is not known; the message says why."""


@dataclass(frozen=True)
class Diagnosis(Generic[Subject]):
    """A check for one problem.

    Attributes:
        name: its name, in output and in the documentation.
        reads: the data that it uses.
        acts_if: when its verdict is ``act``.
        check: returns the finding, or raises ``UnknownFactError``.
    """

    name: str
    reads: str
    acts_if: str
    check: Callable[[Subject], Finding]

    def __call__(self, subject: Subject) -> Finding:
        """Run the check; an unknown fact gives the verdict ``unknown``."""
        try:
            return self.check(subject)
        except UnknownFactError as why:
            return Finding("unknown", str(why))


def diagnosis(
    name: str, *, reads: str, acts_if: str
) -> Callable[[Callable[[Subject], Finding]], Diagnosis[Subject]]:
    """Turn a function into a :class:`Diagnosis`."""

    def decorate(check: Callable[[Subject], Finding]) -> Diagnosis[Subject]:
        return Diagnosis(name, reads, acts_if, check)

    return decorate
