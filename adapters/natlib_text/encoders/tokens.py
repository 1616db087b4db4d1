"""Functions that encoders of tokens share."""

from torch import Tensor

from natlib.encoders.pooling import pool_stage
from natlib.errors import ConfigError

__all__ = ["mean_over_tokens", "require_vocabulary", "trimmed", "vectors_of_stages"]


def trimmed(tokens: Tensor) -> Tensor:
    """The tokens as int64[b, t], cut to the longest text of the batch."""
    tokens = tokens.long()
    longest = int((tokens != 0).sum(1).max()) if len(tokens) else 0
    return tokens[:, : max(1, longest)]


def mean_over_tokens(values: Tensor, mask: Tensor) -> Tensor:
    """Tensor[b, f], the mean of Tensor[b, t, f] where bool[b, t] is true."""
    weight = mask.to(values.dtype)[:, :, None]
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)


def vectors_of_stages(stages: dict[str, Tensor], mask: Tensor, width: int) -> dict[str, Tensor]:
    """The mean of each stage, Tensor[b, t, f], over tokens where bool[b, t] is true."""
    means = {
        name: mean_over_tokens(output, mask) if output.ndim == 3 else output
        for name, output in stages.items()
    }
    return {name: pool_stage(mean, width) for name, mean in means.items()}


def require_vocabulary(vocabulary: int | None, kind: str, input_shape: tuple[int, ...]) -> int:
    """The size of the vocabulary, once inputs are known to be tokens.

    Raises:
        ConfigError: the size has not been filled in, or inputs are not rows of tokens.
    """
    if len(input_shape) != 1:
        raise ConfigError(f"{kind} needs inputs [tokens], got {list(input_shape)}; use text")
    if vocabulary is None:
        raise ConfigError(
            f"{kind} needs the number of tokens; the modality fills it in when a run begins, "
            "elsewhere set 'vocabulary'"
        )
    return vocabulary
