"""Retrieval by cosine: recall and mean average precision.

Shapes: q queries, n samples in the gallery, f features.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from natlib.data.sparse import is_sparse
from natlib.evaluation.knn import products, rows, unit_rows

__all__ = ["Retrieval", "retrieve"]

_BLOCK_BYTES = 64 * 2**20


class Retrieval(NamedTuple):
    """Figures of a search, in percent.

    Attributes:
        recall: by number of results, the share of queries with one of their class among them.
        mean_precision: mean over queries of the average precision over the whole gallery.
        alone: number of queries whose class the gallery lacks; left out of all figures.
    """

    recall: dict[int, float]
    mean_precision: float
    alone: int


def retrieve(
    gallery: Tensor,
    gallery_labels: Tensor,
    queries: Tensor,
    query_labels: Tensor,
    *,
    at: tuple[int, ...] = (1,),
    device: torch.device | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Retrieval:
    """Rank the gallery by cosine to each query; samples of the query's class are right.

    Of equal cosines the earlier row of the gallery stands first.

    Args:
        gallery: Tensor[n, f]; if it is sparse, the work is done on the CPU.
        gallery_labels: int64[n].
        queries: Tensor[q, f], sparse if the gallery is.
        query_labels: int64[q].
        at: numbers of results that recall is measured at.
        device: what to compute on; by default where the gallery is.
        progress: called with the queries done and the queries in all.
    """
    device = gallery.device if device is None else device
    if is_sparse(gallery):
        device = torch.device("cpu")
    labels_N = gallery_labels.to(device)
    answerable = torch.isin(query_labels, gallery_labels)
    bank = unit_rows(rows(gallery), device)
    asked = rows(queries)
    at_once = max(1, _BLOCK_BYTES // (16 * len(labels_N)))
    hits = dict.fromkeys(at, 0.0)
    precision = 0.0
    for first in range(0, len(query_labels), at_once):
        part = slice(first, first + at_once)
        cosine_QN = products(unit_rows(asked[part], device), bank)
        order_QN = cosine_QN.argsort(dim=1, descending=True, stable=True)
        right_QN = labels_N[order_QN] == query_labels[part].to(device)[:, None]
        right_QN = right_QN[answerable[part].to(device)]
        for count in at:
            hits[count] += float(right_QN[:, :count].any(1).sum())
        rank_N = torch.arange(1, len(labels_N) + 1, device=device)
        found_QN = right_QN.cumsum(1)
        precise_QN = torch.where(right_QN, found_QN / rank_N, 0.0)
        precision += float((precise_QN.sum(1, dtype=torch.float64) / found_QN[:, -1]).sum())
        if progress is not None:
            progress(min(first + at_once, len(query_labels)), len(query_labels))
    counted = int(answerable.sum())
    share = 100.0 / max(1, counted)
    return Retrieval(
        {count: share * found for count, found in hits.items()},
        share * precision,
        len(query_labels) - counted,
    )
