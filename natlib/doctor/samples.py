"""Diagnoses of the samples, their views, and the time spent waiting."""

from natlib.doctor.copies import copies_of
from natlib.doctor.finding import Diagnosis, Finding, UnknownFactError, diagnosis
from natlib.doctor.run_facts import RunFacts

__all__ = ["MOST_LOADER_SHARE", "MOST_SOLVER_SHARE", "SAMPLES", "SPEED"]

# The same share as of unreadable samples, at which training stops (natlib.data.MOST_UNREADABLE).
# Common data sets have 0 to 0.2 %.
_COPIES = 0.05
# Fewer copies among the samples that were read may be chance.
_FEWEST_COPIES = 4
# A hundredth of the distance between two samples, squared. Presets of images, text, sound and
# vectors have 0.57 to 0.95; Gaussian blobs with noise of a tenth of a standard deviation 0.003.
_SAME_VIEWS = 1e-4
# Dropout in the encoder makes the embeddings of equal inputs differ by more than this.
_OWN_DIFFERENCE = 0.01
# Healthy runs waited for matchings 0.4 % (sound) to 17 % of the time (the smallest networks), and
# for samples 0.2 % to 6 %.
MOST_SOLVER_SHARE = 0.4
"""The largest share of the time that training may wait for matchings."""
MOST_LOADER_SHARE = 0.3
"""The largest share of the time that training may wait for samples."""


@diagnosis(
    "duplicates in the data",
    reads="samples",
    acts_if="more than 5 % of the samples are copies of others",
)
def duplicates(facts: RunFacts) -> Finding:
    samples = facts.samples
    copies = copies_of(samples.digests)
    read = len(samples.digests)
    found = sum(len(group) for group in copies)
    # The probability that the copy of a sample that was read was read too.
    chance = max(1, read - 1) / max(1, samples.total - 1)
    share = min(1.0, found / max(1, read) / min(1.0, chance))
    evidence = {"share_with_copies": share, "read": float(read), "samples": float(samples.total)}
    names = tuple(" = ".join(samples.names[i] for i in group[:2]) for group in copies[:3])
    if share <= _COPIES or found < _FEWEST_COPIES:
        return Finding("fine", "there are hardly any copies", evidence, names=names)
    return Finding(
        "act",
        "samples are contained more than once",
        evidence,
        "remove the copies: `natlib doctor --data` lists them",
        names,
    )


@diagnosis(
    "views are identical",
    reads="views of samples, `loss_alignment`",
    acts_if="two views of a sample differ by less than a hundredth of the distance between samples",
)
def identical_views(facts: RunFacts) -> Finding:
    if not facts.samples.digests:
        raise UnknownFactError("none of the chosen samples can be read")
    evidence = {"view_difference": facts.samples.view_difference}
    if evidence["view_difference"] >= _SAME_VIEWS:
        return Finding("fine", "the augmentation changes the samples", evidence)
    if facts.record.config.objective.views > 1 and facts.record.objective is not None:
        evidence["loss_alignment"] = facts.record.late("loss_alignment")
        if evidence["loss_alignment"] > _OWN_DIFFERENCE:
            return Finding("fine", "views are equal, but their embeddings differ", evidence)
    return Finding(
        "act",
        "the views of a sample are equal",
        evidence,
        "strengthen the augmentation (data.augment): an encoder learns what the views of a sample "
        "have in common, and these have everything in common",
    )


@diagnosis(
    "solver eats the step",
    reads="`solver_share`",
    acts_if="training waits for matchings more than 40 % of the time",
)
def slow_solver(facts: RunFacts) -> Finding:
    facts.record.check_updates()
    evidence = {"solver_share": facts.record.per_update("solver_share")}
    if evidence["solver_share"] <= MOST_SOLVER_SHARE:
        return Finding("fine", "training hardly waits for matchings", evidence)
    return Finding(
        "act",
        "training waits for matchings",
        evidence,
        "use a smaller training.batch_size, fewer objective.assignment.slots, the solver 'auto' "
        "with quality 'fast' (objective.assignment.solver), or objective.match_on 'first', which "
        "matches while the other views are encoded",
    )


@diagnosis(
    "loader-bound",
    reads="`loader_share`",
    acts_if="training waits for samples more than 30 % of the time",
)
def slow_loader(facts: RunFacts) -> Finding:
    facts.record.check_updates()
    evidence = {"loader_share": facts.record.per_update("loader_share")}
    if evidence["loader_share"] <= MOST_LOADER_SHARE:
        return Finding("fine", "training hardly waits for samples", evidence)
    return Finding(
        "act",
        "training waits for samples",
        evidence,
        "use more training.workers or smaller files, or let samples fit into memory "
        "(data.cache_gib)",
    )


SAMPLES: tuple[Diagnosis[RunFacts], ...] = (duplicates, identical_views)
SPEED: tuple[Diagnosis[RunFacts], ...] = (slow_solver, slow_loader)
