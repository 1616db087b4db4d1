"""Diagnoses of whether the encoder learns, and of the learning rate."""

from natlib.assignment import Bank
from natlib.doctor.finding import Diagnosis, Finding, UnknownFactError, diagnosis
from natlib.doctor.run_facts import RunFacts
from natlib.errors import DivergedError
from natlib.objectives import random_target_loss

__all__ = ["LEARNING"]

# All updates together, end to end, as a share of the length of the weights. Healthy runs: 0.085
# (28 updates) to 9 (420 updates of SGD); AdamW at a 40th of the learning rate that is best on
# blobs moved them by 0.009, and the features stayed those of a random network.
_MOVED = 0.02
# The mean over updates of the first quarter. Healthy runs have 0.002 to 0.02, and 0.12 at ten times
# the best learning rate of SGD, which was harmless; at a hundred times, 0.23 and worse features.
_CHANGE = 0.15
# A single update that changes weights by half of their norm destroys most of what they had learnt.
# The largest of a healthy run was 0.07, the first update of AdamW without a warm-up.
_LARGEST_CHANGE = 0.5
# The smallest gain in cosine that counts, as a share of the random baseline. A table that settled
# on an untrained encoder gained 0.63 of it.
_BETTER = 0.1


@diagnosis(
    "loss at the random line",
    reads="`loss_target`, `own_cosine` (bank)",
    acts_if="it is not below the loss of optimally matched random points; in a bank, only if "
    "samples have not come nearer to their own targets either",
)
def random_line(facts: RunFacts) -> Finding:
    record = facts.record
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
            return Finding("fine", "samples come nearer to their own targets", evidence)
    return Finding(
        "act",
        "the loss is not below that of random points",
        evidence,
        "nothing has been learnt: act on the other findings first; if there are none, look at the "
        "views (natlib report) and train longer",
    )


@diagnosis(
    "matching improves, features do not",
    reads="`own_cosine` (bank) or `matched_cosine`, `weight_change`, accuracies",
    acts_if="embeddings are nearer to their targets than at the beginning, and the encoder has "
    "hardly changed or is worse than it was",
)
def idle_features(facts: RunFacts) -> Finding:
    record = facts.record
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
        return Finding("fine", "embeddings are not nearer to their targets than before", evidence)
    evidence["weights_moved"] = record.weights_moved()
    accuracies, worse = _against_start(facts)
    evidence |= accuracies
    if evidence["weights_moved"] < _MOVED:
        return Finding(
            "act",
            "embeddings come nearer to their targets, and the encoder hardly changes",
            evidence,
            "raise training.optimizer.learning_rate; if the encoder is frozen, let it train",
        )
    if worse:
        return Finding(
            "act",
            "embeddings come nearer to their targets, and features are worse than those that the "
            "encoder began with",
            evidence,
            "change the augmentation (data.augment): an encoder learns what the views of a sample "
            "have in common",
        )
    return Finding("fine", "matching and features have both changed", evidence)


def _gained(evidence: dict[str, float], name: str) -> float:
    """The gain in cosine since the beginning, as a share of the random baseline."""
    return (evidence[name] - evidence[f"{name}_first"]) / evidence["random_cosine"]


def _against_start(facts: RunFacts) -> tuple[dict[str, float], bool]:
    """Accuracies of the encoder and of what it was, and whether it is worse in all probes."""
    found = facts.record.evaluation
    if found is None or "start" not in found.rows:
        return {}, False
    evidence: dict[str, float] = {}
    worse = []
    for name, mine in found.rows["encoder"].items():
        its = found.rows["start"][name]
        evidence |= {name: mine.value, f"{name}_as_it_began": its.value}
        # By more than the standard error.
        worse.append(mine.value < its.value - (its.error or 0.0))
    return evidence, all(worse)


@diagnosis(
    "learning rate too high",
    reads="`weight_change`, `run.json`",
    acts_if="features became infinite, an update changed the weights by half of their norm, or "
    "those of the first quarter by 15 % on average",
)
def rate_too_high(facts: RunFacts) -> Finding:
    record = facts.record
    lower = "lower training.optimizer.learning_rate to a tenth, or set training.clip_gradient to 1"
    if record.info.failure is not None and record.info.failure.kind == DivergedError.__name__:
        return Finding(
            "act", "the run stopped because features became infinite", record.rates(), lower
        )
    changes = record.values("weight_change")
    evidence = {
        "weight_change": record.early("weight_change"),
        "largest_weight_change": max(changes),
    } | record.rates()
    if evidence["weight_change"] >= _CHANGE or max(changes) >= _LARGEST_CHANGE:
        return Finding("act", "updates are large compared with the weights", evidence, lower)
    return Finding("fine", "updates are small compared with the weights", evidence)


@diagnosis(
    "learning rate too low",
    reads="`weight_change`",
    acts_if="all updates of the run together change the weights by 2 % at most",
)
def rate_too_low(facts: RunFacts) -> Finding:
    record = facts.record
    record.check_updates()
    if record.step < min(record.config.training.schedule.warmup_steps, record.info.updates // 10):
        raise UnknownFactError("the run is still warming up")
    moved = record.weights_moved()
    evidence = {"weights_moved": moved} | record.rates()
    if moved >= _MOVED:
        return Finding("fine", "the weights change", evidence)
    return Finding(
        "act",
        "the weights of the encoder hardly change",
        evidence,
        "raise training.optimizer.learning_rate by a factor of 10, perhaps repeatedly; with "
        "objective.loss.reduction 'mean' it has to be larger than with 'sum'",
    )


LEARNING: tuple[Diagnosis[RunFacts], ...] = (
    random_line,
    idle_features,
    rate_too_high,
    rate_too_low,
)
