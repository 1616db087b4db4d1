"""Features of samples, computed in one pass over the data."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from natlib.data import Batch, Modality, SampleSet, Unreadable, load_batches
from natlib.data.sparse import finite_rows, is_sparse, rows_of, stacked
from natlib.encoders import Encoder
from natlib.errors import DataError, NonFiniteError
from natlib.evaluation.modes import evaluating, untouched_random
from natlib.objectives import ObjectiveModule

__all__ = ["Encoded", "encode"]


@dataclass(frozen=True)
class Encoded:
    """What :func:`encode` returns; row i of everything is sample ``index[i]``.

    Attributes:
        index: int64[u], the samples that could be decoded, in the order asked for.
        labels: int64[u], or None where the sample set has none.
        features: float32[u, ·] on the CPU, by name: ``encoder``, and as asked for ``head``,
            ``start`` and ``raw``; ``raw`` is sparse where the modality makes it so.
        unreadable: the samples that could not be decoded in this pass.
    """

    index: Tensor
    labels: Tensor | None
    features: dict[str, Tensor]
    unreadable: list[Unreadable]


def encode(
    modality: Modality,
    samples: SampleSet,
    encoder: Encoder,
    *,
    device: torch.device,
    index: Tensor | None = None,
    objective: ObjectiveModule | None = None,
    start: Encoder | None = None,
    raw: bool = False,
    batch_size: int = 512,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Encoded:
    """Embed samples in evaluation mode; modules and global generators are left as they were.

    Args:
        modality: what decodes and prepares the samples.
        samples: where they are.
        encoder: gives ``encoder`` features.
        device: what to compute on; encoder, objective and ``start`` must be there.
        index: int64[s], which samples; by default all that are usable.
        objective: if given, its head gives ``head``.
        start: if given, the encoder as it began, which gives ``start``.
        raw: also return the modality's raw-input baseline as ``raw``.
        batch_size: samples that are embedded at once.
        workers: processes that decode.
        progress: called with the samples done and the total.

    Raises:
        DataError: there is no usable sample, or none could be decoded.
        NonFiniteError: an output holds NaN or infinity.
    """
    wanted = samples.usable if index is None else index
    if not len(wanted):
        raise DataError("there is no usable sample to embed; check the source and its labels")
    batches = [part.tolist() for part in torch.split(_ordered(samples, wanted), batch_size)]
    rows = _Rows(wanted)
    done = 0
    with untouched_random(device), evaluating(encoder, objective, start):
        loaded = load_batches(modality, samples, batches, device=device, workers=workers)
        for asked, batch in zip(batches, loaded, strict=True):
            if len(batch.index):
                outputs = _outputs(modality, batch, encoder, objective, start, raw)
                _check_finite(outputs, batch, samples)
                rows.add(batch, outputs)
            rows.unreadable += batch.unreadable
            done += len(asked)
            if progress is not None:
                progress(done, len(wanted))
    if not rows.found.any():
        why = f"; the first: {rows.unreadable[0].reason}" if rows.unreadable else ""
        raise DataError(f"none of {len(wanted)} samples could be decoded{why}; check the source")
    kept = wanted[rows.found]
    labels = None if samples.labels is None else samples.labels[kept].long()
    return Encoded(kept, labels, rows.whole(), rows.unreadable)


def _ordered(samples: SampleSet, wanted: Tensor) -> Tensor:
    """The samples that are wanted, those of similar extent beside each other."""
    extents = getattr(samples, "extents", None)
    found: Tensor | None = None if extents is None else extents(wanted)
    return wanted if found is None else wanted[found.argsort(stable=True)]


class _Rows:
    """Rows collected batch by batch, in the order of the samples, in memory allocated once.

    Args:
        wanted: int64[s], the samples in that order.

    Attributes:
        found: bool[s], those that could be decoded.
        unreadable: the others.
    """

    def __init__(self, wanted: Tensor) -> None:
        self.found = torch.zeros(len(wanted), dtype=torch.bool)
        self.unreadable: list[Unreadable] = []
        self._place = {sample: place for place, sample in enumerate(wanted.tolist())}
        self._dense: dict[str, Tensor] = {}
        self._sparse: dict[str, list[Tensor]] = {}
        self._places: list[Tensor] = []
        self._order: list[str] = []

    def add(self, batch: Batch, outputs: dict[str, Tensor]) -> None:
        places = torch.tensor([self._place[sample] for sample in batch.index.tolist()])
        self.found[places] = True
        self._places.append(places)
        self._order = list(outputs)
        for name, output in outputs.items():
            if is_sparse(output):
                self._sparse.setdefault(name, []).append(output.cpu())
                continue
            if name not in self._dense:
                self._dense[name] = torch.empty(len(self.found), output.shape[1])
            self._dense[name][places] = output.cpu()

    def whole(self) -> dict[str, Tensor]:
        """All rows of each kind of features."""
        return {name: self._rows_of(name) for name in self._order}

    def _rows_of(self, name: str) -> Tensor:
        if name in self._sparse:
            together = stacked(self._sparse[name])
            order = torch.cat(self._places).argsort()
            in_order = torch.equal(order, torch.arange(len(order)))
            return together if in_order else rows_of(together, order)
        dense = self._dense[name]
        return dense if self.found.all() else dense[self.found]


def _outputs(
    modality: Modality,
    batch: Batch,
    encoder: Encoder,
    objective: ObjectiveModule | None,
    start: Encoder | None,
    raw: bool,
) -> dict[str, Tensor]:
    inputs = modality.plain(batch)
    outputs = {"encoder": encoder(inputs)}
    if objective is not None:
        outputs["head"] = objective.embed(outputs["encoder"])
    if start is not None:
        outputs["start"] = start(inputs)
    if raw:
        baseline = modality.raw(batch)
        outputs["raw"] = baseline if is_sparse(baseline) else baseline.flatten(1)
    return {name: output.float() for name, output in outputs.items()}


def _check_finite(outputs: dict[str, Tensor], batch: Batch, samples: SampleSet) -> None:
    for name, output in outputs.items():
        finite = finite_rows(output) if is_sparse(output) else torch.isfinite(output).all(-1)
        if not finite.all():
            position = int((~finite).nonzero()[0])
            number = int(batch.index[position])
            raise NonFiniteError(
                f"the {name} output for sample {number} ({samples.names[number]}) holds NaN or "
                "infinity; look at that sample, or go back to an earlier checkpoint",
                position,
            )
