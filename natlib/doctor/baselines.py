"""Features against what costs nothing: raw inputs, and the encoder as it began."""

from natlib.doctor.finding import Diagnosis, Finding, UnknownFactError, diagnosis
from natlib.doctor.run_facts import RunFacts
from natlib.evaluation import Figure
from natlib.evaluation.accuracy import standard_error

__all__ = ["BASELINES"]

# Standard errors of the difference. Both are measured on the same samples, so that it is smaller.
_CLEARLY = 2.0
_NEXT = {
    "start": "training has made the encoder worse: lower training.optimizer.learning_rate to a "
    "tenth, or weaken the views (data.augment)",
    "raw": "train longer (--epochs, --budget), with a larger encoder (--encoder), or look whether "
    "views keep what matters (natlib report); until then, use the raw inputs",
    "reduced": "train longer (--epochs, --budget), with a larger encoder (--encoder), or look "
    "whether views keep what matters (natlib report); until then, use the reduced inputs",
}


@diagnosis(
    "features below a baseline",
    reads="`evaluations/standard.json`",
    acts_if="in kNN, the linear probe or with five labels per class, the encoder is behind what it "
    "was at the beginning, raw inputs, or raw inputs reduced to as many numbers, by more than two "
    "standard errors",
)
def below_baseline(facts: RunFacts) -> Finding:
    facts.record.check_updates()
    found = facts.record.evaluation
    if found is None:
        if facts.record.info.not_evaluated is not None:
            return Finding("irrelevant", f"not evaluated: {facts.record.info.not_evaluated}")
        raise UnknownFactError("the run has not been evaluated yet")
    mine = found.rows.get("encoder", {})
    baselines = [name for name in _NEXT if name in found.rows]
    if not baselines:
        raise UnknownFactError("the run was evaluated without baselines")
    evidence: dict[str, float] = {}
    lost: dict[str, list[str]] = {}
    for column, title in found.columns.items():
        if column not in mine:
            continue
        evidence[column] = mine[column].value
        for name in baselines:
            other = found.rows[name].get(column)
            if other is None:
                continue
            evidence[f"{column}_{name}"] = other.value
            errors = (_error(each, found.details.test_samples) for each in (mine[column], other))
            error = sum(each**2 for each in errors) ** 0.5
            if other.value - mine[column].value > _CLEARLY * error:
                lost.setdefault(name, []).append(title)
    if not lost:
        return Finding("fine", "the features are not behind their baselines", evidence)
    behind = "; ".join(
        f"{found.names.get(name, name)} ({', '.join(titles)})" for name, titles in lost.items()
    )
    return Finding("act", f"the features are behind {behind}", evidence, _NEXT[next(iter(lost))])


def _error(figure: Figure, samples: int) -> float:
    """The standard error, for files of before it was written too."""
    return standard_error(figure.value, samples) if figure.error is None else figure.error


BASELINES: tuple[Diagnosis[RunFacts], ...] = (below_baseline,)
