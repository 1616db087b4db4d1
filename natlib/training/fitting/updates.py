"""How long an update takes, measured on the run itself."""

import tempfile
import time
from pathlib import Path

from natlib.runtime.progress import ProgressReporter
from natlib.training.loop import Loop

__all__ = ["seconds_of_update"]

# Enough for a mean; slow updates are measured less often.
_UPDATES = 5
_SECONDS = 10.0


def seconds_of_update(loop: Loop, progress: ProgressReporter) -> float:
    """Train for some updates, and time those after the first. The loop is spent afterwards.

    Where samples are decoded in the background, the first batches may be there before they are
    asked for; the time for one batch, shared by the workers, is counted in addition.

    Args:
        loop: at its beginning.
        progress: told how far it is.
    """
    progress.stage("timing updates", _UPDATES + 1)
    with tempfile.TemporaryDirectory() as folder:
        loop.learner.objective.setup(Path(folder))
        times, waited = [time.perf_counter()], 0.0
        for position in loop.run(progress):
            times.append(time.perf_counter())
            if position.step == 1:
                waited = float(loop.meter.state_dict()["spent.loader"])
            progress.advance(min(position.step, _UPDATES + 1))
            enough = position.step > _UPDATES or times[-1] - times[0] > _SECONDS
            if loop.processes.any(enough):
                break
        loop.close()
    if len(times) == 2:
        return times[1] - times[0]
    decoding = 0.0 if loop.samples.in_memory else waited / max(1, loop.workers)
    return (times[-1] - times[1]) / (len(times) - 2) + decoding
