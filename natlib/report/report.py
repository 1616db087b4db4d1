"""The report of a run, section by section."""

from pathlib import Path

import torch

from natlib.errors import DataError, RunNotFoundError
from natlib.evaluation.modes import untouched_random
from natlib.report.charts import Reference
from natlib.report.fit import Fit, measure_fit
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
from natlib.runs import Recorded, read_recorded
from natlib.runtime.progress import ProgressReporter, SilentProgress, stages

__all__ = ["write_report"]

_POINTS = 5_000


def write_report(
    run: Path | str,
    *,
    against: Path | str | None = None,
    points: int = _POINTS,
    progress: ProgressReporter | None = None,
) -> Path:
    """Write ``report.html`` into a run: one file that needs no other and no network.

    Where there is no model yet, or the samples cannot be read, the page says so, and shows what
    can be shown without.

    Args:
        run: the run directory.
        against: another run, whose layers are compared with those of this one.
        points: samples to look at, at most; a random part of the training samples.
        progress: told how far it is.

    Returns:
        The page.

    Raises:
        RunNotFoundError: there is no run.
        ConfigError: its configuration cannot be read, or ``against`` is of another modality.
        DataError: its metrics are damaged, or the other run cannot read its samples.
        CheckpointError: its model is damaged, or the page cannot be written.
    """
    recorded = read_recorded(run)
    other = None if against is None else read_other(recorded, against)
    with untouched_random(torch.device("cpu")), progress or SilentProgress() as reporter:
        tell = stages(reporter)
        subject = _subject(recorded, points, tell)
        first = [evaluation(recorded.evaluations), health(recorded)]
        if isinstance(subject, Section):
            sections = [*first, curves(recorded, {}), subject]
        else:
            sections = [*first, *_looks(recorded, subject, other, tell)]
    page = recorded.path / "report.html"
    write_page(page, render(recorded.path.name, _facts(recorded), sections))
    return page


def _looks(recorded: Recorded, subject: Subject, other: Other | None, tell: Tell) -> list[Section]:
    """The sections that need a model and samples."""
    fit = measure_fit(recorded, subject)
    return [
        curves(recorded, _references(subject, fit)),
        sample_map(subject, None if fit is None else fit.cosine, tell),
        neighbours(subject),
        views(subject),
        targets(subject, fit),
        slots(recorded, subject),
        spectrum(subject),
        layers(recorded, subject, other),
        filters(subject),
    ]


def _references(subject: Subject, fit: Fit | None) -> dict[str, tuple[Reference, ...]]:
    """Lines that depend on the run, by metric."""
    width = subject.features["head"].shape[1]
    found: dict[str, tuple[Reference, ...]] = {
        "effective_rank": (Reference(width, "all directions"),)
    }
    if fit is not None:
        found["loss_target"] = (Reference(fit.random_distance, "random points, matched"),)
    return found


def _subject(recorded: Recorded, points: int, tell: Tell) -> Subject | Section:
    """The model and samples of a run, or a note that says why there are none."""
    try:
        return read_subject(recorded, points, tell)
    except (DataError, RunNotFoundError) as error:
        return note("samples", "Samples", f"Nothing can be shown of the samples: {error}.")


def _facts(recorded: Recorded) -> list[tuple[str, str]]:
    config = recorded.config
    assert config.encoder is not None
    return [
        ("modality", config.data.kind),
        ("source", str(config.data.source)),
        ("encoder", config.encoder.kind),
        ("objective", config.objective.kind),
        ("epochs", f"{recorded.epoch} of {config.training.epochs}"),
        ("updates", f"{recorded.step} of {recorded.info.updates}"),
        ("state", recorded.info.status),
        ("seed", f"{config.training.seed}"),
    ]
