"""Count the features that an objective is given, embed them, and check that they are finite.

Shapes: v views, b samples in the batch, f features, d dimensions.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from natlib.errors import ConfigError, NonFiniteError

__all__ = ["check_finite", "embed_views", "expect_views", "to_float32"]


def expect_views(features: Iterable[Tensor], views: int, extra: int, what: str) -> list[Tensor]:
    """The features of the views and of extra inputs, after checking their number.

    Args:
        features: tensors [b, f].
        views: v.
        extra: the number of extra inputs, whose features follow those of the views.
        what: kind of the objective, for the error.

    Raises:
        ConfigError: there are more or fewer.
    """
    given = list(features)
    if len(given) != views + extra:
        behind = f" and {extra} extra inputs" if extra else ""
        hint = "; encode what extra_inputs(views) returns, too" if extra else ""
        raise ConfigError(
            f"the objective '{what}' needs the features of {views} views{behind}, got "
            f"{len(given)} tensors{hint}"
        )
    return given


def embed_views(features: Sequence[Tensor], embed: Callable[[Tensor], Tensor]) -> Tensor:
    """Embeddings Tensor[v, b, d] of v features Tensor[b, f], in float32 or better.

    Raises:
        NonFiniteError: they hold NaN or infinity; names the sample.
    """
    z_VBD = torch.stack([to_float32(embed(view)) for view in features])
    check_finite(features, z_VBD)
    return z_VBD


def to_float32(z: Tensor) -> Tensor:
    """Convert half precision to float32; float64 stays as it is."""
    return z if z.dtype == torch.float64 else z.float()


def check_finite(features: Sequence[Tensor], z_VBD: Tensor) -> None:
    """Check that embeddings are finite.

    Args:
        features: tensors [b, f] that they were computed from.
        z_VBD: Tensor[v, b, d].

    Raises:
        NonFiniteError: they are not; names the first sample at fault.
    """
    if torch.isfinite(z_VBD).all():
        return
    # Batch norm in the head spreads one sample's NaN over the batch, so look at the features first.
    for views in (features, z_VBD):
        bad = torch.stack([~torch.isfinite(view).all(-1) for view in views]).any(0)
        if bad.any():
            position = int(bad.nonzero()[0])
            raise NonFiniteError(
                f"the features of sample {position} of the batch hold NaN or infinity", position
            )
