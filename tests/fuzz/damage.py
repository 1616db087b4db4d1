"""Runs of which one file is damaged, each a function of a seed and a number."""

import json
import random
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import natlib as library
from tests.cli.command import DIGITS, assert_done, content, natlib
from tests.fuzz.values import nasty_value
from tests.training.test_exact_resume import StopAfter

__all__ = ["Damaged", "runs_to_damage"]

_WAYS = (
    "cut", "emptied", "a bit flipped", "random bytes", "other JSON", "a value changed",
    "a key removed", "nested deeply", "not UTF-8", "a folder", "removed", "a line twice",
)  # fmt: skip
_JSON = (".json", ".jsonl", ".yaml")
# A command that is refused may have noted that it was called.
_NOTES = ("train.log", "run.json", "environment.json", "tensorboard", ".lock")
_COMMANDS: dict[str, list[str]] = {
    "eval": ["eval", "RUN", "--json", "OUT"],
    "embed": ["embed", "RUN", "digits", "--out", "OUT.npz"],
    "doctor": ["doctor", "RUN"],
    "report": ["report", "RUN", "--points", "8", "--out", "OUT"],
    "compare": ["compare", "RUN"],
    "config show": ["config", "show", "--config", "RUN/config.yaml"],
    "train --resume": ["train", "--resume", "RUN"],
    "train --init-from": ["train", *DIGITS, "--init-from", "RUN", "--out", "OUT"],
}


def runs_to_damage(folder: Path) -> dict[str, Path]:
    """A finished run and one that was interrupted, both tiny."""
    runs = {"finished": folder / "finished", "interrupted": folder / "interrupted"}
    assert_done(natlib("train", *DIGITS, "--out", runs["finished"]))
    _interrupted(runs["interrupted"])
    return runs


def _interrupted(run: Path) -> None:
    settings = [word for word in DIGITS if "=" in word]
    training = {"epochs": 3, "log_every_steps": 1, "batch_size": 16, "workers": 0, "device": "cpu"}
    options = {"training": training, "data": {"max_samples": 32}}
    config = library.compose("image", options=options, settings=settings)
    library.train(config, run, progress=StopAfter(3))


class Damaged(NamedTuple):
    """A run, the file of it that is damaged, and the command that is called then."""

    run: Path
    file: Path
    way: str
    command: str
    seed: str

    def __str__(self) -> str:
        return f"{self.run.name}/{self.file}, {self.way}, {self.command}"

    @classmethod
    def draw(cls, seed: int, number: int, runs: dict[str, Path]) -> "Damaged":
        """Case ``number`` of a seed."""
        chance = random.Random(f"{seed}/{number}")
        run = runs[chance.choice(sorted(runs))]
        files = sorted(path.relative_to(run) for path in run.rglob("*") if path.is_file())
        way, command = chance.choice(_WAYS), chance.choice(sorted(_COMMANDS))
        return cls(run, chance.choice(files), way, command, f"{seed}/{number}/damage")

    def outcome(self, copy: Path) -> tuple[str, str | None]:
        """How the command ends on a damaged copy, and what is wrong with that."""
        for left in copy.parent.glob(f"{copy.name}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        shutil.copytree(self.run, copy, symlinks=True)
        self._damage(copy / self.file)
        before = content(copy)
        words = [
            word.replace("RUN", str(copy)).replace("OUT", str(copy.with_name(f"{copy.name}.out")))
            for word in _COMMANDS[self.command]
        ]
        try:
            said = natlib(*words)
        except BaseException as error:
            return "fault", f"{type(error).__name__}: {error}"
        if said.code == 0:
            return "done", None
        if said.code not in (1, 2) or not _is_one_error(said.err):
            return "fault", f"exit code {said.code}, {said.err!r}"
        if "not expected" in said.err:
            return "fault", said.err.strip()
        after = content(copy)
        names = before.keys() | after.keys()
        changed = {name for name in names if before.get(name) != after.get(name)}
        spoilt = {name for name in changed if not name.startswith(_NOTES)}
        if spoilt and self.command != "train --resume":
            return "fault", f"refused ({said.err.strip()}), and changed {sorted(spoilt)}"
        return "refused", None

    def _damage(self, file: Path) -> None:
        chance = random.Random(self.seed)
        whole = file.read_bytes()
        match self.way:
            case "cut":
                file.write_bytes(whole[: chance.randrange(len(whole) + 1)])
            case "emptied":
                file.write_bytes(b"")
            case "a bit flipped" if whole:
                place = chance.randrange(len(whole))
                changed = whole[place] ^ (1 << chance.randrange(8))
                file.write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])
            case "random bytes":
                file.write_bytes(chance.randbytes(chance.choice([1, 20, 1000])))
            case "other JSON":
                file.write_text(chance.choice(["null", "[]", "{}", "3", '"a"', "NaN", "[[{}]]"]))
            case "nested deeply":
                file.write_text("[" * chance.choice([50, 2_000, 100_000]))
            case "not UTF-8":
                file.write_bytes(b"\xff\xfe" + whole[:50] + b"\x80")
            case "a folder":
                file.unlink()
                file.mkdir()
            case "removed":
                file.unlink()
            case "a line twice":
                lines = whole.splitlines(keepends=True)
                file.write_bytes(b"".join([*lines, *lines[-1:]]))
            case "a value changed" | "a key removed" if file.suffix in _JSON:
                self._change(chance, file)

    def _change(self, chance: random.Random, file: Path) -> None:
        lines = file.read_text(encoding="utf-8").splitlines()
        whole = file.suffix != ".jsonl"
        if file.suffix == ".yaml":
            # Some line of it, with another value.
            number = chance.randrange(len(lines))
            key, colon, _ = lines[number].partition(":")
            lines[number] = "" if self.way == "a key removed" else f"{key}{colon} {_text(chance)}"
            file.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogatepass")
            return
        number = 0 if whole or not lines else chance.randrange(len(lines))
        try:
            value = json.loads("\n".join(lines) if whole else lines[number])
        except (ValueError, IndexError):
            return
        _replace(chance, value, self.way == "a key removed")
        text = json.dumps(value)
        file.write_text(text if whole else "\n".join([*lines[:number], text, *lines[number + 1 :]]))


def _text(chance: random.Random) -> str:
    return json.dumps(nasty_value(chance))


def _replace(chance: random.Random, value: Any, remove: bool) -> None:
    """Change one place of a nested value."""
    while isinstance(value, dict | list) and value:
        keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = chance.choice(keys)
        if not isinstance(value[key], dict | list) or not value[key] or chance.random() < 0.2:
            if remove:
                del value[key]
            else:
                value[key] = nasty_value(chance)
            return
        value = value[key]


def _is_one_error(text: str) -> bool:
    lines = [line for line in text.split("\n") if line]
    errors = [line for line in lines if line.startswith("Error: ")]
    return len(errors) == 1 and lines[-1] == errors[0] and errors[0].isprintable()
