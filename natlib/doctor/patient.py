"""A run, with all that diagnoses may ask about it."""

from dataclasses import dataclass

from torch import Tensor

from natlib.doctor.examination import Examination
from natlib.doctor.finding import UnknownFactError
from natlib.doctor.record import RunRecord

__all__ = ["Patient"]


@dataclass(frozen=True)
class Patient:
    """What is known about a run.

    Attributes:
        record: what it has written down.
        examination: what was measured on its samples now; None if they cannot be read.
        why_not: why they cannot, or why there is no model.
    """

    record: RunRecord
    examination: Examination | None
    why_not: str = ""

    @property
    def samples(self) -> Examination:
        """What was measured on samples.

        Raises:
            UnknownFactError: they cannot be read.
        """
        if self.examination is None:
            raise UnknownFactError(self.why_not)
        return self.examination

    def measured(self, name: str) -> Tensor:
        """``features``, ``head``, ``embeddings`` or ``targets`` of the examination.

        Raises:
            UnknownFactError: there is no model that they could be measured with.
        """
        value = getattr(self.samples, name)
        if value is None:
            raise UnknownFactError(self.why_not or f"the objective has no {name}")
        assert isinstance(value, Tensor)
        return value
