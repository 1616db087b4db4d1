"""Diagnose a run."""

from dataclasses import dataclass
from pathlib import Path

from natlib.data import training_samples
from natlib.doctor.baselines import BASELINES
from natlib.doctor.embeddings import EMBEDDINGS
from natlib.doctor.examination import EXAMINED, Examination, examine
from natlib.doctor.finding import Diagnosis, Finding
from natlib.doctor.learning import LEARNING
from natlib.doctor.matching import MATCHING
from natlib.doctor.record import RunRecord
from natlib.doctor.run_facts import RunFacts
from natlib.doctor.samples import SAMPLES, SPEED
from natlib.errors import DataError, RunNotFoundError
from natlib.model import Model, load
from natlib.runtime.progress import ProgressReporter, SilentProgress

__all__ = ["DIAGNOSES", "RunReport", "diagnose", "diagnose_examined"]

DIAGNOSES: tuple[Diagnosis[RunFacts], ...] = (
    *EMBEDDINGS,
    *BASELINES,
    *LEARNING,
    *MATCHING,
    *SAMPLES,
    *SPEED,
)
"""All diagnoses of a run, in order."""


@dataclass(frozen=True)
class RunReport:
    """The findings about a run.

    Attributes:
        run: its directory.
        step: updates that are logged.
        updates: updates in the whole run.
        stopped_by: the error that stopped it; None if none did.
        findings: by the name of the diagnosis, in order.
    """

    run: Path
    step: int
    updates: int
    stopped_by: str | None
    findings: dict[str, Finding]

    @property
    def healthy(self) -> bool:
        """Whether no finding asks for action."""
        return all(finding.verdict != "act" for finding in self.findings.values())


def diagnose(
    run: Path | str, *, samples: int = EXAMINED, progress: ProgressReporter | None = None
) -> RunReport:
    """Diagnose a run, finished or not, without changing it.

    Args:
        run: its directory.
        samples: maximum number of training samples to read and embed.
        progress: receives the progress.

    Raises:
        RunNotFoundError: there is no run here.
        ConfigError: its configuration cannot be read.
        DataError: its metrics are damaged.
        CheckpointError: its model is damaged.
    """
    record = RunRecord(Path(run))
    examination, why_not = _examination(record, samples, progress or SilentProgress())
    return diagnose_examined(record, examination, why_not)


def diagnose_examined(
    record: RunRecord, examination: Examination | None, why_not: str = ""
) -> RunReport:
    """Diagnose a run whose samples are examined already.

    Args:
        record: what the run has written down.
        examination: measurements on its samples; None if they cannot be read.
        why_not: why they cannot be read, or why there is no model.
    """
    facts = RunFacts(record, examination, why_not)
    return RunReport(
        record.directory.path,
        record.step,
        record.info.updates,
        None if record.info.failure is None else record.info.failure.message,
        {each.name: each(facts) for each in DIAGNOSES},
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
                record.config.evaluation.seed,
                lambda done, _total: progress.advance(done),
            )
    except DataError as error:
        # Moved or removed; the diagnoses that need only the run log still work.
        return None, f"the samples cannot be read: {error}"
    return found, why_not
