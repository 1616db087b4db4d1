"""The run log as diagnoses read it: means over parts of a run, and checks of its length."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from natlib.doctor.finding import UnknownFactError
from natlib.evaluation import STANDARD
from natlib.objectives import NAT, Combined, Objective
from natlib.runs import read_run_log
from natlib.training import RunDirectory

__all__ = ["RunRecord"]

# The part of the lines that counts as the end of a run, and as its beginning.
_PART = 0.25
# After this many updates, batch norm's running statistics have forgotten their initial values up to
# 0.9 ^ 40 = 1.5 %. Runs of 1 to 25 updates looked broken, those of 40 and more did not.
_FEWEST_UPDATES = 40
# With the presets' augmentation, images and sounds were still at the random baseline after 30
# updates of 32 samples.
_FEWEST_TO_LEARN = 100


class RunRecord:
    """Configuration, metrics, evaluation and state of a run.

    Args:
        run: its directory.

    Attributes:
        directory: where its files are.
        config: the resolved configuration.
        info: what its ``run.json`` says: samples, updates, processes, what stopped it.
        evaluation: the standard evaluation; None where there is none.
        objective: the first part of the objective that is NAT; None if there is none.
        batch: samples that are matched together.
        step: updates that are logged.
        epoch: epochs that are logged.

    Raises:
        RunNotFoundError: there is no run here.
        ConfigError: its configuration cannot be read.
        DataError: its metrics are damaged.
    """

    def __init__(self, run: Path) -> None:
        log = read_run_log(run)
        self.directory = RunDirectory(run)
        self.config = log.config
        self.info = log.info
        self.evaluation = log.evaluations.get(STANDARD)
        self.step, self.epoch = log.step, log.epoch
        self.objective, self._prefix, self._part = _nat_part(self.config.objective)
        self.batch = log.batch
        self._metrics = log.metrics

    def values(self, name: str) -> list[float]:
        """All values of a metric, in order.

        Args:
            name: as :class:`natlib.objectives.NAT` by itself logs it; in a combined objective, it
                is looked up under the name of the NAT part.

        Raises:
            UnknownFactError: it is not logged.
        """
        return [value for _, value in self._series(name)]

    def late(self, name: str) -> float:
        """Mean over the last quarter of the lines with a metric."""
        values = self.values(name)
        return fmean(values[-_count(values) :])

    def early(self, name: str) -> float:
        """Mean over the first quarter of the lines with a metric."""
        values = self.values(name)
        return fmean(values[: _count(values)])

    def per_update(self, name: str) -> float:
        """Mean over updates: a line is weighted by the number of updates since the line before."""
        found = self._series(name)
        steps = [step for step, _ in found]
        weights = [after - before for before, after in zip([0, *steps], steps, strict=False)]
        total = sum(value * weight for (_, value), weight in zip(found, weights, strict=True))
        return total / sum(weights)

    def weights_moved(self) -> float:
        """The sum of the norms of all updates, over the norm of the weights.

        In an unfinished run, the remaining updates are assumed to be as large as those so far.
        """
        return self.per_update("weight_change") * max(self.step, self.info.updates)

    def rates(self) -> dict[str, float]:
        """The highest learning rate, as evidence."""
        return {"learning_rate": self.config.training.optimizer.learning_rate}

    def check_updates(self) -> None:
        """Check that enough updates were made for a verdict.

        Raises:
            UnknownFactError: there are too few updates.
        """
        if self.step < _FEWEST_UPDATES:
            raise UnknownFactError(
                f"too early: {_FEWEST_UPDATES} updates are needed, and {self.step} logged so far"
            )

    def check_half_done(self) -> None:
        """Check that half of the run is done.

        Raises:
            UnknownFactError: less than half of the updates are done, or too few.
        """
        if self.step < _FEWEST_TO_LEARN:
            raise UnknownFactError(
                f"too early: {_FEWEST_TO_LEARN} updates are needed, and {self.step} logged so far"
            )
        if 2 * self.step < self.info.updates:
            raise UnknownFactError(
                f"too early: {self.step} of {self.info.updates} updates are done"
            )

    def _series(self, name: str) -> list[tuple[int, float]]:
        stored = name
        if name in ("loss_target", "loss_alignment") and self._part:
            stored = f"loss_{self._part}_{name.removeprefix('loss_')}"
        elif name not in ("weight_change", "solver_share", "loader_share"):
            stored = self._prefix + name
        found = self._metrics.get(stored)
        pairs = zip(found.steps, found.values, strict=True) if found else ()
        finite = [(int(step), value) for step, value in pairs if math.isfinite(value)]
        if not finite:
            raise UnknownFactError(f"metrics.jsonl has no {stored}")
        return finite


def _count(values: Sequence[float]) -> int:
    return max(1, round(_PART * len(values)))


def _nat_part(objective: Objective) -> tuple[NAT | None, str, str]:
    """The first part that is NAT, the prefix of its metrics, and its name."""
    if isinstance(objective, NAT):
        return objective, "", ""
    if isinstance(objective, Combined):
        for number, (name, part) in enumerate(objective.parts.items()):
            if isinstance(part.objective, NAT):
                # The measures of the main part keep their names.
                return part.objective, f"{name}_" if number else "", name
    return None, "", ""
