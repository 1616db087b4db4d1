"""Sparse rows as tensors of torch and as matrices of SciPy."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

__all__ = ["csr_matrix", "csr_tensor", "finite_rows", "is_sparse", "rows_of", "stacked"]


@contextmanager
def _no_advice() -> Iterator[None]:
    """Suppress the warnings that torch gives once per process: in beta, and not checked."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")
        yield


def is_sparse(tensor: Tensor) -> bool:
    """Whether a tensor is sparse."""
    return tensor.layout != torch.strided


def csr_tensor(matrix: sp.csr_array) -> Tensor:
    """A sparse CSR tensor with the values of a matrix, float32[n, r]."""
    with _no_advice():
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int64)),
            torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            size=matrix.shape,
            check_invariants=False,
        )


def csr_matrix(tensor: Tensor) -> sp.csr_array:
    """A matrix with the values of a sparse tensor of any layout, on the CPU."""
    rows = tensor.detach().cpu()
    with _no_advice():
        rows = rows if rows.layout == torch.sparse_csr else rows.to_sparse_csr()
    parts = (rows.values(), rows.col_indices(), rows.crow_indices())
    shape = (rows.shape[0], rows.shape[1])
    return sp.csr_array(tuple(part.numpy() for part in parts), shape=shape)


def stacked(parts: Sequence[Tensor]) -> Tensor:
    """The rows of several sparse tensors, as one."""
    return csr_tensor(sp.vstack([csr_matrix(part) for part in parts], format="csr"))


def rows_of(tensor: Tensor, index: Tensor) -> Tensor:
    """Some rows of a tensor, which may be sparse."""
    if not is_sparse(tensor):
        return tensor[index]
    return csr_tensor(csr_matrix(tensor)[index.numpy()])


def finite_rows(tensor: Tensor) -> Tensor:
    """bool[n], the rows of a sparse tensor that hold neither NaN nor infinity."""
    matrix = csr_matrix(tensor)
    bad = matrix.nonzero()[0][~np.isfinite(matrix.data[matrix.data != 0])]
    finite = torch.ones(matrix.shape[0], dtype=torch.bool)
    finite[torch.from_numpy(bad.astype(np.int64))] = False
    return finite
