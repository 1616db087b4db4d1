"""Compare runs: settings that differ, results, and curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from natlib.errors import ConfigError
from natlib.report.charts import Curve, line_chart
from natlib.report.charts.axes import label
from natlib.report.metrics import panels_of
from natlib.report.page import Section, render, write_page
from natlib.runs import RunLog, read_run_log

__all__ = ["Comparison", "compare", "write_comparison"]

_ABSENT = "-"


@dataclass(frozen=True)
class Comparison:
    """A comparison of runs.

    Attributes:
        runs: their names, all different.
        settings: for each setting that differs, its text in each run.
        metrics: for each metric, its last value in each run.
        evaluations: for each figure of an evaluation, its value in each run.
        logs: what each run has written down.
    """

    runs: list[str]
    settings: dict[str, list[str]]
    metrics: dict[str, list[str]]
    evaluations: dict[str, list[str]]
    logs: list[RunLog]

    @property
    def groups(self) -> dict[str, dict[str, list[str]]]:
        """The lines of the table in groups, by heading."""
        return {
            "settings that differ": self.settings,
            "metrics at the end": self.metrics,
            "evaluations": self.evaluations,
        }


def compare(runs: Sequence[Path | str]) -> Comparison:
    """Read the logs of runs and compare them.

    Args:
        runs: two run directories or more.

    Raises:
        ConfigError: there are fewer than two runs, or one is given twice.
        RunNotFoundError: there is no run.
        DataError: the metrics of a run are damaged.
    """
    if len(runs) < 2:
        raise ConfigError("a comparison needs two runs or more, got one; give another one")
    paths = [Path(run).resolve() for run in runs]
    for path in paths:
        if paths.count(path) > 1:
            raise ConfigError(f"the run {path} is given twice; give different runs")
    logs = [read_run_log(run) for run in runs]
    flat = [_flat(run.config.model_dump(mode="json")) for run in logs]
    results = [_figures(run) for run in logs]
    metrics = {
        name: [_last(run, name) for run in logs]
        for panel in panels_of(_all_metrics(logs), {})
        for name in panel.names
    }
    return Comparison(_names(paths), _different(flat), metrics, _together(results), logs)


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write a page with the table, and for each metric a chart with a curve for each run.

    Args:
        comparison: the comparison.
        path: the file to write.

    Raises:
        ConfigError: the name does not end in .html.
        CheckpointError: it cannot be written.
    """
    if path.suffix.lower() != ".html":
        raise ConfigError(f"{path} is not the name of a page; expected one that ends in .html")
    sections = [
        Section("curves", "Curves", "curves.html.j2", {"panels": _panels(comparison)}),
        Section(
            "table",
            "Table",
            "comparison.html.j2",
            {"runs": comparison.runs, "groups": comparison.groups},
        ),
    ]
    title = "Comparison of runs"
    write_page(path, render(title, [("runs", ", ".join(comparison.runs))], sections))


def _panels(comparison: Comparison) -> list[dict[str, Any]]:
    panels = []
    for panel in panels_of(_all_metrics(comparison.logs), {}):
        for name in panel.names:
            curves = [
                Curve(run, log.metrics[name].steps, log.metrics[name].values,
                      number=number, last=_last(log, name))
                for number, (run, log) in enumerate(
                    zip(comparison.runs, comparison.logs, strict=True)
                )
                if name in log.metrics
            ]  # fmt: skip
            title = panel.title if len(panel.names) == 1 else f"{panel.title}: {name}"
            panels.append(
                {
                    "title": title,
                    "chart": line_chart(
                        curves, panel.references, x_name="update", y_name=panel.axis
                    ),
                    "meaning": panel.meaning,
                }
            )
    return panels


def _all_metrics(logs: Sequence[RunLog]) -> list[str]:
    return list(dict.fromkeys(name for run in logs for name in run.metrics))


def _names(paths: Sequence[Path]) -> list[str]:
    """The last components of the paths, as many as are needed to make them different."""
    deepest = max(len(path.parts) for path in paths)
    for depth in range(1, deepest):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = str(value)
    return found


def _different(flat: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for one in flat for name in one)
    lines = {name: [one.get(name, _ABSENT) for one in flat] for name in names}
    return {name: line for name, line in lines.items() if len(set(line)) > 1}


def _figures(run: RunLog) -> dict[str, str]:
    """The figures of all evaluations, by column, row and evaluation."""
    return {
        f"{result.columns[column]}, {row}" + ("" if name == "standard" else f" ({name})"): str(
            figures[column]
        )
        for name, result in run.evaluations.items()
        for column in result.columns
        for row, figures in result.rows.items()
        if column in figures
    }


def _together(results: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for one in results for name in one)
    return {name: [one.get(name, _ABSENT) for one in results] for name in names}


def _last(run: RunLog, name: str) -> str:
    return label(run.metrics[name].last) if name in run.metrics else _ABSENT
