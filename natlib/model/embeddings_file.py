"""Files of embeddings that other tools can read."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from natlib.data import DecodedSamples, Modality, SampleSet, Split, noted
from natlib.errors import ConfigError, DataError
from natlib.model.embedding_model import EmbeddingModel, Output
from natlib.runtime.storage import new_file

__all__ = ["EXPORT_SUFFIXES", "export_embeddings"]

EXPORT_SUFFIXES = (".npz", ".parquet")
SPLITS: tuple[Split, ...] = ("train", "val", "test")


def export_embeddings(
    model: EmbeddingModel,
    out: Path,
    sources: Sequence[str] | None = None,
    *,
    output: Output = "encoder",
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[int, int]:
    """Embed every sample of one or several sources, all splits after one another, into a file.

    The file holds ``embeddings`` (float32 [n, f]), ``names``, ``splits`` (empty for single files),
    and, where everything has labels, ``classes`` (the name of each sample's class) and, of one
    source, ``labels``. A sample that is a file has its path for a name: relative to the working
    directory where it is inside, so that it can be opened.

    Args:
        model: the model.
        out: ``.npz`` or ``.parquet``; written beside and renamed.
        sources: folders and whatever else the modality reads, and single files; by default the
            source that the modality names.
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
    files = [source for source in sources or () if _is_file(model.modality, source)]
    for samples, split in _sets(
        model.modality,
        [s for s in sources or () if s not in files] if sources is not None else None,
    ):
        total += len(samples)
        if tell is not None:
            for note in noted(samples):
                tell(note)
        found = model.embed_set(samples, output=output, workers=workers, progress=progress)
        parts.append(_columns(samples, split, found.vectors, found.index))
    if files:
        total += len(files)
        vectors = model.embed(files, output=output)
        parts.append(
            {"embeddings": vectors, "names": np.array(files), "splits": np.full(len(files), "")}
        )
    if not parts:
        raise DataError(f"'{model.modality.source}' holds no samples to embed")
    # Labels are written only where everything has them. Their numbers are those of one source.
    shared = [name for name in parts[0] if all(name in part for part in parts)]
    if sources is not None and len(sources) > 1:
        shared = [name for name in shared if name != "labels"]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in shared}
    _write(columns, out)
    embedded = len(columns["embeddings"])
    return embedded, total - embedded


def _is_file(modality: Modality, source: str) -> bool:
    """Whether a source is a single file that holds a sample, an image say."""
    path = Path(source).expanduser()
    return path.suffix.lower().lstrip(".") in modality.file_extensions and path.is_file()


def _sets(modality: Modality, sources: Sequence[str] | None) -> Iterator[tuple[SampleSet, Split]]:
    """All splits of all sources."""
    each = [modality] if sources is None else [modality.with_source(one) for one in sources]
    for one in each:
        found = [(one.dataset(split), split) for split in SPLITS]
        there = [(samples, split) for samples, split in found if samples is not None]
        if not there:
            raise DataError(f"'{one.source}' holds no samples to embed")
        yield from there


def _name(samples: SampleSet, index: int) -> str:
    """The path of a sample that is a file; otherwise what the source calls it."""
    item = samples.item(index) if isinstance(samples, DecodedSamples) else None
    if not isinstance(item, Path):
        return samples.names[index]
    here = Path.cwd()
    return str(item.relative_to(here) if item.is_relative_to(here) else item)


def _names(samples: SampleSet, index: np.ndarray[Any, Any]) -> list[str]:
    # Some sources decode to give an item; where the first one is no file, none is.
    if not len(index) or _name(samples, index[0]) == samples.names[index[0]]:
        return [samples.names[i] for i in index]
    return [_name(samples, i) for i in index]


def _columns(
    samples: SampleSet, split: str, vectors: np.ndarray[Any, Any], index: np.ndarray[Any, Any]
) -> dict[str, np.ndarray[Any, Any]]:
    columns = {
        "embeddings": vectors,
        "names": np.array(_names(samples, index), dtype=np.str_),
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
