import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from natlib.errors import DataError
from natlib.evaluation import find_splits, has_labels
from natlib.evaluation.splits import stratified_split
from tests.evaluation.gaussian_blobs import GaussianBlobs, blobs


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 1000),
)
def test_a_stratified_split_is_a_partition_that_leaves_every_class_something(labels, share, seed):
    labels = torch.tensor(labels)
    kept, aside = stratified_split(labels, share, seed)
    assert torch.cat([kept, aside]).sort().values.tolist() == list(range(len(labels)))
    for label in labels.unique():
        members = int((labels == label).sum())
        apart = int((labels[aside] == label).sum())
        assert apart == 0 if members == 1 else 1 <= apart <= members - 1
        if members > 1:
            assert abs(apart - share * members) <= 1


def test_a_stratified_split_depends_on_its_seed_alone():
    labels = torch.arange(100) % 4
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = stratified_split(labels, 0.2, 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[1], stratified_split(labels, 0.2, 1)[1])
    assert not torch.equal(first[1], stratified_split(labels, 0.2, 2)[1])


def test_the_test_split_is_preferred_then_val():
    assert find_splits(GaussianBlobs(val=10, test=20), seed=0).test_split == "test"
    splits = find_splits(GaussianBlobs(val=10, test=0), seed=0)
    assert (splits.test_split, splits.held_out, len(splits.test_index)) == ("val", True, 10)


def test_without_another_split_a_fifth_of_each_class_is_set_aside():
    splits = find_splits(GaussianBlobs(train=90, test=0), seed=0)
    assert (splits.test_split, splits.held_out) == ("train", False)
    assert splits.test_labels.bincount().tolist() == [6, 6, 6]
    assert splits.train_labels.bincount().tolist() == [24, 24, 24]
    assert not set(splits.train_index.tolist()) & set(splits.test_index.tolist())


@given(seen=st.sets(st.integers(0, 89), max_size=89), seed=st.integers(0, 100))
def test_no_sample_whose_label_training_saw_is_set_aside(seen, seed):
    train = blobs(90)
    splits = find_splits(
        GaussianBlobs(train=90, test=0),
        seed=seed,
        train=train,
        seen=torch.tensor(sorted(seen), dtype=torch.int64),
    )
    aside = set(splits.test_index.tolist())
    assert not aside & seen
    assert aside | set(splits.train_index.tolist()) == set(range(90))
    for label in range(3):
        members = {i for i in range(90) if int(train.labels[i]) == label}
        assert len(aside & members) == min(6, len(members - seen))


def test_without_an_unseen_label_there_is_no_test():
    with pytest.raises(DataError, match="training saw all labels that there are, so no sample is"):
        find_splits(GaussianBlobs(train=90, test=0), seed=0, seen=torch.arange(90))
    # A split of its own was not seen, whatever training saw.
    assert find_splits(GaussianBlobs(train=90, test=9), seed=0, seen=torch.arange(90)).held_out


def test_open_sample_sets_are_used_as_they_are():
    train, test = blobs(30), blobs(12)
    splits = find_splits(GaussianBlobs(), seed=0, train=train, test=test)
    assert splits.train is train
    assert splits.test is test
    assert splits.held_out


def test_samples_without_a_label_or_not_usable_are_excluded():
    train, test = blobs(30), blobs(12)
    train.labels[[0, 5]] = -1
    train.usable = torch.tensor([i for i in range(30) if i != 7])
    test.labels[3] = -1
    splits = find_splits(GaussianBlobs(), seed=0, train=train, test=test)
    assert splits.train_index.tolist() == [i for i in range(30) if i not in (0, 5, 7)]
    assert torch.equal(splits.train_labels, train.labels[splits.train_index])
    assert 3 not in splits.test_index.tolist()
    assert len(splits.test_index) == 11


def test_test_labels_are_renumbered_by_the_name_of_their_class():
    train, test = blobs(30), blobs(12)
    test.classes = ["c2", "c0", "c1"]
    splits = find_splits(GaussianBlobs(), seed=0, train=train, test=test)
    assert splits.test_labels.tolist() == [(i % 3 + 2) % 3 for i in range(12)]


def test_classes_that_training_does_not_know_are_an_error():
    test = blobs(12)
    test.classes = ["c0", "c1", "Other"]
    with pytest.raises(DataError, match="no training sample has: Other;"):
        find_splits(GaussianBlobs(), seed=0, test=test)


def test_labels_are_looked_for_among_usable_samples():
    samples = blobs(6)
    assert has_labels(samples)
    samples.labels[1:] = -1
    assert has_labels(samples)
    samples.usable = torch.arange(1, 6)
    assert not has_labels(samples)
    samples.labels = None
    assert not has_labels(samples)
    assert not has_labels(None)


def test_missing_labels_are_an_error():
    unlabelled = blobs(30)
    unlabelled.labels = None
    with pytest.raises(DataError, match="no training sample has a label"):
        find_splits(GaussianBlobs(), seed=0, train=unlabelled)
    with pytest.raises(DataError, match="no test sample has a label"):
        find_splits(GaussianBlobs(), seed=0, test=unlabelled)


def test_classes_of_one_sample_cannot_be_split():
    with pytest.raises(DataError, match="no class has two labelled samples"):
        find_splits(GaussianBlobs(train=3, test=0), seed=0)


def test_limits_choose_random_subsets_with_their_labels():
    splits = find_splits(GaussianBlobs(train=90, test=30), seed=0)
    few = splits.limited(20, 10, seed=1)
    assert len(few.train_index) == 20
    assert torch.equal(few.train_labels, splits.train.labels[few.train_index])
    assert torch.equal(few.test_labels, splits.test.labels[few.test_index])
    assert len(set(few.train_index.tolist())) == 20
    assert torch.equal(few.train_index, splits.limited(20, 10, seed=1).train_index)
    assert not torch.equal(few.train_index, splits.limited(20, 10, seed=2).train_index)
    everything = splits.limited(None, 1000, seed=1)
    assert torch.equal(everything.train_index, splits.train_index)
    assert torch.equal(everything.test_index, splits.test_index)
