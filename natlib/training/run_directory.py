"""The run directory: the files of a run and where they are."""

import gzip
import io
import json
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from pydantic import ValidationError

from natlib.configuration import describe, describe_saved, dump_yaml, json_text, read_yaml
from natlib.data import SampleSet
from natlib.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    NatlibError,
    RunNotFoundError,
)
from natlib.runtime.packages import version
from natlib.runtime.reading import MIB, parse_json, read_json
from natlib.runtime.storage import new_file, read_files, settle, write_file, write_files
from natlib.runtime.unpacking import open_gzip
from natlib.training.checkpoint import latest_checkpoint
from natlib.training.config import RunConfig
from natlib.training.run_info import RUN_FORMAT, RunInfo

__all__ = ["RunDirectory"]


class RunDirectory:
    """Paths in a run directory, and the files that are written at its start.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.info_file = self.path / "run.json"
        self.checkpoints = self.path / "checkpoints"
        self.model = self.path / "model"
        self.index = self.path / "index"
        self.objective = self.path / "objective"
        self.fitted = self.path / "fitted"
        self.evaluations = self.path / "evaluations"
        # Weights that the encoder began with, where they do not come from the seed.
        self.start = self.path / "start.safetensors"
        self._samples = self.path / "samples.jsonl.gz"
        # Where a run is while a new one takes its place and has no checkpoint yet.
        named = self.path if self.path.name not in ("", "..") else self.path.resolve()
        self.aside = named.parent / f".{named.name}.replaced"
        # What a run that takes over weights begins from.
        self.initial_checkpoint = self.checkpoints / "step-000000000"

    def begin(self, config: RunConfig, samples: SampleSet, info: RunInfo) -> None:
        """Write what is known at the start, but for the configuration.

        Args:
            config: the configuration, with everything filled in.
            samples: what the run trains on.
            info: what the run is.

        Raises:
            CheckpointError: it could not be written.
        """
        with self.writing():
            # First, since it tells that this is a run.
            self._write_info(info)
            self.checkpoints.mkdir(exist_ok=True)
            self._write_samples(samples)
            write_files(self.fitted, config.data.fitted())
            self.write_environment()

    def write_config(self, config: RunConfig) -> None:
        """Write the configuration: from now on the run can be resumed.

        Raises:
            CheckpointError: it could not be written.
        """
        with self.writing():
            write_file(self.config_file, dump_yaml(config.model_dump(mode="json")))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn errors of the system into a line that says what to do."""
        try:
            yield
        except NatlibError:
            raise
        except OSError as error:
            raise CheckpointError(
                f"the run directory {self.path} could not be written: {error.strerror}; "
                "choose another one (--out), or free some space"
            ) from error

    def has_checkpoint(self) -> bool:
        """Whether a checkpoint was written after an update."""
        return latest_checkpoint(self.checkpoints) not in (None, self.initial_checkpoint)

    def settle(self) -> None:
        """Clear up what a killed process has left; for the process that writes to the run.

        Raises:
            CheckpointError: the directory cannot be written to.
        """
        with self.writing():
            for folder in (self.path, self.checkpoints, self.evaluations):
                settle(folder)

    def check_there(self) -> None:
        """Check that the directory still is where it was.

        Raises:
            CheckpointError: it was removed or moved.
        """
        if not self.info_file.exists():
            raise CheckpointError(
                f"the run directory {self.path} is gone: it was removed or moved while the run "
                "went on, so nothing more can be saved; restore it and resume, or start anew"
            )

    def _write_samples(self, samples: SampleSet) -> None:
        with (
            new_file(self._samples) as file,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=1) as packed,
            io.TextIOWrapper(packed, encoding="utf-8") as lines,
        ):
            lines.write(json.dumps({"fingerprint": samples.fingerprint()}) + "\n")
            for name in samples.names:
                lines.write(json.dumps(name) + "\n")

    def write_environment(self) -> None:
        """Append machine, versions and command line of this start to ``environment.json``."""
        names = ["natlib", "torch", "numpy", "scipy", "lapjv", "pydantic"]
        facts = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "command": sys.argv,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "versions": {name: version(name) for name in names},
            "threads": torch.get_num_threads(),
            "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "mps": torch.backends.mps.is_available(),
        }
        path = self.path / "environment.json"
        try:
            starts = list(read_json(path))
        except (OSError, ValueError, TypeError):
            # Absent or damaged: a note for people, and no reason not to go on.
            starts = []
        write_file(path, json.dumps([*starts, facts], indent=2) + "\n")

    def write_info(self, info: RunInfo) -> None:
        """Replace ``run.json``.

        Raises:
            CheckpointError: it could not be written; the old one stays.
        """
        self.check_there()
        try:
            self._write_info(info)
        except OSError as error:
            raise CheckpointError(
                f"{self.info_file} could not be written: {error.strerror}; free some space, then "
                "resume"
            ) from error

    def _write_info(self, info: RunInfo) -> None:
        write_file(self.info_file, json_text(info, indent=2) + "\n")

    def read_info(self) -> RunInfo:
        """What the run is and how it stands.

        Raises:
            RunNotFoundError: there is no run here.
            ConfigError: it was written by a natlib with another format, or is damaged.
        """
        if not self.config_file.exists() and self.aside.is_dir():
            raise RunNotFoundError(
                f"the run {self.path} was to be replaced by one that never began, and is in "
                f"{self.aside}; put it back (natlib train --resume {self.path})"
            )
        if not self.info_file.exists():
            raise RunNotFoundError(
                f"{self.path} holds no natlib run (no run.json); "
                "give the directory that natlib train printed"
            )
        advice = "use the natlib that wrote it, or train it anew (--overwrite replaces it)"
        try:
            values = read_json(self.info_file)
            if values["format"] != RUN_FORMAT:
                raise ConfigError(
                    f"the run {self.path} has format {values['format']}, this natlib reads format "
                    f"{RUN_FORMAT}; {advice}"
                )
            return RunInfo.model_validate(values)
        except ConfigError:
            raise
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise ConfigError(
                f"{self.info_file} is damaged: {describe(error)}; start a new run from its weights "
                f"(--init-from {self.path})"
            ) from error

    def read_config(self) -> RunConfig:
        """The configuration of the run.

        Raises:
            RunNotFoundError: there is no run here.
            ConfigError: the run has another format, or its ``config.yaml``, or what its modality
                has fitted, cannot be read.
        """
        self.read_info()
        if not self.config_file.exists():
            raise RunNotFoundError(
                f"the run {self.path} was stopped before its configuration was written; start it "
                "anew with the command that began it"
            )
        try:
            config = RunConfig.model_validate(read_yaml(self.config_file))
        except ValidationError as error:
            raise ConfigError(f"{self.config_file}: {describe_saved(error)}") from error
        data = config.data.with_fitted(read_files(self.fitted))
        return config.model_copy(update={"data": data})

    def config_to_resume(self) -> RunConfig:
        """The configuration of the run that resuming goes on with.

        Of a run that was moved aside by another one, which never began, it is read from there:
        resuming puts it back.

        Raises:
            NatlibError: see :meth:`read_config`.
        """
        aside = RunDirectory(self.aside)
        if not self.config_file.exists() and aside.config_file.exists():
            return aside.read_config()
        return self.read_config()

    def check_may_begin(self) -> None:
        """Check that a run without checkpoints never had one, so that it begins at update 0.

        Raises:
            CheckpointError: it had one.
        """
        info = self.read_info()
        if info.checkpoint is not None or info.init_from is not None:
            raise CheckpointError(
                f"the checkpoints of the run {self.path} are gone, although "
                f"{self.checkpoints} once held that of update {info.checkpoint or 0}; restore it, "
                f"or start a new run, from the weights of this one (--init-from {self.path}) or "
                "anew (--overwrite)"
            )

    def check_same_samples(self, samples: SampleSet) -> None:
        """Check that a run resumes on the samples that it started on.

        Raises:
            DataError: the samples differ; the message says how.
        """
        names = self._recorded_names(unless=samples.fingerprint())
        if names is None:
            return
        before = set(names)
        now = set(samples.names)
        changes = _change("added", now - before) + _change("removed", before - now)
        what = " and ".join(changes) or "labels or contents differ"
        raise DataError(
            f"the data set has changed since the run {self.path} began: {what}; restore it, "
            f"or start a new run from these weights (--init-from {self.path})"
        )

    def sample_names(self) -> list[str]:
        """The names of all samples that the run is trained on, by number.

        Raises:
            DataError: the list of samples is missing or damaged.
        """
        return self._recorded_names() or []

    def _recorded_names(self, unless: str | None = None) -> list[str] | None:
        """The names; None, without reading them, where the samples have this fingerprint."""
        try:
            with open_gzip(self._samples, times=50, always=64 * MIB) as file:
                fingerprint = parse_json(file.readline().decode())["fingerprint"]
                if fingerprint == unless:
                    return None
                return [str(parse_json(line.decode())) for line in file]
        except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
            raise DataError(
                f"{self._samples}, which says what the run is trained on, cannot be read "
                f"({error}); start a new run from its weights (--init-from {self.path})"
            ) from error


def _change(verb: str, names: set[str]) -> list[str]:
    if not names:
        return []
    return [f"{len(names)} sample{'s' if len(names) > 1 else ''} {verb} (such as {min(names)})"]
