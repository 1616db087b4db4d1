"""Evaluate a run directory by a protocol, and save the result there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from natlib.configuration import check_effect, describe, merge, parse_setting
from natlib.errors import ConfigError
from natlib.evaluation import Evaluation, EvaluationProgress
from natlib.model import Embedder, load
from natlib.protocols.base import Protocol, Subject
from natlib.runtime.malloc import disable_trim
from natlib.training import (
    RunDirectory,
    compose,
    computing_device,
    decoding_workers,
    save_evaluation,
)

__all__ = ["compose_protocol", "run_protocol", "subject_as_it_came", "subject_of"]


def run_protocol(
    run: Path | str,
    protocol: Protocol | str,
    *,
    data: str | None = None,
    settings: Sequence[str] = (),
    device: str | None = None,
    progress: EvaluationProgress | None = None,
) -> Evaluation:
    """Evaluate a run by a protocol, and save the result in ``RUN/evaluations``.

    Args:
        run: the run directory.
        protocol: the protocol, or the kind of one with default settings.
        data: a source to evaluate on; by default the one that the run was trained on.
        settings: changes to what protocols share, ``"evaluation.seed=1"`` and the like.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or one of several, ``cuda:1``; by default what
            the run was trained on, if it is there.
        progress: told about each stage.

    Raises:
        NatlibError: there is no such run, protocol or device, or the samples do not fit it.
    """
    chosen = compose_protocol(protocol) if isinstance(protocol, str) else protocol
    subject = subject_of(run, data=data, settings=settings, device=device, progress=progress)
    evaluation = chosen.run(subject)
    save_evaluation(subject.directory, evaluation)
    return evaluation


def subject_of(
    run: Path | str,
    *,
    data: str | None = None,
    settings: Sequence[str] = (),
    device: str | None = None,
    progress: EvaluationProgress | None = None,
) -> Subject:
    """What a protocol evaluates, from a run directory (see :func:`run_protocol`)."""
    directory = RunDirectory(run)
    config = directory.read_config()
    model = load(run, computing_device(device, config.training.device))
    if model.device.type == "cpu":
        # Many protocols train, too.
        disable_trim()
    subject = Subject(
        model,
        model.modality if data is None else model.modality.with_source(data),
        config,
        compose(base=config, settings=settings).evaluation,
        directory,
        data,
        decoding_workers(config.training),
    )
    return subject if progress is None else replace(subject, progress=progress)


def subject_as_it_came(
    encoder: Path | str,
    modality: str,
    folder: Path,
    *,
    data: str | None = None,
    settings: Sequence[str] = (),
    device: str | None = None,
    progress: EvaluationProgress | None = None,
) -> Subject:
    """What a protocol evaluates, from a checkpoint that nobody has trained on this source.

    Args:
        encoder: the folder of the checkpoint.
        modality: kind of the modality.
        folder: for an index of the source, and whatever else a run would keep.
        data: the source; by default the modality's own.
        settings: ``"data.length=64"``, ``"evaluation.seed=1"`` and the like.
        device: see :func:`run_protocol`.
        progress: told about each stage.

    Raises:
        NatlibError: the checkpoint, the source or a setting is not valid.
    """
    options = {} if data is None else {"data": {"source": data}}
    config = compose(modality, options=options, settings=settings)
    recipe = config.data.encoder_in(Path(encoder))
    model = Embedder(recipe, config.data, computing_device(device, "auto"))
    config = config.model_copy(update={"data": model.modality, "encoder": model.recipe})
    subject = Subject(
        model,
        model.modality,
        config,
        config.evaluation,
        RunDirectory(folder),
        workers=decoding_workers(config.training),
        name=model.name,
    )
    return subject if progress is None else replace(subject, progress=progress)


def compose_protocol(kind: str, settings: Sequence[str] = ()) -> Protocol:
    """A protocol from its kind and settings such as ``neighbours=[5]``.

    Raises:
        ConfigError: there is no such protocol, or a setting is not valid.
    """
    member = Protocol.registry.get(kind)
    layers: list[Mapping[str, Any]] = [{"kind": kind}, *(parse_setting(text) for text in settings)]
    try:
        merged = merge(member, layers)
        for asked in layers:
            check_effect(member, asked, merged)
        composed: Protocol = member.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(f"protocol {kind}: {describe(error)}") from error
    return composed
