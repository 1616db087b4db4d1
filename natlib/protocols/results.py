"""Results in a run directory: one file for each protocol and source."""

import re
from pathlib import Path

from pydantic import ValidationError

from natlib.errors import ConfigError
from natlib.evaluation import Evaluation, Figure, ProtocolDetails, ProtocolResult
from natlib.protocols.base import config_hash
from natlib.training import RunDirectory

__all__ = ["keep", "read_results"]

STANDARD = "standard"
"""What the evaluation at the end of training is called among the others."""


def keep(directory: RunDirectory, result: ProtocolResult) -> Path:
    """Write a result to ``RUN/evaluations``, in place of an older one, and say where."""
    directory.evaluations.mkdir(exist_ok=True)
    path = directory.evaluations / f"{_name(result)}.json"
    beside = path.with_suffix(".partial")
    beside.write_text(result.to_json(), encoding="utf-8")
    beside.replace(path)
    return path


def read_results(run: Path | str) -> dict[str, ProtocolResult]:
    """Every result that a run directory holds, by name.

    ``standard`` is the evaluation at the end of training; the others are called after their
    protocol, and after the source if it is not the run's own.

    Raises:
        RunNotFoundError: there is no run here.
        ConfigError: a file cannot be read.
    """
    directory = RunDirectory(run)
    config = directory.read_config()
    results = {}
    if directory.evaluation.exists():
        try:
            evaluation = Evaluation.from_json(directory.evaluation.read_text(encoding="utf-8"))
        except (ValidationError, UnicodeDecodeError) as error:
            raise _damaged(directory.evaluation) from error
        results[STANDARD] = _standard(evaluation, config_hash(config))
    for path in sorted(directory.evaluations.glob("*.json")):
        try:
            results[path.stem] = ProtocolResult.from_json(path.read_text(encoding="utf-8"))
        except (ValidationError, UnicodeDecodeError) as error:
            raise _damaged(path) from error
    return results


def _name(result: ProtocolResult) -> str:
    if result.source is None:
        return result.protocol
    last = re.sub(r"[^A-Za-z0-9._]+", "-", Path(result.source).name).strip("-.")
    return f"{result.protocol}-{last or 'other'}"


def _damaged(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is not a result that this version of natlib can read; remove it and judge the "
        "run again (natlib eval)"
    )


def _standard(evaluation: Evaluation, digest: str) -> ProtocolResult:
    """The evaluation at the end of training, in the form that all protocols share."""
    details = evaluation.details
    return ProtocolResult(
        protocol=STANDARD,
        title="Accuracy on the test samples (%)",
        columns={"knn": "kNN", "linear": "linear probe"},
        rows={
            row.features: {"knn": Figure(value=row.knn), "linear": Figure(value=row.linear)}
            for row in evaluation.table()
        },
        details=ProtocolDetails(
            train_samples=details.train_samples,
            test_samples=details.test_samples,
            test_split=details.test_split,
            held_out=details.held_out,
            unreadable=details.unreadable,
            classes=details.classes,
            chosen={"weight_decays": details.weight_decays},
            more={"majority": details.majority},
        ),
        settings={
            "knn_neighbours": details.knn_neighbours,
            "knn_temperature": details.knn_temperature,
        },
        source=None,
        seed=details.seed,
        config_hash=digest,
        train_fingerprint=details.train_fingerprint,
        test_fingerprint=details.test_fingerprint,
    )
