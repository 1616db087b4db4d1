"""How the threads of torch's arithmetic wait for each other, and how many there are."""

import os
import sys

from natlib.runtime.cores import physical_cores, usable_cores

__all__ = ["set_thread_defaults"]

# Turns of a loop, some microseconds. GNU's OpenMP spins 300,000 by default.
_SPIN = "2000"
_WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def set_thread_defaults() -> None:
    """Set OpenMP's variables where the user has not; without effect once torch is imported.

    A layer of a small network takes less than a millisecond, after which OpenMP's threads wait
    for each other and for the next layer, and go on computing nothing for a while so as to be
    back at once. Where another process needs the core, the thread that all others wait for does
    not get it: one busy process then makes training several times slower. ``GOMP_SPINCOUNT`` (of
    GNU's OpenMP, which torch's wheels for Linux bring) is set to a shorter while, unless it or
    ``OMP_WAIT_POLICY`` is set.

    torch starts a thread for each core in the affinity mask. ``OMP_NUM_THREADS`` is set where a
    container grants less CPU time than that.
    """
    if "torch" in sys.modules:
        return
    if not any(name in os.environ for name in _WAITING):
        os.environ["GOMP_SPINCOUNT"] = _SPIN
    if "OMP_NUM_THREADS" not in os.environ and (cores := usable_cores()) < physical_cores():
        os.environ["OMP_NUM_THREADS"] = str(cores)
