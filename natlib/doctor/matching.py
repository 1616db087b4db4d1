"""Diagnoses of the matching."""

from natlib.assignment import Bank
from natlib.doctor.finding import Diagnosis, Finding, UnknownFactError, diagnosis
from natlib.doctor.run_facts import RunFacts

__all__ = ["MATCHING"]

# As a share of the slots that a random assignment would reassign. Banks that worked ended at 0.1 to
# 0.4, one with a frozen random encoder at 0.57; with views that have nothing in common with their
# sample it stays above this limit.
_RESTLESS = 0.93
# In banks that worked, 0.43 to 0.85 were reassigned in the first quarter of the matchings. If none
# ever are, the solver does not work, or all costs are equal.
_RIGID = 0.02
# Matched epochs after which a table has had time to settle.
_EPOCHS = 4
# At a cosine of 0.1, 99 % of a target's squared length is unrelated to the embedding.
_WEAK = 0.1
# In a bank many weak matchings add up: at d = 512 with batches of 8 (baseline 0.06) samples reached
# a cosine of 0.19 with their targets.
_MADE_UP = 2.0


@diagnosis(
    "churn stuck",
    reads="`reassigned` (bank only)",
    acts_if="after four epochs with a matching nearly as many slots are reassigned as in a random "
    "assignment, or from the beginning hardly any are",
)
def stuck_churn(facts: RunFacts) -> Finding:
    record = facts.record
    bank = None if record.objective is None else record.objective.assignment
    if not isinstance(bank, Bank):
        return Finding("irrelevant", "samples do not keep slots")
    evidence = {
        "reassigned_early": record.early("reassigned"),
        "reassigned": record.late("reassigned"),
    }
    if evidence["reassigned_early"] < _RIGID and len(record.values("reassigned")) > 1:
        return Finding(
            "act",
            "hardly any slots are reassigned",
            evidence,
            "choose another objective.assignment.solver (lapjv); if embeddings have collapsed, "
            "begin there",
        )
    if record.epoch < _EPOCHS * bank.every:
        raise UnknownFactError(
            f"too early: the table needs {_EPOCHS} epochs with a matching to settle"
        )
    # In a random permutation, one sample of a batch keeps its slot on average.
    if evidence["reassigned"] >= _RESTLESS * (1 - 1 / max(2, record.batch)):
        return Finding(
            "act",
            "the table does not settle: slots are reassigned as if at random",
            evidence,
            "weaken the augmentation (data.augment) or lower the learning rate, so that a sample's "
            "embedding changes less between epochs; a lower objective.targets.dim makes matchings "
            "stronger",
        )
    return Finding("fine", "slots are reassigned, fewer and fewer as the table settles", evidence)


@diagnosis(
    "too few samples per batch for d",
    reads="`random_cosine`, `own_cosine` (bank)",
    acts_if="even optimally matched random points have a mean cosine below 0.1 with their targets, "
    "and in a bank many epochs have not made up for it",
)
def weak_matching(facts: RunFacts) -> Finding:
    record = facts.record
    if record.objective is None:
        return Finding("irrelevant", "the objective has no targets")
    evidence = {
        "random_cosine": record.late("random_cosine"),
        "batch": float(record.batch),
        "dimensions": float(record.objective.targets.dim),
    }
    if evidence["random_cosine"] >= _WEAK:
        return Finding("fine", "a matching can find targets near the samples", evidence)
    if isinstance(record.objective.assignment, Bank):
        record.check_updates()
        evidence["own_cosine"] = record.late("own_cosine")
        if evidence["own_cosine"] >= _MADE_UP * evidence["random_cosine"]:
            return Finding("fine", "matchings are weak, but add up in the table", evidence)
        record.check_half_done()
    return Finding(
        "act",
        "assigned targets are nearly unrelated to the embeddings",
        evidence,
        "lower objective.targets.dim (32) or raise training.batch_size",
    )


MATCHING: tuple[Diagnosis[RunFacts], ...] = (stuck_churn, weak_matching)
