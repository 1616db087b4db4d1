"""Checks of a modality's samples: names, labels, subsets, collating, unreadable samples."""

import pickle

import torch
from torch import Tensor

from natlib.data import Batch, SampleSet, Thumbnail, Unreadable, load_batches
from natlib.errors import DataError
from natlib.testing.contract import Named, expect, refuses, same
from natlib.testing.modality_subject import ModalitySubject

__all__ = ["SAMPLE_CHECKS"]


def _sets(subject: ModalitySubject) -> None:
    for split in ("train", "val", "test"):
        samples, again = (subject.resolved.dataset(split) for _ in range(2))
        if samples is None or again is None:
            expect(split != "train", "dataset('train') is None", "samples", "it is never None")
            continue
        count = len(samples)
        names = [samples.names[index] for index in range(count)]
        expect(
            count == len(samples.names) > 0 and len(set(names)) == count,
            f"{count} samples of '{split}' have {len(set(names))} different names",
            "different names",
            "name samples by path or number",
        )
        _labels(split, samples)
        expect(
            names == [again.names[index] for index in range(count)]
            and _equal(samples.labels, again.labels)
            and samples.fingerprint() == again.fingerprint(),
            f"'{split}' opened twice has different names, labels or fingerprints",
            "the same ones: a sample keeps its index for the whole run",
            "sort what the source lists in arbitrary order",
        )


def _labels(split: str, samples: SampleSet) -> None:
    labels = samples.labels
    if labels is None:
        return
    expect(
        labels.dtype == torch.int64 and labels.shape == (len(samples),),
        f"labels of '{split}' are {labels.dtype} {list(labels.shape)}",
        f"int64 [{len(samples)}]",
        "one number for each sample, -1 for those without a label",
    )
    expect(
        int(labels.min()) >= -1 and int(labels.max()) < len(samples.classes),
        f"labels of '{split}' go from {labels.min()} to {labels.max()}, with "
        f"{len(samples.classes)} classes",
        "positions in `classes`, or -1",
        "see natlib.data.encode_labels",
    )


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    return one is other or (one is not None and other is not None and torch.equal(one, other))


def _subsets(subject: ModalitySubject) -> None:
    resolved, whole = subject.resolved, subject.train
    half = max(len(whole) // 2, 1)
    found = []
    for seed in (0, 1):
        update = {"max_samples": half, "subset_seed": seed}
        samples = resolved.model_copy(update=update).dataset("train")
        assert samples is not None
        found.append([samples.names[index] for index in range(len(samples))])
        expect(
            len(samples) == half and samples.fingerprint() != whole.fingerprint(),
            f"with max_samples = {half} there are {len(samples)} samples, or the fingerprint is "
            "that of all samples",
            f"{half} samples with another fingerprint",
            "see Modality.subset",
        )
    expect(
        found[0] != found[1] and len(set(found[0])) == half,
        "subset_seed has no effect, or a sample is chosen twice",
        "another random subset for each seed",
        "see Modality.subset",
    )


def _preloads(subject: ModalitySubject) -> None:
    fresh = subject.resolved.dataset("train")
    assert fresh is not None
    usable = subject.train.usable
    expect(
        usable.dtype == torch.int64
        and bool((usable[1:] > usable[:-1]).all())
        and len(usable) + len(subject.train.unreadable) <= len(subject.train),
        f"usable is {usable.dtype} {usable[:5].tolist()}...",
        "int64 indices in ascending order, without unreadable samples",
        "see SampleSet.preload",
    )
    lazy = subject.resolved.collate([fresh[index] for index in subject.chosen])
    expect(
        lazy.data.keys() == subject.batch.data.keys()
        and all(same(lazy.data[name], value) for name, value in subject.batch.data.items()),
        "preloaded samples differ from samples that are decoded on access",
        "the same samples",
        "use the same code for both",
    )


def _collates(subject: ModalitySubject) -> None:
    batch, wanted = subject.batch, subject.chosen
    expect(
        isinstance(batch, Batch)
        and batch.index.dtype == torch.int64
        and batch.index.tolist() == wanted,
        f"a batch of the samples {wanted[:4]}... has the index {batch.index[:4].tolist()}...",
        "the same indices, in order, int64",
        "collate the index of each sample with it",
    )
    for name, value in batch.data.items():
        expect(
            isinstance(value, Tensor)
            and len(value) == len(wanted)
            and value.device.type == "cpu"
            and not value.requires_grad,
            f"'{name}' of the batch is {type(value).__name__} {list(getattr(value, 'shape', []))}",
            "a tensor on the CPU with a row for each sample",
            "pad values of different lengths, and store their lengths",
        )


def _unreadable(subject: ModalitySubject) -> None:
    bad = Unreadable(10**6, "cut short")
    good = [subject.train[index] for index in subject.chosen[:2]]
    batch = subject.resolved.collate([good[0], bad, good[1]])
    expect(
        batch.unreadable == [bad] and batch.index.tolist() == subject.chosen[:2],
        f"of two good samples and a bad one, the batch holds {batch.index.tolist()} "
        f"and {batch.unreadable}",
        "the two good ones, and the bad one in `unreadable`",
        "leave out samples that are Unreadable",
    )
    nothing = subject.resolved.collate([bad])
    expect(
        len(nothing.index) == 0 and nothing.unreadable == [bad],
        f"a batch of a single bad sample holds {nothing.index.tolist()}",
        "an empty index, and the sample in `unreadable`",
        "return empty tensors if there are no samples",
    )


def _workers(subject: ModalitySubject) -> None:
    samples = pickle.loads(pickle.dumps(subject.train))
    resolved = pickle.loads(pickle.dumps(subject.resolved))
    batches = [subject.chosen[:8], subject.chosen[8:]]
    loaded = list(load_batches(resolved, samples, batches, device=torch.device("cpu"), workers=1))
    here = subject.resolved.collate([subject.train[index] for index in batches[1]])
    expect(
        [batch.index.tolist() for batch in loaded] == batches
        and all(same(loaded[1].data[name], value) for name, value in here.data.items()),
        "batches of worker processes differ from those of this process",
        "the same batches: samples and modality are sent to worker processes",
        "do not store what cannot be pickled (open files), or open it when needed",
    )


def _items(subject: ModalitySubject) -> None:
    resolved = subject.resolved
    expect(resolved.samples([]) == [], "samples([]) is not []", "[]", "see samples()")
    refuses(
        lambda: resolved.samples([object()]),
        DataError,
        "samples() of an object that is not a sample",
        "name the item in the error",
    )
    if not subject.items:
        return
    samples = resolved.samples(subject.items)
    batch = resolved.collate(samples)
    expect(
        batch.index.tolist() == list(range(len(subject.items)))
        and resolved.plain(batch).shape == (len(subject.items), *resolved.input_shape),
        f"{len(subject.items)} items have the index {batch.index.tolist()}",
        "0, 1, 2, ..., and inputs of input_shape",
        "number items in their order",
    )


def _thumbnails(subject: ModalitySubject) -> None:
    picture = subject.resolved.thumbnail(subject.train[subject.chosen[0]])
    expect(
        isinstance(picture, Thumbnail) and picture.data and picture.to_html(),
        f"the thumbnail of a sample is {picture!r}",
        "a natlib.data.Thumbnail",
        "see Thumbnail.from_pixels, Thumbnail.from_text and sparkline",
    )
    expect(
        subject.resolved.thumbnail(Unreadable(0, "gone")) is None,
        "an unreadable sample has a thumbnail",
        "None",
        "check for Unreadable first",
    )


SAMPLE_CHECKS: tuple[Named[ModalitySubject], ...] = (
    ("sample sets", _sets),
    ("subsets", _subsets),
    ("preloading", _preloads),
    ("collating", _collates),
    ("unreadable samples", _unreadable),
    ("worker processes", _workers),
    ("items to embed", _items),
    ("thumbnails", _thumbnails),
)
