"""``natlib`` for torchrun, which is asked to stop in the third update."""

import os
import signal
import threading
from types import FrameType
from typing import Any

import torch

_step = torch.optim.AdamW.step
_updates = 0


def _stopping_step(optimizer: torch.optim.AdamW, *arguments: Any) -> Any:
    global _updates
    _updates += 1
    if _updates == 3 and os.environ["RANK"] == "0":
        heard = signal.getsignal(signal.SIGTERM)
        came = threading.Event()

        def note(number: int, frame: FrameType | None) -> None:
            assert callable(heard)
            heard(number, frame)
            came.set()

        signal.signal(signal.SIGTERM, note)
        # To torchrun alone, which passes it on to both; the update ends when it is here.
        os.kill(os.getppid(), signal.SIGTERM)
        while not came.wait(0.01):
            pass
        signal.signal(signal.SIGTERM, heard)
    return _step(optimizer, *arguments)


if __name__ == "__main__":
    # Who speaks is decided when it is imported.
    from natlib_cli.main import run

    torch.optim.AdamW.step = _stopping_step  # type: ignore[method-assign]
    run()
