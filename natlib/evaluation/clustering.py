"""Clusters of features, and how well they agree with classes."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from natlib.data.sparse import is_sparse
from natlib.evaluation.sparse_rows import SparseRows

__all__ = ["cluster", "matched_accuracy"]


def cluster(train: Tensor, test: Tensor, clusters: int, *, seed: int, restarts: int) -> Tensor:
    """k-means (scikit-learn's) on the directions of features.

    Features are scaled to length 1, so that clusters are made by cosine.

    Args:
        train: Tensor[n, f], what centres are found on; may be sparse.
        test: Tensor[q, f], what is then assigned to the nearest centre.
        clusters: k.
        seed: seed of the first centres.
        restarts: runs of k-means; the best one counts.

    Returns:
        int64[q], clusters of the test samples.
    """
    from sklearn.cluster import KMeans

    means = KMeans(clusters, n_init=restarts, random_state=seed).fit(_directions(train))
    return torch.from_numpy(means.predict(_directions(test)).astype(np.int64))


def matched_accuracy(clusters: Tensor, labels: Tensor) -> float:
    """Percent of samples in the cluster of their class, under the best one-to-one matching.

    Clusters are matched with classes by the Hungarian method; samples of
    unmatched clusters count as wrong.

    Args:
        clusters: int64[q].
        labels: int64[q].
    """
    table = torch.zeros(int(clusters.max()) + 1, int(labels.max()) + 1, dtype=torch.int64)
    table.index_put_((clusters, labels), torch.ones_like(labels), accumulate=True)
    rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
    return 100.0 * float(table[rows, columns].sum()) / len(labels)


def _directions(features: Tensor) -> object:
    if is_sparse(features):
        matrix = SparseRows.of(features).unit().matrix
        # scikit-learn takes short indices only.
        matrix.indices = matrix.indices.astype(np.int32)
        matrix.indptr = matrix.indptr.astype(np.int32)
        return matrix
    return torch.nn.functional.normalize(features.cpu().float(), dim=1).numpy()
