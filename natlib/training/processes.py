"""The processes that train together: one, or as many as torchrun starts."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from natlib.encoders import data_device
from natlib.errors import DeviceError, NatlibError
from natlib.runtime.cores import usable_cores
from natlib.runtime.malloc import disable_trim
from natlib.training.config import DeviceName, TrainingConfig

__all__ = ["Processes", "computing_device", "decoding_workers", "training_processes"]

T = TypeVar("T")
_MPS = torch.device("mps")


@dataclass(frozen=True)
class Processes:
    """This process among all that train.

    Attributes:
        rank: number of this process.
        count: how many there are.
        device: what this one computes on.
        apart: what it computes the encoder on, if not on ``device``: a GPU of Apple.
    """

    rank: int
    count: int
    device: torch.device
    apart: torch.device | None = None

    @property
    def encoder_device(self) -> torch.device:
        """What this one computes the encoder on."""
        return self.device if self.apart is None else self.apart

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def agree(self, value: T) -> T:
        """What the first process says."""
        if self.count == 1:
            return value
        said = [value]
        dist.broadcast_object_list(said, src=0)
        return said[0]

    def smallest(self, value: int) -> int:
        """The smallest value that any process has."""
        if self.count == 1:
            return value
        found = torch.tensor(value, device=self.device)
        dist.all_reduce(found, op=dist.ReduceOp.MIN)
        return int(found)

    def any(self, value: bool) -> bool:
        """Whether ``value`` holds in any process."""
        if self.count == 1:
            return value
        flag = torch.tensor(int(value), device=self.device)
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag)


@contextmanager
def training_processes(device: DeviceName) -> Iterator[Processes]:
    """Join the processes that torchrun started, or train alone; leaves the group at the end.

    Args:
        device: what to compute on; each process takes the device of its local rank.

    Raises:
        DeviceError: a device is asked for that is not there, or another process has ended.
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    if device == "mps":
        _check_mps()
        if count > 1:
            raise DeviceError(
                "device 'mps' serves one process; train without torchrun, or on 'cpu'"
            )
        disable_trim()
        yield Processes(0, 1, data_device(_MPS), _MPS)
        return
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "device 'cuda' was asked for, but torch finds no CUDA device here; "
            "use 'cpu' or 'auto', or install a torch build and driver that fit"
        )
    on_cuda = device != "cpu" and torch.cuda.is_available()
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    if on_cuda:
        torch.cuda.set_device(local_rank)
    else:
        disable_trim()
    chosen = torch.device("cuda", local_rank) if on_cuda else torch.device("cpu")
    if count == 1:
        yield Processes(0, 1, chosen)
        return
    _join("nccl" if on_cuda else "gloo")
    try:
        yield Processes(dist.get_rank(), count, chosen)
    except (RuntimeError, dist.DistError) as error:
        if not _is_lost(error):
            raise
        raise DeviceError(
            "another process of this run has ended, or cannot be reached "
            f"({str(error).splitlines()[0]}); its own output says why; then resume"
        ) from error
    finally:
        dist.destroy_process_group()


def _check_mps() -> None:
    if not torch.backends.mps.is_available():
        raise DeviceError(
            "device 'mps' was asked for, but torch finds no GPU of Apple here; use 'cpu' or 'auto'"
        )


def _join(backend: str) -> None:
    """Join the group of processes."""
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if attempt == "0":
        dist.init_process_group(backend)
        return
    # torchrun's store still holds where the processes of earlier attempts were.
    store, rank, count = next(rendezvous("env://"))
    store = dist.PrefixStore(  # type: ignore[attr-defined]
        f"attempt-{attempt}", store
    )
    dist.init_process_group(backend, store=store, rank=rank, world_size=count)


def _is_lost(error: BaseException) -> bool:
    """Whether an error says that another process does not answer."""
    if isinstance(error, NatlibError):
        return False
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()


def computing_device(asked: str | None, configured: DeviceName = "auto") -> torch.device:
    """The device on which a run is evaluated or embeds.

    Args:
        asked: ``auto``, ``cpu``, ``mps``, ``cuda`` or one of several, ``cuda:1``; None for
            ``configured``.
        configured: what the run was trained on (``training.device``). Another machine may not have
            it, so that this is then ``auto``: CUDA where there is any, and otherwise the CPU.

    Raises:
        DeviceError: another device is asked for, or one that is not there.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "mps":
        _check_mps()
    wanted = asked or ("cpu" if configured == "cpu" else "auto")
    if asked is None and configured == "mps" and torch.backends.mps.is_available():
        wanted = "mps"
    if wanted == "mps":
        return _MPS
    if wanted == "auto":
        wanted = "cuda" if count else "cpu"
    match = re.fullmatch(r"cpu|cuda(?::(\d+))?", wanted)
    if match is None:
        raise DeviceError(f"unknown device '{wanted}'; expected auto, cpu, mps, cuda or cuda:N")
    if wanted != "cpu" and int(match[1] or 0) >= count:
        there = (
            f"cuda:0 to cuda:{count - 1}" if count > 1 else "cuda:0" if count else "no CUDA device"
        )
        raise DeviceError(
            f"device '{wanted}' was asked for, but torch finds {there} here; "
            "use 'cpu' or 'auto', or install a torch build and driver that fit"
        )
    return torch.device(wanted)


def decoding_workers(config: TrainingConfig | None = None) -> int:
    """Processes that decode for this one: as configured, else this one's share of the cores."""
    if config is not None and config.workers is not None:
        return config.workers
    return max(1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
