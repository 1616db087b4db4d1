"""Checks of a modality's settings: resolving, fitted files, presets, errors."""

import tempfile
from functools import partial
from pathlib import Path

import torch

from natlib.configuration import describe, preset_names, read_preset
from natlib.data import Modality
from natlib.errors import ConfigError, NatlibError
from natlib.testing.contract import Named, expect, refuses, same
from natlib.testing.modality_subject import ModalitySubject
from natlib.training import RunConfig

__all__ = ["SETTING_CHECKS"]


def _resolves(subject: ModalitySubject) -> None:
    resolved = subject.resolved
    for name, other in (
        ("resolving it again", resolved.resolved()),
        ("resolving a second time", subject.modality.resolved()),
    ):
        expect(
            other.model_dump() == resolved.model_dump() and other.fitted() == resolved.fitted(),
            f"{name} gives {other!r}, or other fitted files",
            f"{resolved!r}",
            "fill in only what is not set, from the source alone",
        )
    shape = resolved.input_shape
    expect(
        isinstance(shape, tuple) and all(isinstance(n, int) and n > 0 for n in shape),
        f"input_shape is {shape!r}",
        "a tuple of positive integers, without the batch dimension",
        "see what plain() returns for one sample",
    )
    if subject.modality.source and Path(subject.modality.source).exists():
        expect(
            Path(str(resolved.source)).is_absolute(),
            f"the resolved source is '{resolved.source}'",
            "an absolute path: a run may be resumed from another folder",
            "call Path(source).expanduser().absolute()",
        )


def _travels(subject: ModalitySubject) -> None:
    resolved = subject.resolved
    files = resolved.fitted()
    for name, content in files.items():
        expect(
            isinstance(content, bytes) and name == Path(name).name,
            f"fitted() holds '{name}', a {type(content).__name__}",
            "bytes by file name",
            "return the content of small files",
        )
    twin = type(resolved).model_validate_json(resolved.model_dump_json()).with_fitted(files)
    expect(
        twin.fitted() == files and twin.input_shape == resolved.input_shape,
        "from JSON and its fitted files, the modality has another shape or other files",
        "the same modality: this is how models are loaded",
        "store all that resolved() finds in fields or fitted files",
    )
    expect(
        same(twin.plain(subject.batch), resolved.plain(subject.batch)),
        "from JSON and its fitted files, the modality prepares other inputs",
        "the same inputs: this is how models are loaded",
        "store all that resolved() finds in fields or fitted files",
    )
    refuses(
        lambda: resolved.with_fitted({**files, "unknown.bin": b"?"}),
        ConfigError,
        "with_fitted() with an unknown file",
        "refuse unknown files",
    )


def _elsewhere(subject: ModalitySubject) -> None:
    resolved = subject.resolved
    if resolved.source is not None:
        again = resolved.with_source(resolved.source)
        expect(
            again.input_shape == resolved.input_shape
            and same(again.plain(subject.batch), resolved.plain(subject.batch)),
            "with_source() changes how inputs are prepared",
            "the same inputs",
            "copy what is resolved and fitted",
        )
    with tempfile.TemporaryDirectory() as folder:
        gone = str(Path(folder) / "no such source")
        nothing = Path(folder) / "nothing"
        nothing.mkdir()
        for source in (gone, str(nothing)):
            for what, modality in (("resolved()", subject.modality), ("dataset()", resolved)):
                error = refuses(
                    partial(_open, modality, source),
                    NatlibError,
                    f"{what} of the source '{source}'",
                    "raise natlib.errors.DataError",
                )
                expect(
                    Path(source).name in str(error),
                    f"the error says '{error}'",
                    "the name of the source",
                    "say what was received, what is expected and what to do",
                )


def _open(modality: Modality, source: str) -> None:
    moved = modality.model_copy(update={"source": source})
    moved.resolved()
    moved.dataset("train")


def _presets(subject: ModalitySubject) -> None:
    modality = subject.modality
    names = preset_names(modality.presets)
    if modality.presets is not None:
        expect(
            modality.default_preset() in names,
            f"default_preset() is '{modality.default_preset()}'",
            f"one of {names}",
            "add the YAML file to the folder that `presets` names",
        )
    for name in names:
        values = read_preset(modality.presets, name)
        try:
            # Not by its kind: the plug-in may not be installed yet.
            data = type(modality).model_validate(values.get("data", {}))
            RunConfig.model_validate({**values, "data": data})
        except ValueError as error:
            found = f"the preset '{name}' is not valid: {describe(error)}"
            expect(False, found, "a part of a valid configuration", "correct the YAML file")


def _encoder(subject: ModalitySubject) -> None:
    for accelerator in (False, True):
        recipe = subject.resolved.complete(subject.resolved.default_encoder(accelerator))
        expect(
            subject.resolved.complete(recipe) == recipe,
            "completing an encoder twice changes it",
            "no change the second time",
            "fill in only what is not set",
        )
    recipe = subject.resolved.complete(subject.resolved.default_encoder(False))
    torch.manual_seed(0)
    encoder = recipe.build(subject.resolved.input_shape)
    with torch.no_grad():
        features = encoder.eval()(subject.resolved.plain(subject.batch))
    expect(
        features.shape == (len(subject.batch.index), encoder.dim) and features.isfinite().all(),
        f"the default encoder returns {list(features.shape)} for {len(subject.batch.index)} "
        "samples, or numbers that are not finite",
        f"finite numbers [b, {encoder.dim}]",
        "fit default_encoder() to input_shape",
    )


SETTING_CHECKS: tuple[Named[ModalitySubject], ...] = (
    ("resolving", _resolves),
    ("saved with a model", _travels),
    ("other sources", _elsewhere),
    ("presets", _presets),
    ("the default encoder", _encoder),
)
