"""Section: similarity of layers, and of two runs."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from natlib.data import Batch, training_samples
from natlib.errors import ConfigError, DataError
from natlib.model import Model, load
from natlib.report.charts import heat_map
from natlib.report.page import Section, note
from natlib.report.similarity import similarities, stage_grams
from natlib.report.subject import Subject
from natlib.runs import RunLog

__all__ = ["Other", "layers", "read_other"]

_TITLE = "Similarity of layers"
_SAMPLES, _FEWEST = 512, 8
# The most stages that fit on a page.
_STAGES = 16


@dataclass(frozen=True)
class Other:
    """Another run, for comparison.

    Attributes:
        path: its directory.
        model: its model.
    """

    path: Path
    model: Model


def read_other(log: RunLog, run: Path | str) -> Other:
    """The model of another run, after checking that both can be compared.

    Raises:
        RunNotFoundError: there is no run, or no model in it.
        ConfigError: its modality is another one.
    """
    other = load(run)
    mine, theirs = log.config.data.kind, other.modality.kind
    if mine != theirs:
        raise ConfigError(
            f"{run} is a run on the modality '{theirs}' and {log.path} one on '{mine}', so "
            "their layers cannot be compared on the same samples; give --against a run on "
            f"'{mine}'"
        )
    return Other(Path(run), other)


def layers(log: RunLog, subject: Subject, other: Other | None) -> Section:
    """Linear CKA of the encoder's stages with each other, with an untrained encoder's, and with
    another run's.

    Args:
        log: the run.
        subject: its model and samples.
        other: another run.

    Raises:
        DataError: the other run cannot read these samples.
    """
    index = subject.index[subject.draw(_SAMPLES)].tolist()
    if len(index) < _FEWEST:
        return note("layers", _TITLE, f"{len(index)} samples are too few to compare layers by.")
    batch = subject.modality.collate([subject.samples[number] for number in index])
    trained = stage_grams(subject.model.encoder, subject.modality, batch)
    start = stage_grams(subject.start, subject.modality, batch)
    maps = [
        ("With each other", trained, "trained"),
        ("With the encoder as it began", start, "as it began"),
    ]
    if other is not None:
        theirs = _batch_of(log, subject, other, batch.index.tolist())
        grams = stage_grams(other.model.encoder, other.model.modality, theirs)
        maps.append((f"With {other.path.name}", grams, other.path.name))
    charts = [
        {"title": title, "picture": _picture(trained, grams, what), "columns": what}
        for title, grams, what in maps
    ]
    values = {"charts": charts, "count": len(next(iter(trained.values())))}
    return Section("layers", _TITLE, "layers.html.j2", values)


def _picture(rows: dict[str, Tensor], columns: dict[str, Tensor], what: str) -> str:
    rows, columns = _at_most(rows), _at_most(columns)
    count = min(len(g) for g in (*rows.values(), *columns.values()))
    rows = {name: g[:count, :count] for name, g in rows.items()}
    columns = {name: g[:count, :count] for name, g in columns.items()}
    values = similarities(rows, columns)
    return heat_map(values.tolist(), list(rows), list(columns), what=f"CKA, columns: {what}")


def _at_most(grams: dict[str, Tensor]) -> dict[str, Tensor]:
    """Evenly spaced stages, including the first and the last, if there are too many."""
    if len(grams) <= _STAGES:
        return grams
    names = list(grams)
    chosen = torch.linspace(0, len(names) - 1, _STAGES).round().long().unique()
    return {names[n]: grams[names[n]] for n in chosen.tolist()}


def _batch_of(log: RunLog, subject: Subject, other: Other, index: list[int]) -> Batch:
    """The same samples, decoded and collated by the other run's modality."""
    mine, theirs = log.config.data, other.model.modality
    if theirs.source != mine.source and mine.source is not None:
        theirs = theirs.with_source(mine.source)
    rows = {"max_samples": mine.max_samples, "subset_seed": mine.subset_seed}
    samples = training_samples(theirs.model_copy(update=rows), log.config.labels)
    known = len(samples) == len(subject.samples)
    if not known or any(samples.names[n] != subject.samples.names[n] for n in index):
        raise DataError(
            f"{other.path} does not find the samples of {log.path} in {mine.source}; compare "
            "runs whose settings of 'data' find the same samples"
        )
    return theirs.collate([samples[number] for number in index])
