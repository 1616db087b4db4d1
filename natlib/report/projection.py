"""Two-dimensional layouts of features: principal components, and UMAP if it is installed."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["clusters", "has_umap", "principal_components", "umap"]

# UMAP gets this many principal components: the rest is mostly noise and takes time.
_COMPONENTS = 50
_NEIGHBOURS = 15
_EPOCHS = 200

Progress = Callable[[int, int], None]


def has_umap() -> bool:
    """Whether the extra ``report`` is installed."""
    try:
        import umap  # noqa: F401
    except ImportError:
        return False
    return True


def principal_components(features: Tensor, count: int = 2) -> Tensor:
    """Coordinates along the directions of largest variance.

    Args:
        features: Tensor[u, f].
        count: the number of directions.

    Returns:
        float64[u, count]; the sign of a direction makes its largest weight positive, and
        coordinates are zero if there are fewer directions.
    """
    centred = features.double() - features.double().mean(0)
    # Use the smaller one of the two Gram matrices.
    if centred.shape[0] >= centred.shape[1]:
        _, vectors = torch.linalg.eigh(centred.T @ centred)
        directions = vectors.flip(1)[:, :count]
    else:
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        scale = values.flip(0)[:count].clamp_min(0).sqrt()
        directions = centred.T @ vectors.flip(1)[:, :count]
        directions = torch.where(scale > 1e-9 * scale[:1], directions / scale, 0.0)
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    coordinates = centred @ (directions * torch.where(largest < 0, -1.0, 1.0))
    return F.pad(coordinates, (0, count - coordinates.shape[1]))


def umap(features: Tensor, seed: int, progress: Progress | None = None) -> Tensor:
    """A layout that preserves neighbours by cosine; large distances are meaningless.

    McInnes et al., "UMAP: Uniform Manifold Approximation and Projection", 2018,
    arXiv 1802.03426.

    Args:
        features: Tensor[u, f], u at least 5.
        seed: the same seed gives the same layout.
        progress: called with the number of epochs done and their total.

    Returns:
        float64[u, 2].
    """
    import umap as package

    points = principal_components(F.normalize(features.double(), dim=1), _COMPONENTS)
    # The last bit of a product may depend on memory alignment, and the layout on the last bit.
    points = points.round(decimals=6)
    report = progress or (lambda done, total: None)
    report(0, _EPOCHS)
    with _threads_restored(), warnings.catch_warnings():
        # It warns that a seed disables threads, which is intended.
        warnings.simplefilter("ignore")
        layout = package.UMAP(
            n_neighbors=min(_NEIGHBOURS, len(points) - 1),
            n_epochs=_EPOCHS,
            init="pca",
            random_state=seed,
            n_jobs=1,
            tqdm_kwds={
                "disable": False,
                "file": _ProgressFile(report),
                "bar_format": "{n}/{total} ",
            },
        ).fit_transform(points.numpy().astype(np.float32))
    report(_EPOCHS, _EPOCHS)
    return torch.from_numpy(np.asarray(layout, dtype=np.float64))


def clusters(features: Tensor, count: int, seed: int) -> Tensor:
    """The cluster of each sample, int64[u], by k-means on normalised features."""
    # Imported here, since the import takes more than a second.
    from sklearn.cluster import KMeans

    points = F.normalize(features.float(), dim=1).numpy()
    found = KMeans(min(count, len(points)), n_init=3, random_state=seed).fit_predict(points)
    return torch.from_numpy(np.asarray(found, dtype=np.int64))


@contextmanager
def _threads_restored() -> Iterator[None]:
    """Restore torch's number of threads, which Numba, used by UMAP, changes."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _ProgressFile:
    """A file for UMAP's progress bar that parses and reports the progress."""

    def __init__(self, report: Progress) -> None:
        self._report = report

    def write(self, text: str) -> None:
        if found := re.search(r"(\d+)/(\d+)", text):
            self._report(int(found[1]), int(found[2]))

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""
