"""Write the report of a run."""

from functools import partial
from pathlib import Path

import torch

from natlib.doctor import EXAMINED, RunRecord, RunReport, diagnose, diagnose_examined, examine
from natlib.errors import DataError, RunNotFoundError
from natlib.evaluation.modes import untouched_random
from natlib.objectives import lowest_healthy_rank, random_target_loss
from natlib.report.charts import Reference
from natlib.report.fit import measure_fit, nat_part
from natlib.report.page import Section, note, render, write_page
from natlib.report.sections.curves import curves
from natlib.report.sections.evaluation import evaluation
from natlib.report.sections.filters import filters
from natlib.report.sections.health import health
from natlib.report.sections.layers import Other, layers, read_other
from natlib.report.sections.map import sample_map
from natlib.report.sections.neighbours import neighbours
from natlib.report.sections.slots import slots
from natlib.report.sections.spectrum import spectrum
from natlib.report.sections.targets import targets
from natlib.report.sections.views import views
from natlib.report.subject import Subject, Tell, read_subject
from natlib.runs import RunLog, read_run_log
from natlib.runtime.progress import ProgressReporter, SilentProgress, stages

__all__ = ["references", "write_report"]

_POINTS = 5_000


def write_report(
    run: Path | str,
    *,
    against: Path | str | None = None,
    points: int = _POINTS,
    progress: ProgressReporter | None = None,
) -> Path:
    """Write ``report.html`` into a run directory: a self-contained page that needs no network.

    If there is no model yet, or the samples cannot be read, the page says so and shows the rest.

    Args:
        run: the run directory.
        against: another run, whose layers are compared with those of this one.
        points: maximum number of samples, chosen at random from the training samples.
        progress: receives the progress.

    Returns:
        The path of the page.

    Raises:
        RunNotFoundError: there is no run.
        ConfigError: its configuration cannot be read, or ``against`` is of another modality.
        DataError: its metrics are damaged, or the other run cannot read its samples.
        CheckpointError: its model is damaged, or the page cannot be written.
    """
    log = read_run_log(run)
    other = None if against is None else read_other(log, against)
    with untouched_random(torch.device("cpu")), progress or SilentProgress() as reporter:
        tell = stages(reporter)
        subject = _subject(log, points, tell)
        found = _diagnosis(log, subject, min(points, EXAMINED), tell)
        sections = [evaluation(log.evaluations), health(found)]
        if isinstance(subject, Section):
            sections += [curves(log, {}), subject]
        else:
            sections += _looks(log, subject, other, tell)
    page = log.path / "report.html"
    write_page(page, render(log.path.name, _facts(log), sections))
    return page


def _diagnosis(log: RunLog, subject: Subject | Section, most: int, tell: Tell) -> RunReport:
    """What ``natlib doctor`` finds, on the samples that are in memory already if there are any."""
    if isinstance(subject, Section):
        return diagnose(log.path, samples=most)
    examination = examine(
        subject.modality,
        subject.samples,
        subject.model,
        most,
        subject.seed,
        partial(tell, "diagnosing the run"),
    )
    return diagnose_examined(RunRecord(log.path), examination)


def _looks(log: RunLog, subject: Subject, other: Other | None, tell: Tell) -> list[Section]:
    """The sections that need the model and samples."""
    fit = measure_fit(log, subject)
    return [
        curves(log, references(log, subject)),
        sample_map(subject, None if fit is None else fit.cosine, tell),
        neighbours(subject),
        views(subject),
        targets(subject, fit),
        slots(log, subject),
        spectrum(subject),
        layers(log, subject, other),
        filters(subject),
    ]


def references(log: RunLog, subject: Subject) -> dict[str, tuple[Reference, ...]]:
    """Reference lines that depend on the run, by metric; those that the doctor compares with."""
    width = subject.features["head"].shape[1]
    found: dict[str, tuple[Reference, ...]] = {
        "effective_rank": (
            Reference(min(width, log.batch - 1), "all directions"),
            Reference(lowest_healthy_rank(width, log.batch), "few directions"),
        )
    }
    part = nat_part(subject.model.objective)
    if part is not None:
        line = random_target_loss(part[1].config, log.batch)
        found["loss_target"] = (Reference(line, "random points, matched"),)
    return found


def _subject(log: RunLog, points: int, tell: Tell) -> Subject | Section:
    """The model and samples of a run, or a note that says why they are missing."""
    try:
        return read_subject(log, points, tell)
    except (DataError, RunNotFoundError) as error:
        return note("samples", "Samples", f"No samples can be shown: {error}.")


def _facts(log: RunLog) -> list[tuple[str, str]]:
    config = log.config
    assert config.encoder is not None
    # Not every update writes a line of metrics, and a line tells the epoch that it is in.
    finished = log.info.status == "finished"
    epochs = config.training.epochs if finished else log.epoch
    updates = log.info.updates if finished else log.step
    return [
        ("modality", config.data.kind),
        ("source", str(config.data.source)),
        ("encoder", config.encoder.kind),
        ("objective", config.objective.kind),
        ("epochs", f"{epochs} of {config.training.epochs}"),
        ("updates", f"{updates} of {log.info.updates}"),
        ("state", log.info.status),
        ("seed", f"{config.training.seed}"),
    ]
