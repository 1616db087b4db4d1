"""Sparse rows, as torch's tensors and as SciPy's matrices."""

import warnings

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

__all__ = ["csr_matrix", "csr_tensor", "is_sparse"]


def is_sparse(tensor: Tensor) -> bool:
    """Whether a tensor is stored without its zeros."""
    return tensor.layout != torch.strided


def csr_tensor(matrix: sp.csr_array) -> Tensor:
    """A sparse CSR tensor with the values of a matrix, float32[n, r]."""
    with warnings.catch_warnings():
        # torch says once in every process that such tensors are in beta.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support", append=False)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int64)),
            torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            size=matrix.shape,
        )


def csr_matrix(tensor: Tensor) -> sp.csr_array:
    """A matrix with the values of a sparse tensor of any layout, on the CPU."""
    rows = tensor.detach().cpu()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support", append=False)
        rows = rows if rows.layout == torch.sparse_csr else rows.to_sparse_csr()
    parts = (rows.values(), rows.col_indices(), rows.crow_indices())
    return sp.csr_array(tuple(part.numpy() for part in parts), shape=tuple(rows.shape))
