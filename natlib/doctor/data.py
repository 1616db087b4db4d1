"""Diagnoses of a data set, before anything is trained on it."""

from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from natlib.data import MOST_UNREADABLE, Modality
from natlib.data.sparse import is_sparse
from natlib.doctor.copies import copies_of
from natlib.doctor.finding import Diagnosis, Finding, diagnosis
from natlib.doctor.survey import SplitFacts, Survey, survey
from natlib.evaluation.knn import nearest_neighbours
from natlib.runtime.progress import ProgressReporter, SilentProgress, stages

__all__ = ["DATA_DIAGNOSES", "DataReport", "diagnose_data"]

_FIRST = 3
# A twentieth, as in the duplicates of a run: so much of the work goes to copies.
_COPIES = 0.05
# A copy of a training sample in the test split is no test. One in a hundred is as much as an
# accuracy may be off before a person cares.
_LEAKED = 0.01
# Neighbours this much nearer than neighbours usually are. Of points that are spread over two
# dimensions or more, under 0.2 % come so near by chance.
_NEAR = 0.05
# Samples without any content can be told neither from each other nor from their views.
_CONSTANT = 0.01
# Sizes a tenth or ten times what is usual are cut or padded to something else.
_FACTOR = 10.0
# A class that has a tenth of the samples of another one hardly shows in an accuracy.
_BALANCE = 10.0


@dataclass(frozen=True)
class DataReport:
    """What the diagnoses say about a source.

    Attributes:
        source: what was looked at.
        samples: how many each split has.
        findings: by the name of the diagnosis, in order.
    """

    source: str
    samples: dict[str, int]
    findings: dict[str, Finding]

    @property
    def healthy(self) -> bool:
        """Whether nothing needs to be done."""
        return all(finding.verdict != "act" for finding in self.findings.values())


def diagnose_data(
    modality: Modality, *, workers: int = 0, progress: ProgressReporter | None = None
) -> DataReport:
    """Look at every sample of a source before training on it.

    Args:
        modality: says what the source is; resolved or not.
        workers: processes that decode.
        progress: told how far it is.

    Raises:
        DataError: the source does not exist, or nothing in it can be read.
    """
    resolved = modality.resolved()
    with progress or SilentProgress() as reporter:
        found = survey(resolved, workers=workers, progress=stages(reporter))
    return DataReport(
        resolved.source or str(getattr(resolved, "kind", "")),
        {split: facts.total for split, facts in found.items()},
        {each.name: each(found) for each in DATA_DIAGNOSES},
    )


@diagnosis(
    "unreadable samples",
    reads="all samples",
    acts="more than 5 % of a split cannot be decoded, with which training stops",
)
def unreadable(found: Survey) -> Finding:
    bad = [f"{name} ({reason})" for facts in found.values() for name, reason in facts.unreadable]
    share = max(len(facts.unreadable) / facts.total for facts in found.values())
    evidence = {"unreadable": float(len(bad)), "largest_share": share}
    names = tuple(bad[:_FIRST])
    if share <= MOST_UNREADABLE:
        said = "all samples can be read" if not bad else "a few samples cannot be read; left out"
        return Finding("fine", said, evidence, names=names)
    return Finding("act", "many samples cannot be read", evidence, "repair or remove them", names)


@diagnosis(
    "copies",
    reads="all training samples",
    acts="more than 5 % hold exactly what another one holds",
)
def copies(found: Survey) -> Finding:
    facts = found["train"]
    groups = copies_of(facts.digests)
    spare = sum(len(group) - 1 for group in groups)
    share = spare / max(1, len(facts.names))
    evidence = {"spare_copies": float(spare), "share": share}
    names = tuple(" = ".join(facts.names[i] for i in group[:2]) for group in groups[:_FIRST])
    if share <= _COPIES:
        return Finding("fine", "hardly any sample stands twice", evidence, names=names)
    return Finding(
        "act",
        "samples stand there more than once",
        evidence,
        "keep one of each: copies are asked to hit different targets",
        names,
    )


@diagnosis(
    "near copies",
    reads="raw baseline of up to 2,000 training samples",
    acts="more than 5 % have a neighbour 20 times nearer than neighbours usually are",
)
def near_copies(found: Survey) -> Finding:
    facts = found["train"]
    alone, rows = _without_copies(facts)
    if rows is None or len(alone) < 3:
        return Finding("irrelevant", "there are too few samples to compare")
    distance, neighbour = _nearest(rows)
    usual = median(distance.tolist())
    evidence = {"compared": float(len(alone)), "usual_distance": usual}
    if usual <= 0:
        return Finding("irrelevant", "the raw baseline does not tell samples apart", evidence)
    near = (distance < _NEAR * usual).nonzero().squeeze(1).tolist()
    evidence["share"] = len(near) / len(alone)
    pairs = {tuple(sorted((alone[i], alone[int(neighbour[i])]))) for i in near}
    names = tuple(f"{facts.names[a]} ~ {facts.names[b]}" for a, b in sorted(pairs)[:_FIRST])
    if evidence["share"] <= _COPIES:
        return Finding("fine", "hardly any sample nearly stands twice", evidence, names=names)
    return Finding(
        "act",
        "samples are nearly the same as others",
        evidence,
        "look at the pairs: frames of one film, or one picture in two sizes, count as one sample",
        names,
    )


def _without_copies(facts: SplitFacts) -> tuple[list[int], Tensor | None]:
    """Positions of samples whose raw rows are known, one of each group of copies; those rows."""
    if facts.raw is None:
        return [], None
    first: dict[bytes, int] = {}
    for row, position in enumerate(facts.compared):
        first.setdefault(facts.digests[position], row)
    kept = sorted(first.values())
    raw = facts.raw.to_dense() if is_sparse(facts.raw) and len(kept) < len(facts.compared) else None
    rows = facts.raw if raw is None else raw
    if len(kept) < len(facts.compared):
        rows = rows[torch.tensor(kept)]
    return [facts.compared[row] for row in kept], rows


def _nearest(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to the nearest other row, and which it is; of sparse rows on the sphere."""
    if is_sparse(rows):
        cosine, where = nearest_neighbours(rows, rows, 2)
        own = where[:, 0] == torch.arange(len(where))
        column = torch.where(own, 1, 0)[:, None]
        closest = cosine.gather(1, column).squeeze(1).clamp(-1, 1)
        return (2 - 2 * closest).sqrt(), where.gather(1, column).squeeze(1)
    # In float64, since distances that are small beside the norms are what is asked for.
    centred = rows.double() - rows.double().mean(0)
    distance = torch.cdist(centred, centred)
    distance.fill_diagonal_(torch.inf)
    closest, where = distance.min(1)
    return closest, where


@diagnosis(
    "copies between splits",
    reads="all samples",
    acts="more than 1 % of the validation or test samples are training samples, too",
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
        return Finding("irrelevant", "there is one split only")
    shown = tuple(names[:_FIRST])
    if max(evidence.values()) <= _LEAKED:
        return Finding("fine", "the splits have hardly anything in common", evidence, names=shown)
    return Finding(
        "act",
        "test samples are among the training samples",
        evidence,
        "remove these samples from one of the splits: accuracies on them say nothing",
        shown,
    )


@diagnosis(
    "constant samples",
    reads="all training samples",
    acts="in more than 1 %, each channel of the input is one number again and again",
)
def constant(found: Survey) -> Finding:
    facts = found["train"]
    share = len(facts.constant) / max(1, len(facts.names))
    evidence = {"constant": float(len(facts.constant)), "share": share}
    names = tuple(facts.constant[:_FIRST])
    if share <= _CONSTANT:
        return Finding("fine", "samples hold something", evidence, names=names)
    return Finding(
        "act", "samples hold nothing (black, silent, empty)", evidence, "remove them", names
    )


@diagnosis(
    "sizes",
    reads="what the modality says of each sample in one number: length, height, ...",
    acts="more than 5 % of the training samples are ten times smaller or larger than is usual",
)
def sizes(found: Survey) -> Finding:
    facts = found["train"]
    evidence: dict[str, float] = {}
    odd: set[int] = set()
    for kind, values in facts.sizes.items():
        usual = float(values.median())
        evidence |= {
            f"{kind}_min": float(values.min()),
            f"{kind}_median": usual,
            f"{kind}_max": float(values.max()),
        }
        apart = (values * _FACTOR < usual) | (values > usual * _FACTOR)
        odd |= set(apart.nonzero().squeeze(1).tolist())
    if not evidence:
        return Finding("irrelevant", "all samples have one size")
    evidence["share_far_off"] = len(odd) / len(facts.names)
    names = tuple(facts.names[position] for position in sorted(odd)[:_FIRST])
    if evidence["share_far_off"] <= _COPIES:
        return Finding("fine", "sizes are alike", evidence, names=names)
    return Finding(
        "act",
        "sizes are far apart",
        evidence,
        "look at these: should they be cut up, or left out?",
        names,
    )


@diagnosis(
    "label balance",
    reads="labels of the training samples",
    acts="a class has fewer than two samples, or a tenth of the largest one, or there is one only",
)
def balance(found: Survey) -> Finding:
    counts = found["train"].labelled
    labelled = sum(counts.values())
    if not labelled:
        return Finding("irrelevant", "there are no labels, so nothing will be evaluated")
    largest, smallest = max(counts.values()), min(counts.values())
    evidence = {
        "classes": float(len(counts)),
        "labelled_share": labelled / found["train"].total,
        "largest_class": float(largest),
        "smallest_class": float(smallest),
    }
    few = sorted(counts, key=lambda name: counts[name])[:_FIRST]
    if len(counts) > 1 and smallest >= 2 and largest < _BALANCE * smallest:
        return Finding("fine", "classes are of like sizes", evidence)
    return Finding(
        "act",
        "classes are of very different sizes" if len(counts) > 1 else "there is one class only",
        evidence,
        "training does not see labels; read accuracies beside what always answering the largest "
        "class would get, or gather more of the small classes",
        tuple(f"{name} ({counts[name]})" for name in few),
    )


DATA_DIAGNOSES: tuple[Diagnosis[Survey], ...] = (
    unreadable,
    copies,
    near_copies,
    leaked,
    constant,
    sizes,
    balance,
)
"""Everything that is asked about a source, in order."""
