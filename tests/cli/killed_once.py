"""``natlib`` for ``torchrun --max-restarts 1``: the second process is killed, once.

In its third update.
"""

import os
import signal
from typing import Any

import torch

_step = torch.optim.AdamW.step
_updates = 0


def _dying_step(optimizer: torch.optim.AdamW, *arguments: Any) -> Any:
    global _updates
    _updates += 1
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if _updates == 3 and first and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return _step(optimizer, *arguments)


if __name__ == "__main__":
    # Who speaks is decided when it is imported.
    from natlib_cli.main import run

    torch.optim.AdamW.step = _dying_step  # type: ignore[method-assign]
    try:
        run()
    except SystemExit as stop:
        if stop.code:
            raise
