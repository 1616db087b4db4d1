"""The contract of encoders."""

from dataclasses import dataclass

import torch
from torch import Tensor

from natlib.encoders import Encoder, EncoderRecipe
from natlib.testing.component import COMPONENT_CHECKS
from natlib.testing.contract import Named, expect, run_checks

__all__ = ["check_encoder"]


@dataclass(frozen=True)
class _Subject:
    recipe: EncoderRecipe
    given: Tensor

    @property
    def inputs(self) -> Tensor:
        """A copy, so that no check changes the inputs of others."""
        return self.given.clone()

    def build(self, seed: int = 0) -> Encoder:
        torch.manual_seed(seed)
        return self.recipe.build(tuple(self.given.shape[1:]))


def check_encoder(
    recipe: EncoderRecipe, input_shape: tuple[int, ...], inputs: Tensor | None = None
) -> tuple[str, ...]:
    """Check what an encoder returns, that it trains, and that its state can be loaded.

    Args:
        recipe: the recipe, with any values.
        input_shape: shape of one input.
        inputs: Tensor[b, *input_shape] of at least four samples; by default Gaussian noise in
            float32.

    Returns:
        The names of the checks, all of which passed.

    Raises:
        ContractError: a check fails; the message says which.
    """
    if inputs is None:
        inputs = torch.randn(8, *input_shape, generator=torch.Generator().manual_seed(0))
    subject = _Subject(recipe, inputs)
    component = [(name, lambda s, check=check: check(s.recipe)) for name, check in COMPONENT_CHECKS]
    return run_checks(recipe, subject, (*component, *_CHECKS))


def _features(subject: _Subject) -> None:
    encoder = subject.build().eval()
    expect(
        isinstance(encoder, Encoder) and isinstance(encoder.dim, int),
        f"build() returned {type(encoder).__name__} with dim {getattr(encoder, 'dim', None)!r}",
        "a natlib.encoders.Encoder with dim, an integer",
        "derive from Encoder or return a StagedEncoder",
    )
    for count in (len(subject.inputs), 1, 0):
        with torch.no_grad():
            features = encoder(subject.inputs[:count])
        expect(
            features.shape == (count, encoder.dim) and features.is_floating_point(),
            f"features of {count} samples are {features.dtype} {list(features.shape)}",
            f"floating point {[count, encoder.dim]}",
            "return one vector for each sample, also for a single sample and for none",
        )
        expect(
            features.isfinite().all(),
            "features hold NaN or infinity",
            "finite numbers",
            "look at the initial weights",
        )


def _stages(subject: _Subject) -> None:
    encoder = subject.build().eval()
    with torch.no_grad():
        stages, features = encoder.stages(subject.inputs), encoder(subject.inputs)
    expect(
        stages and all(len(out) == len(subject.inputs) for out in stages.values()),
        f"stages() returned {[(name, list(out.shape)) for name, out in stages.items()]}",
        "at least one, each with a row for every sample",
        "return intermediate outputs by name",
    )
    expect(
        torch.equal(list(stages.values())[-1], features),
        "the last stage differs from the features",
        "the features",
        "return the output of forward() as the last stage",
    )


def _independent(subject: _Subject) -> None:
    encoder = subject.build().eval()
    inputs = subject.inputs
    with torch.no_grad():
        features, again = encoder(inputs), encoder(subject.inputs)
        few = encoder(subject.inputs[1:3])
    expect(
        torch.equal(features, again),
        "in evaluation mode equal inputs have different features",
        "equal features",
        "apply dropout and other noise in training mode only",
    )
    expect(
        torch.allclose(few, features[1:3], rtol=1e-3, atol=1e-4),
        "in evaluation mode features depend on the other samples of the batch",
        "features that depend on their sample alone",
        "use batch statistics in training mode only",
    )
    expect(
        torch.equal(inputs, subject.given),
        "the inputs were modified",
        "unchanged inputs: other views may share their memory",
        "do not modify inputs in place",
    )
    expect(
        not torch.equal(features[:1].expand_as(features), features),
        "all samples have the same features",
        "features that depend on the sample",
        "use the inputs",
    )


def _trains(subject: _Subject) -> None:
    encoder = subject.build().train()
    features = encoder(subject.inputs)
    (features * torch.randn_like(features)).sum().backward()
    for name, weight in encoder.named_parameters():
        if weight.requires_grad:
            expect(
                weight.grad is not None and weight.grad.isfinite().all(),
                f"the weight '{name}' gets {'no' if weight.grad is None else 'no finite'} gradient",
                "one for every weight: DistributedDataParallel waits for each",
                "remove unused weights, or set requires_grad to False",
            )


def _fresh(subject: _Subject) -> None:
    def weights(seed: int) -> Tensor:
        flat = [weight.detach().flatten() for weight in subject.build(seed).parameters()]
        return torch.cat(flat) if flat else torch.empty(0)

    expect(
        torch.equal(weights(0), weights(0)),
        "two builds with the same seed have different weights",
        "the same weights",
        "draw weights from torch's global generator only",
    )
    expect(
        not len(weights(0)) or not torch.equal(weights(0), weights(1)) or _pretrained(subject),
        "builds with different seeds have the same weights",
        "fresh weights: the random encoder is the baseline of every evaluation",
        "do not store a module in the recipe",
    )


def _pretrained(subject: _Subject) -> bool:
    """Whether weights come from a checkpoint, and so do not depend on the seed."""
    return any(name in type(subject.recipe).model_fields for name in ("checkpoint", "pretrained"))


def _state(subject: _Subject) -> None:
    encoder = subject.build()
    encoder.train()(subject.inputs)  # updates the statistics of batch norm
    recipe = type(subject.recipe).model_validate_json(subject.recipe.model_dump_json())
    torch.manual_seed(1)
    twin = recipe.build(tuple(subject.inputs.shape[1:]))
    twin.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        equal = torch.equal(twin.eval()(subject.inputs), encoder.eval()(subject.inputs))
    expect(
        equal,
        "an encoder built from the recipe's JSON, with the same state, has different features",
        "the same features: this is how a saved model is loaded",
        "store what is random or learnt in parameters or buffers, and the rest in the recipe",
    )


_CHECKS: tuple[Named[_Subject], ...] = (
    ("features", _features),
    ("stages", _stages),
    ("samples are independent", _independent),
    ("every weight has a gradient", _trains),
    ("fresh builds follow the seed", _fresh),
    ("the state can be loaded", _state),
)
