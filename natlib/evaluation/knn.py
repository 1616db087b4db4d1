"""Nearest neighbours by cosine, and their weighted vote.

Shapes: q queries, n samples in the bank, k neighbours, f features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from natlib.data.sparse import is_sparse
from natlib.errors import DataError
from natlib.evaluation.sparse_rows import SparseRows

__all__ = ["knn_predict", "nearest_neighbours", "products", "rows", "unit_rows"]

_BLOCK_BYTES = 64 * 2**20
_BANK_ROWS = 16_384


def nearest_neighbours(
    bank: Tensor, queries: Tensor, k: int, *, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """The k rows of a bank with the highest cosine to each query.

    Neighbours are ordered by cosine, equal ones by their row in the bank, so that the
    answer does not depend on how the work is cut into blocks; no block of similarities
    takes more than 64 MiB.

    Args:
        bank: Tensor[n, f]; if it is sparse, the work is done on the CPU.
        queries: Tensor[q, f], sparse if the bank is.
        k: how many; all of the bank if it holds fewer.
        device: what to compute on; by default where the bank is.

    Returns:
        Cosines float32[q, k] and rows of the bank int64[q, k], on the CPU.
    """
    device = bank.device if device is None else device
    known, asked = bank.shape[0], queries.shape[0]
    bank_rows, query_rows = rows(bank), rows(queries)
    k = min(k, known)
    best = torch.empty(asked, 0)
    best_rows = torch.empty(asked, 0, dtype=torch.int64)
    at_once = max(1, _BLOCK_BYTES // (4 * min(known, _BANK_ROWS)))
    for start in range(0, known, _BANK_ROWS):
        bank_NF = unit_rows(bank_rows[start : start + _BANK_ROWS], device)
        parts = (query_rows[first : first + at_once] for first in range(0, asked, at_once))
        found = [_top(products(unit_rows(part, device), bank_NF), k) for part in parts]
        values = torch.cat([best, *_column(found, 0)], 1)
        where = torch.cat([best_rows, *(part + start for part in _column(found, 1))], 1)
        # Rows of earlier blocks stand first, so a stable sort prefers them among equals.
        order = values.sort(dim=1, descending=True, stable=True).indices[:, :k]
        best, best_rows = values.gather(1, order), where.gather(1, order)
    return best, best_rows


def knn_predict(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    classes: int,
    k: int = 20,
    temperature: float = 0.07,
    *,
    device: torch.device | None = None,
) -> Tensor:
    """Classes by a vote of the k nearest neighbours, weighted by ``exp(cosine / temperature)``.

    Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination", CVPR 2018, arXiv 1805.01978.

    Args:
        train_features: Tensor[n, f].
        train_labels: int64[n], each in 0 .. classes - 1.
        test_features: Tensor[q, f].
        classes: how many classes there are.
        k: neighbours that vote.
        temperature: the lower, the more the nearest ones decide.
        device: what to compute on; by default where ``train_features`` are.

    Returns:
        int64[q] on the CPU; the lower class where two have equal votes.

    Raises:
        DataError: the bank is empty.
    """
    if not train_features.shape[0]:
        raise DataError("kNN needs at least one training sample, got none; check the labels")
    cosine_QK, row_QK = nearest_neighbours(train_features, test_features, k, device=device)
    # Only ratios of weights matter; with the largest at 1 none overflows.
    weight_QK = ((cosine_QK.double() - cosine_QK[:, :1]) / temperature).exp()
    votes_QC = torch.zeros(len(cosine_QK), classes, dtype=torch.float64)
    # On the CPU, where the order of the additions is fixed.
    votes_QC.scatter_add_(1, train_labels.cpu()[row_QK], weight_QK)
    return votes_QC.argmax(1)


def rows(features: Tensor) -> Tensor | SparseRows:
    """Features of which blocks of rows can be taken, sparse or not."""
    return SparseRows.of(features) if is_sparse(features) else features


def products(left: Tensor | SparseRows, right: Tensor | SparseRows) -> Tensor:
    """Dot products of all pairs of rows."""
    if isinstance(left, SparseRows):
        assert isinstance(right, SparseRows)
        return left.products(right)
    assert isinstance(right, Tensor)
    return left @ right.T


def unit_rows(features: Tensor | SparseRows, device: torch.device) -> Tensor | SparseRows:
    """Rows scaled to length 1, on a device; sparse ones stay on the CPU."""
    if isinstance(features, SparseRows):
        return features.unit()
    return F.normalize(features.to(device, torch.float32), dim=1)


def _column(found: list[tuple[Tensor, Tensor]], which: int) -> list[Tensor]:
    return [torch.cat([pair[which] for pair in found])] if found else []


def _top(similarity_QN: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Largest values and their columns, ordered by (value, column); on the CPU."""
    k = min(k, similarity_QN.shape[1])
    values, columns = similarity_QN.topk(k, dim=1)
    # topk chooses as it likes among values equal to the last one that it takes.
    undecided = (similarity_QN >= values[:, -1:]).sum(1) > k
    if undecided.any():
        ordered = similarity_QN[undecided].sort(dim=1, descending=True, stable=True)
        values[undecided], columns[undecided] = ordered.values[:, :k], ordered.indices[:, :k]
    columns, order = columns.sort(dim=1)
    values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return values.cpu(), columns.gather(1, order).cpu()
