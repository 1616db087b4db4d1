"""Diagnoses of a data set: samples that are copies of others, exactly or nearly."""

from statistics import median

import torch
from torch import Tensor

from natlib.data.sparse import is_sparse
from natlib.doctor.copies import copies_of
from natlib.doctor.finding import EXAMPLES, Diagnosis, Finding, diagnosis, limited
from natlib.doctor.survey import SplitFacts, Survey
from natlib.evaluation.knn import nearest_neighbours

__all__ = ["COPIES"]

# The share of training that is spent on copies; the same limit as for the duplicates of a run.
_COPIES = 0.05
# Test samples that are also training samples shift an accuracy by about this much at most.
_LEAKED = 0.01
# The distance to the nearest neighbour, as a share of its median. Of points that spread over two
# dimensions or more, less than 0.2 % have one this near by chance.
_NEAR = 0.05


@diagnosis(
    "copies",
    reads="all training samples",
    acts_if="more than 5 % of the samples are exact copies of others",
)
def copies(found: Survey) -> Finding:
    facts = found["train"]
    groups = copies_of(facts.digests)
    spare = sum(len(group) - 1 for group in groups)
    share = spare / max(1, len(facts.names))
    evidence = {"spare_copies": float(spare), "share": share}
    names = tuple(" = ".join(facts.names[i] for i in group[:2]) for group in groups[:EXAMPLES])
    return limited(
        share,
        _COPIES,
        evidence,
        fine="there are hardly any copies",
        act="samples are contained more than once",
        next_step="keep one of each: training pushes copies towards different targets",
        names=names,
    )


@diagnosis(
    "near copies",
    reads="raw baseline of up to 2,000 training samples",
    acts_if="more than 5 % of them have a neighbour 20 times nearer than the median distance",
)
def near_copies(found: Survey) -> Finding:
    facts = found["train"]
    positions, rows = _without_copies(facts)
    if rows is None or len(positions) < 3:
        return Finding("irrelevant", "there are too few samples to compare")
    distance, neighbour = _nearest(rows)
    usual = median(distance.tolist())
    evidence = {"compared": float(len(positions)), "usual_distance": usual}
    if usual <= 0:
        return Finding("irrelevant", "the raw baseline does not distinguish samples", evidence)
    near = (distance < _NEAR * usual).nonzero().squeeze(1).tolist()
    evidence["share"] = len(near) / len(positions)
    pairs = {tuple(sorted((positions[i], positions[int(neighbour[i])]))) for i in near}
    names = tuple(f"{facts.names[a]} ~ {facts.names[b]}" for a, b in sorted(pairs)[:EXAMPLES])
    return limited(
        evidence["share"],
        _COPIES,
        evidence,
        fine="there are hardly any near copies",
        act="samples are nearly the same as others",
        next_step="look at the pairs: frames of one film, or one picture in two sizes, count as "
        "one sample",
        names=names,
    )


@diagnosis(
    "copies between splits",
    reads="all samples",
    acts_if="more than 1 % of the validation or test samples are also training samples",
)
def leaked(found: Survey) -> Finding:
    train = dict(zip(found["train"].digests, found["train"].names, strict=True))
    names: list[str] = []
    evidence: dict[str, float] = {}
    for split, facts in found.items():
        if split != "train":
            known = [
                f"{split}: {name} = train: {train[digest]}"
                for name, digest in zip(facts.names, facts.digests, strict=True)
                if digest in train
            ]
            evidence[f"share_of_{split}"] = len(known) / max(1, len(facts.names))
            names += known
    if not evidence:
        return Finding("irrelevant", "there is only one split")
    return limited(
        max(evidence.values()),
        _LEAKED,
        evidence,
        fine="the splits have hardly any samples in common",
        act="evaluation uses samples that training has used",
        next_step="remove these samples from one of the splits: accuracies on them are meaningless",
        names=tuple(names[:EXAMPLES]),
    )


def _without_copies(facts: SplitFacts) -> tuple[list[int], Tensor | None]:
    """Positions of samples with raw rows, one of each group of copies, and these rows."""
    if facts.raw is None:
        return [], None
    first: dict[bytes, int] = {}
    for row, position in enumerate(facts.compared):
        first.setdefault(facts.digests[position], row)
    chosen = sorted(first.values())
    rows = facts.raw
    if len(chosen) < len(facts.compared):
        rows = (rows.to_dense() if is_sparse(rows) else rows)[torch.tensor(chosen)]
    return [facts.compared[row] for row in chosen], rows


def _nearest(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Distance and position of the nearest other row; of sparse rows, on the sphere."""
    if is_sparse(rows):
        cosine, where = nearest_neighbours(rows, rows, 2)
        own = where[:, 0] == torch.arange(len(where))
        column = torch.where(own, 1, 0)[:, None]
        closest = cosine.gather(1, column).squeeze(1).clamp(-1, 1)
        return (2 - 2 * closest).sqrt(), where.gather(1, column).squeeze(1)
    # In float64, since the distances in question are small beside the norms.
    centred = rows.double() - rows.double().mean(0)
    distance = torch.cdist(centred, centred)
    distance.fill_diagonal_(torch.inf)
    closest, where = distance.min(1)
    return closest, where


COPIES: tuple[Diagnosis[Survey], ...] = (copies, near_copies, leaked)
