"""Sparse features give what the same features give when they are written out."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from natlib.data import Batch
from natlib.data.sparse import csr_matrix, csr_tensor, finite_rows, is_sparse, stacked
from natlib.encoders import MlpEncoder
from natlib.errors import DataError, NonFiniteError
from natlib.evaluation import encode, fit_linear_probe, knn_predict
from natlib.evaluation.knn import nearest_neighbours
from natlib.evaluation.linear import fit_logistic_regression
from natlib.evaluation.sparse_rows import SparseRows
from tests.evaluation.gaussian_blobs import FEATURES, GaussianBlobs, blobs

CLASSES = 4
LAYOUTS = {"csr": lambda t: t.to_sparse_csr(), "coo": lambda t: t.to_sparse_coo()}


def counted(rows: int, seed: int = 0, features: int = 60) -> tuple[Tensor, Tensor]:
    """Features that are mostly zeros, with some empty rows, and labels that they tell."""
    own = torch.Generator().manual_seed(seed)
    y = torch.randint(CLASSES, (rows,), generator=own)
    likely = 0.05 + 0.3 * (torch.arange(features) % CLASSES == y[:, None])
    x = (torch.rand(rows, features, generator=own) < likely).float()
    x *= torch.rand(rows, features, generator=own) + 0.5
    x[:2] = 0
    return x, y


class TestTensors:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_there_and_back(self, layout: str) -> None:
        x, _ = counted(9)
        sparse = LAYOUTS[layout](x)
        assert is_sparse(sparse)
        assert not is_sparse(x)
        matrix = csr_matrix(sparse)
        assert np.array_equal(matrix.toarray(), x.numpy())
        assert torch.equal(csr_tensor(matrix).to_dense(), x)

    def test_stacking(self) -> None:
        x, _ = counted(9)
        parts = [csr_tensor(sp.csr_array(part.numpy())) for part in torch.split(x, 4)]
        whole = stacked(parts)
        assert whole.layout == torch.sparse_csr
        assert torch.equal(whole.to_dense(), x)

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
    def test_rows_that_are_not_finite(self, bad: float) -> None:
        x, _ = counted(9)
        x[4, 7] = bad
        found = finite_rows(x.to_sparse_csr())
        assert found.tolist() == [row != 4 for row in range(9)]

    def test_nothing_is_printed(self, recwarn: pytest.WarningsRecorder) -> None:
        csr_tensor(sp.csr_array(np.eye(3, dtype=np.float32)))
        assert not recwarn.list


class TestNeighbours:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_agree_with_dense_ones(self, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
        # Several blocks of the bank and of the queries.
        monkeypatch.setattr("natlib.evaluation.knn._BANK_ROWS", 50)
        monkeypatch.setattr("natlib.evaluation.knn._BLOCK_BYTES", 4 * 50 * 7)
        bank, y = counted(120)
        queries, _ = counted(30, seed=1)
        expected = nearest_neighbours(bank, queries, 9)
        found = nearest_neighbours(LAYOUTS[layout](bank), LAYOUTS[layout](queries), 9)
        assert torch.allclose(found[0], expected[0], atol=1e-6)
        predicted = knn_predict(LAYOUTS[layout](bank), y, LAYOUTS[layout](queries), CLASSES)
        assert torch.equal(predicted, knn_predict(bank, y, queries, CLASSES))

    def test_an_empty_bank(self) -> None:
        empty = torch.zeros(0, 5).to_sparse_csr()
        with pytest.raises(DataError, match="at least one training sample"):
            knn_predict(empty, torch.zeros(0, dtype=torch.int64), empty, CLASSES)


class TestProbe:
    @pytest.mark.parametrize("decay", [1e-3, 1e-1])
    def test_agrees_with_scikit_learn(self, decay: float) -> None:
        x, y = counted(300)
        theirs = LogisticRegression(C=1 / (len(x) * decay), tol=1e-8, max_iter=2000).fit(x, y)
        rows = SparseRows.of(x.to_sparse_csr())
        weight, bias = fit_logistic_regression(rows, y, CLASSES, decay, iterations=1000)
        asked, _ = counted(100, seed=2)
        ours = (asked @ weight + bias).softmax(1)
        assert np.allclose(ours.numpy(), theirs.predict_proba(asked.numpy()), atol=2e-3)

    def test_gradient(self) -> None:
        x, _ = counted(7, features=12)
        weight = torch.randn(12, 3, requires_grad=True)
        dense = weight.detach().clone().requires_grad_()
        (SparseRows.of(x.to_sparse_csr()).times(weight).sin()).sum().backward()
        (x @ dense).sin().sum().backward()
        assert weight.grad is not None
        assert dense.grad is not None
        assert torch.allclose(weight.grad, dense.grad, atol=1e-5)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_chooses_and_predicts_without_standardising(self, layout: str) -> None:
        x, y = counted(300)
        asked, labels = counted(100, seed=2)
        probe = fit_linear_probe(LAYOUTS[layout](x), y, weight_decays=(1e-4, 1e-2, 1.0))
        assert set(probe.validation_accuracy) >= {1e-2, 1.0}
        assert torch.equal(probe.scale, torch.ones(60))
        predicted = probe.predict(LAYOUTS[layout](asked))
        assert torch.equal(predicted, probe.predict(asked))
        assert float((predicted == labels).double().mean()) > 0.7

    def test_a_probe_on_dense_features_predicts_for_sparse_ones(self) -> None:
        x, y = counted(300)
        asked, _ = counted(100, seed=2)
        probe = fit_linear_probe(x, y, weight_decays=(1e-2,))
        assert torch.equal(probe.predict(asked.to_sparse_csr()), probe.predict(asked))

    def test_none_at_all(self) -> None:
        with pytest.raises(DataError, match="at least one training sample"):
            fit_linear_probe(
                torch.zeros(0, 3).to_sparse_csr(),
                torch.zeros(0, dtype=torch.int64),
                weight_decays=(1.0,),
            )


class SparseBlobs(GaussianBlobs):
    """The same samples, whose raw inputs are sparse."""

    def raw(self, batch: Batch) -> Tensor:
        return super().raw(batch).to_sparse_csr()


class TestEncoding:
    def test_raw_inputs_stay_sparse(self) -> None:
        torch.manual_seed(0)
        encoder = MlpEncoder(widths=(8,)).build((FEATURES,))
        cpu = torch.device("cpu")
        for batch_size in (5, 100):
            found, dense = (
                encode(kind(), blobs(23), encoder, device=cpu, raw=True, batch_size=batch_size)
                for kind in (SparseBlobs, GaussianBlobs)
            )
            assert list(found.features) == list(dense.features) == ["encoder", "raw"]
            assert found.features["raw"].layout == torch.sparse_csr
            assert torch.equal(found.features["raw"].to_dense(), dense.features["raw"])

    def test_a_sample_that_is_not_finite_is_named(self) -> None:
        class Bad(SparseBlobs):
            def raw(self, batch: Batch) -> Tensor:
                rows = GaussianBlobs.raw(self, batch)
                return rows.where(batch.index[:, None] != 4, torch.nan).to_sparse_csr()

        encoder = MlpEncoder(widths=(8,)).build((FEATURES,))
        with pytest.raises(NonFiniteError, match="the raw output for sample 4 "):
            encode(Bad(), blobs(9), encoder, device=torch.device("cpu"), raw=True)
