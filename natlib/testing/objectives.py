"""The contract of objectives."""

import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from natlib.errors import NonFiniteError
from natlib.objectives import Objective, ObjectiveModule, ObjectiveOutput
from natlib.testing.component import COMPONENT_CHECKS
from natlib.testing.contract import Named, expect, refuses, run_checks

__all__ = ["check_objective"]


@dataclass(frozen=True)
class _Subject:
    objective: Objective
    feature_dim: int
    samples: int
    input_shape: tuple[int, ...]
    folder: Path

    @property
    def labels(self) -> Tensor:
        """int64[b] of two classes; half of the samples have none."""
        return (torch.arange(self.samples) % 4 - 2).clamp_min(-1)

    def build(self) -> ObjectiveModule:
        torch.manual_seed(0)
        labelled = self.labels[self.labels >= 0].bincount().tolist()
        objective = self.objective.for_classes(labelled)
        module = objective.build(self.feature_dim, samples=self.samples)
        module.take_labels(self.labels, ["a", "b"])
        module.setup(Path(tempfile.mkdtemp(dir=self.folder)))
        module.on_start(self.encoder())
        return module

    def encoder(self) -> nn.Module:
        torch.manual_seed(1)
        width = math.prod(self.input_shape)
        return nn.Sequential(nn.Flatten(), nn.Linear(width, self.feature_dim))

    def features(self, module: ObjectiveModule, encoder: nn.Module, seed: int = 0) -> list[Tensor]:
        """Features of correlated views, then of the module's extra inputs."""
        torch.manual_seed(seed)
        middle = torch.randn(self.samples, *self.input_shape)
        views = [middle + 0.3 * torch.randn_like(middle) for _ in range(self.objective.views)]
        return [encoder(inputs) for inputs in (*views, *module.extra_inputs(views))]

    def step(
        self, module: ObjectiveModule, features: Iterable[Tensor], epoch: int = 0
    ) -> ObjectiveOutput:
        torch.manual_seed(5)
        index = torch.arange(self.samples)
        output: ObjectiveOutput = module(
            features, index, labels=self.labels, epoch=epoch, health=True
        )
        return output

    def train(self, module: ObjectiveModule, step: int = 0) -> ObjectiveOutput:
        """A step; each step has other data."""
        return self.step(module, self.features(module, self.encoder(), step), epoch=step)

    def update(self, module: ObjectiveModule, done: float) -> None:
        """Call after_update() with changed weights."""
        encoder = self.encoder()
        with torch.no_grad():
            for weight in (*encoder.parameters(), *module.parameters()):
                if weight.requires_grad:
                    weight.mul_(1.5)
        module.after_update(encoder, done)


def check_objective(
    objective: Objective,
    feature_dim: int = 12,
    samples: int = 24,
    input_shape: tuple[int, ...] = (1, 4, 4),
) -> tuple[str, ...]:
    """Check an objective outside natlib's loop: loss, gradients, state, evaluation, errors.

    Args:
        objective: the objective, with any values.
        feature_dim: f, the number of features.
        samples: size of the data set, which is a single batch; half of the samples are labelled,
            for objectives that learn from labels.
        input_shape: shape of an input, for objectives that use the inputs.

    Returns:
        The names of the checks, all of which passed.

    Raises:
        ContractError: a check fails; the message says which.
    """
    component = [
        (name, lambda s, check=check: check(s.objective)) for name, check in COMPONENT_CHECKS
    ]
    with tempfile.TemporaryDirectory() as folder:
        subject = _Subject(objective, feature_dim, samples, input_shape, Path(folder))
        return run_checks(objective, subject, (*component, *_CHECKS))


def _output(subject: _Subject) -> None:
    module = subject.build()
    expect(
        isinstance(module, ObjectiveModule)
        and isinstance(module.loss_is_sum, bool)
        and isinstance(getattr(module, "head", None), nn.Module),
        f"build() returned {type(module).__name__}, loss_is_sum "
        f"{getattr(module, 'loss_is_sum', None)!r}, head "
        f"{type(getattr(module, 'head', None)).__name__}",
        "an ObjectiveModule with a head, whose loss_is_sum is True or False",
        "set both in __init__: a run may start from another one's head, and loss_is_sum decides "
        "how gradients are averaged over processes",
    )
    output = subject.train(module)
    expect(
        output.loss.ndim == 0 and output.loss.isfinite() and output.loss.requires_grad,
        f"the loss is {output.loss}",
        "one finite number with a gradient",
        "return the sum or the mean over the batch",
    )
    for name, value in {**output.parts, **output.health}.items():
        expect(
            value.ndim == 0 and value.isfinite() and not value.requires_grad,
            f"'{name}' of parts or health is {value}",
            "one finite number without gradient",
            "call .mean() and .detach()",
        )


def _gradients(subject: _Subject) -> None:
    module, encoder = subject.build(), subject.encoder()
    subject.step(module, subject.features(module, encoder)).loss.backward()
    weight = encoder[1].weight if isinstance(encoder, nn.Sequential) else None
    grad = getattr(weight, "grad", None)
    expect(
        grad is not None and grad.isfinite().all() and grad.abs().sum() > 0,
        "no gradient reaches the encoder",
        "a finite one that is not 0",
        "do not detach the features",
    )
    for name, own in module.named_parameters():
        if own.requires_grad:
            expect(
                own.grad is not None and own.grad.isfinite().all(),
                f"the weight '{name}' gets no finite gradient",
                "one for every weight: DistributedDataParallel waits for each",
                "remove unused weights, or set requires_grad to False",
            )


def _generators(subject: _Subject) -> None:
    listed, streamed, encoder = subject.build(), subject.build(), subject.encoder()
    first = subject.step(listed, subject.features(listed, encoder)).loss
    second = subject.step(streamed, iter(subject.features(streamed, encoder))).loss
    expect(
        torch.equal(first, second),
        f"the loss of features from a generator is {second}, of the same list {first}",
        "the same loss: features may be computed on demand",
        "iterate over the features once, in order",
    )


def _resumes(subject: _Subject) -> None:
    whole, other = subject.build(), subject.build()
    for step in range(2):
        subject.train(whole, step)
        subject.update(whole, step / 3)
    other.load_state_dict(whole.state_dict())
    losses = [subject.train(module, 2).loss for module in (whole, other)]
    expect(
        torch.equal(losses[0], losses[1]),
        f"after its state was loaded, the third step has the loss {losses[1]}, not {losses[0]}",
        "the same loss: a resumed run equals an uninterrupted one",
        "store every counter, table and average in parameters or buffers",
    )
    _same_state(whole, other, "after the same step, two modules that had equal states")


def _evaluates(subject: _Subject) -> None:
    module, encoder = subject.build(), subject.encoder()
    subject.train(module)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.eval()
    with torch.no_grad():
        features = subject.features(module, encoder)[0]
        z, again = module.embed(features), module.embed(features)
        subject.train(module, 1)
    expect(
        z.ndim == 2 and len(z) == subject.samples and z.isfinite().all() and torch.equal(z, again),
        f"embed() of {subject.samples} samples is {list(z.shape)}, not finite or not repeatable",
        "one finite vector for each, the same in every call in evaluation mode",
        "return the head's output",
    )
    changed = [n for n, value in module.state_dict().items() if not torch.equal(value, before[n])]
    expect(
        not changed,
        f"evaluation changed '{''.join(changed[:1])}'",
        "a state that only training changes",
        "check self.training before any update",
    )


def _merges(subject: _Subject) -> None:
    module, alone = subject.build(), subject.build()
    for own in (module, alone):
        subject.train(own)
    module.merge()
    _same_state(module, alone, "merge() in a single process")
    work = module.before_epoch(0)
    expect(
        work is None or callable(work),
        f"before_epoch(0) returned {work!r}",
        "a function to call, or None",
        "return None if there is nothing to do",
    )


def _non_finite(subject: _Subject) -> None:
    module = subject.build()
    features = [view.detach() for view in subject.features(module, subject.encoder())]
    for view in features:
        view[3, 0] = torch.nan
    error = refuses(
        lambda: subject.step(module, features),
        NonFiniteError,
        "NaN in the features of sample 3",
        "check before any update, so that the state stays valid",
    )
    position = getattr(error, "position", None)
    expect(position == 3, f"the error names position {position}", "3", "pass position=...")


def _autocast(subject: _Subject) -> None:
    module, encoder = subject.build(), subject.encoder()
    with torch.autocast("cpu", torch.bfloat16):
        loss = subject.step(module, subject.features(module, encoder)).loss
    expect(
        loss.isfinite() and loss.dtype in (torch.float32, torch.float64),
        f"under autocast to bfloat16 the loss is {loss.dtype} {loss.item():.4g}",
        "a finite loss in float32 or float64: matching and loss are not rounded",
        "convert head outputs with .float()",
    )


def _same_state(one: ObjectiveModule, other: ObjectiveModule, what: str) -> None:
    left, right = one.state_dict(), other.state_dict()
    differing = [name for name in left if not torch.equal(left[name], right[name])]
    expect(
        not differing,
        f"{what}: '{''.join(differing[:1])}' differs",
        "equal states",
        "store what is random in buffers",
    )


_CHECKS: tuple[Named[_Subject], ...] = (
    ("loss, parts and health", _output),
    ("gradients", _gradients),
    ("views one by one", _generators),
    ("resuming from a state", _resumes),
    ("evaluation changes nothing", _evaluates),
    ("merging alone changes nothing", _merges),
    ("NaN is noticed", _non_finite),
    ("autocast", _autocast),
)
