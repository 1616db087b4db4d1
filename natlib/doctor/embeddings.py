"""Diagnoses of the embeddings."""

import torch
from torch import Tensor

from natlib.doctor.finding import Diagnosis, Finding, diagnosis
from natlib.doctor.run_facts import RunFacts
from natlib.objectives import effective_rank, lowest_healthy_rank

__all__ = ["EMBEDDINGS", "LOWEST_SPREAD", "spread"]

# At 0.5, three quarters of the squared length of the embeddings are common to all samples. Sixteen
# healthy runs on images, sound, text and vectors ended between 0.89 and 1.00, and an untrained
# network begins at 0.73; collapsed runs ended below 0.13.
LOWEST_SPREAD = 0.5
"""The spread of embeddings below which they have collapsed to a point."""

# Targets whose norms vary by less than this are on a sphere; rounding alone gives 1e-7.
_ON_SPHERE = 1e-3
# Embeddings on the sphere of the targets may be off it by rounding to half precision.
_OFF_SPHERE = 0.02


def spread(z: Tensor) -> float:
    """The share of the length of embeddings Tensor[s, d] that differs between samples.

    0 if all are equal, 1 if their mean is 0; independent of their scale.
    """
    z = z.double()
    common = z.mean(0).square().sum() / z.square().sum(1).mean().clamp_min(1e-300)
    return float((1 - common).clamp_min(0).sqrt())


@diagnosis(
    "collapse",
    reads="embeddings of samples",
    acts_if="samples differ by less than half of the embeddings' length",
)
def collapse(facts: RunFacts) -> Finding:
    facts.record.check_updates()
    found = spread(facts.measured("embeddings"))
    evidence = {"spread": found, "spread_of_features": spread(facts.measured("features"))}
    if found >= LOWEST_SPREAD:
        return Finding("fine", "the embeddings are spread", evidence)
    return Finding(
        "act",
        "all samples get nearly the same embedding",
        evidence,
        "raise objective.loss.target_weight or lower objective.loss.alignment; if the learning "
        "rate is wrong too, begin there",
    )


@diagnosis(
    "dimensional collapse",
    reads="embeddings of samples",
    acts_if="their effective rank is below 0.6 times the square root of d",
)
def dimensional_collapse(facts: RunFacts) -> Finding:
    facts.record.check_updates()
    z = facts.measured("embeddings")
    most = min(z.shape[1], len(z) - 1)
    if most < 3:
        return Finding("irrelevant", f"there are only {most} directions")
    evidence = {
        "effective_rank": float(effective_rank(z)),
        "dimensions": float(z.shape[1]),
        "effective_rank_of_features": float(effective_rank(facts.measured("features"))),
        "samples": float(len(z)),
    }
    if spread(z) < LOWEST_SPREAD:
        return Finding("irrelevant", "the embeddings have collapsed to a point", evidence)
    evidence["lowest_healthy"] = lowest_healthy_rank(z.shape[1], len(z))
    if evidence["effective_rank"] >= evidence["lowest_healthy"]:
        return Finding("fine", "the embeddings use many directions", evidence)
    next_step = (
        "use a wider encoder or a head with a hidden layer (objective.head.kind: mlp), and check "
        "that objective.targets fill the space"
    )
    return Finding("act", "the embeddings lie in few directions", evidence, next_step)


@diagnosis(
    "head normalised wrongly",
    reads="embeddings of samples, and as many targets",
    acts_if="only one of them lies on a sphere, or both on spheres of different radius; or targets "
    "have negative coordinates and embeddings have none",
)
def wrong_normalisation(facts: RunFacts) -> Finding:
    if facts.record.objective is None:
        return Finding("irrelevant", "the objective has no targets")
    z, targets = facts.measured("embeddings"), facts.measured("targets")
    length, target_length = z.norm(dim=1), targets.norm(dim=1)
    evidence = {
        "norm": float(length.mean()),
        "norm_varies_by": _variation(length),
        "norm_of_targets": float(target_length.mean()),
        "norm_of_targets_varies_by": _variation(target_length),
        "share_below_0": float((z < 0).float().mean()),
        "share_of_targets_below_0": float((targets < 0).float().mean()),
    }
    sphere = evidence["norm_of_targets_varies_by"] < _ON_SPHERE
    apart = abs(evidence["norm"] / max(evidence["norm_of_targets"], 1e-30) - 1) > _OFF_SPHERE
    if sphere and (apart or evidence["norm_varies_by"] > _OFF_SPHERE):
        return Finding(
            "act",
            "targets lie on a sphere and embeddings do not",
            evidence,
            "the target distribution projects the head's output: let its on_sphere return True, or "
            "its project() normalise",
        )
    if not sphere and evidence["norm_varies_by"] < _ON_SPHERE and z.shape[1] > 1:
        return Finding(
            "act",
            "embeddings are normalised and targets are not",
            evidence,
            "let on_sphere of the target distribution return False: embeddings have to reach "
            "targets of any norm",
        )
    if not (z < 0).any() and (targets < 0).any():
        return Finding(
            "act",
            "targets have negative coordinates and embeddings have none",
            evidence,
            "let the head end in a linear layer without a ReLU after it",
        )
    return Finding("fine", "embeddings and targets lie in the same space", evidence)


def _variation(length: Tensor) -> float:
    """Standard deviation over mean."""
    mean = length.mean().clamp_min(torch.finfo(length.dtype).tiny)
    return float(length.std(correction=0) / mean)


EMBEDDINGS: tuple[Diagnosis[RunFacts], ...] = (collapse, dimensional_collapse, wrong_normalisation)
