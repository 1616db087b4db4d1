"""Ask everything about a run."""

from dataclasses import dataclass
from pathlib import Path

from natlib.data import training_samples
from natlib.doctor.embeddings import EMBEDDINGS
from natlib.doctor.examination import Examination, examine
from natlib.doctor.finding import Diagnosis, Finding
from natlib.doctor.learning import LEARNING
from natlib.doctor.matching import MATCHING
from natlib.doctor.patient import Patient
from natlib.doctor.record import RunRecord
from natlib.doctor.samples import SAMPLES, SPEED
from natlib.errors import DataError, RunNotFoundError
from natlib.model import Model, load
from natlib.runtime.progress import ProgressReporter, SilentProgress

__all__ = ["DIAGNOSES", "RunReport", "diagnose"]

DIAGNOSES: tuple[Diagnosis[Patient], ...] = (
    *EMBEDDINGS,
    *LEARNING,
    *MATCHING,
    *SAMPLES,
    *SPEED,
)
"""Everything that is asked about a run, in order."""


@dataclass(frozen=True)
class RunReport:
    """What the diagnoses say about a run.

    Attributes:
        run: its directory.
        step: updates that are recorded.
        updates: updates in the whole run.
        stopped_by: the error that stopped it, if one did.
        findings: by the name of the diagnosis, in order.
    """

    run: Path
    step: int
    updates: int
    stopped_by: str | None
    findings: dict[str, Finding]

    @property
    def healthy(self) -> bool:
        """Whether nothing needs to be done."""
        return all(finding.verdict != "act" for finding in self.findings.values())


def diagnose(
    run: Path | str, *, samples: int = 2048, progress: ProgressReporter | None = None
) -> RunReport:
    """Ask whether a run works, finished or not. Nothing in it changes.

    Args:
        run: its directory.
        samples: training samples that are read and embedded, at most.
        progress: told how far that is.

    Raises:
        RunNotFoundError: there is no run here.
        ConfigError: its configuration cannot be read.
        DataError: its metrics are damaged.
        CheckpointError: its model is damaged.
    """
    record = RunRecord(Path(run))
    examination, why_not = _examination(record, samples, progress or SilentProgress())
    patient = Patient(record, examination, why_not)
    return RunReport(
        Path(run),
        record.step,
        record.info.updates,
        None if record.info.failure is None else record.info.failure.message,
        {each.name: each(patient) for each in DIAGNOSES},
    )


def _examination(
    record: RunRecord, most: int, progress: ProgressReporter
) -> tuple[Examination | None, str]:
    model: Model | None = None
    why_not = ""
    try:
        model = load(record.directory.path)
    except RunNotFoundError:
        why_not = "the run has no model yet; one is written at the end of each epoch"
    try:
        samples = training_samples(record.config.data, record.config.labels, record.directory.index)
        with progress:
            progress.stage("reading samples", min(most, len(samples)))
            found = examine(
                record.config.data,
                samples,
                model,
                most,
                lambda done, _total: progress.advance(done),
            )
    except DataError as error:
        # Moved or removed; the diagnoses that need only the run log still work.
        return None, f"the samples cannot be read: {error}"
    return found, why_not
