"""Settings that make no sense: named with their full key, beside the nearest that exists."""

from pathlib import Path

import pytest

from tests.cli.command import ANY_OBJECTIVE, SMALL, Said, assert_refused, natlib

IMAGE = ("--modality", "image")


def train(tmp_path: Path, *arguments: str | Path) -> Said:
    """Asked for with wrong settings, a run leaves nothing behind."""
    before = set(tmp_path.iterdir())
    other = any(str(word).startswith("objective={") for word in arguments)
    small = ANY_OBJECTIVE if other else SMALL
    said = natlib("train", *small, "--out", tmp_path / "run", *arguments)
    assert set(tmp_path.iterdir()) == before
    return said


BAD_SETTINGS: dict[str, list[str]] = {
    "training.epoch=3": ["unknown key 'training.epoch'", "did you mean 'epochs'?"],
    "trainig.epochs=3": ["unknown key 'trainig'", "did you mean 'training'?"],
    "training.optimizer.lerning_rate=1": ["'training.optimizer.lerning_rate'", "'learning_rate'"],
    "objective.targets.dimm=3": ["unknown key 'objective.targets.dimm'", "did you mean 'dim'?"],
    "data.augment.flipp=0": ["unknown key 'data.augment.flipp'", "did you mean 'flip'?"],
    "objective.dim=3": ["unknown key 'objective.dim'", "did you mean 'objective.targets.dim'?"],
    "epochs=3": ["unknown key 'epochs'", "did you mean 'training.epochs'?"],
    "training.kind=sgd": [
        "unknown key 'training.kind'",
        "did you mean 'training.optimizer.kind' or 'training.schedule.kind'?",
    ],
    "fraction=0.1": ["unknown key 'fraction'", "did you mean 'labels.fraction'?"],
    "objective.targets.scale=2": [
        "unknown key 'objective.targets.scale'",
        "a setting of the target distribution 'gaussian', and not of 'uniform_sphere'",
    ],
    "data.colour=red": ["unknown key 'data.colour'"],
    "encoder.width=[3]": ["unknown key 'encoder.width'", "did you mean 'widths'?"],
    "evaluation.neighbours=3": ["'evaluation.neighbours'", "did you mean 'knn_neighbours'?"],
    "objective.kind=nta": ["objective: ", "'nta'", "did you mean 'nat'?"],
    "objective.assignment={kind: stream, solver: lapvj}": [
        "objective.assignment.solver: ",
        "'lapvj'",
        "did you mean 'lapjv'?",
    ],
    "objective.assignment={kind: stream, solver: hungarian}": [
        "objective.assignment.solver: ",
        "'hungarian'",
        "lapjv",
    ],
    "objective.targets.kind=uniform_spher": ["targets: ", "'uniform_spher'", "uniform_sphere"],
    "objective.head.kind=mpl": ["objective.head: ", "'mpl'", "did you mean 'mlp'?"],
    "encoder.kind=resnett": ["encoder: ", "'resnett'", "did you mean 'resnet'?"],
    "training.epochs=many": ["training.epochs: ", "integer", "'many'"],
    "training.epochs=0": ["training.epochs: ", "greater than or equal to 1", "got 0"],
    "training.epochs=1.5": ["training.epochs: ", "integer", "1.5"],
    "training.epochs=": ["training.epochs: ", "None"],
    "training.workers=-1": ["training.workers: ", "greater than or equal to 0", "got -1"],
    "training.device=tpu": ["training.device: ", "'auto', 'cpu', 'cuda' or 'mps'", "'tpu'"],
    "training.optimizer.kind=adam": ["unknown optimizer 'adam'", "did you mean 'adamw'?"],
    "training.optimizer.momentum=0.9": [
        "unknown key 'training.optimizer.momentum'; it is a setting of the optimizer 'sgd', and "
        "not of 'adamw'; change the kind, or leave it out",
    ],
    "training.schedule={kind: constant, final_factor: 0.1}": [
        "unknown key 'training.schedule.final_factor'",
        "the schedule 'cosine'",
        "'constant'",
    ],
    "objective={kind: combined, parts: {a: {objective: nat, schedule: {epochs: 3}}}}": [
        "unknown key 'objective.parts.a.schedule.epochs'",
        "'cosine' and 'linear'",
        "'constant'",
    ],
    "training.optimizer.learning_rate=-1": ["training.optimizer.learning_rate: ", "got -1"],
    "training.optimizer=5": ["training.optimizer: ", "one optimizer", "got 5"],
    "training=5": ["training: ", "got 5"],
    "objective=5": ["objective: ", "a mapping with 'kind'", "got 5"],
    "objective.views=1": ["objective: ", "needs views >= 2", "set views to 2"],
    "data.size=big": ["data.size: ", "integer", "'big'"],
    "data.std=[1, 0, 1]": ["data: ", "std", "must be positive"],
    "data.resize=4": ["data: ", "resize 4 is smaller than size 8"],
    "evaluation.validation_fraction=1": ["evaluation.validation_fraction: ", "less than 1"],
    "training.epochs": ["'training.epochs'", "expected key=value"],
    "=3": ["'=3'", "expected key=value"],
    "training.betas=[1": ["cannot read the value of 'training.betas=[1'", "line 1", "quotes"],
    "training.epochs={a: 1, a: 2}": ["'training.epochs={a: 1, a: 2}'", "duplicate key 'a'"],
    "data.source=[*name]": ["'data.source=[*name]'", "aliases (*name) are not read", "quotes"],
    "training..epochs=3": ["'training..epochs=3'", "expected key=value"],
}


@pytest.mark.parametrize("setting", BAD_SETTINGS)
def test_a_setting(setting: str, tmp_path: Path) -> None:
    assert_refused(train(tmp_path, *IMAGE, "--set", setting), *BAD_SETTINGS[setting])


@pytest.mark.parametrize("setting", ["training.epoch=3", "objective.head.kind=mpl"])
def test_the_same_in_a_file(setting: str, tmp_path: Path) -> None:
    keys, value = setting.split("=")
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate(keys.split("."))]
    file = tmp_path / "config.yaml"
    file.write_text("\n".join(lines) + f" {value}\n")
    said = train(tmp_path, *IMAGE, "--config", file)
    assert_refused(said, *BAD_SETTINGS[setting])


def test_all_wrong_keys_are_named_at_once(tmp_path: Path) -> None:
    said = train(tmp_path, *IMAGE, "--set", "training.epoch=3", "--set", "data.size=big")
    assert_refused(said, "training.epoch", "data.size")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["no modality is named", "--modality", "image"]),
        (["--modality", "imge"], ["unknown modality 'imge'", "did you mean 'image'?"]),
        (["--set", "data.kind=imge"], ["unknown modality 'imge'", "did you mean 'image'?"]),
        ([*IMAGE, "--preset", "nta"], ["unknown preset 'nta'", "did you mean 'nat'?"]),
        ([*IMAGE, "--set", "preset=nta"], ["unknown preset 'nta'", "did you mean 'nat'?"]),
        ([*IMAGE, "--epochs", "0"], ["training.epochs", "got 0"]),
        ([*IMAGE, "--batch-size", "1"], ["training.batch_size", "got 1"]),
        ([*IMAGE, "--max-samples", "0"], ["data.max_samples", "got 0"]),
        ([*IMAGE, "--seed", "-1"], ["training.seed", "got -1"]),
        ([*IMAGE, "--workers", "-1"], ["training.workers", "got -1"]),
        ([*IMAGE, "--init-from", "nowhere"], ["nowhere", "no run"]),
        ([*IMAGE, "--resume", "nowhere"], ["leave out --out"]),
    ],
)
def test_an_option(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    assert_refused(train(tmp_path, *arguments), *words)


FILES: dict[str, tuple[bytes, list[str]]] = {
    "invalid YAML": (b"training: {epochs: 3\nseed", ["cannot read", "line 2, column"]),
    "a tab": (b"training:\n\tepochs: 3\n", ["cannot read", "line 2, column 1: found character"]),
    "no text": (b"\x89PNG\r\n\x1a\n\x00\xff", ["cannot read", "not UTF-8"]),
    "no text either": (b"a: \x00", ["cannot read", "special characters are not allowed"]),
    "a list": (b"- training\n", ["holds a list", "expected keys and values"]),
    "a word": (b"training\n", ["holds a str", "expected keys and values"]),
    "a number for a key": (b"3: training\n", ["unknown key '3'"]),
    "a list for a key": (b"[training]: 3\n", ["cannot read", "line 1", "a key is a word"]),
    "a key twice": (
        b"data:\n  size: 8\n  flip: 1\n  size: 9\n",
        [
            "cannot read",
            "line 4, column 3: duplicate key 'size', as in line 2",
            "remove one",
        ],
    ),
    "an anchor": (b"data: &d\n  size: 8\n", ["cannot read", "line 1, column 7: anchors", "write"]),
    "an alias": (b"data: *d\n", ["cannot read", "line 1, column 7: anchors (&name) and aliases"]),
    "two documents": (b"data: {}\n---\ndata: {}\n", ["cannot read", "line 2", "second document"]),
    "YAML 1.1": (b"%YAML 1.1\n---\ndata: {}\n", ["cannot read", "than 1.2", "remove the line"]),
    "too many levels": (b"[" * 5000, ["cannot read", "more than 100 levels"]),
    "too many digits": (b"training: {seed: " + b"9" * 5000 + b"}", ["cannot read", "digits"]),
    "a word where a number goes": (b"training: {epochs: 1:30}", ["training.epochs", "'1:30'"]),
    "a list in place of keys": (b"training: [3]\n", ["training: ", "got [3]"]),
    "nothing in place of keys": (b"evaluation:\n", ["evaluation: ", "got None"]),
    "a list in place of data": (b"data: [image]\n", ["data: ", "got ['image']"]),
    "code": (
        b"training: !!python/object/apply:os.getcwd []\n",
        ["cannot read", "tags (", "remove it"],
    ),
}


def test_json_files(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{\n\t"training": {"epochs": 3}\n}')
    said = natlib("config", "show", *IMAGE, "--config", file)
    assert "  epochs: 3\n" in said.out
    for text, words in {
        '{"training": {"epochs": 3}': ["cannot read", "line 1, column 27"],
        '{"training": {"seed": 3, "seed": 4}}': [
            "cannot read",
            "duplicate key 'seed'",
        ],
        "[3]": ["holds a list"],
        '{"training": ' * 101 + "3" + "}" * 101: ["cannot read", "more than 100 levels of keys"],
        '{"a":' * 200_000 + "3" + "}" * 200_000: ["cannot read", "more than 100 levels of keys"],
    }.items():
        file.write_text(text)
        assert_refused(natlib("config", "show", *IMAGE, "--config", file), str(file), *words)


@pytest.mark.parametrize("name", FILES)
def test_a_file(name: str, tmp_path: Path) -> None:
    text, words = FILES[name]
    file = tmp_path / "config.yaml"
    file.write_bytes(text)
    said = natlib("config", "show", *IMAGE, "--config", file)
    assert_refused(said, *words, *([str(file)] if "cannot" in words[0] else []))
    assert file.read_bytes() == text


def test_keys_over_something_that_holds_none() -> None:
    settings = ("--set", "objective.targets=[3]", "--set", "objective.targets.dim=4")
    assert_refused(
        natlib("config", "show", *IMAGE, *settings),
        "objective.targets: expected keys and values, got [3]",
    )


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for name in (tmp_path / "gone.yaml", tmp_path):
        assert_refused(
            train(tmp_path, *IMAGE, "--config", name), f"cannot read the config file {name}: "
        )


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    plain = natlib("config", "show", *IMAGE)
    assert natlib("config", "show", *IMAGE, "--config", tmp_path / "config.yaml") == plain


def test_cuda_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said = train(tmp_path, *IMAGE, "--device", "cuda")
    assert_refused(said, "device 'cuda'", "no CUDA device", "use 'cpu' or 'auto'")
