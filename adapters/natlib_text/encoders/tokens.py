"""What encoders of tokens have in common."""

from torch import Tensor

from natlib.encoders.pooling import pool_stage
from natlib.errors import ConfigError

__all__ = ["mean_over_tokens", "require_vocabulary", "trimmed", "vectors_of_stages"]


def trimmed(tokens: Tensor) -> Tensor:
    """The tokens as int64[b, t] with t as small as the longest text of the batch allows."""
    tokens = tokens.long()
    longest = int((tokens != 0).sum(1).max()) if len(tokens) else 0
    return tokens[:, : max(1, longest)]


def mean_over_tokens(values: Tensor, mask: Tensor) -> Tensor:
    """Tensor[b, f], the mean of Tensor[b, t, f] where bool[b, t] is true."""
    weight = mask.to(values.dtype)[:, :, None]
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)


def vectors_of_stages(stages: dict[str, Tensor], mask: Tensor, width: int) -> dict[str, Tensor]:
    """Of each stage Tensor[b, t, f], the mean over tokens where bool[b, t] is true."""
    means = {
        name: mean_over_tokens(output, mask) if output.ndim == 3 else output
        for name, output in stages.items()
    }
    return {name: pool_stage(mean, width) for name, mean in means.items()}


def require_vocabulary(vocabulary: int | None, kind: str, input_shape: tuple[int, ...]) -> int:
    """The size of the vocabulary.

    Raises:
        ConfigError: it has not been filled in, or inputs are no rows of tokens.
    """
    if len(input_shape) != 1:
        raise ConfigError(f"{kind} needs inputs [tokens], got {list(input_shape)}; use text")
    if vocabulary is None:
        raise ConfigError(
            f"{kind} does not know how many tokens there are; the modality fills that in when "
            "a run begins, elsewhere set 'vocabulary'"
        )
    return vocabulary
