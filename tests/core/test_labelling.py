"""Which labels training sees: chosen by a seed, stratified, the same everywhere."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from natlib.component import register
from natlib.configuration import describe
from natlib.data import (
    Batch,
    ConcatenatedSamples,
    LabelsConfig,
    Split,
    Unreadable,
    choose_labelled,
    load_batches,
    read_labels,
    training_labels,
    training_samples,
)
from natlib.data.table_format import TableFormat
from natlib.errors import DataError
from tests.evaluation.gaussian_blobs import BlobSamples, GaussianBlobs, blobs

CLASSES = ["a", "b", "c"]


def sizes(chosen: Tensor, labels: Tensor) -> list[int]:
    return torch.bincount(labels[chosen], minlength=len(CLASSES)).tolist()


LABELS = torch.tensor([0] * 60 + [1] * 25 + [2] * 15 + [-1] * 10)[
    torch.randperm(110, generator=torch.Generator().manual_seed(0))
]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, [60, 25, 15]),
        ({"fraction": 1.0}, [60, 25, 15]),
        ({"fraction": 0.1}, [6, 3, 2]),  # 2.5 and 1.5 round up
        ({"fraction": 0.02}, None),
        ({"per_class": 4}, [4, 4, 4]),
        ({"per_class": 15}, [15, 15, 15]),
    ],
)
def test_each_class_gets_its_share(how: dict[str, Any], expected: list[int] | None) -> None:
    if expected is None:
        with pytest.raises(DataError, match=r"labels of the class|'c' rounds to zero; use 0.033"):
            choose_labelled(LABELS, CLASSES, **how)
        return
    chosen = choose_labelled(LABELS, CLASSES, **how)
    assert sizes(chosen, LABELS) == expected
    assert bool((chosen.diff() > 0).all())


@given(st.integers(0, 2**40), st.integers(1, 14))
def test_a_larger_part_holds_a_smaller_one(seed: int, few: int) -> None:
    small = choose_labelled(LABELS, CLASSES, per_class=few, seed=seed)
    large = choose_labelled(LABELS, CLASSES, per_class=few + 1, seed=seed)
    assert set(small.tolist()) < set(large.tolist())
    assert torch.equal(small, choose_labelled(LABELS, CLASSES, per_class=few, seed=seed))


def test_seeds_choose_otherwise_and_classes_alike() -> None:
    first, second = (choose_labelled(LABELS, CLASSES, per_class=10, seed=seed) for seed in (0, 1))
    assert not torch.equal(first, second)
    # Every sample is chosen as often as the others of its class.
    counts = torch.zeros(len(LABELS))
    for seed in range(400):
        counts[choose_labelled(LABELS, CLASSES, fraction=0.2, seed=seed)] += 1
    for label, expected in enumerate((12 / 60, 5 / 25, 3 / 15)):
        rate = counts[label == LABELS] / 400
        assert abs(float(rate.mean()) - expected) < 1e-6
        assert float((rate - expected).abs().max()) < 0.1  # 5 standard deviations of 0.02
    assert counts[LABELS < 0].sum() == 0


def test_a_class_does_not_depend_on_the_others() -> None:
    alone = torch.where(LABELS == 1, LABELS, -1)
    alone[(LABELS == 0).nonzero()[0]] = 0
    alone[(LABELS == 2).nonzero()[0]] = 2
    both = [choose_labelled(labels, CLASSES, fraction=0.6) for labels in (LABELS, alone)]
    assert both[0][LABELS[both[0]] == 1].tolist() == both[1][alone[both[1]] == 1].tolist()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"per_class": 16}, "labels.per_class is 16, but the class 'c' has only 15 labelled"),
        ({"fraction": 0.01}, "labels.fraction 0.01 of the 25 labelled samples of the class 'b' "),
    ],
)
def test_too_few(how: dict[str, Any], text: str) -> None:
    with pytest.raises(DataError, match=text.replace(".", r"\.")):
        choose_labelled(LABELS, CLASSES, **how)


def test_both_ways_of_saying_how_many_are_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        LabelsConfig(fraction=0.5, per_class=3)
    assert "fraction and per_class both say how many" in describe(caught.value)


# --- of a sample set


def test_what_is_visible_is_known_and_the_rest_is_not_visible() -> None:
    samples = blobs(90)
    found = training_labels(samples, LabelsConfig(per_class=5, seed=3))
    assert found.counts == {"c0": 5, "c1": 5, "c2": 5}
    assert samples.labels is not None
    assert torch.equal(found.known, samples.labels)
    assert torch.equal(found.visible[found.index], samples.labels[found.index])
    assert int((found.visible < 0).sum()) == 75


def test_classes_without_a_training_sample_are_none() -> None:
    samples = blobs(90)
    samples.labels = torch.arange(90) % 2 * 2  # of three classes, the one in the middle is empty
    found = training_labels(samples, LabelsConfig())
    assert (found.classes, found.counts) == (["c0", "c2"], {"c0": 45, "c2": 45})
    assert found.known.unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (None, "no training sample has one; give a source with labels"),
        (torch.full((90,), -1), "no training sample has one; give a source with labels"),
        (torch.zeros(90, dtype=torch.int64), "all labels are 'c0', and a single class teaches"),
    ],
)
def test_labels_that_teach_nothing(labels: Tensor | None, text: str) -> None:
    samples = blobs(90)
    samples.labels = labels
    with pytest.raises(DataError, match=text):
        training_labels(samples, LabelsConfig())


# --- from a table


def write(path: Path, *lines: str) -> Path:
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["labels.csv", "labels.csv.gz"])
def test_labels_from_a_table(name: str, tmp_path: Path) -> None:
    table = write(tmp_path / name, "name,label", "train3.vec,dog", "train0.vec,cat", "train7.vec,")
    modality = GaussianBlobs(train=9)
    samples = training_samples(modality, LabelsConfig(source=str(table)))
    assert isinstance(samples, ConcatenatedSamples)
    assert samples.classes == ["cat", "dog"]
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, -1, -1, 1, -1, -1, -1, -1, -1]
    plain = training_samples(modality)
    assert list(samples.names) == list(plain.names)
    assert samples.fingerprint() != plain.fingerprint()
    assert torch.equal(samples[4][1], plain[4][1])


def test_numbers_of_classes_are_sorted_as_numbers(tmp_path: Path) -> None:
    table = write(tmp_path / "labels.tsv", "name\tlabel", "a\t10", "b\t2", "c\t-1", "d\t")
    labels, classes, _ = read_labels(table, ["a", "b", "c", "d"])
    assert (labels.tolist(), classes) == ([1, 0, -1, -1], ["2", "10"])


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["train1.vec,x", "trian2.vec,y"], "names 1 samples .* 'trian2.vec'.; did you mean"),
        (
            ["train1.vec,x", "cat.png,y", "dog.png,y"],
            r"names 2 samples .* 'cat.png'.; they are called 'train0.vec' and the like; name",
        ),
        (["train1.vec,x", "train1.vec,y"], "names 'train1.vec' twice; give each sample one label"),
    ],
)
def test_tables_that_do_not_fit(lines: list[str], text: str, tmp_path: Path) -> None:
    table = write(tmp_path / "labels.csv", "name,label", *lines)
    with pytest.raises(DataError, match=text):
        read_labels(table, [f"train{i}.vec" for i in range(5)])


def test_a_table_as_people_have_it(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes("name;label\n001;schön\n002;NA\n003;übel\n".encode("cp1252"))
    labels, classes, notes = read_labels(table, ["001", "002", "003"])
    assert (labels.tolist(), classes) == ([0, -1, 1], ["schön", "übel"])
    guessed, missing = notes
    assert "cp1252" in guessed
    assert "';'" in guessed
    assert "'NA' means that there is no label (1 row" in missing
    form = TableFormat(encoding="cp1252", missing=("",))
    assert read_labels(table, ["001", "002", "003"], form)[1] == ["NA", "schön", "übel"]


def test_names_of_files_that_are_not_utf_8(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes("name,label\nübel,x\n".encode() + b"b\xff,y\n")
    labels, _, _ = read_labels(table, ["b\udcff", "übel"])
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize("source", [None, "folder"])
def test_a_format_of_no_table(source: str | None) -> None:
    with pytest.raises(ValidationError, match=r"table is set, .* set source to a table of labels"):
        LabelsConfig(source=source, table=TableFormat(separator=";"))


def test_a_format_of_a_table_of_samples(tmp_path: Path) -> None:
    table = write(tmp_path / "more.csv", "x;label", "1;dog")
    labels = LabelsConfig(source=str(table), table=TableFormat(separator=";"))
    with pytest.raises(DataError, match=r"the columns 'name' and 'label', and .*more.csv has oth"):
        training_samples(GaussianBlobs(train=9), labels)


# --- of a labelled source beside an unlabelled one


@dataclass(frozen=True)
class Vector:
    """A sample that knows its number."""

    index: int
    values: Tensor


class VectorSamples(BlobSamples):
    """The blobs as dataclasses."""

    def __getitem__(self, index: int) -> Any:
        found = super().__getitem__(index)
        return found if isinstance(found, Unreadable) else Vector(*found)


@register
class Vectors(GaussianBlobs):
    """Blobs from two places."""

    kind: Literal["vectors_of_two_sources"] = "vectors_of_two_sources"  # type: ignore[assignment]
    labels_known: bool = True
    """Whether the first source has labels."""

    def dataset(self, split: Split, cache: Path | None = None) -> VectorSamples | None:
        count = 6 if self.source == "labelled" else 30
        base = blobs(count, seed=5 if self.source else 0, tag=self.source or "")
        known = self.source is not None or self.labels_known
        broken = [2] if self.source else [4]
        return VectorSamples(
            base.vectors, base.labels if known else None, base.classes, broken, self.source or ""
        )

    def collate(self, samples: Sequence[Any]) -> Batch:  # type: ignore[override]
        plain = [s if isinstance(s, Unreadable) else (s.index, s.values) for s in samples]
        return super().collate(plain)


@pytest.mark.parametrize("known", [True, False])
def test_only_the_labelled_source_shows_its_labels(known: bool) -> None:
    config = LabelsConfig(source="labelled")
    samples = training_samples(Vectors(labels_known=known), config)
    assert len(samples) == 36
    assert samples.names[0] == "0.vec"
    assert samples.names[35] == "labelled5.vec"
    found = training_labels(samples, config)
    assert found.index.tolist() == list(range(30, 36))
    assert found.visible[30:].tolist() == [0, 1, 2, 0, 1, 2]
    assert int((found.known[:30] >= 0).sum()) == (30 if known else 0)


def test_joined_samples_keep_their_numbers_in_batches() -> None:
    modality = Vectors()
    samples = training_samples(modality, LabelsConfig(source="labelled"))
    indices = [[31, 3, 4, 1], [32, 2, 35, 30]]
    found = list(load_batches(modality, samples, indices, device=torch.device("cpu")))
    assert [batch.index.tolist() for batch in found] == [[31, 3, 1], [2, 35, 30]]
    assert [bad.index for batch in found for bad in batch.unreadable] == [4, 32]
    own, other = Vectors().dataset("train"), Vectors(source="labelled").dataset("train")
    assert own is not None
    assert other is not None
    assert torch.equal(found[0].data["vectors"][1], own.vectors[3])
    assert torch.equal(found[1].data["vectors"][1], other.vectors[5])


def test_samples_without_an_index_cannot_be_joined() -> None:
    joined = ConcatenatedSamples([blobs(4), blobs(4)], torch.full((8,), -1), [])
    assert joined[3][0] == 3
    with pytest.raises(DataError, match=r"samples of the type tuple .* no field 'index'"):
        joined[4]


def test_a_source_without_labels_is_no_labelled_source() -> None:
    class Unlabelled(Vectors):
        def dataset(self, split: Split, cache: Path | None = None) -> VectorSamples | None:
            found = super().dataset(split, cache)
            assert found is not None
            found.labels = None
            return found

    with pytest.raises(DataError, match=r"no sample of labels.source 'labelled' has a label"):
        training_samples(Unlabelled(), LabelsConfig(source="labelled"))
