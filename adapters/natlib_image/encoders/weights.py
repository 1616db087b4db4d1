"""Weights of networks in safetensors files, with or without a classifier."""

from pathlib import Path

from safetensors import SafetensorError
from torch import nn

from natlib.errors import ConfigError, one_line
from natlib.runtime.tensors import read_tensors

__all__ = ["load_state"]


def load_state(net: nn.Module, file: Path, left_out: tuple[str, ...]) -> None:
    """Fill a network with the weights of a file.

    Args:
        net: without its classifier.
        file: safetensors.
        left_out: names of layers that the network lacks and the file may have.

    Raises:
        ConfigError: the file cannot be read, or does not fit.
    """
    try:
        found = read_tensors(file)
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"the checkpoint {file} cannot be read: {one_line(error)}; expected a safetensors file "
            "(convert others with safetensors.torch.save_file)"
        ) from error
    own = net.state_dict()
    prefixes = tuple(f"{name}." for name in left_out)
    lacking = sorted(own.keys() - found.keys())
    foreign = sorted(name for name in found.keys() - own.keys() if not name.startswith(prefixes))
    # Counters of batch norms are missing in old files, and change nothing in evaluation.
    lacking = [name for name in lacking if not name.endswith("num_batches_tracked")]
    if lacking or foreign:
        what = f"lacks '{lacking[0]}'" if lacking else f"has '{foreign[0]}'"
        raise ConfigError(
            f"the checkpoint {file} is of another network: it {what} ({len(lacking)} weights "
            f"missing, {len(foreign)} unknown); name the network that it was saved from"
        )
    for name, tensor in own.items():
        if name in found and found[name].shape != tensor.shape:
            raise ConfigError(
                f"the checkpoint {file} is of another network: '{name}' has the shape "
                f"{list(found[name].shape)}, expected {list(tensor.shape)}; name the network that "
                "it was saved from, or set data.size to what it was trained on"
            )
    net.load_state_dict({name: found[name] for name in own if name in found}, strict=False)
