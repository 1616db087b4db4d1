"""The report of a run, section by section."""

from pathlib import Path

from natlib.errors import DataError, RunNotFoundError
from natlib.progress import ProgressReporter, SilentProgress, stages
from natlib.report.page import Section, note, render, write_page
from natlib.report.recorded import Recorded, read_recorded
from natlib.report.sections.curves import curves
from natlib.report.sections.evaluation import evaluation
from natlib.report.sections.filters import filters
from natlib.report.sections.health import health
from natlib.report.sections.map import sample_map
from natlib.report.sections.neighbours import neighbours
from natlib.report.sections.views import views
from natlib.report.subject import Subject, Tell, read_subject

__all__ = ["write_report"]

_POINTS = 5_000


def write_report(
    run: Path | str, *, points: int = _POINTS, progress: ProgressReporter | None = None
) -> Path:
    """Write ``report.html`` into a run: one file that needs no other and no network.

    Where there is no model yet, or the samples cannot be read, the page says so, and shows what
    can be shown without.

    Args:
        run: the run directory.
        points: samples to look at, at most; a random part of the training samples.
        progress: told how far it is.

    Returns:
        The page.

    Raises:
        RunNotFoundError: there is no run.
        ConfigError: its configuration cannot be read.
        DataError: its metrics are damaged.
        CheckpointError: its model is damaged, or the page cannot be written.
    """
    recorded = read_recorded(run)
    with progress or SilentProgress() as reporter:
        tell = stages(reporter)
        subject = _subject(recorded, points, tell)
        sections: list[Section] = [evaluation(recorded.evaluation), health(recorded)]
        if isinstance(subject, Section):
            sections += [subject, curves(recorded, {})]
        else:
            sections += [
                curves(recorded, {}),
                sample_map(subject, None, tell),
                neighbours(subject),
                views(subject),
                filters(subject),
            ]
    page = recorded.path / "report.html"
    write_page(page, render(recorded.path.name, _facts(recorded), sections))
    return page


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
        ("updates", f"{recorded.step}"),
        ("seed", f"{config.training.seed}"),
    ]
