"""Diagnose a data set before anything is trained on it."""

from dataclasses import dataclass

from natlib.data import Modality
from natlib.doctor.data_copies import COPIES
from natlib.doctor.data_samples import LABELS, READABLE, SAMPLES
from natlib.doctor.finding import Diagnosis, Finding
from natlib.doctor.survey import Survey, survey
from natlib.runtime.progress import ProgressReporter, SilentProgress, stages

__all__ = ["DATA_DIAGNOSES", "DataReport", "diagnose_data"]

DATA_DIAGNOSES: tuple[Diagnosis[Survey], ...] = (*READABLE, *COPIES, *SAMPLES, *LABELS)
"""All diagnoses of a source, in order."""


@dataclass(frozen=True)
class DataReport:
    """The findings about a source.

    Attributes:
        source: the source.
        samples: the number of samples of each split.
        notes: what the source leaves out or guesses, a line each.
        findings: by the name of the diagnosis, in order.
    """

    source: str
    samples: dict[str, int]
    notes: list[str]
    findings: dict[str, Finding]

    @property
    def healthy(self) -> bool:
        """Whether no finding asks for action."""
        return all(finding.verdict != "act" for finding in self.findings.values())


def diagnose_data(
    modality: Modality, *, workers: int = 0, progress: ProgressReporter | None = None
) -> DataReport:
    """Check every sample of a source before training on it.

    Args:
        modality: the modality with its source; resolved or not.
        workers: processes that decode.
        progress: receives the progress.

    Raises:
        DataError: the source does not exist, or none of its samples can be read.
    """
    resolved = modality.resolved()
    with progress or SilentProgress() as reporter:
        found = survey(resolved, workers=workers, progress=stages(reporter))
    return DataReport(
        resolved.source or str(getattr(resolved, "kind", "")),
        {split: facts.total for split, facts in found.items()},
        [note for facts in found.values() for note in facts.notes],
        {each.name: each(found) for each in DATA_DIAGNOSES},
    )
