"""Diagnoses of the samples and their views, and of how fast they come."""

from natlib.doctor.copies import copies_of
from natlib.doctor.finding import Diagnosis, Finding, UnknownFactError, diagnosis
from natlib.doctor.patient import Patient

__all__ = ["SAMPLES", "SPEED"]

# As many samples may be unreadable before training stops (natlib.data.MOST_UNREADABLE): a
# twentieth of the work goes to copies, each of which is asked to hit another target. Sets that
# were looked at had 0 to 0.2 %.
_COPIES = 0.05
# Copies among those that were read; fewer may be chance.
_FEWEST_COPIES = 4
# Views that differ by a hundredth of the distance of two samples, squared. Presets of images,
# text, sound and vectors have 0.57 to 0.95; noise of a tenth of a deviation on blobs has 0.003.
_SAME_VIEWS = 1e-4
# An encoder with dropout makes two embeddings of one input.
_OWN_DIFFERENCE = 0.01
# Healthy runs waited for matchings 0.4 % (sound) to 17 % of the time (the smallest networks), and
# for samples 0.2 % to 6 %.
_SOLVER = 0.4
_LOADER = 0.3


@diagnosis(
    "duplicates in the data",
    reads="samples",
    acts="more than one sample in twenty is a copy of another one",
)
def duplicates(patient: Patient) -> Finding:
    samples = patient.samples
    copies = copies_of(samples.digests)
    read = len(samples.digests)
    found = sum(len(group) for group in copies)
    # Of a sample that has a copy, the copy was read with this probability.
    chance = max(1, read - 1) / max(1, samples.total - 1)
    share = min(1.0, found / max(1, read) / min(1.0, chance))
    evidence = {"share_with_copies": share, "read": float(read), "samples": float(samples.total)}
    names = tuple(" = ".join(samples.names[i] for i in group[:2]) for group in copies[:3])
    if share <= _COPIES or found < _FEWEST_COPIES:
        return Finding("fine", "hardly any sample stands twice in the data", evidence, names=names)
    return Finding(
        "act",
        "samples stand in the data more than once",
        evidence,
        "remove the copies: `natlib doctor --data` lists them",
        names,
    )


@diagnosis(
    "views are identical",
    reads="views of samples, `loss_alignment`",
    acts="two views of a sample differ by less than a hundredth of the distance between samples",
)
def identical_views(patient: Patient) -> Finding:
    if not patient.samples.digests:
        raise UnknownFactError("none of the samples that were tried can be read")
    evidence = {"view_difference": patient.samples.view_difference}
    if evidence["view_difference"] >= _SAME_VIEWS:
        return Finding("fine", "augmentation changes what it is given", evidence)
    if patient.record.config.objective.views > 1 and patient.record.objective is not None:
        evidence["loss_alignment"] = patient.record.late("loss_alignment")
        if evidence["loss_alignment"] > _OWN_DIFFERENCE:
            return Finding("fine", "views are equal, and the encoder makes them differ", evidence)
    return Finding(
        "act",
        "the views of a sample are the same",
        evidence,
        "strengthen the augmentation (data.augment): what views have in common is what is learnt, "
        "and these have everything in common",
    )


@diagnosis(
    "solver eats the step",
    reads="`solver_share`",
    acts="training waits for matchings more than 40 % of the time",
)
def slow_solver(patient: Patient) -> Finding:
    patient.record.check_updates()
    evidence = {"solver_share": patient.record.per_update("solver_share")}
    if evidence["solver_share"] <= _SOLVER:
        return Finding("fine", "matchings take their share of the time and no more", evidence)
    return Finding(
        "act",
        "training waits for matchings",
        evidence,
        "smaller training.batch_size, fewer objective.assignment.slots, the solver 'auto' with "
        "quality 'fast' (objective.assignment.solver), or objective.match_on 'first', which is "
        "matched while the other view is encoded",
    )


@diagnosis(
    "loader-bound",
    reads="`loader_share`",
    acts="training waits for samples more than 30 % of the time",
)
def slow_loader(patient: Patient) -> Finding:
    patient.record.check_updates()
    evidence = {"loader_share": patient.record.per_update("loader_share")}
    if evidence["loader_share"] <= _LOADER:
        return Finding("fine", "samples come in time", evidence)
    return Finding(
        "act",
        "training waits for samples",
        evidence,
        "more training.workers, smaller files, or let samples fit into memory (data.cache_gib)",
    )


SAMPLES: tuple[Diagnosis[Patient], ...] = (duplicates, identical_views)
SPEED: tuple[Diagnosis[Patient], ...] = (slow_solver, slow_loader)
