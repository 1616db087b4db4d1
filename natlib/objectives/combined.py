"""A weighted sum of objectives."""

import re
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from torch import nn

from natlib.component import register
from natlib.configuration import json_text
from natlib.objectives.base import Objective
from natlib.objectives.combined_module import CombinedModule
from natlib.objectives.part import Part

__all__ = ["Combined"]


@register
class Combined(Objective):
    """A weighted sum of objectives on one encoder, each with a head of its own.

    Each part gets the features of as many views as it is configured for, the first ones, and
    those of its own extra inputs. The first part is the main one: ``output="head"`` returns its
    embeddings, and its measures keep their names. In steps that are logged, the gradients of the
    parts with respect to the features are compared: their cosine tells whether parts help or
    oppose each other, their norms which part dominates.
    """

    kind: Literal["combined"] = "combined"
    parts: dict[str, Part] = Field(min_length=1)
    """The parts, by names of your choice."""

    @field_validator("parts")
    @classmethod
    def _check_names(cls, parts: dict[str, Part]) -> dict[str, Part]:
        for name in parts:
            if not re.fullmatch("[a-z][a-z0-9_]*", name):
                raise ValueError(
                    f"'{name}' is no name for a part; use lower-case letters, digits and "
                    "underscores, beginning with a letter"
                )
            if hasattr(nn.ModuleDict, name):
                raise ValueError(f"torch reserves the name '{name}'; choose another one")
        return parts

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        for name, part in self.parts.items():
            if part.objective.views > self.views:
                raise ValueError(
                    f"the part '{name}' needs {part.objective.views} views, and there are "
                    f"{self.views}; set views to {part.objective.views}"
                )
        most = max(part.objective.views for part in self.parts.values())
        if most < self.views:
            raise ValueError(
                f"no part uses more than {most} of the {self.views} views; set views to {most}"
            )
        if not any(part.weight for part in self.parts.values()):
            raise ValueError("all weights are 0, so nothing is minimised; raise one of them")
        return self

    def __hash__(self) -> int:
        return hash(json_text(self))

    @property
    def uses_labels(self) -> bool:
        return any(part.objective.uses_labels for part in self.parts.values())

    def for_classes(self, labelled: Sequence[int]) -> Self:
        parts = {
            name: part.model_copy(update={"objective": part.objective.for_classes(labelled)})
            for name, part in self.parts.items()
        }
        return self.model_copy(update={"parts": parts})

    def build(self, feature_dim: int, samples: int | None = None) -> CombinedModule:
        """See :meth:`Objective.build`; ``samples`` is needed if a part needs it.

        Raises:
            ConfigError: a part sums its loss over the batch.
        """
        return CombinedModule(self.parts, self.views, feature_dim, samples)
