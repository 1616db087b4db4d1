"""Many dimensions in two: principal components, and UMAP where it is installed."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["clusters", "has_umap", "principal_components", "umap"]

# UMAP looks at so many principal components; what is left is mostly noise, and costs time.
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
    """Coordinates along the directions in which features differ most.

    Args:
        features: Tensor[u, f].
        count: how many directions.

    Returns:
        float64[u, count]; a direction is turned so that its largest weight is positive, and
        coordinates are zero where there are fewer directions.
    """
    centred = features.double() - features.double().mean(0)
    # Of the two Gram matrices, the smaller one.
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
    """A layout in which neighbours by cosine stay neighbours; far distances mean nothing.

    McInnes et al., "UMAP: Uniform Manifold Approximation and Projection", 2018,
    arXiv 1802.03426.

    Args:
        features: Tensor[u, f], u at least 5.
        seed: the same seed gives the same layout.
        progress: called with the epochs done and the epochs in all.

    Returns:
        float64[u, 2].
    """
    import umap as package

    points = principal_components(F.normalize(features.double(), dim=1), _COMPONENTS)
    # The last bit of a product may depend on where in memory its factors are, and the layout on
    # the last bit.
    points = points.round(decimals=6)
    tell = progress or (lambda done, total: None)
    tell(0, _EPOCHS)
    with _threads_kept(), warnings.catch_warnings():
        # It warns that a seed costs threads; that is what is wanted.
        warnings.simplefilter("ignore")
        layout = package.UMAP(
            n_neighbors=min(_NEIGHBOURS, len(points) - 1),
            n_epochs=_EPOCHS,
            init="pca",
            random_state=seed,
            n_jobs=1,
            tqdm_kwds={"disable": False, "file": _Ear(tell), "bar_format": "{n}/{total} "},
        ).fit_transform(points.numpy().astype(np.float32))
    tell(_EPOCHS, _EPOCHS)
    return torch.from_numpy(np.asarray(layout, dtype=np.float64))


def clusters(features: Tensor, count: int, seed: int) -> Tensor:
    """Which of so many clusters a sample belongs to, by k-means on unit features: int64[u]."""
    # Imported here: it takes over a second, which every command would wait for.
    from sklearn.cluster import KMeans

    points = F.normalize(features.float(), dim=1).numpy()
    found = KMeans(min(count, len(points)), n_init=3, random_state=seed).fit_predict(points)
    return torch.from_numpy(np.asarray(found, dtype=np.int64))


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Numba, which UMAP runs on, sets the number of threads of the library that torch uses too."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Ear:
    """A file that UMAP's bar is drawn into, and that passes on what it says."""

    def __init__(self, tell: Progress) -> None:
        self._tell = tell

    def write(self, text: str) -> None:
        if found := re.search(r"(\d+)/(\d+)", text):
            self._tell(int(found[1]), int(found[2]))

    def flush(self) -> None:
        """Nothing waits."""
