"""What objectives do with the features that they are given: count, embed, check.

Shapes: v views, b samples in the batch, f features, d dimensions.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from natlib.errors import ConfigError, NonFiniteError

__all__ = ["check_finite", "embedded", "expect_views", "to_float32"]


def expect_views(features: Iterable[Tensor], views: int, extra: int, what: str) -> list[Tensor]:
    """The features of the views and of extra inputs, as many as there must be.

    Args:
        features: tensors [b, f].
        views: v.
        extra: tensors behind those of the views.
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


def embedded(features: Sequence[Tensor], embed: Callable[[Tensor], Tensor]) -> Tensor:
    """Embeddings Tensor[v, b, d] of features [b, f], in float32 or better.

    Raises:
        NonFiniteError: NaN or infinity in them; names the sample.
    """
    z_VBD = torch.stack([to_float32(embed(view)) for view in features])
    check_finite(features, z_VBD)
    return z_VBD


def to_float32(z: Tensor) -> Tensor:
    """In float32, or float64 where it is; losses do not trust a narrow type."""
    return z if z.dtype == torch.float64 else z.float()


def check_finite(features: Sequence[Tensor], z_VBD: Tensor) -> None:
    """See that embeddings are finite.

    Args:
        features: tensors [b, f], what they were made of.
        z_VBD: Tensor[v, b, d].

    Raises:
        NonFiniteError: they are not; names the first sample at fault.
    """
    if torch.isfinite(z_VBD).all():
        return
    # Batch norm in the head spreads one sample's NaN over the batch: look before it first.
    for views in (features, z_VBD):
        bad = torch.stack([~torch.isfinite(view).all(-1) for view in views]).any(0)
        if bad.any():
            position = int(bad.nonzero()[0])
            raise NonFiniteError(
                f"the features of sample {position} of the batch hold NaN or infinity", position
            )
