"""Diagnoses of a data set: what its samples and labels contain."""

from natlib.data import MOST_UNREADABLE
from natlib.doctor.finding import EXAMPLES, Diagnosis, Finding, diagnosis
from natlib.doctor.survey import Survey

__all__ = ["LABELS", "READABLE", "SAMPLES"]

# Samples without content can be told neither from each other nor from their views.
_CONSTANT = 0.01
# Samples ten times smaller or larger than the median are mostly padding, or mostly cut off.
_FACTOR = 10.0
_ODD_SIZES = 0.05
# A class with a tenth of the samples of another one hardly affects an accuracy.
_BALANCE = 10.0


@diagnosis(
    "unreadable samples",
    reads="all samples",
    acts_if="more than 5 % of a split cannot be decoded; training would stop",
)
def unreadable(found: Survey) -> Finding:
    bad = [f"{name} ({reason})" for facts in found.values() for name, reason in facts.unreadable]
    share = max(len(facts.unreadable) / facts.total for facts in found.values())
    evidence = {"unreadable": float(len(bad)), "largest_share": share}
    names = tuple(bad[:EXAMPLES])
    if share > MOST_UNREADABLE:
        return Finding(
            "act", "many samples cannot be read", evidence, "repair or remove them", names
        )
    if bad:
        message = "a few samples cannot be read; training leaves them out"
        return Finding("fine", message, evidence, names=names)
    return Finding("fine", "all samples can be read", evidence)


@diagnosis(
    "constant samples",
    reads="all training samples",
    acts_if="in more than 1 % of the samples, every channel of the input is constant",
)
def constant(found: Survey) -> Finding:
    facts = found["train"]
    share = len(facts.constant) / max(1, len(facts.names))
    evidence = {"constant": float(len(facts.constant)), "share": share}
    names = tuple(facts.constant[:EXAMPLES])
    if share <= _CONSTANT:
        return Finding("fine", "samples have content", evidence, names=names)
    return Finding(
        "act", "samples are empty (black, silent, blank)", evidence, "remove them", names
    )


@diagnosis(
    "sizes",
    reads="sizes that the modality records for each sample: length, height, ...",
    acts_if="more than 5 % of the training samples are ten times smaller or larger than the median",
)
def sizes(found: Survey) -> Finding:
    facts = found["train"]
    evidence: dict[str, float] = {}
    odd: set[int] = set()
    for kind, values in facts.sizes.items():
        usual = float(values.median())
        evidence |= {
            f"{kind}_min": float(values.min()),
            f"{kind}_median": usual,
            f"{kind}_max": float(values.max()),
        }
        apart = (values * _FACTOR < usual) | (values > usual * _FACTOR)
        odd |= set(apart.nonzero().squeeze(1).tolist())
    if not evidence:
        return Finding("irrelevant", "all samples have the same size")
    evidence["share_far_off"] = len(odd) / len(facts.names)
    names = tuple(facts.names[position] for position in sorted(odd)[:EXAMPLES])
    if evidence["share_far_off"] <= _ODD_SIZES:
        return Finding("fine", "sizes are similar", evidence, names=names)
    return Finding(
        "act",
        "sizes differ by more than a factor of ten",
        evidence,
        "look at these samples: split long ones, or leave them out",
        names,
    )


@diagnosis(
    "label balance",
    reads="labels of the training samples",
    acts_if="there is only one class, or a class has fewer than two samples or at most a tenth of "
    "the samples of the largest",
)
def balance(found: Survey) -> Finding:
    counts = found["train"].labelled
    labelled = sum(counts.values())
    if not labelled:
        return Finding("irrelevant", "there are no labels, so there is no evaluation")
    largest, smallest = max(counts.values()), min(counts.values())
    evidence = {
        "classes": float(len(counts)),
        "labelled_share": labelled / found["train"].total,
        "largest_class": float(largest),
        "smallest_class": float(smallest),
    }
    few = sorted(counts, key=lambda name: counts[name])[:EXAMPLES]
    if len(counts) > 1 and smallest >= 2 and largest < _BALANCE * smallest:
        return Finding("fine", "classes are of similar size", evidence)
    return Finding(
        "act",
        "classes are of very different sizes" if len(counts) > 1 else "there is only one class",
        evidence,
        "training does not use the labels; compare accuracies with that of always predicting the "
        "largest class, or collect more samples of the small classes",
        tuple(f"{name} ({counts[name]})" for name in few),
    )


READABLE: tuple[Diagnosis[Survey], ...] = (unreadable,)
SAMPLES: tuple[Diagnosis[Survey], ...] = (constant, sizes)
LABELS: tuple[Diagnosis[Survey], ...] = (balance,)
