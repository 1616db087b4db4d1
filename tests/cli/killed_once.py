"""The command under the agent of ``torchrun --max-restarts 1``, its workers forked.

The second of two processes is killed in the third update, once.
"""

import os
import signal
import sys
from typing import Any

import torch
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

_step = torch.optim.AdamW.step
_updates = 0


def _dying_step(optimizer: torch.optim.AdamW, *arguments: Any) -> Any:
    global _updates
    _updates += 1
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if _updates == 3 and first and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return _step(optimizer, *arguments)


def worker() -> None:
    """What ``natlib`` does with the arguments of this process."""
    # Who speaks is decided when it is imported.
    from natlib_cli.main import run

    torch.optim.AdamW.step = _dying_step  # type: ignore[method-assign]
    try:
        run()
    except SystemExit as stop:
        if stop.code:
            raise


if __name__ == "__main__":
    # As torchrun --standalone sets it up.
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        max_restarts=1,
        run_id="killed-once",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method="fork",
        monitor_interval=0.05,
    )
    sys.argv[0] = "natlib"
    elastic_launch(config, worker)()
