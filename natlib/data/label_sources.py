"""Training samples with labels from a table, or with labelled samples of another source."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from natlib.data.base import Modality, SampleSet
from natlib.data.concatenated import ConcatenatedSamples
from natlib.data.files import NameLookup, canonical
from natlib.data.labelling import LabelsConfig
from natlib.data.table_format import TableFormat
from natlib.data.table_names import is_table
from natlib.errors import ConfigError, DataError

__all__ = ["read_labels", "training_samples"]

_COLUMNS = {"name", "label"}


def training_samples(
    modality: Modality, labels: LabelsConfig | None = None, cache: Path | None = None
) -> SampleSet:
    """Open the training samples of a run.

    Args:
        modality: the resolved modality.
        labels: the run's ``labels``. If they name a source of labelled samples, these follow the
            modality's own.
        cache: a folder in which an index of the source may be kept.

    Raises:
        ConfigError: the modality gives no training samples.
        DataError: a source cannot be read, labels name unknown samples, or the format of a table
            of labels is given for something else.
    """
    samples = _opened(modality, cache)
    if labels is None or labels.source is None:
        return samples
    path = Path(labels.source).expanduser()
    if is_table(path) and path.exists() and _columns(path, labels.table) >= _COLUMNS:
        given, classes, notes = read_labels(path, samples.names, labels.table)
        return ConcatenatedSamples([samples], given, classes, notes=notes)
    if labels.table != TableFormat():
        raise DataError(
            f"labels.table is for a table with the columns 'name' and 'label', and {labels.source} "
            "has others; leave it out (data.table says how a table of samples is written)"
        )
    beside = _opened(modality.with_source(labels.source), cache)
    if beside.labels is None or not bool((beside.labels >= 0).any()):
        wanted = "a table with the columns 'name' and 'label'" if is_table(path) else "labels"
        raise DataError(
            f"no sample of labels.source '{labels.source}' has a label; give {wanted}, or a source "
            "of labelled samples (a folder for each class, say)"
        )
    own = torch.full((len(samples),), -1)
    if samples.labels is not None:
        # Metrics may use labels of the other samples whose classes have the same names.
        number = {canonical(name): label for label, name in enumerate(beside.classes)}
        translated = [number.get(canonical(name), -1) for name in samples.classes]
        own = torch.tensor([*translated, -1])[samples.labels.cpu()]
    everyone = torch.cat([own, beside.labels.cpu()])
    return ConcatenatedSamples([samples, beside], everyone, beside.classes, shown_from=len(samples))


def read_labels(
    path: Path, names: Sequence[str], form: TableFormat | None = None
) -> tuple[Tensor, list[str], list[str]]:
    """Read labels of samples by the names of the samples.

    Args:
        path: a table with the columns ``name`` and ``label``.
        names: names of all samples.
        form: how the table is written; what is not set is found from the file.

    Returns:
        int64[n], -1 for samples that the table does not name, or names without a label; the
        names of the classes; and what was guessed, a line each (see
        :func:`natlib.data.notes_of`).

    Raises:
        DataError: the table names unknown samples or one of them twice, or its labels are none.
    """
    from natlib.data.table_labels import table_labels
    from natlib.data.table_values import names_in
    from natlib.data.tables import column, open_table, table_about

    # A name may look like a number.
    table = open_table(path, form=form, text=["name"])
    complete, notes = table_about(table)
    given = names_in(column(table, "name"))
    lookup = NameLookup(names)
    found = [lookup.get(name) for name in given]
    unknown = [name for name, position in zip(given, found, strict=True) if position is None]
    if unknown:
        raise DataError(
            f"{path} names {len(unknown)} samples that are not among the training samples (such as "
            f"{unknown[0]!r}); {_like(unknown[0], names[:1000])}"
        )
    rows = np.array(found, dtype=np.int64)
    twice = np.flatnonzero(np.bincount(rows, minlength=1) > 1)
    if len(twice):
        raise DataError(f"{path} names '{names[twice[0]]}' twice; give each sample one label")
    where = f"{path}: column 'label'"
    encoded, classes, more = table_labels(column(table, "label"), complete.missing_texts, where)
    labels = torch.full((len(names),), -1)
    labels[torch.from_numpy(rows)] = encoded
    return labels, classes, [*notes, *more]


def _columns(path: Path, form: TableFormat) -> set[str]:
    from natlib.data.tables import column_names

    return set(column_names(path, form))


def _like(unknown: str, names: Sequence[str]) -> str:
    """A hint on what names look like, since there are too many to list."""
    close = get_close_matches(unknown, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"they are called '{names[0]}' and the like; name samples as the source does"


def _opened(modality: Modality, cache: Path | None) -> SampleSet:
    samples = modality.dataset("train", cache=cache)
    if samples is None:
        kind = getattr(modality, "kind", "?")
        raise ConfigError(f"the modality '{kind}' gave no training samples")
    return samples
