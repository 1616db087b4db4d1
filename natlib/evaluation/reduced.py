"""Raw inputs reduced to as many numbers as an encoder has features."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from natlib.data.sparse import csr_matrix, is_sparse

__all__ = ["Reduced", "reduced_inputs"]

_FITTED_ON = 10_000


class Reduced(NamedTuple):
    """Raw inputs with fewer numbers.

    Attributes:
        train: float32[n, k].
        test: float32[q, k].
        method: ``PCA``, or ``LSA`` where inputs are sparse.
        fitted_on: training samples that it was fitted on.
    """

    train: Tensor
    test: Tensor
    method: str
    fitted_on: int

    @property
    def name(self) -> str:
        """What the row is called in tables."""
        return f"raw inputs, {self.method} to {self.train.shape[1]}"


def reduced_inputs(train: Tensor, test: Tensor, width: int, seed: int) -> Reduced | None:
    """Reduce raw inputs to so many numbers, by what the training samples are like.

    Dense ones by their principal components. Sparse ones by a truncated singular value
    decomposition, which does not centre and so keeps them sparse: latent semantic analysis
    (Deerwester et al., 1990), where they are TF-IDF of texts. Labels are not looked at.

    Args:
        train: float32[n, r], sparse or not.
        test: float32[q, r], likewise.
        width: k; fewer where there are too few training samples for so many.
        seed: of the random projections, and of the 10,000 training samples that are fitted on
            where there are more.

    Returns:
        None where raw inputs have no more than ``width`` numbers.
    """
    if train.shape[1] <= width:
        return None
    from sklearn.decomposition import PCA, TruncatedSVD

    sparse = is_sparse(train)
    known, asked = _matrix(train), _matrix(test)
    fitted_on = min(len(train), _FITTED_ON)
    chosen = np.random.default_rng(seed).permutation(len(train))[:fitted_on]
    width = min(width, fitted_on)
    method = TruncatedSVD(width, random_state=seed) if sparse else PCA(width, random_state=seed)
    method.fit(known[np.sort(chosen)])
    parts = [torch.from_numpy(method.transform(matrix)).float() for matrix in (known, asked)]
    return Reduced(parts[0], parts[1], "LSA" if sparse else "PCA", fitted_on)


def _matrix(features: Tensor) -> Any:
    """As scikit-learn takes it."""
    return csr_matrix(features) if is_sparse(features) else features.numpy()
