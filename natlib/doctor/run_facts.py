"""The facts about a run that diagnoses use."""

from dataclasses import dataclass

from torch import Tensor

from natlib.doctor.examination import Examination
from natlib.doctor.finding import UnknownFactError
from natlib.doctor.record import RunRecord

__all__ = ["RunFacts"]


@dataclass(frozen=True)
class RunFacts:
    """The facts about a run.

    Attributes:
        record: its configuration, metrics and evaluation.
        examination: measurements on its samples; None if they cannot be read.
        why_not: why they cannot be read, or why there is no model.
    """

    record: RunRecord
    examination: Examination | None
    why_not: str = ""

    @property
    def samples(self) -> Examination:
        """The measurements on samples.

        Raises:
            UnknownFactError: the samples cannot be read.
        """
        if self.examination is None:
            raise UnknownFactError(self.why_not)
        return self.examination

    def measured(self, name: str) -> Tensor:
        """``features``, ``head``, ``embeddings`` or ``targets`` of the examination.

        Raises:
            UnknownFactError: there is no model, or the objective has none of these.
        """
        value = getattr(self.samples, name)
        if value is None:
            raise UnknownFactError(self.why_not or f"the objective has no {name}")
        assert isinstance(value, Tensor)
        return value
