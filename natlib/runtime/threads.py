"""Set how long the threads of torch's arithmetic spin, and how many there are."""

import os
import sys

from natlib.runtime.cores import physical_cores, usable_cores

__all__ = ["set_thread_defaults"]

# Iterations of the spin loop, some microseconds. The default of GNU's OpenMP is 300,000.
_SPIN = "2000"
_WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def set_thread_defaults() -> None:
    """Set OpenMP's variables unless the user has; without effect once torch is imported.

    A layer of a small network takes less than a millisecond. Afterwards OpenMP's threads wait for
    each other and for the next layer, and spin for a while so as to continue at once. If another
    process needs a core, the thread that all others wait for does not get one while they spin: a
    single busy process makes training several times slower. ``GOMP_SPINCOUNT`` (of GNU's OpenMP,
    which torch's wheels for Linux contain) is set to a shorter time, unless it or
    ``OMP_WAIT_POLICY`` is set.

    torch starts a thread for each core in the affinity mask. ``OMP_NUM_THREADS`` is set if a
    container allows less CPU time than that.
    """
    if "torch" in sys.modules:
        return
    if not any(name in os.environ for name in _WAITING):
        os.environ["GOMP_SPINCOUNT"] = _SPIN
    if "OMP_NUM_THREADS" not in os.environ and (cores := usable_cores()) < physical_cores():
        os.environ["OMP_NUM_THREADS"] = str(cores)
