"""Run a function in two gloo processes."""

import os
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

__all__ = ["in_processes"]

# Longer than any test needs, on any machine; a process that waits for ever ends with an error.
_PATIENCE = timedelta(seconds=60)


def _enter(
    rank: int, function: Callable[..., Any], count: int, folder: str, arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=count,
        timeout=_PATIENCE,
    )
    try:
        result = function(*arguments)
        torch.save(result, f"{folder}/{rank}.pt")
        dist.barrier()
    except Exception:
        Path(folder, f"{rank}.error").write_text(traceback.format_exc())
        raise
    finally:
        dist.destroy_process_group()


def in_processes(
    function: Callable[..., Any], *arguments: Any, folder: Path, count: int = 2
) -> list[Any]:
    """What the function returns in each of ``count`` processes, in the order of their ranks.

    Args:
        function: at the top level of a module; finds its rank by ``torch.distributed``.
        arguments: its arguments.
        folder: a fresh folder, through which the processes meet.
        count: how many processes.

    Raises:
        RuntimeError: with the traceback of the process that failed first. The other one is
            ended; what it complains of is that nobody answers.
    """
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        mp.spawn(_enter, (function, count, str(folder), arguments), nprocs=count)
    except (mp.ProcessRaisedException, mp.ProcessExitedException) as error:
        failed = sorted(folder.glob("*.error"), key=lambda path: path.stat().st_mtime_ns)
        raise RuntimeError(failed[0].read_text() if failed else str(error)) from error
    return [torch.load(folder / f"{rank}.pt") for rank in range(count)]
