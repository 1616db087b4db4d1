"""What there is to compute with."""

from typing import NamedTuple, Self

import torch

from natlib.runtime.cores import usable_cores
from natlib.runtime.memory import available_memory

__all__ = ["GIB", "Machine"]

GIB = 2**30


class Machine(NamedTuple):
    """What there is to compute with.

    Attributes:
        cores: processor cores that may be used.
        memory: bytes of memory that are free, of the machine.
        device: what computes.
    """

    cores: int
    memory: int
    device: torch.device

    @classmethod
    def here(cls, device: torch.device) -> Self:
        """This machine, with one of its devices."""
        return cls(usable_cores(), available_memory(), device)

    @property
    def has_accelerator(self) -> bool:
        return self.device.type != "cpu"

    def __str__(self) -> str:
        cores = f"{self.cores} core{'s' if self.cores > 1 else ''}"
        accelerator = str(self.device) if self.has_accelerator else "no accelerator"
        return f"{cores}, {self.memory / GIB:.0f} GiB of free memory, {accelerator}"
