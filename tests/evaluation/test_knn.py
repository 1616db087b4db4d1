import numpy as np
import pytest
import torch

from natlib.errors import DataError
from natlib.evaluation import knn as knn_module
from natlib.evaluation import knn_predict
from natlib.evaluation.knn import nearest_neighbours


def naive(train, labels, test, classes, k, temperature):
    """The paper's vote, query by query, in float64."""
    train = train / np.maximum(np.linalg.norm(train, axis=1, keepdims=True), 1e-12)
    test = test / np.maximum(np.linalg.norm(test, axis=1, keepdims=True), 1e-12)
    predicted = []
    for query in test:
        cosine = train @ query
        nearest = np.argsort(-cosine, kind="stable")[:k]
        votes = np.zeros(classes)
        for row in nearest:
            votes[labels[row]] += np.exp(cosine[row] / temperature)
        predicted.append(votes.argmax())
    return np.array(predicted)


def clustered(count, features, classes, seed):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(classes, features))
    labels = rng.integers(classes, size=count)
    return centres[labels] + 1.5 * rng.normal(size=(count, features)), labels


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (20, 0.07), (20, 1.0), (200, 0.5)])
def test_agrees_with_a_naive_implementation(k, temperature):
    train, labels = clustered(300, 10, 5, seed=1)
    test, _ = clustered(200, 10, 5, seed=2)
    expected = naive(train, labels, test, 5, k, temperature)
    predicted = knn_predict(
        torch.tensor(train), torch.tensor(labels), torch.tensor(test), 5, k, temperature
    )
    assert predicted.tolist() == expected.tolist()
    assert len(set(expected.tolist())) == 5


def test_a_single_neighbour_agrees_with_sklearn():
    neighbours = pytest.importorskip("sklearn.neighbors")
    train, labels = clustered(300, 10, 5, seed=3)
    test, _ = clustered(200, 10, 5, seed=4)
    oracle = neighbours.KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    expected = oracle.fit(train, labels).predict(test)
    predicted = knn_predict(torch.tensor(train), torch.tensor(labels), torch.tensor(test), 5, k=1)
    assert predicted.tolist() == expected.tolist()


def test_temperature_weighs_near_neighbours_more():
    bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    labels = torch.tensor([0, 1, 1])
    query = torch.tensor([[2.0, 1.0]])
    assert knn_predict(bank, labels, query, 2, k=3, temperature=0.07).tolist() == [0]
    assert knn_predict(bank, labels, query, 2, k=3, temperature=100.0).tolist() == [1]


def test_a_very_low_temperature_does_not_overflow():
    bank = torch.eye(3)
    predicted = knn_predict(bank, torch.tensor([0, 1, 2]), bank, 3, k=3, temperature=1e-6)
    assert predicted.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("block_bytes", "bank_rows"), [(4 * 7 * 3, 7), (4 * 64, 64), (400, 1)])
def test_blocks_do_not_change_the_answer(monkeypatch, block_bytes, bank_rows):
    # Signs in four dimensions: all cosines are exact, and there are many ties.
    generator = torch.Generator().manual_seed(0)
    bank = torch.randint(2, (100, 4), generator=generator) * 2.0 - 1.0
    queries = torch.randint(2, (33, 4), generator=generator) * 2.0 - 1.0
    whole = nearest_neighbours(bank, queries, 15)
    monkeypatch.setattr(knn_module, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(knn_module, "_BANK_ROWS", bank_rows)
    cut = nearest_neighbours(bank, queries, 15)
    assert torch.equal(cut[0], whole[0])
    assert torch.equal(cut[1], whole[1])


def test_no_block_of_similarities_is_larger_than_allowed(monkeypatch):
    sizes = []
    top = knn_module._top

    def spy(similarity, k):
        sizes.append(similarity.numel() * 4)
        return top(similarity, k)

    monkeypatch.setattr(knn_module, "_top", spy)
    monkeypatch.setattr(knn_module, "_BLOCK_BYTES", 4 * 50 * 6)
    monkeypatch.setattr(knn_module, "_BANK_ROWS", 50)
    nearest_neighbours(torch.randn(170, 3), torch.randn(20, 3), 5)
    assert max(sizes) == 4 * 50 * 6
    assert sum(sizes) == 4 * 170 * 20


def test_among_equal_neighbours_the_first_rows_are_taken():
    bank = torch.ones(50, 3)
    bank[40] = torch.tensor([1.0, 0.0, 0.0])
    cosine, rows = nearest_neighbours(bank, torch.tensor([[1.0, 0.0, 0.0]]), 4)
    assert rows.tolist() == [[40, 0, 1, 2]]
    assert cosine[0, 0] == 1.0
    assert cosine[0, 1:].tolist() == pytest.approx([3**-0.5] * 3)


def test_more_neighbours_than_samples_means_all_of_them():
    bank = torch.randn(5, 3)
    cosine, rows = nearest_neighbours(bank, torch.randn(2, 3), 20)
    assert cosine.shape == (2, 5)
    assert rows.sort(1).values.tolist() == [list(range(5))] * 2


def test_features_of_length_zero_have_cosine_zero():
    cosine, _ = nearest_neighbours(torch.zeros(3, 2), torch.ones(1, 2), 2)
    assert cosine.tolist() == [[0.0, 0.0]]


def test_an_empty_bank_is_refused():
    with pytest.raises(DataError, match="at least one training sample"):
        knn_predict(torch.empty(0, 3), torch.empty(0, dtype=torch.int64), torch.ones(1, 3), 2)
