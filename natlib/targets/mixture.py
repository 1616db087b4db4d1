"""Targets from several distributions."""

from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import Any, Literal, Self

import torch
from pydantic import Field, ValidationInfo, field_serializer, field_validator, model_validator
from torch import Tensor

from natlib.component import register
from natlib.targets.base import TargetDistribution
from natlib.targets.nested import fixed_part, written_part
from natlib.targets.philox import derived_seed
from natlib.targets.projected_normal import ProjectedNormal
from natlib.targets.synchronous import is_synchronous

__all__ = ["Mixture"]

# 2^64 over the golden ratio, as a signed number.
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_COPIES = 10


@register
class Mixture(TargetDistribution):
    """Targets from several distributions in fixed shares: clusters, or classes.

    The default is ten clusters on the sphere, of kind ``projected_normal``. The component of a
    slot is a pure function of (seed, slot): multiples of the golden ratio fill the shares so
    evenly that among any consecutive slots the count of a component is within a few of its share.
    """

    kind: Literal["mixture"] = "mixture"
    components: tuple[TargetDistribution, ...] = Field(
        default=(ProjectedNormal(),), min_length=1, validate_default=True
    )
    """The distributions. Their ``dim`` is that of the mixture; all lie on the sphere, or none."""
    weights: tuple[float, ...] | None = None
    """Share of each component, or of each copy of each, in any unit; by default equal shares."""
    repeat: int | None = Field(default=None, ge=1)
    """Copies of each component, each with a seed of its own: ten clusters in one line. By default
    10; with an assignment's ``class_targets`` and a single component, one for each class."""

    @field_validator("components")
    @classmethod
    def _hand_down(
        cls, components: tuple[TargetDistribution, ...], info: ValidationInfo
    ) -> tuple[TargetDistribution, ...]:
        if "dim" not in info.data:  # dim itself is invalid, which is reported
            return components
        return tuple(fixed_part(part, "mixture", dim=info.data["dim"]) for part in components)

    @field_serializer("components")
    def _write(self, components: tuple[TargetDistribution, ...]) -> list[dict[str, Any]]:
        return [written_part(part, "dim") for part in components]

    @model_validator(mode="after")
    def _check(self) -> Self:
        where = {part.kind: part.on_sphere for part in self.components}
        if len(set(where.values())) > 1:
            on = ", ".join(sorted(kind for kind, sphere in where.items() if sphere))
            off = ", ".join(sorted(kind for kind, sphere in where.items() if not sphere))
            raise ValueError(
                f"components lie on the sphere ({on}) and off it ({off}), and head outputs cannot "
                "be projected onto both; mix components that all lie on it, or none"
            )
        if self.weights is not None:
            if len(self.weights) not in (len(self.components), self.count):
                raise ValueError(
                    f"{len(self.weights)} weights for {len(self.components)} components with "
                    f"{self.copies} copies of each; give {len(self.components)} or {self.count}"
                )
            if not all(weight > 0 for weight in self.weights):
                raise ValueError(f"weights need to be positive, got {self.weights}")
        return self

    @property
    def on_sphere(self) -> bool:
        return self.components[0].on_sphere

    @property
    def count(self) -> int:
        """The number of components, copies included."""
        return len(self.components) * self.copies

    @property
    def copies(self) -> int:
        """Copies of each component."""
        return _COPIES if self.repeat is None else self.repeat

    def part(self, number: int) -> TargetDistribution:
        """Component ``number`` with its own seed; the copies of the first one come first."""
        return _parts(self)[number]

    def component_of(self, slot: Tensor) -> Tensor:
        """The component of each slot: int64[...] in [0, count) for int64[...]."""
        boundaries, offset = _shares(self)
        # int64 products wrap, which leaves the fractional part: the phase of a slot on a circle
        # of length 2^64, from -2^63 on.
        phase = slot * _GOLDEN + offset
        return torch.searchsorted(boundaries.to(slot.device, non_blocking=True), phase, right=True)

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        flat = slot.reshape(-1)
        owner = self.component_of(flat)
        if not is_synchronous(slot.device):
            # Looking up which components occur would make the host wait: each computes all rows.
            rows = self.part(0).rows(flat, dtype)
            for number in range(1, self.count):
                own = (owner == number).unsqueeze(-1)
                rows = torch.where(own, self.part(number).rows(flat, dtype), rows)
            return rows.reshape(*slot.shape, self.dim)
        rows = torch.empty(len(flat), self.dim, dtype=dtype, device=slot.device)
        for number in owner.unique().tolist():
            chosen = (owner == number).nonzero().squeeze(1)
            rows[chosen] = self.part(number).rows(flat[chosen], dtype)
        return rows.reshape(*slot.shape, self.dim)


@lru_cache(maxsize=16)
def _parts(mixture: Mixture) -> tuple[TargetDistribution, ...]:
    numbered = (
        (part, number * mixture.copies + copy)
        for number, part in enumerate(mixture.components)
        for copy in range(mixture.copies)
    )
    return tuple(
        part.model_copy(update={"seed": derived_seed(mixture.seed, part.seed, number)})
        for part, number in numbered
    )


@lru_cache(maxsize=16)
def _shares(mixture: Mixture) -> tuple[Tensor, int]:
    """Where on the circle the next component begins, int64[count - 1], and a random offset."""
    weights = mixture.weights or (1.0,) * len(mixture.components)
    copies = mixture.count // len(weights)  # 1 if each copy has a weight of its own
    exact = [Fraction(weight) for weight in weights for _ in range(copies)]
    whole = sum(exact)
    ends = [int(end / whole * 2**64) - 2**63 for end in accumulate(exact)]
    turn = 2 * derived_seed(mixture.seed, 0) - 2**63
    return torch.tensor(ends[:-1], dtype=torch.int64), turn
