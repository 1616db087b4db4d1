"""What protocols measure, against scikit-learn, by brute force, and where the answer is known."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import average_precision_score

from natlib.encoders.pooling import pool_stage
from natlib.errors import ConfigError, DataError
from natlib.evaluation import Figure
from natlib.evaluation.clustering import cluster, matched_accuracy
from natlib.evaluation.retrieval import retrieve
from natlib.protocols.fitting import Learner, cosine, cut, decayed, fit_classifier, fit_together
from natlib.protocols.label_parts import LabelPart, label_parts


def features(count: int, seed: int, width: int = 6) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def labels(count: int, classes: int, seed: int) -> torch.Tensor:
    return torch.randint(classes, (count,), generator=torch.Generator().manual_seed(seed))


class TestRetrieval:
    @pytest.mark.parametrize("sparse", [False, True])
    def test_agrees_with_scikit_learn_and_a_loop(self, sparse: bool) -> None:
        gallery, queries = features(60, 0), features(25, 1)
        if sparse:
            gallery, queries = gallery.abs(), queries.abs()  # no cosine is 0, so none are equal
        known, asked = labels(60, 4, 2), labels(25, 4, 3)
        cosines = torch.nn.functional.normalize(queries) @ torch.nn.functional.normalize(gallery).T
        precision = [
            average_precision_score((known == label).numpy(), row.numpy())
            for row, label in zip(cosines, asked, strict=True)
        ]
        recall = {}
        for count in (1, 3):
            first = cosines.topk(count).indices
            recall[count] = 100 * (known[first] == asked[:, None]).any(1).double().mean().item()
        if sparse:
            gallery, queries = gallery.to_sparse_csr(), queries.to_sparse_csr()
        found = retrieve(gallery, known, queries, asked, at=(1, 3))
        assert found.mean_precision == pytest.approx(100 * np.mean(precision), abs=1e-4)
        assert found.recall == pytest.approx(recall)
        assert found.alone == 0

    def test_blocks_make_no_difference(self, monkeypatch: pytest.MonkeyPatch) -> None:
        arguments = (features(60, 0), labels(60, 4, 2), features(25, 1), labels(25, 4, 3))
        whole = retrieve(*arguments, at=(1, 5))
        monkeypatch.setattr("natlib.evaluation.retrieval._BLOCK_BYTES", 16 * 60 * 7)
        parts = retrieve(*arguments, at=(1, 5))
        assert parts.recall == pytest.approx(whole.recall)
        assert parts.mean_precision == pytest.approx(whole.mean_precision)

    def test_by_hand(self) -> None:
        angles = torch.tensor([0.0, 0.1, 0.2, 0.3])
        gallery = torch.stack([angles.cos(), angles.sin()], 1)
        # The ranking of the query is 0, 1, 2, 3; right are the second and the fourth.
        found = retrieve(
            gallery, torch.tensor([0, 1, 0, 1]), gallery[:1], torch.tensor([1]), at=(1, 2)
        )
        assert found.recall == {1: 0.0, 2: 100.0}
        assert found.mean_precision == pytest.approx(100 * (1 / 2 + 2 / 4) / 2)

    def test_queries_of_a_class_that_the_gallery_lacks_are_left_out(self) -> None:
        gallery = torch.eye(2)
        found = retrieve(gallery, torch.tensor([0, 1]), torch.eye(2), torch.tensor([0, 7]))
        assert (found.recall, found.mean_precision, found.alone) == ({1: 100.0}, 100.0, 1)


class TestClusters:
    def test_matched_accuracy_is_the_best_of_all_matchings(self) -> None:
        for seed in range(5):
            clusters, classes = labels(40, 4, seed), labels(40, 4, seed + 50)
            best = max(
                float((torch.tensor(names)[clusters] == classes).double().mean())
                for names in itertools.permutations(range(4))
            )
            assert matched_accuracy(clusters, classes) == pytest.approx(100 * best)

    def test_clusters_that_are_left_over_count_as_wrong(self) -> None:
        clusters = torch.tensor([0, 0, 1, 2])
        assert matched_accuracy(clusters, torch.tensor([0, 0, 0, 1])) == 75.0

    @pytest.mark.parametrize("sparse", [False, True])
    def test_is_k_means_on_directions(self, sparse: bool) -> None:
        train, test = features(80, 0).relu(), features(30, 1).relu()
        directions = [torch.nn.functional.normalize(part).numpy() for part in (train, test)]
        expected = KMeans(3, n_init=4, random_state=5).fit(directions[0]).predict(directions[1])
        if sparse:
            train, test = train.to_sparse_csr(), test.to_sparse_csr()
        found = cluster(train, test, 3, seed=5, restarts=4)
        assert matched_accuracy(found, torch.from_numpy(expected.astype(np.int64))) == 100.0


class TestPooling:
    def test_maps_are_averaged_over_the_finest_grid_that_fits(self) -> None:
        maps = torch.arange(2 * 3 * 4 * 4).float().view(2, 3, 4, 4)
        quarters = maps.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))
        torch.testing.assert_close(pool_stage(maps, 12), quarters.flatten(1))
        torch.testing.assert_close(pool_stage(maps, 11), maps.mean((2, 3)))
        torch.testing.assert_close(pool_stage(maps, 1000), maps.flatten(1))

    @pytest.mark.parametrize("shape", [(5,), (5, 7), (5, 7, 3), (5, 2, 3, 4), (3000,), (900, 2)])
    @pytest.mark.parametrize("width", [1, 4, 64, 1024])
    def test_never_wider_than_asked_for(self, shape: tuple[int, ...], width: int) -> None:
        output = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
        vectors = pool_stage(output, width)
        assert vectors.ndim == 2
        assert 0 < vectors.shape[1] <= width
        assert torch.equal(vectors, pool_stage(output, width))

    def test_a_sketch_keeps_dot_products_in_the_mean(self) -> None:
        values = torch.randn(2, 20_000, generator=torch.Generator().manual_seed(0))
        values[1] += values[0]
        exact = values @ values.T
        pooled = pool_stage(values, 4000).double()
        error = (pooled @ pooled.T - exact) / exact
        assert error.abs().max() < 0.1


class TestFitting:
    def test_batches_differ_by_one_sample_at_most(self) -> None:
        for count in (1, 2, 5, 16, 17, 33):
            parts = cut(torch.arange(count), 16)
            assert torch.equal(torch.cat(parts), torch.arange(count))
            sizes = [len(part) for part in parts]
            assert max(sizes) <= 16
            assert max(sizes) - min(sizes) <= 1

    def test_the_papers_learning_rate(self) -> None:
        rate = decayed(0.1, 100)
        for epoch in range(100):
            expected = 0.1 if epoch < 20 else 0.1 / (1 + 0.3 * (epoch - 20))
            assert rate(epoch) == rate(epoch + 0.9) == pytest.approx(expected)
        # A shorter run sees the same curve.
        assert [decayed(1.0, 10)(e) for e in (0, 2, 3, 9)] == pytest.approx(
            [decayed(1.0, 100)(e) for e in (0, 20, 30, 90)]
        )

    def test_cosine_warms_up_and_ends_near_zero(self) -> None:
        rate = cosine(1.0, 10)
        values = [rate(done / 10) for done in range(100)]
        assert max(values) == values[10] == pytest.approx(1.0)
        assert values[:11] == sorted(values[:11])
        assert values[10:] == sorted(values[10:], reverse=True)
        assert 0 < values[-1] < 0.001

    def test_one_step_is_that_of_plain_sgd(self) -> None:
        module = torch.nn.Linear(4, 3)
        weight, bias = module.weight.detach().clone(), module.bias.detach().clone()
        x, y = features(8, 0, 4), labels(8, 3, 1)
        fit_classifier(
            module,
            torch.optim.SGD(module.parameters(), lr=7.0),
            lambda _epoch: [(x, y)],
            epochs=1,
            steps=1,
            rate=lambda _done: 0.5,
        )
        probability = (x @ weight.T + bias).softmax(1)
        error = (probability - torch.nn.functional.one_hot(y, 3)) / 8
        torch.testing.assert_close(module.weight, weight - 0.5 * error.T @ x)
        torch.testing.assert_close(module.bias, bias - 0.5 * error.sum(0))
        assert not module.training

    def test_together_is_as_each_alone(self) -> None:
        x, y = features(40, 0, 4), labels(40, 3, 1)

        def learner(rate: float) -> Learner:
            torch.manual_seed(0)
            module = torch.nn.Linear(4, 3)
            optimizer = torch.optim.SGD(module.parameters(), lr=9.0, momentum=0.5)
            return Learner(module, optimizer, lambda done: rate / (1 + done))

        def batches(_epoch: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
            return [(x[part], y[part]) for part in cut(torch.arange(40), 16)]

        together, told = [learner(0.1), learner(0.7)], []
        fit_together(
            together,
            batches,
            epochs=2,
            steps=3,
            told=lambda done, total: told.append((done, total)),
        )
        assert told == [(done, 6) for done in range(1, 7)]
        for rate, one in zip((0.1, 0.7), together, strict=True):
            alone = learner(rate)
            fit_classifier(
                alone.module, alone.optimizer, batches, epochs=2, steps=3, rate=alone.rate
            )
            torch.testing.assert_close(one.module.weight, alone.module.weight)
            assert not one.module.training


def test_a_figure_is_the_mean_of_its_seeds() -> None:
    figure = Figure.of([1.0, 2.0, 6.0])
    assert (figure.value, str(figure)) == (3.0, "3.0 ± 1.5")
    assert figure.error == pytest.approx(np.std([1, 2, 6], ddof=1) / 3**0.5)
    single = Figure.of([4.25])
    assert (single.error, single.seeds, str(single)) == (None, (), "4.2")
    assert str(Figure.of([50.0], 98)) == "50.0 ± 5.1"


class TestParts:
    def test_titles_and_order(self) -> None:
        assert [part.title for part in label_parts((0.01, 0.125), (4,))] == [
            "1 %",
            "12.5 %",
            "4 per class",
        ]
        with pytest.raises(ConfigError, match="both empty"):
            label_parts((), ())

    def test_stratified_and_seeded(self) -> None:
        truth = torch.arange(60) % 3
        part = LabelPart(0.1, None)
        for seed in (0, 1):
            chosen = part.choose(truth, ["a", "b", "c"], seed)
            assert truth[chosen].bincount().tolist() == [2, 2, 2]
        assert not torch.equal(*(part.choose(truth, ["a", "b", "c"], s) for s in (0, 1)))

    def test_errors_name_the_settings_of_the_protocol(self) -> None:
        truth = torch.arange(60) % 3
        with pytest.raises(DataError, match=r"^fractions 0.01 .* rounds to zero; .* or per_class$"):
            LabelPart(0.01, None).choose(truth, ["a", "b", "c"], 0)
        with pytest.raises(DataError, match=r"^per_class is 21, .* 'a' has only 20 labelled"):
            LabelPart(None, 21).choose(truth, ["a", "b", "c"], 0)
