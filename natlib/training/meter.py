"""Collects what is measured in updates until the next line of metrics."""

import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["Meter"]

_SECONDS = "_seconds"


class Meter:
    """Averages, latest values, percentages and shares of time, by name.

    It knows no metric: whoever measures something says what it is called and how it adds up.

    Args:
        times: names of what takes time; ``solver`` is read as ``solver_share``, the share of the
            time since the last reading, 0 where none was spent on it.
    """

    def __init__(self, times: Sequence[str] = ()) -> None:
        self._times = tuple(times)
        self.restart()

    def restart(self) -> None:
        """Forget everything that was measured."""
        self._began = time.perf_counter()
        self._before = 0.0
        self._updates = 0
        self._samples = 0
        self._sums: dict[str, Tensor] = {}
        self._latest: dict[str, Tensor] = {}
        self._counts: dict[str, tuple[int, int]] = {}
        self._seconds = dict.fromkeys(self._times, 0.0)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything since the last reading, so that a resumed run reads the same means."""
        seconds = time.perf_counter() - self._began
        state = {
            "seconds": torch.tensor(seconds, dtype=torch.float64),
            "updates": torch.tensor(self._updates),
            "samples": torch.tensor(self._samples),
        }
        state |= {f"sum.{name}": value for name, value in self._sums.items()}
        state |= {f"latest.{name}": value for name, value in self._latest.items()}
        state |= {f"count.{name}": torch.tensor(counts) for name, counts in self._counts.items()}
        state |= {
            f"spent.{name}": torch.tensor(spent, dtype=torch.float64)
            for name, spent in self._seconds.items()
        }
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what another meter has measured; :meth:`resume` lets time go on.

        Raises:
            KeyError: it is the state of something else.
        """
        self.restart()
        self._before = float(state["seconds"])
        self._updates = int(state["updates"])
        self._samples = int(state["samples"])
        for key, value in state.items():
            what, _, name = key.partition(".")
            if what == "sum":
                self._sums[name] = value
            elif what == "latest":
                self._latest[name] = value
            elif what == "count":
                part, whole = value.tolist()
                self._counts[name] = (part, whole)
            elif what == "spent" and name in self._seconds:
                self._seconds[name] = float(value)

    def resume(self) -> None:
        """Measure time from now on, without what has passed since the state was loaded."""
        self._began = time.perf_counter() - self._before

    def average(self, name: str, value: Tensor) -> None:
        """Add a scalar of this update, to be averaged over updates.

        Values of one update add up. They stay on their device until they are read.
        """
        # What a checkpoint held is on the CPU until it is added to.
        known = self._sums.get(name)
        self._sums[name] = value.clone() if known is None else known.to(value.device) + value

    def latest(self, measures: Mapping[str, Tensor]) -> None:
        """Replace scalars by newer ones; names such as ``solver_seconds`` are spent time."""
        for name, value in measures.items():
            base = name.removesuffix(_SECONDS)
            if base != name and base in self._seconds:
                self.spent(base, float(value))
            else:
                self._latest[name] = value

    def count(self, name: str, part: int, whole: int) -> None:
        """Add to a percentage; it is left out where the whole is 0."""
        before = self._counts.get(name, (0, 0))
        self._counts[name] = (before[0] + part, before[1] + whole)

    def spent(self, name: str, seconds: float) -> None:
        """Add time that was spent on something.

        Args:
            name: one of ``times``.
            seconds: how long it took.
        """
        self._seconds[name] += seconds

    def trained(self, samples: int) -> None:
        """Add samples that were trained on, by all processes."""
        self._samples += samples

    def updated(self) -> None:
        """Count an update."""
        self._updates += 1

    def read(self, updates_left: int) -> dict[str, float]:
        """Everything by name, with rates and an estimate of the end; starts anew.

        Args:
            updates_left: updates until the end of the run.
        """
        seconds = time.perf_counter() - self._began
        result = {name: float(value) / self._updates for name, value in self._sums.items()}
        result |= {name: float(value) for name, value in self._latest.items()}
        result |= {name: 100.0 * part / all_ for name, (part, all_) in self._counts.items() if all_}
        result["seconds_left"] = seconds / self._updates * updates_left
        result["samples_per_second"] = self._samples / seconds
        result |= {f"{name}_share": spent / seconds for name, spent in self._seconds.items()}
        self.restart()
        return result
