"""The run directory: the files of a run and where they are."""

import gzip
import io
import json
import platform
import shutil
import sys
import time
from pathlib import Path

import torch
from pydantic import ValidationError

from natlib.configuration import describe, dump_yaml, read_yaml
from natlib.data import SampleSet
from natlib.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    RunExistsError,
    RunNotFoundError,
)
from natlib.runtime.packages import version
from natlib.runtime.reading import MIB, parse_json, read_json
from natlib.runtime.storage import new_file, read_files, write_file, write_files
from natlib.runtime.unpacking import open_gzip
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
        self._samples = self.path / "samples.jsonl.gz"
        self._existed = True

    def check_free(self, overwrite: bool) -> None:
        """Check that a new run may be written here.

        Raises:
            RunExistsError: something is here already, and it is either not a run or
                ``overwrite`` was not asked for.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunExistsError(f"{self.path} is a file; choose another run directory")
        self._existed = self.path.exists()
        if not self._content():
            return
        if not self.config_file.exists():
            raise RunExistsError(
                f"{self.path} is not empty and not a natlib run, so it is left alone; "
                "choose another run directory"
            )
        if not overwrite:
            raise RunExistsError(
                f"the run {self.path} exists; resume it (--resume {self.path}), "
                "replace it (--overwrite) or choose another directory (--out)"
            )

    def start(self, config: RunConfig, samples: SampleSet, info: RunInfo) -> None:
        """Make the directory, replacing an older run, and write what is known at the start.

        Args:
            config: the configuration, with everything filled in.
            samples: what the run trains on.
            info: what the run is.

        Raises:
            CheckpointError: it could not be written; nothing is left of it.
        """
        self._clear()
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            self._write_samples(samples)
            write_files(self.fitted, config.data.fitted())
            self.write_environment()
            self._write_info(info)
            # Last, since a directory with a config.yaml counts as a run.
            write_file(self.config_file, dump_yaml(config.model_dump(mode="json")))
        except OSError as error:
            self._clear()
            raise CheckpointError(
                f"the run directory {self.path} could not be written: {error.strerror}; "
                "choose another one (--out), or free some space"
            ) from error

    def _write_samples(self, samples: SampleSet) -> None:
        with (
            new_file(self._samples) as file,
            gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=1) as packed,
            io.TextIOWrapper(packed, encoding="utf-8") as lines,
        ):
            lines.write(json.dumps({"fingerprint": samples.fingerprint()}) + "\n")
            for name in samples.names:
                lines.write(json.dumps(name) + "\n")

    def _clear(self) -> None:
        for entry in self._content():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def give_up(self) -> None:
        """Remove the index that a run which never started may have left."""
        if self.path.is_dir() and not self._content():
            # An empty folder that somebody made stays.
            shutil.rmtree(self.index if self._existed else self.path, ignore_errors=True)

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
        try:
            self._write_info(info)
        except OSError as error:
            raise CheckpointError(
                f"{self.info_file} could not be written: {error.strerror}; free some space, then "
                "resume"
            ) from error

    def _write_info(self, info: RunInfo) -> None:
        write_file(self.info_file, info.model_dump_json(indent=2) + "\n")

    def read_info(self) -> RunInfo:
        """What the run is and how it stands.

        Raises:
            RunNotFoundError: there is no run here.
            ConfigError: it was written by a natlib with another format, or is damaged.
        """
        if not self.config_file.exists():
            raise RunNotFoundError(
                f"{self.path} holds no natlib run (no config.yaml); "
                "give the directory that natlib train printed"
            )
        advice = "use the natlib that wrote it, or train it anew (--overwrite replaces it)"
        if not self.info_file.exists():
            raise ConfigError(
                f"{self.path} is a run of an older natlib (config.yaml without run.json), which "
                f"this one does not read; {advice}"
            )
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
        try:
            config = RunConfig.model_validate(read_yaml(self.config_file))
        except ValidationError as error:
            raise ConfigError(f"{self.config_file}: {describe(error)}") from error
        data = config.data.with_fitted(read_files(self.fitted))
        return config.model_copy(update={"data": data})

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

    def _content(self) -> list[Path]:
        """Everything in the directory but the index, which is not part of a run."""
        if not self.path.is_dir():
            return []
        return [entry for entry in self.path.iterdir() if entry != self.index]


def _change(verb: str, names: set[str]) -> list[str]:
    if not names:
        return []
    return [f"{len(names)} sample{'s' if len(names) > 1 else ''} {verb} (such as {min(names)})"]
