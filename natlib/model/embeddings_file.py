"""Files of embeddings that other tools can read."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from natlib.data import SampleSet, notes_of
from natlib.errors import ConfigError, DataError
from natlib.model.model import Model, Output
from natlib.runtime.storage import new_file

__all__ = ["EXPORT_SUFFIXES", "export_embeddings"]

EXPORT_SUFFIXES = (".npz", ".parquet")


def export_embeddings(
    model: Model,
    out: Path,
    *,
    output: Output = "encoder",
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[int, int]:
    """Embed every sample of the model's source, all splits after one another, into a file.

    The file holds ``embeddings`` (float32 [n, f]), ``names``, ``splits``, and, where the
    source has labels, ``labels`` and ``classes`` (the name of each sample's class).

    Args:
        model: the model; its modality names the source.
        out: ``.npz`` or ``.parquet``; written beside and renamed.
        output: ``encoder`` for features, ``head`` for the space of the targets.
        workers: processes that decode.
        progress: called with the samples done and the total.
        tell: called with each line about what the source leaves out or guesses.

    Returns:
        How many samples were embedded, and how many could not be decoded.

    Raises:
        ConfigError: another kind of file is asked for.
        DataError: the source holds no samples, or none can be decoded.
    """
    if out.suffix not in EXPORT_SUFFIXES:
        raise ConfigError(
            f"cannot write '{out.name}'; expected a name that ends in .npz or .parquet"
        )
    parts: list[dict[str, np.ndarray[Any, Any]]] = []
    total = 0
    for split in ("train", "val", "test"):
        samples = model.modality.dataset(split)
        if samples is None:
            continue
        total += len(samples)
        if tell is not None:
            for note in notes_of(samples):
                tell(note)
        found = model.embed_set(samples, output=output, workers=workers, progress=progress)
        parts.append(_columns(samples, split, found.vectors, found.index))
    if not parts:
        raise DataError(f"'{model.modality.source}' holds no samples to embed")
    # Labels are written only where every split has them.
    shared = [name for name in parts[0] if all(name in part for part in parts)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in shared}
    _write(columns, out)
    embedded = len(columns["embeddings"])
    return embedded, total - embedded


def _columns(
    samples: SampleSet, split: str, vectors: np.ndarray[Any, Any], index: np.ndarray[Any, Any]
) -> dict[str, np.ndarray[Any, Any]]:
    columns = {
        "embeddings": vectors,
        "names": np.array([samples.names[i] for i in index], dtype=np.str_),
        "splits": np.full(len(index), split),
    }
    if samples.labels is not None:
        labels = samples.labels.numpy()[index]
        columns["labels"] = labels
        names = [samples.classes[label] if label >= 0 else "" for label in labels]
        columns["classes"] = np.array(names, dtype=np.str_)
    return columns


def _write(columns: dict[str, np.ndarray[Any, Any]], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with new_file(out) as file:
        if out.suffix == ".npz":
            # Plain arrays only: readers need no pickle.
            np.savez_compressed(file, **columns)  # type: ignore[arg-type]
        else:
            _write_parquet(columns, file)


def _write_parquet(columns: dict[str, np.ndarray[Any, Any]], file: IO[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    vectors = columns["embeddings"]
    flat = pa.array(vectors.reshape(-1))
    arrays = {"embeddings": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
    arrays |= {
        name: pa.array(_utf8(column)) for name, column in columns.items() if name != "embeddings"
    }
    pq.write_table(pa.table(arrays), file)


def _utf8(column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    r"""Strings as Parquet holds them: bytes that are not UTF-8 are written out, as ``\udcff``."""
    if column.dtype.kind != "U":
        return column
    return np.array([str(value).encode(errors="backslashreplace").decode() for value in column])
