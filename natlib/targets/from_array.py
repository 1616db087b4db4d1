"""Targets from a file."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from natlib.component import register
from natlib.errors import ConfigError
from natlib.runtime.reading import check_file
from natlib.targets.base import TargetDistribution

__all__ = ["FromArray"]

# Rows that the digest is computed from, spread evenly over the file.
_SAMPLED = 64


@register
class FromArray(TargetDistribution):
    """Rows of a .npy file: targets of your own instead of noise.

    Slot s has row ``s modulo n``. The file is memory-mapped, and only the rows of the slots in use
    are read; slots on an accelerator are copied to the host first. Make a file with :meth:`save`
    or with ``numpy.save``.
    """

    seeded: ClassVar[bool] = False

    kind: Literal["from_array"] = "from_array"
    path: Path
    """A .npy file with an array [n, d] of any floating-point type."""
    dim: int = Field(default=128, ge=1)
    """Length d of a target vector; by default that of the file."""
    normalise: bool = True
    """Divide each row by its norm, so that targets lie on the unit sphere."""
    digest: str = ""
    """Fingerprint of the file: filled in, and checked when a run resumes."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("path"), str | Path):
            return value
        # As text, since in JSON a path is nothing else.
        path = Path(value["path"]).expanduser().absolute()
        given = value.get("digest")
        if given and "dim" in value and not path.exists():
            # A trained model can be used without the file.
            return value | {"path": str(path)}
        array = _open(path)
        found = _digest(array, path)
        if given and given != found:
            raise ConfigError(
                f"{path} is not the file that this run began with (its digest is {found}, and was "
                f"{given}); restore the first file, or leave 'digest' out for a new run"
            )
        dim = array.shape[1]
        # Named here, since the file is the more likely error; other types are refused later.
        if isinstance(value.get("dim"), int) and value["dim"] != dim:
            raise ConfigError(
                f"{path} has rows of {dim} numbers and dim is {value['dim']}; "
                f"leave dim out or set it to {dim}"
            )
        return {"dim": dim} | value | {"path": str(path), "digest": found}

    @classmethod
    def save(cls, array: Any, path: str | Path, **values: Any) -> Self:
        """Write an array or tensor [n, d] to a .npy file, and return targets that read it.

        Args:
            array: floating-point numbers; a tensor may be on any device.
            path: the file to write; an existing one is replaced.
            values: other fields of the targets.

        Raises:
            ConfigError: the array has another shape or type, or cannot be written.
        """
        if isinstance(array, Tensor):
            array = array.detach().cpu()
            array = (array.float() if array.dtype == torch.bfloat16 else array).numpy()
        array = np.asarray(array)
        path = Path(path).expanduser().absolute()
        _check(array, f"the array for {path}")
        partial = path.with_name(f".{path.name}.partial")
        try:
            with partial.open("wb") as file:
                np.save(file, array, allow_pickle=False)
            os.replace(partial, path)
        except OSError as error:
            raise ConfigError(f"cannot write targets to {path}: {error.strerror}") from error
        return cls.model_validate({"path": str(path)} | values)

    @property
    def on_sphere(self) -> bool:
        return self.normalise

    def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """See :meth:`TargetDistribution.rows`.

        Raises:
            ConfigError: the file is missing or has changed, or a row is not finite, or is zero and
                cannot be normalised.
        """
        array = _opened(self.path, self.digest)
        row = (slot % len(array)).reshape(-1).cpu()
        # Indexing with an array reads these rows, and no others.
        rows = torch.from_numpy(_native(array[row.numpy()])).to(dtype)
        norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
        usable = norm.isfinite() & (norm > 0) if self.normalise else norm.isfinite()
        if not usable.numpy().all():  # rows of the file are on the host
            bad = int(row[~usable.squeeze(-1)][0])
            raise ConfigError(
                f"row {bad} of {self.path} is {array[bad].tolist()[:4]}...; rows need to be "
                f"finite{' and not zero, to be normalised' if self.normalise else ''}"
            )
        rows = rows / norm if self.normalise else rows
        return rows.to(slot.device).reshape(*slot.shape, self.dim)


def _native(array: Any) -> Any:
    """A copy in the byte order of this machine, in a type that torch supports."""
    kind = array.dtype.newbyteorder("=")
    return np.ascontiguousarray(array, dtype=kind if kind.itemsize <= 8 else np.float64)


def _check(array: Any, name: str) -> None:
    if array.ndim != 2 or 0 in array.shape:
        raise ConfigError(
            f"{name} has the shape {array.shape}; expected [n, d], one row for each target"
        )
    if array.dtype.kind != "f":
        raise ConfigError(
            f"{name} holds {array.dtype}; expected floating-point numbers, as after "
            "array.astype('float32')"
        )


def _open(path: Path) -> Any:
    """Open the array, memory-mapped."""
    try:
        check_file(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(
            f"cannot read targets from {path}: {' '.join(what.split())}; "
            "expected a .npy file with an array [n, d] of floating-point numbers"
        ) from error
    if not isinstance(array, np.ndarray):  # an .npz archive
        raise ConfigError(f"{path} is not a single array; expected a .npy file, not .npz")
    _check(array, str(path))
    return array


def _digest(array: Any, path: Path) -> str:
    """A fingerprint of shape, type, size and some rows, which are also checked to be finite."""
    place = np.unique(np.linspace(0, len(array) - 1, _SAMPLED).astype(np.int64))
    rows = np.ascontiguousarray(array[place])
    wrong = ~np.isfinite(rows).all(axis=1)
    if wrong.any():
        raise ConfigError(f"row {place[wrong][0]} of {path} is not finite; remove NaN and infinity")
    facts = f"{array.shape} {array.dtype.str} {path.stat().st_size}"
    return hashlib.sha256(facts.encode() + rows.tobytes()).hexdigest()[:16]


@lru_cache(maxsize=8)
def _opened(path: Path, digest: str) -> Any:
    array = _open(path)
    if _digest(array, path) != digest:
        raise ConfigError(
            f"{path} has changed since these targets were created; restore it, or create them again"
        )
    return array
