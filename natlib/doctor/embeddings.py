"""Diagnoses of where the embeddings lie."""

import torch
from torch import Tensor

from natlib.doctor.finding import Diagnosis, Finding, diagnosis
from natlib.doctor.patient import Patient
from natlib.objectives.health import effective_rank

__all__ = ["EMBEDDINGS", "spread"]

# At a half, three quarters of the squared length of the embeddings are common to all samples.
# Sixteen healthy runs on images, sound, text and vectors ended between 0.89 and 1.00 and an
# untrained network begins at 0.73; runs that had collapsed ended below 0.13.
_SPREAD = 0.5
# Times the root of d. The narrowest healthy runs used 12.6 of 32 directions (32 updates on sound),
# 6.4 of 8 and 19.6 of 512; the limits are then 3.4, 1.7 and 13.6.
_RANK = 0.6
# Targets whose norms differ by less than this are on a sphere; rounding makes 1e-7.
_ON_SPHERE = 1e-3
# Embeddings on the sphere of the targets differ from it by rounding, or by half precision.
_OFF_SPHERE = 0.02


def spread(z: Tensor) -> float:
    """Share of the length of embeddings Tensor[s, d] in which samples differ.

    0 if all are one point, 1 if their mean is 0; does not depend on their scale.
    """
    z = z.double()
    common = z.mean(0).square().sum() / z.square().sum(1).mean().clamp_min(1e-300)
    return float((1 - common).clamp_min(0).sqrt())


@diagnosis(
    "collapse",
    reads="embeddings of samples",
    acts="samples differ in less than half of the embeddings' length",
)
def collapse(patient: Patient) -> Finding:
    patient.record.check_updates()
    found = spread(patient.measured("embeddings"))
    evidence = {"spread": found, "spread_of_features": spread(patient.measured("features"))}
    if found >= _SPREAD:
        return Finding("fine", "the embeddings are spread", evidence)
    return Finding(
        "act",
        "all samples get nearly the same embedding",
        evidence,
        "raise objective.loss.target_weight or lower objective.loss.alignment; if the learning "
        "rate is wrong, too, begin there",
    )


@diagnosis(
    "dimensional collapse",
    reads="embeddings of samples",
    acts="their effective rank is below 0.6 times the root of d",
)
def dimensional_collapse(patient: Patient) -> Finding:
    patient.record.check_updates()
    z = patient.measured("embeddings")
    most = min(z.shape[1], len(z) - 1)
    if most < 3:
        return Finding("irrelevant", f"there are no more than {most} directions")
    evidence = {
        "effective_rank": float(effective_rank(z)),
        "dimensions": float(z.shape[1]),
        "effective_rank_of_features": float(effective_rank(patient.measured("features"))),
    }
    if spread(z) < _SPREAD:
        return Finding("irrelevant", "the embeddings have collapsed altogether", evidence)
    limit = _RANK * most**0.5
    if evidence["effective_rank"] >= limit:
        return Finding("fine", "the embeddings use many directions", evidence)
    next_step = (
        "use a wider encoder or a head with a hidden layer (objective.head.kind: mlp), and look at "
        "whether objective.targets fill the space"
    )
    return Finding("act", "the embeddings lie in few directions", evidence, next_step)


@diagnosis(
    "head normalised wrongly",
    reads="embeddings of samples, and as many targets",
    acts="one of them is on a sphere and the other is not, or is on another one; or the head says "
    "nothing below 0 and the targets do",
)
def wrong_normalisation(patient: Patient) -> Finding:
    if patient.record.objective is None:
        return Finding("irrelevant", "the objective deals no targets")
    z, targets = patient.measured("embeddings"), patient.measured("targets")
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
            "targets lie on a sphere and embeddings do not lie on it",
            evidence,
            "the target distribution says what becomes of the head's output: let its on_sphere be "
            "true, or its project carry vectors onto the sphere",
        )
    if not sphere and evidence["norm_varies_by"] < _ON_SPHERE and z.shape[1] > 1:
        return Finding(
            "act",
            "embeddings are normalised and targets are not",
            evidence,
            "let on_sphere of the target distribution be false: the head has to reach targets of "
            "every length",
        )
    if not (z < 0).any() and (targets < 0).any():
        return Finding(
            "act",
            "no embedding has a coordinate below 0, and targets do",
            evidence,
            "let the head end in a linear layer, without a ReLU behind it",
        )
    return Finding("fine", "embeddings are where the targets are", evidence)


def _variation(length: Tensor) -> float:
    """Standard deviation over mean."""
    mean = length.mean().clamp_min(torch.finfo(length.dtype).tiny)
    return float(length.std(correction=0) / mean)


EMBEDDINGS: tuple[Diagnosis[Patient], ...] = (collapse, dimensional_collapse, wrong_normalisation)
