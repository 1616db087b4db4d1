"""The encoder of a run as it began."""

from pathlib import Path

from safetensors.torch import save

from natlib.encoders import Encoder
from natlib.evaluation import Start
from natlib.runtime.storage import on_host, write_file
from natlib.training.config import RunConfig
from natlib.training.run_directory import RunDirectory

__all__ = ["keep_start", "start_of"]


def keep_start(directory: RunDirectory, encoder: Encoder) -> None:
    """Keep weights that do not come from the seed: the run or checkpoint they are of may go.

    Args:
        directory: of the run, which begins.
        encoder: with the weights that it begins with.
    """
    write_file(directory.start, save(on_host(encoder.state_dict())))


def start_of(config: RunConfig, directory: RunDirectory) -> Start:
    """What the encoder of a run was before it was trained.

    Args:
        config: of the run.
        directory: of the run.
    """
    assert config.encoder is not None
    seed = config.training.seed
    if not directory.start.is_file():
        return Start(config.encoder, seed)
    before = directory.read_info().init_from
    name = config.encoder.pretrained if before is None else f"the run {Path(before).name}"
    return Start(config.encoder, seed, directory.start, f"{name or 'encoder'}, as it came")
