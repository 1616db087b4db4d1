"""Every option of every command does what it says."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import typer.main
from safetensors.torch import load_file
from torch import Tensor

import natlib as library
from natlib.configuration import parse_yaml, read_yaml
from natlib.training.checkpoint import latest_checkpoint
from natlib_cli.main import app
from tests.cli.command import (
    ANY_OBJECTIVE,
    SMALL,
    assert_done,
    assert_refused,
    content,
    natlib,
    write_pictures,
)
from tests.text.corpora import write_table
from tests.text.tiny_checkpoints import write_modules

Check = Callable[[Path], None]
CHECKS: dict[str, Check] = {}
"""A check for each parameter; called with a folder that holds ``photos`` and a trained ``run``."""


def check(*parameters: str) -> Callable[[Check], Check]:
    def keep(function: Check) -> Check:
        CHECKS.update(dict.fromkeys(parameters, function))
        return function

    return keep


def parameters(command: Any, name: str = "") -> Iterator[str]:
    """'train --epochs', 'eval RUN' and so on: of a command and of those under it."""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            yield f"{name} {parameter.metavar}".strip()
        elif parameter.name != "help":
            for word in (*parameter.opts, *parameter.secondary_opts):
                yield f"{name} {word}".strip()
    commands = getattr(command, "commands", {})
    for under, inner in commands.items():
        yield from parameters(inner, f"{name} {under}".strip())


def train(folder: Path, *arguments: str | Path, small: Sequence[str] = SMALL) -> Path:
    """A small run on ``photos``; later arguments win over earlier ones."""
    out = folder / f"run {len(list(folder.iterdir()))}"
    photos = folder / "photos"
    common = ("--modality", "image", "--data", photos, *small, "--out", out)
    assert_done(natlib("train", *common, *arguments))
    return out


def config(run: Path) -> Any:
    return read_yaml(run / "config.yaml")


def weights(run: Path) -> dict[str, Tensor]:
    """Trained weights, without what batch norm has counted."""
    state = load_file(run / "model" / "encoder.safetensors")
    return {name: t for name, t in state.items() if "running" not in name and "num_" not in name}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


@check("--version")
def version(folder: Path) -> None:
    assert natlib("--version").out == f"natlib {library.__version__}\n"


@check("train --modality", "train --data", "train --out")
def source(folder: Path) -> None:
    data = config(train(folder))["data"]
    assert (data["kind"], data["source"]) == ("image", str(folder / "photos"))


@check("train --preset")
def preset(folder: Path) -> None:
    digits, nat = (config(train(folder, "--preset", name)) for name in ("digits", "nat"))
    assert (digits["preset"], nat["preset"]) == ("digits", "nat")
    assert digits["data"]["augment"]["flip"] == 0.0
    assert nat["data"]["augment"]["flip"] == 0.5


@check("train --encoder", "train --targets", "train --assignment", "train --solver")
def kinds(folder: Path) -> None:
    chosen = (
        "--encoder", "mlp", "--targets", "gaussian", "--assignment", "bank", "--solver", "greedy",
    )  # fmt: skip
    small = ("--epochs", "1", "--batch-size", "16", "--device", "cpu", "--set", "data.size=8")
    found = config(train(folder, *chosen, small=small))
    assert found["encoder"]["kind"] == "mlp"
    assert found["objective"]["targets"]["kind"] == "gaussian"
    assert found["objective"]["assignment"]["kind"] == "bank"
    assert found["objective"]["assignment"]["solver"]["kind"] == "greedy"


@check("--install-completion", "--show-completion")
def complete(folder: Path) -> None:
    # What a shell then asks the command is in test_what_is_imported.
    assert "_NATLIB_COMPLETE=complete_bash" in assert_done(natlib("--show-completion", "bash")).out
    with mock.patch.dict(os.environ, {"HOME": str(folder)}):
        assert "bash completion installed" in natlib("--install-completion", "bash").out
    (script,) = (folder / ".bash_completions").iterdir()
    assert "complete -o default -F _natlib_completion natlib" in script.read_text()
    assert str(script) in (folder / ".bashrc").read_text()


@check("train --config", "train --set")
def file(folder: Path) -> None:
    (folder / "c.yaml").write_text("training: {log_every_steps: 3}\nevaluation: {seed: 4}\n")
    found = config(train(folder, "--config", folder / "c.yaml", "--set", "evaluation.seed=5"))
    assert (found["training"]["log_every_steps"], found["evaluation"]["seed"]) == (3, 5)


@check("train --epochs", "train --batch-size")
def length(folder: Path) -> None:
    # 40 samples in batches of up to 12 are 4 updates an epoch.
    run = train(folder, "--epochs", "3", "--batch-size", "12")
    assert latest_checkpoint(run / "checkpoints").name == "step-000000012"


@check("train --size", "train --budget")
def fitting(folder: Path) -> None:
    small = ("--batch-size", "8", "--device", "cpu", "--set", "evaluation.final=false")
    found = config(train(folder, "--size", "16", "--budget", "1s", small=small))
    assert found["data"]["size"] == 16
    training = found["training"]
    assert training["knn_every_epochs"] == max(1, training["epochs"] // 10)


@check("train --micro-batch")
def micro_batch(folder: Path) -> None:
    assert config(train(folder, "--micro-batch", "5"))["training"]["micro_batch"] == 5
    # All of so small a batch fits into memory.
    assert config(train(folder, "--micro-batch", "auto"))["training"]["micro_batch"] is None


@check("train --max-samples")
def max_samples(folder: Path) -> None:
    log = (train(folder, "--max-samples", "20") / "train.log").read_text()
    assert "training on 20 samples" in log


@check("train --seed")
def seed(folder: Path) -> None:
    runs = [train(folder, "--seed", number) for number in ("0", "0", "1")]
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))


SUPERVISED = ("--set", "objective.kind=supervised")


def supervised(folder: Path, *arguments: str | Path) -> Any:
    """What a run on 20 pictures of each of two classes, and their labels, is configured as."""
    for number, name in enumerate(("circle", "stripe")):
        write_pictures(folder / "classes" / name, 20, first=20 * number)
    data = ("--data", folder / "classes")
    return config(train(folder, *data, *SUPERVISED, *arguments, small=ANY_OBJECTIVE))


@check("train --label-fraction")
def label_fraction(folder: Path) -> None:
    found = supervised(folder, "--label-fraction", "0.25")
    assert found["labels"]["classes"] == {"circle": 5, "stripe": 5}
    assert found["objective"]["classes"] == 2


@check("train --labels-per-class")
def labels_per_class(folder: Path) -> None:
    found = supervised(folder, "--labels-per-class", "3")
    assert found["labels"]["classes"] == {"circle": 3, "stripe": 3}


@check("train --labels")
def labels(folder: Path) -> None:
    rows = [f"circle/{number:03d}.png,{'xyz'[number % 3]}" for number in range(12)]
    (folder / "labels.csv").write_text("\n".join(["name,label", *rows]) + "\n")
    found = supervised(folder, "--labels", folder / "labels.csv")
    assert found["labels"]["classes"] == {"x": 4, "y": 4, "z": 4}
    # Or labelled pictures, beside those that are trained on without labels.
    classes = ("--labels", folder / "classes")
    run = train(folder, *SUPERVISED, *classes, small=ANY_OBJECTIVE)
    assert config(run)["labels"]["classes"] == {"circle": 20, "stripe": 20}
    assert "training on 80 samples" in (run / "train.log").read_text()


@check("train --device")
def device(folder: Path) -> None:
    assert ", cpu x 1," in (train(folder, "--device", "cpu") / "train.log").read_text()


@check("train --precision")
def precision(folder: Path) -> None:
    full, half = train(folder, "--precision", "fp32"), train(folder, "--precision", "bf16")
    assert not same(weights(full), weights(half))
    for name, tensor in weights(full).items():
        torch.testing.assert_close(weights(half)[name], tensor, rtol=0, atol=0.05)


@check("train --workers")
def workers(folder: Path) -> None:
    # Nothing in memory, so that workers have something to do.
    lazily = ("--set", "data.cache_gib=0")
    assert same(
        weights(train(folder, *lazily, "--workers", "0")),
        weights(train(folder, *lazily, "--workers", "1")),
    )


@check("train --compile", "train --no-compile")
def compiled(folder: Path) -> None:
    # Traced as always, but run by torch: generating and compiling C++ takes a minute.
    compile_module = torch.nn.Module.compile
    with mock.patch.object(
        torch.nn.Module,
        "compile",
        autospec=True,
        side_effect=lambda module: compile_module(module, backend="aot_eager"),
    ) as asked:
        plain = train(folder, "--no-compile")
        assert asked.call_count == 0
        run = train(folder, "--compile")
    assert asked.call_count == 1
    for name, tensor in weights(plain).items():
        torch.testing.assert_close(weights(run)[name], tensor, rtol=0, atol=1e-4)


@check("train --resume")
def resume(folder: Path) -> None:
    run = train(folder)
    before = content(run / "checkpoints")
    said = assert_done(natlib("train", "--resume", run))
    assert f"The run is in {run}\n" in said.out
    assert content(run / "checkpoints") == before
    assert len(json.loads((run / "environment.json").read_text())) == 2


@check("train --init-from")
def init_from(folder: Path) -> None:
    first = train(folder)
    still = ("--set", "training.optimizer.learning_rate=1e-30", "--seed", "1")
    assert same(weights(train(folder, *still, "--init-from", first)), weights(first))
    assert not same(weights(train(folder, *still)), weights(first))


@check("train --overwrite")
def overwrite(folder: Path) -> None:
    run = train(folder, "--epochs", "2")
    train(folder, "--out", run, "--overwrite", "--epochs", "1")
    assert config(run)["training"]["epochs"] == 1
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000000003"]


@check("train --continue")
def continue_run(folder: Path) -> None:
    run = train(folder, "--continue")
    before = content(run)
    train(folder, "--out", run, "--continue")
    assert content(run) == before


@check("eval [RUN]", "eval --json")
def evaluate(folder: Path) -> None:
    assert_done(natlib("eval", folder / "run", "--json", folder / "e.json"))
    assert (folder / "e.json").read_text() == (
        folder / "run" / "evaluations" / "standard.json"
    ).read_text()


@check("eval --protocol", "eval --set")
def evaluate_by_a_protocol(folder: Path) -> None:
    for number, name in enumerate("xyz"):
        write_pictures(folder / "other" / name, 10, first=10 * number)
    own = ("--data", folder / "other", "--json", folder / "e.json", "--set", "neighbours=[3]")
    said = natlib("eval", folder / "run", "--protocol", "knn", *own, "--set", "evaluation.seed=7")
    assert_done(said)
    result = json.loads((folder / "e.json").read_text())
    assert (result["protocol"], result["seed"]) == ("knn", 7)
    assert result["settings"]["neighbours"] == [3]


@check("eval --data")
def evaluate_elsewhere(folder: Path) -> None:
    for number, name in enumerate("xyz"):
        write_pictures(folder / "other" / name, 10, first=10 * number)
    json_file = folder / "e.json"
    said = natlib("eval", folder / "run", "--data", folder / "other", "--json", json_file)
    assert_done(said)
    details = json.loads(json_file.read_text())["details"]
    assert (details["classes"], details["test_samples"]) == (["x", "y", "z"], 6)
    assert "no test split" in said.out


@check("embed [RUN] SOURCE...", "embed --out", "embed --output")
def embed(folder: Path) -> None:
    for output, width in (("encoder", 8), ("head", 8)):
        out = folder / f"{output}.npz"
        assert_done(
            natlib("embed", folder / "run", folder / "photos", "--out", out, "--output", output)
        )
        with np.load(out) as file:
            assert file["embeddings"].shape == (40, width)
    with np.load(folder / "head.npz") as head:
        # The head's outputs are points of the unit sphere, features are not.
        norms = np.linalg.norm(head["embeddings"], axis=1)
        np.testing.assert_allclose(norms, 1.0, rtol=1e-5)


@check("eval --encoder", "eval --modality", "embed --encoder", "embed --modality")
def checkpoints_as_they_came(folder: Path) -> None:
    checkpoint = write_modules(folder / "tiny", ("Normalize", {}))
    write_table(folder / "reviews.csv", 60)
    given = ("--encoder", checkpoint, "--modality", "text")
    data = ("--data", folder / "reviews.csv", "--set", "data.length=8")
    result = folder / "result.json"
    out = assert_done(natlib("eval", *given, *data, "--json", result)).out
    assert "tiny, as it came" in out
    assert "random" not in out
    assert "encoder" in json.loads(result.read_text())["rows"]
    assert_refused(natlib("eval", folder / "run", *given), "got both a run and --encoder")
    assert_refused(natlib("eval", *given[:2]), "--modality is missing")
    assert_refused(natlib("eval"), "got neither a run nor --encoder")
    vectors = folder / "vectors.npz"
    assert_done(natlib("embed", *given, folder / "reviews.csv", "--out", vectors))
    with np.load(vectors) as file:
        assert file["embeddings"].shape == (60, 8)
        norms = np.linalg.norm(file["embeddings"], axis=1)
    assert np.abs(norms - 1).max() < 1e-5
    assert_refused(natlib("embed", folder / "run", "--out", vectors), "nothing to embed")


@check("eval --device", "embed --device")
def compute_on(folder: Path) -> None:
    evaluate = ("eval", folder / "run")
    embed = ("embed", folder / "run", folder / "photos", "--out", folder / "there.npz")
    for words in (evaluate, embed):
        assert_refused(natlib(*words, "--device", "cuda:99"), "device 'cuda:99'")
        assert_done(natlib(*words, "--device", "cpu"))


@check("report RUN", "report --against", "report --points")
def report(folder: Path) -> None:
    # The run of all checks stays as it is.
    shutil.copytree(folder / "run", folder / "copy")
    said = assert_done(natlib("report", folder / "copy", "--points", "20"))
    assert said.out == f"The report is in {folder / 'copy' / 'report.html'}\n"
    page = (folder / "copy" / "report.html").read_text()
    assert "<h2>Evaluation</h2>" in page
    assert "Map of 20 samples" in page
    assert "With other" not in page
    (folder / "other").symlink_to(folder / "run")
    assert_done(natlib("report", folder / "copy", "--points", "20", "--against", folder / "other"))
    assert "With other" in (folder / "copy" / "report.html").read_text()


@check("compare RUN...", "compare --out")
def compare(folder: Path) -> None:
    longer = train(folder, "--epochs", "2")
    said = assert_done(natlib("compare", folder / "run", longer, "--out", folder / "c.html"))
    assert re.search(r"training.epochs +│ +1 │ +2 │", said.out)
    page = (folder / "c.html").read_text()
    assert page.count(f'<li class="c1">{longer.name}') > 5


@check("doctor RUN", "doctor --samples", "doctor --json")
def doctor(folder: Path) -> None:
    file = folder / "d.json"
    said = natlib("doctor", folder / "run", "--samples", "16", "--json", file)
    # Two updates are too few for most diagnoses; those that are possible find nothing.
    assert_done(said)
    assert f"Run {folder / 'run'}: 1 of 2 updates recorded" in said.out
    found = json.loads(file.read_text())
    assert found["healthy"]
    assert found["findings"]["duplicates in the data"]["evidence"]["read"] == 16
    assert "too early" in found["findings"]["collapse"]["message"]


@check("doctor --modality", "doctor --data", "doctor --set")
def doctor_of_data(folder: Path) -> None:
    options = ("--modality", "image", "--data", folder / "photos")
    said = assert_done(natlib("doctor", *options, "--set", "data.max_samples=12"))
    assert said.out.startswith(f"Source {folder / 'photos'}: 12 train\n")
    for number in range(5):
        (folder / "photos" / f"{number:03d}.png").write_bytes(b"no picture")
    said = natlib("doctor", *options)
    # Something is to be done.
    assert said.code == 3
    assert "ACT     unreadable samples" in said.out
    assert "such as 000.png" in said.out
    assert "Next: repair or remove them" in said.out


@check("config show RUN", "config show --set")
def show_run(folder: Path) -> None:
    out = natlib("config", "show", folder / "run", "--set", "training.epochs=9").out
    expected = config(folder / "run")
    expected["training"]["epochs"] = 9
    assert parse_yaml(out, "shown") == expected


@check(
    *(
        f"config {command} {option}"
        for command in ("show", "init")
        for option in (
            "--modality",
            "--data",
            "--preset",
            "--config",
            "--encoder",
            "--targets",
            "--assignment",
            "--solver",
        )
    ),
    "config init --set",
    "config init FILE",
)
def config_options(folder: Path) -> None:
    (folder / "c.yaml").write_text("training: {epochs: 5}\n")
    options = (
        "--modality", "image", "--data", "photos", "--preset", "nat2017",
        "--config", folder / "c.yaml", "--set", "training.seed=6",
        "--encoder", "resnet", "--targets", "gaussian", "--assignment", "bank",
        "--solver", "sinkhorn",
    )  # fmt: skip
    assert_done(natlib("config", "init", folder / "all.yaml", *options))
    shown = parse_yaml(assert_done(natlib("config", "show", *options)).out, "shown")
    assert read_yaml(folder / "all.yaml") == shown
    assert (shown["data"]["kind"], shown["data"]["source"]) == ("image", "photos")
    assert (shown["preset"], shown["encoder"]["kind"]) == ("nat2017", "resnet")
    objective = shown["objective"]
    assert (objective["targets"]["kind"], objective["assignment"]["kind"]) == ("gaussian", "bank")
    assert objective["assignment"]["solver"]["kind"] == "sinkhorn"
    assert (shown["training"]["epochs"], shown["training"]["seed"]) == (5, 6)


def test_every_parameter_has_a_check_and_every_check_a_parameter() -> None:
    assert CHECKS.keys() == set(parameters(typer.main.get_command(app)))


@pytest.mark.parametrize("name", [function.__name__ for function in dict.fromkeys(CHECKS.values())])
def test_parameters(name: str, run: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 40)
    (tmp_path / "run").symlink_to(run)
    globals()[name](tmp_path)
