"""Heads and encoders of the core."""

import pytest
import torch

from natlib.encoders import EncoderRecipe, Head, MlpEncoder, MlpHead
from tests.core.families import members

OWN = [
    EncoderRecipe.registry.get(row.kind)()
    for row in EncoderRecipe.registry.listing()
    if row.origin == "natlib"
]


@pytest.mark.parametrize("head", members(Head), ids=lambda h: h.kind)
@pytest.mark.parametrize(("features", "dim"), [(1, 1), (7, 3), (3, 64)])
def test_heads_map_features_to_targets(head: Head, features: int, dim: int) -> None:
    module = head.build(features, dim)
    assert module(torch.randn(5, features)).shape == (5, dim)


@pytest.mark.parametrize("head", members(Head), ids=lambda h: h.kind)
def test_heads_reach_the_whole_space(head: Head) -> None:
    """Targets lie everywhere: what ends in a ReLU could not reach most of them."""
    out = head.build(32, 8)(torch.randn(500, 32))
    assert (out > 0).any(0).all()
    assert (out < 0).any(0).all()


@pytest.mark.parametrize("recipe", OWN, ids=lambda r: r.kind)
@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 4, 4)])
def test_encoders_fulfil_their_contract(recipe: EncoderRecipe, shape: tuple[int, ...]) -> None:
    encoder = recipe.build(shape)
    inputs = torch.randn(5, *shape)
    features = encoder.eval()(inputs)
    assert features.shape == (5, encoder.dim)
    stages = encoder.stages(inputs)
    assert torch.equal(list(stages.values())[-1], features)
    assert all(len(out) == 5 for out in stages.values())
    assert len(stages) > 1


@pytest.mark.parametrize("recipe", [*OWN, *members(Head)], ids=str)
def test_builds_depend_on_the_seed_only(recipe: EncoderRecipe | Head) -> None:
    def build(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        module = recipe.build((6,)) if isinstance(recipe, EncoderRecipe) else recipe.build(6, 4)
        return torch.cat([weight.flatten() for weight in module.parameters()])

    assert torch.equal(build(0), build(0))
    assert not torch.equal(build(0), build(1))


def test_widths_are_those_of_the_layers() -> None:
    encoder = MlpEncoder(widths=(8, 4)).build((6,))
    assert encoder.dim == 4
    widths = [out.shape[1] for out in encoder.stages(torch.randn(3, 6)).values()]
    assert widths == [6, 8, 4]
    head = MlpHead(widths=(5, 9)).build(4, 2)
    linear = [m for m in head.modules() if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(4, 5), (5, 9), (9, 2)]
