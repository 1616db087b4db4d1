"""Features that are mostly zeros (word counts, say), and never written out with them."""

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from natlib.data.sparse import csr_matrix

__all__ = ["SparseRows"]


class SparseRows:
    """Sparse features as probes need them. SciPy does the work, on the CPU.

    torch multiplies sparse matrices on some processors only, and cannot choose rows of them.

    Args:
        matrix: float32[n, f].
    """

    def __init__(self, matrix: sp.csr_array) -> None:
        self.matrix = matrix
        self._transposed: sp.csr_array | None = None

    @classmethod
    def of(cls, features: Tensor) -> "SparseRows":
        """From a sparse tensor of any layout."""
        return cls(csr_matrix(features).astype(np.float32))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        rows, features = self.matrix.shape
        return int(rows), int(features)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Tensor | slice) -> "SparseRows":
        return SparseRows(self.matrix[rows if isinstance(rows, slice) else rows.numpy()])

    def unit(self) -> "SparseRows":
        """The same rows scaled to length 1; a row of zeros stays one."""
        norms = np.sqrt(np.asarray(self.matrix.power(2).sum(axis=1)).ravel())
        scaled = self.matrix.copy()
        scaled.data /= np.repeat(np.where(norms > 0, norms, 1), np.diff(scaled.indptr))
        return SparseRows(scaled)

    def products(self, others: "SparseRows") -> Tensor:
        """float32[n, m], the dot products with the rows of others."""
        return torch.from_numpy((self.matrix @ others._transpose()).toarray())

    def times(self, weight: Tensor) -> Tensor:
        """Tensor[n, c], the product with a Tensor[f, c], which may need a gradient."""
        product: Tensor = _Times.apply(weight, self)  # type: ignore[no-untyped-call]
        return product

    def _transpose(self) -> sp.csr_array:
        if self._transposed is None:
            self._transposed = self.matrix.T.tocsr()
        return self._transposed


class _Times(torch.autograd.Function):
    """A product with a constant sparse matrix."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rows: SparseRows) -> Tensor:
        ctx.rows = rows
        return torch.from_numpy(rows.matrix @ weight.detach().numpy())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return torch.from_numpy(ctx.rows._transpose() @ gradient.numpy()), None
