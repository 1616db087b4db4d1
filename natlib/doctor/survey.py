"""Facts about every sample of a source, from one pass over it.

Shapes: n samples, r numbers of the raw baseline.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from natlib.data import Modality, SampleSet, Split, evenly_spaced, load_batches, noted
from natlib.data.sparse import is_sparse, stacked
from natlib.doctor.copies import sample_digest
from natlib.evaluation.modes import untouched_random

__all__ = ["SplitFacts", "Survey", "survey"]

_BATCH = 64
# Distances between all pairs of this many samples take a second or two.
_COMPARED = 2_000


@dataclass
class SplitFacts:
    """The facts about the samples of a split.

    Attributes:
        total: the number of samples, including unreadable ones.
        unreadable: name and reason of each sample that cannot be decoded.
        names: the names of the n samples that can.
        digests: digests of their content; equal for copies.
        constant: the names of samples in whose input every channel is constant.
        sizes: float32[n] by name: any single number that the modality records for each sample,
            such as its length or height.
        labelled: the number of samples of each class; empty without labels.
        notes: what the source leaves out or guesses, a line each.
        compared: positions in ``names`` of the rows of ``raw``.
        raw: the raw baseline Tensor[c, r] of some samples, perhaps sparse.
    """

    total: int
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    constant: list[str] = field(default_factory=list)
    sizes: dict[str, Tensor] = field(default_factory=dict)
    labelled: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    compared: list[int] = field(default_factory=list)
    raw: Tensor | None = None


Survey = dict[Split, SplitFacts]
"""The facts about every split of a source; ``train`` always exists."""


def survey(
    modality: Modality,
    *,
    workers: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Survey:
    """Read all samples of a source; the state of torch's global generator is restored.

    Args:
        modality: resolved, with its source.
        workers: processes that decode.
        progress: called with the stage, the number of samples done and their total.

    Raises:
        DataError: the source does not exist or holds no samples.
    """
    found: Survey = {}
    splits: tuple[Split, ...] = ("train", "val", "test")
    with untouched_random(torch.device("cpu")):
        for split in splits:
            samples = modality.dataset(split)
            if samples is not None:
                found[split] = _look(modality, samples, split, workers, progress)
    return found


@dataclass(frozen=True)
class _Look:
    """A worker's facts about one sample."""

    index: int
    reason: str = ""
    digest: bytes = b""
    constant: bool = False
    sizes: dict[str, float] = field(default_factory=dict)


class _Looks(Dataset[Any]):
    """A data set whose items are facts about samples."""

    def __init__(self, modality: Modality, samples: SampleSet) -> None:
        self._modality = modality
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> _Look:
        alone = self._modality.collate([self._samples[index]])
        if not len(alone.index):
            return _Look(index, alone.unreadable[0].reason)
        inputs = self._modality.plain(alone)[0]
        # Any tensor with one number for each sample counts as a size.
        numbers = {name: t for name, t in alone.data.items() if t.ndim == 1}
        sizes = {name: float(t) for name, t in numbers.items()}
        return _Look(index, "", sample_digest(alone), _constant(inputs), sizes)


def _constant(inputs: Tensor) -> bool:
    """Whether every channel of an input is constant, up to rounding."""
    channels = inputs.flatten(1) if inputs.ndim > 1 else inputs[None]
    if channels.shape[1] < 2:
        return False
    extent = (channels.amax(1) - channels.amin(1)).double()
    return bool((extent <= 1e-5 * (1 + channels.abs().amax(1))).all())


def _look(
    modality: Modality,
    samples: SampleSet,
    split: Split,
    workers: int,
    progress: Callable[[str, int, int], None] | None,
) -> SplitFacts:
    facts = SplitFacts(len(samples))
    if samples.labels is not None:
        counts = torch.bincount(samples.labels[samples.labels >= 0], minlength=len(samples.classes))
        facts.labelled = dict(zip(samples.classes, counts.tolist(), strict=True))
    loader = DataLoader(
        _Looks(modality, samples), batch_size=_BATCH, num_workers=workers, collate_fn=list
    )
    facts.notes = noted(samples)
    readable: list[int] = []
    sizes: dict[str, list[float]] = {}
    seen = 0
    for looks in loader:
        for look in looks:
            name = samples.names[look.index]
            if look.reason:
                facts.unreadable.append((name, look.reason))
                continue
            readable.append(look.index)
            facts.names.append(name)
            facts.digests.append(look.digest)
            if look.constant:
                facts.constant.append(name)
            for kind, value in look.sizes.items():
                sizes.setdefault(kind, []).append(value)
        seen += len(looks)
        if progress is not None:
            progress(f"looking at {split} samples", seen, len(samples))
    facts.sizes = {kind: torch.tensor(values) for kind, values in sizes.items()}
    facts.compared = evenly_spaced(len(readable), _COMPARED)
    facts.raw = _raw(modality, samples, [readable[position] for position in facts.compared])
    return facts


def _raw(modality: Modality, samples: SampleSet, index: list[int]) -> Tensor | None:
    batches = [index[start : start + _BATCH] for start in range(0, len(index), _BATCH)]
    loaded = load_batches(modality, samples, batches, device=torch.device("cpu"))
    rows = [modality.raw(batch) for batch in loaded]
    if not rows:
        return None
    return stacked(rows) if is_sparse(rows[0]) else torch.cat([row.flatten(1) for row in rows])
