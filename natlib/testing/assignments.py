"""The contract of assignments.

Shapes: b samples in the batch, d target dimensions, m targets per sample.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from natlib.assignment import Assigned, Assignment, AssignmentModule, Step
from natlib.errors import MatchingError
from natlib.targets import TargetDistribution, UniformSphere
from natlib.testing.component import COMPONENT_CHECKS
from natlib.testing.contract import Named, expect, refuses, run_checks, same

__all__ = ["check_assignment"]

_PREVIEW = "compute preview() from the embeddings, the seed and targets that no training uses"


@dataclass(frozen=True)
class _Subject:
    assignment: Assignment
    targets: TargetDistribution
    samples: int

    def build(self) -> AssignmentModule[Any]:
        labelled = self.labels[self.labels >= 0].bincount().tolist()
        targets = self.assignment.for_classes(self.targets, labelled)
        module = self.assignment.build(targets.build(), samples=2 * self.samples)
        module.take_labels(self.labels.repeat(2), ["a", "b"])
        return module

    @property
    def labels(self) -> Tensor:
        """int64[b] of two classes; half of the samples have none."""
        return (torch.arange(self.samples) % 4 - 2).clamp_min(-1)

    def embeddings(self, seed: int = 0, count: int | None = None) -> Tensor:
        own = torch.Generator().manual_seed(seed)
        drawn = torch.randn(count or self.samples, self.targets.dim, generator=own)
        return self.targets.project(drawn)

    def step(self, epoch: int = 0, count: int | None = None) -> Step:
        index = torch.arange(self.samples)[:count]
        return Step(epoch, index, self.labels[:count])

    def run(self, module: AssignmentModule[Any], seed: int = 0) -> Assigned:
        return module.finish(module.begin(self.embeddings(seed), self.step(seed)))


def check_assignment(
    assignment: Assignment, targets: TargetDistribution | None = None, samples: int = 24
) -> tuple[str, ...]:
    """Check an assignment by itself: what it returns, when it changes its state, previews, errors.

    Args:
        assignment: the assignment, with any values.
        targets: what it assigns; by default points on a sphere in 6 dimensions.
        samples: b, the samples in a batch; half of the data set.

    Returns:
        The names of the checks, all of which passed.

    Raises:
        ContractError: a check fails; the message says which.
    """
    component = [
        (name, lambda s, check=check: check(s.assignment)) for name, check in COMPONENT_CHECKS
    ]
    subject = _Subject(assignment, targets or UniformSphere(dim=6), samples)
    return run_checks(assignment, subject, (*component, *_CHECKS))


def _state(module: AssignmentModule[Any]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def _unchanged(module: AssignmentModule[Any], before: dict[str, Tensor], what: str) -> None:
    now = module.state_dict()
    changed = [name for name, value in before.items() if not same(value, now[name])]
    expect(
        not changed and now.keys() == before.keys(),
        f"{what} changed the state ({', '.join(changed) or 'other names'})",
        "the state as it was",
        "change state in finish() only, and there in training mode only",
    )


def _equal(a: Assigned, b: Assigned, what: str, advice: str) -> None:
    expect(
        same(a.targets, b.targets) and same(a.own, b.own), what, "the same targets again", advice
    )


def _output(subject: _Subject) -> None:
    assigned = subject.run(subject.build())
    b, d = subject.samples, subject.targets.dim
    for name, value in (("targets", assigned.targets), ("own", assigned.own)):
        expect(
            value.ndim == 3 and value.shape[1:] == (b, d) and value.isfinite().all(),
            f"{name} are {list(value.shape)}, finite: {bool(value.isfinite().all())}",
            f"finite numbers [m, {b}, {d}]",
            "give each of b samples m targets",
        )
    for name, value in assigned.measures.items():
        expect(
            value.ndim == 0 and value.isfinite() and not value.requires_grad,
            f"the measure '{name}' is {value}",
            "one finite number without a gradient",
            "average it and detach it",
        )
    if assigned.classes is not None:
        expect(
            assigned.classes.shape == assigned.targets.shape[:2],
            f"classes are {list(assigned.classes.shape)}",
            f"{list(assigned.targets.shape[:2])}, one for each target",
            "look up the class of each target after the assignment",
        )


def _one_sample(subject: _Subject) -> None:
    module = subject.build()
    assigned = module.finish(module.begin(subject.embeddings(count=1), subject.step(count=1)))
    expect(
        assigned.targets.isfinite().all(),
        "a batch of one sample has targets that are not finite",
        "finite numbers",
        "look at means and deviations over the batch",
    )


def _begin_changes_nothing(subject: _Subject) -> None:
    module = subject.build()
    before = _state(module)
    module.begin(subject.embeddings(), subject.step())
    _unchanged(module, before, "begin()")


def _evaluation(subject: _Subject) -> None:
    module = subject.build()
    subject.run(module)
    module.eval()
    before = _state(module)
    first, again = (subject.run(module, 1) for _ in range(2))
    _unchanged(module, before, "finish() in evaluation mode")
    _equal(first, again, "two evaluations differ", "take fresh targets in training mode only")


def _early(subject: _Subject) -> None:
    plain, early = subject.build(), subject.build()
    for epoch in range(3):
        z, step = subject.embeddings(epoch), subject.step(epoch)
        pending = early.begin(z, replace(step, more_views=True))
        found, expected = early.finish(pending), plain.finish(plain.begin(z, step))
        _equal(
            found,
            expected,
            "begun while views are encoded, targets differ",
            "let more_views decide where and when to compute, not what",
        )


def _preview(subject: _Subject) -> None:
    module = subject.build()
    subject.run(module)
    before, z = _state(module), subject.embeddings(5, 3 * subject.samples)
    first, again, other = (module.preview(z, seed) for seed in (0, 0, 1))
    _unchanged(module, before, "preview()")
    expect(
        first.targets.shape[1:] == z.shape and not first.targets.requires_grad,
        f"a preview of {list(z.shape)} has targets {list(first.targets.shape)}, with gradient: "
        f"{first.targets.requires_grad}",
        f"[m, {', '.join(map(str, z.shape))}] without one, whatever the number of samples",
        _PREVIEW,
    )
    _equal(first, again, "two previews of one seed differ", _PREVIEW)
    expect(
        not same(first.own, other.own),
        "previews of two seeds have the same targets",
        "others",
        _PREVIEW,
    )


def _carries_on(subject: _Subject) -> None:
    module, fresh = subject.build(), subject.build()
    for epoch in range(3):
        subject.run(module, epoch)
    fresh.load_state_dict(_state(module))
    for epoch in range(3, 6):
        _equal(
            subject.run(module, epoch),
            subject.run(fresh, epoch),
            "a module with the state of another one assigns other targets",
            "keep all that steps depend on in buffers",
        )


def _targets_are_not_ours(subject: _Subject) -> None:
    module = subject.build()
    registered = [part for part in module.modules() if part is module.targets]
    expect(
        not registered,
        "the targets are registered as a part",
        "a reference only: the objective saves and trains them",
        "call AssignmentModule.__init__(targets), and store them nowhere else",
    )


def _merge(subject: _Subject) -> None:
    module = subject.build()
    subject.run(module)
    before = _state(module)
    module.merge()
    _unchanged(module, before, "merge() in one process")


def _nan(subject: _Subject) -> None:
    module = subject.build()
    before, z = _state(module), subject.embeddings()
    z[3] = torch.nan
    refuses(
        lambda: module.finish(module.begin(z, subject.step())),
        MatchingError,
        "an embedding that is NaN",
        "let the solver look at the costs, or check the embeddings",
    )
    _unchanged(module, before, "a step that failed")


_CHECKS: tuple[Named[_Subject], ...] = (
    ("targets, measures and classes", _output),
    ("a batch of one sample", _one_sample),
    ("begin changes nothing", _begin_changes_nothing),
    ("evaluation changes nothing", _evaluation),
    ("beginning early changes no answer", _early),
    ("previews", _preview),
    ("the state carries on", _carries_on),
    ("targets belong to the objective", _targets_are_not_ours),
    ("merging alone changes nothing", _merge),
    ("NaN is noticed", _nan),
)
