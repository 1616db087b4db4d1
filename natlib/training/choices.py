"""Kinds that a run is asked for by name: where in the configuration they belong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from natlib.assignment import Assignment
from natlib.data import Modality
from natlib.errors import ConfigError
from natlib.families import ENCODERS
from natlib.groups import Group, group_of, nearest_groups
from natlib.objectives import NAT, Objective

__all__ = ["Choices"]

# What is taken for an assignment that has no solver.
_WITH_SOLVER = "stream"


class Choices(NamedTuple):
    """Names of kinds; None leaves what the other layers say.

    Attributes:
        encoder: what is trained; also the folder of a checkpoint.
        targets: what the objective predicts.
        assignment: which targets a sample aims at.
        solver: what the assignment matches with.
    """

    encoder: str | None = None
    targets: str | None = None
    assignment: str | None = None
    solver: str | None = None

    def layer(
        self, merged: Mapping[str, Any], explicit: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str | None]:
        """The choices as a layer of the configuration.

        Of a combined objective, they are for the first part that has targets and an assignment.

        Args:
            merged: all other layers.
            explicit: those of them that were asked for one by one.

        Returns:
            The layer, nested; and one line, where a solver changes the assignment, or None.

        Raises:
            ConfigError: the objective has no targets or no assignment, or the assignment that is
                asked for has no solver; the message says what to do.
        """
        layer: dict[str, Any] = {} if self.encoder is None else {"encoder": self._encoder(merged)}
        note = None
        if self.targets is not None:
            _put(layer, f"{self._objective(merged, 'targets').path}.targets", self.targets)
        if self.assignment is not None or self.solver is not None:
            objective = self._objective(merged, "assignment")
            path = f"{objective.path}.assignment"
            chosen = {} if self.assignment is None else {"kind": self.assignment}
            if self.solver is not None:
                asked = self.assignment is not None or _has(explicit, f"{path}.kind")
                note = self._check_solver(objective, path, asked)
                chosen |= {"solver": self.solver} | ({"kind": _WITH_SOLVER} if note else {})
            _put(layer, path, chosen)
        return layer, note

    def _encoder(self, merged: Mapping[str, Any]) -> Any:
        """The kind of the encoder, or the recipe that reads the folder."""
        name = str(self.encoder)
        modality = group_of("data", Modality, merged.get("data", {}))
        if name in ENCODERS.kinds() or not Path(name).expanduser().is_dir() or modality is None:
            return name
        found: Any = modality.model.model_construct()
        recipe = found.encoder_in(Path(name))
        return {"kind": recipe.kind, **recipe.model_dump(mode="json", exclude_defaults=True)}

    def _objective(self, merged: Mapping[str, Any], key: str) -> Group:
        """The objective that has a key, targets say."""
        whole = group_of("objective", Objective, merged.get("objective", NAT()))
        if whole is None:
            # An unknown kind: validating says which are known.
            return Group("objective", NAT, {})
        for group in nearest_groups(whole, key):
            if issubclass(group.model, Objective):
                return group
        option = "solver" if key == "assignment" and self.assignment is None else key
        raise ConfigError(
            f"the objective '{_kind(whole)}' has no {key}; leave out the {option}, or choose "
            "another objective (objective.kind=nat)"
        )

    def _check_solver(self, objective: Group, path: str, asked: bool) -> str | None:
        """A line to say where the assignment has no solver, and nobody asked for it."""
        field = objective.model.model_fields["assignment"]
        given = objective.values.get("assignment", field.get_default())
        assignment = group_of(path, Assignment, self.assignment or given)
        if assignment is None or "solver" in assignment.model.model_fields:
            return None
        kind = _kind(assignment)
        if asked:
            raise ConfigError(
                f"the assignment '{kind}' has no solver; leave out the solver, or choose the "
                "assignment 'stream' or 'bank'"
            )
        return f"The assignment '{kind}' has no solver; {path} is '{_WITH_SOLVER}' in its place."


def _kind(group: Group) -> str:
    return str(group.model.model_fields["kind"].default)


def _has(values: Mapping[str, Any], path: str) -> bool:
    found: Any = values
    for key in path.split("."):
        if not isinstance(found, Mapping) or key not in found:
            return False
        found = found[key]
    return True


def _put(layer: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        layer = layer.setdefault(key, {})
    layer[last] = value
