"""Features of samples, computed in one pass over the data."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from natlib.data import Batch, Modality, SampleSet, Unreadable, load_batches
from natlib.data.sparse import finite_rows, is_sparse, stacked
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
    batches = [part.tolist() for part in torch.split(wanted, batch_size)]
    rows = _Rows(len(wanted))
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
    if not rows.index:
        why = f"; the first: {rows.unreadable[0].reason}" if rows.unreadable else ""
        raise DataError(f"none of {len(wanted)} samples could be decoded{why}; check the source")
    kept = torch.cat(rows.index)
    labels = None if samples.labels is None else samples.labels[kept].long()
    return Encoded(kept, labels, rows.whole(), rows.unreadable)


class _Rows:
    """Rows collected batch by batch in memory that is allocated once."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.index: list[Tensor] = []
        self.unreadable: list[Unreadable] = []
        self._dense: dict[str, Tensor] = {}
        self._sparse: dict[str, list[Tensor]] = {}
        self._order: list[str] = []
        self._filled = 0

    def add(self, batch: Batch, outputs: dict[str, Tensor]) -> None:
        end = self._filled + len(batch.index)
        self.index.append(batch.index.cpu())
        self._order = list(outputs)
        for name, output in outputs.items():
            if is_sparse(output):
                self._sparse.setdefault(name, []).append(output.cpu())
                continue
            if name not in self._dense:
                self._dense[name] = torch.empty(self.count, output.shape[1])
            self._dense[name][self._filled : end] = output
        self._filled = end

    def whole(self) -> dict[str, Tensor]:
        """All rows of each kind of features."""
        return {
            name: stacked(self._sparse[name])
            if name in self._sparse
            else self._dense[name][: self._filled]
            for name in self._order
        }


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
