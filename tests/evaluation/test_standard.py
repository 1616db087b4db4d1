import json

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.linear_model import LogisticRegression

from natlib.encoders import MlpEncoder
from natlib.errors import DataError
from natlib.evaluation import (
    Evaluation,
    EvaluationConfig,
    Start,
    encode,
    evaluate,
    find_splits,
    fit_linear_probe,
    knn_predict,
    online_knn,
    random_encoder,
)
from natlib.evaluation.accuracy import majority_baseline
from natlib.evaluation.five_labels import draw_five
from natlib.evaluation.reduced import reduced_inputs
from natlib.objectives import NAT, Supervised
from tests.evaluation.gaussian_blobs import FEATURES, GaussianBlobs, blobs

CPU = torch.device("cpu")
RECIPE = MlpEncoder(widths=(16, 8))
CONFIG = EvaluationConfig(knn_neighbours=5, weight_decays=(1e-4, 1e-2, 1e-1), batch_size=16)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return RECIPE.build((FEATURES,))


@pytest.fixture
def objective():
    torch.manual_seed(1)
    return NAT().build(8)


def run(encoder, objective, modality=None, config=CONFIG, **options):
    modality = GaussianBlobs() if modality is None else modality
    return evaluate(encoder, objective, modality, config, Start(RECIPE), device=CPU, **options)


def percent(predicted, labels):
    return 100 * (predicted == labels).double().mean().item()


def test_figures_are_those_of_the_probes_on_each_kind_of_features(encoder, objective):
    result = run(encoder, objective)
    train, test = blobs(90, seed=0), blobs(30, seed=2)
    beside = random_encoder(
        RECIPE, GaussianBlobs(), train, train.usable, seed=0, device=CPU, batch_size=16
    )
    encoder.eval()
    objective.eval()
    kinds = {
        "encoder": encoder,
        "head": lambda x: objective.embed(encoder(x)),
        "start": beside,
        "raw": lambda x: x,
    }
    for name, function in kinds.items():
        with torch.no_grad():
            known, asked = function(train.vectors), function(test.vectors)
        voted = knn_predict(known, train.labels, asked, 3, k=5, temperature=0.07)
        probe = fit_linear_probe(
            known, train.labels, weight_decays=CONFIG.weight_decays, validation_fraction=0.1
        )
        assert result.value(name, "knn") == pytest.approx(percent(voted, test.labels)), name
        assert result.value(name, "linear") == pytest.approx(
            percent(probe.predict(asked), test.labels)
        ), name
        assert result.details.chosen[name] == {"weight_decay": probe.weight_decay}


def test_json_has_the_promised_shape_and_reads_back(encoder, objective):
    result = run(encoder, objective)
    data = json.loads(result.to_json())
    assert list(data["rows"]) == ["encoder", "head", "start", "raw", "reduced"]
    for row in data["rows"].values():
        assert list(row) == ["knn", "linear", "five_per_class"]
        assert all(0 <= figure["value"] <= 100 for figure in row.values())
    details = data["details"]
    assert details["train_samples"] == 90
    assert details["test_samples"] == 30
    assert details["classes"] == ["c0", "c1", "c2"]
    assert (details["test_split"], details["held_out"]) == ("test", True)
    assert details["more"]["majority"] == pytest.approx(100 / 3)
    assert data["train_fingerprint"] == GaussianBlobs().dataset("train").fingerprint()
    assert data["test_fingerprint"] == GaussianBlobs().dataset("test").fingerprint()
    assert (data["protocol"], data["source"], data["config_hash"]) == ("standard", None, None)
    assert Evaluation.from_json(result.to_json()) == result


def test_table_has_a_row_for_each_kind_of_features(encoder, objective):
    result = run(encoder, objective)
    rows = result.cells()
    assert [row[0] for row in rows] == [
        "encoder", "head", "as it began (random)", "raw inputs", "raw inputs, PCA to 8",
    ]  # fmt: skip
    assert result.title == "Accuracy on 30 test samples (%, ± standard error)"
    for kind, (_, *cells) in zip(result.rows, rows, strict=True):
        figures = [result.rows[kind][column] for column in result.columns]
        assert cells == [f"{figure.value:.1f} ± {figure.error:.1f}" for figure in figures]


def test_errors_are_those_of_shares_and_of_draws(encoder, objective):
    result = run(encoder, objective)
    for row in result.rows.values():
        right = round(row["knn"].value * 30 / 100)
        share = (right + 1) / 32
        assert row["knn"].error == pytest.approx(100 * (share * (1 - share) / 30) ** 0.5)
        draws = np.array(row["five_per_class"].seeds)
        assert len(draws) == 5
        assert row["five_per_class"].value == pytest.approx(draws.mean())
        assert row["five_per_class"].error == pytest.approx(draws.std(ddof=1) / 5**0.5)


def test_reduced_inputs_are_principal_components(encoder, objective):
    result = run(encoder, objective)
    train, test = blobs(90, seed=0), blobs(30, seed=2)
    pca = PCA(8, random_state=0).fit(train.vectors.numpy())
    known, asked = (torch.tensor(pca.transform(s.vectors.numpy())) for s in (train, test))
    voted = knn_predict(known, train.labels, asked, 3, k=5, temperature=0.07)
    assert result.value("reduced", "knn") == pytest.approx(percent(voted, test.labels))


def test_five_labels_agree_with_scikit_learn(encoder, objective):
    result = run(encoder, objective)
    train, test = blobs(90, seed=0), blobs(30, seed=2)
    drawn = draw_five(train.labels, ["c0", "c1", "c2"], 0)
    assert drawn.fewer == []
    assert all(torch.bincount(train.labels[rows]).tolist() == [5, 5, 5] for rows in drawn.draws)
    assert len({tuple(rows.tolist()) for rows in drawn.draws}) == 5
    centre = train.vectors.mean(0)
    known, asked = ((s.vectors - centre) for s in (train, test))
    known, asked = (rows / rows.norm(dim=1, keepdim=True) for rows in (known, asked))
    accuracies = []
    for rows in drawn.draws:
        fitted = LogisticRegression(C=1 / (len(rows) * 1e-4), max_iter=5000, tol=1e-8)
        fitted.fit(known[rows].numpy(), train.labels[rows].numpy())
        accuracies.append(100 * fitted.score(asked.numpy(), test.labels.numpy()))
    assert result.value("raw", "five_per_class") == pytest.approx(np.mean(accuracies), abs=0.7)


def test_classes_with_fewer_samples_are_drawn_whole_and_counted():
    labels = torch.tensor([0] * 9 + [1] * 3 + [2] * 5)
    drawn = draw_five(labels, ["many", "few", "just", "none"], 7)
    assert drawn.fewer == ["few"]
    assert all(torch.bincount(labels[rows]).tolist() == [5, 3, 5] for rows in drawn.draws)


def test_sparse_inputs_are_reduced_as_they_are():
    """TF-IDF of texts: the singular vectors of scikit-learn's own decomposition."""
    dense = torch.rand(40, 30, generator=torch.Generator().manual_seed(0))
    dense[dense < 0.7] = 0
    found = reduced_inputs(dense[:30].to_sparse_coo(), dense[30:].to_sparse_coo(), 4, seed=3)
    assert found.name == "raw inputs, LSA to 4"
    svd = TruncatedSVD(4, random_state=3).fit(csr_array(dense[:30].numpy()))
    expected = torch.tensor(svd.transform(csr_array(dense[30:].numpy())))
    torch.testing.assert_close(found.test, expected.float(), atol=1e-5, rtol=1e-4)


def test_inputs_that_are_no_larger_than_features_are_not_reduced():
    rows = torch.randn(20, 8)
    assert reduced_inputs(rows, rows, 8, seed=0) is None
    # Nor to more numbers than there are samples.
    assert reduced_inputs(rows[:3], rows, 5, seed=0).train.shape == (3, 3)


def test_files_that_were_written_before_are_read(encoder, objective):
    data = json.loads(run(encoder, objective).to_json())
    rows = data["rows"]
    data["rows"] = {"encoder": rows["encoder"], "random": rows["start"], "raw inputs": rows["raw"]}
    del data["names"]
    read = Evaluation.from_json(json.dumps(data))
    assert list(read.rows) == ["encoder", "start", "raw"]
    assert (
        read.value("random", "knn") == read.value("start", "knn") == rows["start"]["knn"]["value"]
    )


def test_training_with_labels_has_a_row_of_its_own_and_a_probe_of_just_those(encoder):
    torch.manual_seed(0)
    labelled = Supervised(classes=3).build(8)
    seen = torch.arange(0, 90, 9)
    result = run(encoder, labelled, seen=seen, classifier=labelled)
    assert result.columns["seen_labels"] == "the run's 10 labels"
    train, test = blobs(90, seed=0), blobs(30, seed=2)
    encoder.eval()
    with torch.no_grad():
        known, asked = encoder(train.vectors), encoder(test.vectors)
        scores = labelled.head.eval()(asked)
    assert result.rows["classifier"].keys() == {"seen_labels"}
    assert result.value("classifier", "seen_labels") == pytest.approx(
        percent(scores.argmax(1), test.labels)
    )
    probe = fit_linear_probe(
        known[seen], train.labels[seen], weight_decays=CONFIG.weight_decays, validation_fraction=0.1
    )
    assert result.value("encoder", "seen_labels") == pytest.approx(
        percent(probe.predict(asked), test.labels)
    )
    # A saved model has no classifier.
    assert "classifier" not in run(encoder, labelled, seen=seen).rows


def test_without_baselines_the_rest_is_what_it_was(encoder, objective):
    whole = run(encoder, objective)
    result = run(encoder, objective, config=CONFIG.model_copy(update={"baselines": False}))
    assert result.rows == {name: whole.rows[name] for name in ("encoder", "head")}
    assert list(result.details.chosen) == ["encoder", "head"]
    assert result.value("raw", "knn") is None
    assert Evaluation.from_json(result.to_json()) == result


def test_separable_inputs_are_solved_and_noise_is_not(encoder, objective):
    assert run(encoder, objective).value("raw", "linear") > 95
    noise = blobs(600)
    noise.vectors = torch.randn(600, FEATURES, generator=torch.Generator().manual_seed(4))
    result = run(encoder, objective, train=noise, test=blobs(300, seed=5))
    assert result.value("raw", "linear") < 50


def test_evaluating_changes_nothing(encoder, objective):
    encoder.train()
    objective.train()
    weights = {k: v.clone() for k, v in (encoder.state_dict() | objective.state_dict()).items()}
    torch.manual_seed(123)
    state = torch.get_rng_state()
    run(encoder, objective)
    assert torch.equal(torch.get_rng_state(), state)
    after = encoder.state_dict() | objective.state_dict()
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    assert all(part.training for part in (*encoder.modules(), *objective.modules()))


def test_the_result_does_not_depend_on_the_random_state(encoder, objective):
    torch.manual_seed(1)
    first = run(encoder, objective)
    torch.manual_seed(2)
    assert run(encoder, objective) == first


def test_the_seed_decides_about_the_random_encoder(encoder, objective):
    first = run(encoder, objective)
    other = run(encoder, objective, config=CONFIG.model_copy(update={"seed": 1}))
    assert other.rows["start"] != first.rows["start"]
    assert other.value("raw", "knn") == first.value("raw", "knn")


def test_a_source_without_a_test_split_says_so(encoder, objective):
    result = run(encoder, objective, GaussianBlobs(train=90, test=0))
    details = result.details
    assert not details.held_out
    assert (details.test_split, details.train_samples, details.test_samples) == ("train", 72, 18)
    assert result.train_fingerprint == result.test_fingerprint


def test_samples_without_a_label_are_not_even_read(encoder, objective):
    train, test = blobs(90), blobs(30, seed=2)
    train.labels[:10] = -1
    test.labels[5] = -1
    details = run(encoder, objective, train=train, test=test).details
    assert (details.train_samples, details.test_samples) == (80, 29)
    assert not set(train.asked) & set(range(10))
    assert 5 not in test.asked


def test_unreadable_samples_are_left_out_with_their_labels(encoder, objective):
    broken, test = blobs(90), blobs(30, seed=2)
    broken.broken = {0, 17, 18}
    test.broken = {4, 29}
    absent, absent_test = blobs(90), blobs(30, seed=2)
    absent.usable = torch.tensor([i for i in range(90) if i not in (0, 17, 18)])
    absent_test.usable = torch.tensor([i for i in range(30) if i not in (4, 29)])
    without = run(encoder, objective, train=absent, test=absent_test)
    result = run(encoder, objective, train=broken, test=test)
    assert (result.details.train_samples, result.details.test_samples) == (87, 28)
    assert result.details.unreadable == 5
    # (The random encoder may have met other batches.)
    for name in ("encoder", "head", "raw"):
        assert result.rows[name] == without.rows[name]


def test_test_labels_do_not_influence_what_is_chosen(encoder, objective):
    shuffled = blobs(30, seed=2)
    shuffled.labels = shuffled.labels.roll(1)
    honest = run(encoder, objective, test=blobs(30, seed=2)).details
    assert run(encoder, objective, test=shuffled).details.chosen == honest.chosen


def test_training_samples_are_limited(encoder, objective):
    train = blobs(90)
    config = CONFIG.model_copy(update={"max_train_samples": 40})
    details = run(encoder, objective, config=config, train=train).details
    assert details.train_samples == 40
    assert len(set(train.asked)) == 40
    assert details.test_samples == 30


def test_no_labels_are_an_error_of_one_line(encoder, objective):
    train = blobs(90)
    train.labels = None
    with pytest.raises(DataError, match="no training sample has a label") as caught:
        run(encoder, objective, train=train)
    assert "\n" not in str(caught.value)


def test_progress_tells_of_every_stage(encoder, objective):
    told = []
    run(encoder, objective, progress=lambda *line: told.append(line))
    assert told[0] == ("embedding training samples", 16, 90)
    assert ("embedding test samples", 30, 30) in told
    assert told[-1] == ("fitting probes", 5, 5)


class TestOnline:
    def test_it_is_the_knn_figure_of_the_evaluation(self, encoder, objective):
        modality = GaussianBlobs()
        figure = online_knn(encoder, modality, find_splits(modality, seed=0), CONFIG, device=CPU)
        assert figure == run(encoder, objective).value("encoder", "knn")

    def test_it_reads_no_more_samples_than_allowed(self, encoder):
        train, test = blobs(90), blobs(30, seed=2)
        modality = GaussianBlobs()
        splits = find_splits(modality, seed=0, train=train, test=test)
        few = splits.limited(20, 8, CONFIG.seed)
        figure = online_knn(encoder, modality, splits, CONFIG, device=CPU, max_train=20, max_test=8)
        assert train.asked == few.train_index.tolist()
        assert test.asked == few.test_index.tolist()
        known = encode(modality, train, encoder, device=CPU, index=few.train_index)
        asked = encode(modality, test, encoder, device=CPU, index=few.test_index)
        voted = knn_predict(
            known.features["encoder"], few.train_labels, asked.features["encoder"], 3, k=5
        )
        assert figure == percent(voted, few.test_labels)

    def test_it_changes_nothing(self, encoder):
        modality = GaussianBlobs(test=0)
        splits = find_splits(modality, seed=0)
        encoder.train()
        state = torch.get_rng_state()
        online_knn(encoder, modality, splits, CONFIG, device=CPU)
        assert torch.equal(torch.get_rng_state(), state)
        assert encoder.training


@pytest.mark.parametrize(
    ("known", "asked", "expected"),
    [
        ([0, 0, 1], [0, 1, 1, 1], 25.0),
        # Tied classes: of either, half of the time.
        ([0, 0, 1, 1], [1, 1, 1, 0], 50.0),
        ([0, 1], [1, 1], 50.0),
        ([1, 0, 2], [2, 2, 2, 2], 100 / 3),
        # The first of them is not among the test samples; the most frequent of those is not tied.
        ([3, 3, 5, 5, 2], [5, 2, 2, 7], 12.5),
        ([4], [4, 4, 4, 1], 75.0),
    ],
)
def test_the_majority_is_that_of_all_tied_classes(known, asked, expected):
    found = majority_baseline(torch.tensor(known), torch.tensor(asked))
    assert found == pytest.approx(expected)
