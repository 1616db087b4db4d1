"""The report of a run, section by section."""

from pathlib import Path

from natlib.report.page import Section, render, write_page
from natlib.report.recorded import Recorded, read_recorded
from natlib.report.sections.curves import curves
from natlib.report.sections.evaluation import evaluation
from natlib.report.sections.health import health

__all__ = ["write_report"]


def write_report(run: Path | str) -> Path:
    """Write ``report.html`` into a run: one file that needs no other and no network.

    Args:
        run: the run directory.

    Returns:
        The page.

    Raises:
        RunNotFoundError: there is no run.
        ConfigError: its configuration cannot be read.
        DataError: its metrics are damaged.
        CheckpointError: the page cannot be written.
    """
    recorded = read_recorded(run)
    sections: list[Section] = [
        evaluation(recorded.evaluation),
        health(recorded),
        curves(recorded, {}),
    ]
    page = recorded.path / "report.html"
    write_page(page, render(recorded.path.name, _facts(recorded), sections))
    return page


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
