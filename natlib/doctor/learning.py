"""Diagnoses of whether the encoder learns, and how fast."""

from natlib.assignment import Bank
from natlib.doctor.finding import Diagnosis, Finding, UnknownFactError, diagnosis
from natlib.doctor.patient import Patient
from natlib.doctor.random_loss import random_target_loss
from natlib.errors import DivergedError

__all__ = ["LEARNING"]

# All updates together, end to end, as a share of the length of the weights. Healthy runs: 0.085
# (28 updates) to 9 (420 updates of SGD); AdamW at a 40th of the learning rate that is best on
# blobs moved them by 0.009, and the features stayed those of a random network.
_MOVED = 0.02
# An update of the first quarter. Healthy runs have 0.002 to 0.02, and 0.12 at ten times the best
# learning rate of SGD, which still did no harm; at a hundred times, 0.23, and worse features.
_CHANGE = 0.15
# A single update that moves weights by half of their length leaves little of what they were. The
# largest of a healthy run was 0.07, the first one of AdamW without a warm-up.
_LARGEST_CHANGE = 0.5
# How much the matching gets better before it says anything, as a share of the random line. A
# table that settled on a random encoder which did not train gained 0.63 of it.
_BETTER = 0.1


@diagnosis(
    "loss at the random line",
    reads="`loss_target`, `own_cosine` (bank)",
    acts="it is not below that of random points which are matched as well as they can be; in a "
    "bank whose slots are reassigned rarely, if samples are no nearer to their own targets than at "
    "the beginning either",
)
def random_line(patient: Patient) -> Finding:
    record = patient.record
    if record.objective is None:
        return Finding("irrelevant", "the objective has no targets")
    record.check_half_done()
    evidence = {
        "loss_target": record.late("loss_target"),
        "random_loss": random_target_loss(record.objective, record.batch),
    }
    if evidence["loss_target"] < evidence["random_loss"]:
        return Finding("fine", "the loss is below that of random points", evidence)
    if isinstance(record.objective.assignment, Bank):
        evidence |= {
            "own_cosine_first": record.values("own_cosine")[0],
            "own_cosine": record.late("own_cosine"),
            "random_cosine": record.late("random_cosine"),
        }
        if _gained(evidence, "own_cosine") >= _BETTER:
            return Finding("fine", "samples come nearer to the targets that they keep", evidence)
    return Finding(
        "act",
        "the loss is that of random points, or above it",
        evidence,
        "nothing has been learnt: see what else is found here; if nothing is, look at the views "
        "(natlib report) and train longer",
    )


@diagnosis(
    "matching improves, features do not",
    reads="`own_cosine` (bank) or `matched_cosine`, `weight_change`, accuracies",
    acts="targets are met better than at the beginning, while the encoder has stayed what it was "
    "or is worse than a random one",
)
def idle_features(patient: Patient) -> Finding:
    record = patient.record
    if record.objective is None:
        return Finding("irrelevant", "the objective has no targets")
    record.check_updates()
    name = "own_cosine" if isinstance(record.objective.assignment, Bank) else "matched_cosine"
    evidence = {
        f"{name}_first": record.values(name)[0],
        name: record.late(name),
        "random_cosine": record.late("random_cosine"),
    }
    if _gained(evidence, name) < _BETTER:
        return Finding("fine", "the matching has not become better by itself", evidence)
    evidence["weights_moved"] = record.weights_moved()
    accuracies, worse = _against_random(patient)
    evidence |= accuracies
    if evidence["weights_moved"] < _MOVED:
        return Finding(
            "act",
            "targets are met better and better by an encoder that stays what it was",
            evidence,
            "raise training.optimizer.learning_rate; if the encoder is frozen, let it train",
        )
    if worse:
        return Finding(
            "act",
            "targets are met better, and the features are worse than those of a random encoder",
            evidence,
            "change the augmentation (data.augment): what two views have in common is what is "
            "learnt",
        )
    return Finding("fine", "matching and features have both changed", evidence)


def _gained(evidence: dict[str, float], name: str) -> float:
    """How much nearer targets are than at the beginning, as a share of the random line."""
    return (evidence[name] - evidence[f"{name}_first"]) / evidence["random_cosine"]


def _against_random(patient: Patient) -> tuple[dict[str, float], bool]:
    """Accuracies of the encoder and a random one, and whether both probes call it worse."""
    found = patient.record.evaluation
    if found is None or "random encoder" not in found.rows:
        return {}, False
    evidence: dict[str, float] = {}
    pairs: list[tuple[float, float]] = []
    for name, mine in found.rows["encoder"].items():
        its = found.rows["random encoder"][name].value
        evidence |= {name: mine.value, f"{name}_of_random_encoder": its}
        pairs.append((mine.value, its))
    count = found.details.test_samples
    # By more than the standard error that so few test samples leave.
    worse = all(
        mine < its - (max(its * (100.0 - its), 100.0) / count) ** 0.5 for mine, its in pairs
    )
    return evidence, worse


@diagnosis(
    "learning rate too high",
    reads="`weight_change`, `run.json`",
    acts="features became infinite, an update moved the weights by half of their length, or those "
    "of the first quarter by 15 % each",
)
def rate_too_high(patient: Patient) -> Finding:
    record = patient.record
    lower = "lower training.optimizer.learning_rate to a tenth, or set training.clip_gradient to 1"
    if record.info.failure is not None and record.info.failure.kind == DivergedError.__name__:
        return Finding(
            "act", "the run stopped since features became infinite", record.rates(), lower
        )
    changes = record.values("weight_change")
    evidence = {
        "weight_change": record.early("weight_change"),
        "largest_weight_change": max(changes),
    } | record.rates()
    if evidence["weight_change"] >= _CHANGE or max(changes) >= _LARGEST_CHANGE:
        return Finding("act", "updates replace what they should correct", evidence, lower)
    return Finding("fine", "updates are small beside the weights", evidence)


@diagnosis(
    "learning rate too low",
    reads="`weight_change`",
    acts="all updates of the run together could move the weights by 2 % at most",
)
def rate_too_low(patient: Patient) -> Finding:
    record = patient.record
    record.check_updates()
    if record.step < min(record.config.training.schedule.warmup_steps, record.info.updates // 10):
        raise UnknownFactError("the run is still warming up")
    moved = record.weights_moved()
    evidence = {"weights_moved": moved} | record.rates()
    if moved >= _MOVED:
        return Finding("fine", "the weights move", evidence)
    return Finding(
        "act",
        "the weights of the encoder hardly move",
        evidence,
        "raise training.optimizer.learning_rate to the tenfold, and again; for "
        "objective.reduction 'mean' it needs to be larger than for 'sum'",
    )


LEARNING: tuple[Diagnosis[Patient], ...] = (
    random_line,
    idle_features,
    rate_too_high,
    rate_too_low,
)
