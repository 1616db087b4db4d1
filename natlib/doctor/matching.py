"""Diagnoses of the matching."""

from natlib.assignment import Bank
from natlib.doctor.finding import Diagnosis, Finding, UnknownFactError, diagnosis
from natlib.doctor.patient import Patient

__all__ = ["MATCHING"]

# Of the share that changes hands when targets are dealt at random. Banks that worked ended at
# 0.1 to 0.4, one under a frozen random encoder at 0.57; with views that have nothing in common
# with their sample it stays above this limit.
_RESTLESS = 0.93
# Of banks that worked, 0.43 to 0.85 changed hands in the first quarter of the matchings. Where
# nothing ever does, the solver does not solve, or has nothing to choose from.
_RIGID = 0.02
# Passes over the samples after which a table has had time to settle.
_PASSES = 4
# A cosine of 0.1 leaves 99 % of a target's squared length to chance.
_WEAK = 0.1
# In a bank many weak matchings add up: at d = 512 with batches of 8 (line 0.06) samples came to
# own targets at a cosine of 0.19.
_MADE_UP = 2.0


@diagnosis(
    "churn stuck",
    reads="`reassigned` (bank only)",
    acts="after four epochs nearly as many slots change hands as in a random assignment, or "
    "from the beginning hardly any do",
)
def stuck_churn(patient: Patient) -> Finding:
    record = patient.record
    bank = None if record.objective is None else record.objective.assignment
    if not isinstance(bank, Bank):
        return Finding("irrelevant", "no sample keeps its slots")
    evidence = {
        "reassigned_early": record.early("reassigned"),
        "reassigned": record.late("reassigned"),
    }
    if evidence["reassigned_early"] < _RIGID and len(record.values("reassigned")) > 1:
        return Finding(
            "act",
            "slots do not change hands",
            evidence,
            "choose another objective.assignment.solver (lapjv); if embeddings have collapsed, "
            "begin there",
        )
    if record.epoch < _PASSES * bank.every:
        raise UnknownFactError(f"too early: the table needs {_PASSES} passes to settle")
    # Dealt at random, one sample of a batch keeps its slot on average.
    if evidence["reassigned"] >= _RESTLESS * (1 - 1 / max(2, record.batch)):
        return Finding(
            "act",
            "the table does not settle: slots change hands as if dealt at random",
            evidence,
            "weaken the augmentation (data.augment) or lower the learning rate, so that a sample "
            "is recognised when it comes back; a lower objective.targets.dim makes matchings "
            "stronger",
        )
    return Finding("fine", "slots change hands, and fewer as the table settles", evidence)


@diagnosis(
    "too few samples per batch for d",
    reads="`random_cosine`, `own_cosine` (bank)",
    acts="even a perfect matching brings samples no nearer to targets than a cosine of 0.1, and in "
    "a bank many passes have not made up for it",
)
def weak_matching(patient: Patient) -> Finding:
    record = patient.record
    if record.objective is None:
        return Finding("irrelevant", "the objective has no targets")
    evidence = {
        "random_cosine": record.late("random_cosine"),
        "batch": float(record.batch),
        "dimensions": float(record.objective.targets.dim),
    }
    if evidence["random_cosine"] >= _WEAK:
        return Finding("fine", "a matching can bring samples near to targets", evidence)
    if isinstance(record.objective.assignment, Bank):
        record.check_updates()
        evidence["own_cosine"] = record.late("own_cosine")
        if evidence["own_cosine"] >= _MADE_UP * evidence["random_cosine"]:
            return Finding("fine", "matchings are weak, and the table makes up for it", evidence)
        record.check_half_done()
    return Finding(
        "act",
        "targets are nearly random for the samples that get them",
        evidence,
        "lower objective.targets.dim (32) or raise training.batch_size",
    )


MATCHING: tuple[Diagnosis[Patient], ...] = (stuck_churn, weak_matching)
