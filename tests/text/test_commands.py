"""Text on the command line: a run and what comes of it, and what cannot be trained on."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

import natlib as library
from natlib.configuration import read_yaml
from natlib.errors import CheckpointError, ConfigError
from tests.cli.command import Said, assert_done, assert_refused, content, natlib
from tests.training.test_exact_resume import StopAfter, assert_same_run

from .corpora import sentences, write_lines, write_table
from .test_encoders import checkpoint
from .test_tokens import word_pieces

BAG = ("--set", "encoder={kind: bag_of_ngrams, width: 8}")
VOCABULARY = ("--set", "data.vocabulary=300")
ANY_ENCODER = (
    "--batch-size", "16", "--epochs", "2", "--device", "cpu", "--workers", "0",
    "--set", "data.length=16",
    "--set", "objective.head={kind: mlp, widths: [16]}",
    "--set", "objective.targets.dim=8",
    "--set", "objective.assignment.slots=2",
    "--set", "evaluation.weight_decays=[1.0]",
)  # fmt: skip
SMALL = (*BAG, *VOCABULARY, *ANY_ENCODER)
Make = Callable[[Path], object]


def train(
    source: Path | str,
    out: Path,
    *more: str | Path,
    encoder: Sequence[str] = (*BAG, *VOCABULARY),
) -> Said:
    small = (*encoder, *ANY_ENCODER)
    return natlib("train", "--modality", "text", "--data", source, *small, "--out", out, *more)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table") / "notes.csv", 120)


@pytest.fixture(scope="module")
def run(table: Path) -> Path:
    out = table.parent / "run"
    said = assert_done(train(table, out))
    assert "raw inputs" in said.out
    return out


def test_a_run_keeps_what_it_has_fitted(run: Path) -> None:
    fitted, saved = ({f.name: f.read_bytes() for f in place.iterdir()} for place in (
        run / "fitted", run / "model" / "fitted",
    ))  # fmt: skip
    assert sorted(fitted) == ["tfidf.safetensors", "tokenizer.json"]
    assert fitted == saved
    config = read_yaml(run / "config.yaml")
    assert config["encoder"]["vocabulary"] == 300
    assert config["data"]["column"] == "text"


def test_raw_inputs_are_tf_idf(run: Path) -> None:
    found = read_yaml(run / "evaluations" / "standard.json")
    # A third of the words tells the topic, which counting words finds.
    assert found["rows"]["raw"]["linear"]["value"] > 85
    assert found["details"]["test_split"] == "test"


def test_resuming_gives_what_an_uninterrupted_run_gives(
    table: Path, run: Path, tmp_path: Path
) -> None:
    """Stopped within the second epoch; the tokenizer that goes on is the one that began."""
    base = library.compose(file=run / "config.yaml", settings=["training.log_every_steps=1"])
    whole, half = tmp_path / "whole", tmp_path / "half"
    assert library.train(base, whole).finished
    stopped = library.train(base, half, progress=StopAfter(8))
    assert (stopped.finished, stopped.step) == (False, 8)
    assert_done(natlib("train", "--resume", half))
    assert_same_run(whole, half)
    for folder in (whole, half):
        assert (folder / "fitted" / "tokenizer.json").read_bytes() == (
            run / "fitted" / "tokenizer.json"
        ).read_bytes()


def test_goes_on_with_what_was_asked_for_when_it_began(table: Path, tmp_path: Path) -> None:
    """The configuration that was given, not that of the run, which knows its vocabulary."""
    pairs = [SMALL[place + 1] for place, word in enumerate(SMALL) if word == "--set"]
    config = library.compose(
        "text",
        options={"data": {"source": str(table)}},
        settings=[
            *pairs, "training.batch_size=16", "training.epochs=2", "training.workers=0",
            "training.log_every_steps=1",
        ],
    )  # fmt: skip
    assert config.encoder is not None
    assert config.encoder.model_dump()["vocabulary"] is None
    stopped = library.train(config, tmp_path / "run", progress=StopAfter(8))
    assert not stopped.finished
    assert library.resume(tmp_path / "run", config=config).finished
    other = config.model_copy(update={"encoder": config.encoder.model_copy(update={"width": 4})})
    with pytest.raises(ConfigError, match=r"encoder\.width was 8, now 4"):
        library.resume(tmp_path / "run", config=other)


def test_eval_and_embed(run: Path, table: Path, tmp_path: Path) -> None:
    assert "raw inputs" in assert_done(natlib("eval", run)).out
    notes = write_lines(tmp_path / "notes.txt", 30)
    for source, count in ((table, 120), (notes, 30)):
        out = tmp_path / f"{source.stem}{count}.npz"
        assert_done(natlib("embed", run, source, "--out", out))
        with np.load(out) as file:
            assert file["embeddings"].shape == (count, 8)
            names = file["names"].tolist()
        assert len(set(names)) == count
    # Line 4 of the file, embedded by hand.
    line = notes.read_text().splitlines()[3]
    model = library.load(run)
    with np.load(tmp_path / "notes30.npz") as file:
        row = file["names"].tolist().index("notes.txt-4")
        np.testing.assert_allclose(file["embeddings"][row], model.embed([line])[0], atol=1e-6)
    assert model.embed([]).shape == (0, 8)


def test_a_run_on_docstrings(tmp_path: Path) -> None:
    common = ("--set", "data.fit_samples=200", "--set", "evaluation.max_train_samples=200")
    out = tmp_path / "run"
    small = SMALL[:-2]
    said = natlib(
        "train", "--modality", "text", *small, "--epochs", "1", "--max-samples", "48", *common,
        "--set", "evaluation.weight_decays=[1.0]", "--out", out,
    )  # fmt: skip
    assert_done(said)
    config = read_yaml(out / "config.yaml")
    assert (config["preset"], config["data"]["source"]) == ("docstrings", "docstrings")


@pytest.mark.parametrize("kind", ["text_convnet", "text_transformer"])
def test_other_encoders(table: Path, tmp_path: Path, kind: str) -> None:
    width = "widths: [8]" if kind == "text_convnet" else "width: 8, layers: 1, heads: 2"
    encoder = ("--set", f"encoder={{kind: {kind}, {width}}}")
    assert_done(train(table, tmp_path / "run", encoder=encoder))
    assert library.load(tmp_path / "run").embed(["a ship"]).shape == (1, 8)


def test_a_checkpoint_goes_on_learning(table: Path, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "bert")
    (folder / "tokenizer.json").write_text(word_pieces().to_str())
    settings = (
        "--set", f"encoder={{kind: text_transformer, checkpoint: {folder}}}",
        "--set", f"data.tokenizer={folder}",
        "--set", "data.length=12",
    )  # fmt: skip
    assert_done(train(table, tmp_path / "run", *settings, encoder=()))
    before = load_file(folder / "model.safetensors")
    after = load_file(tmp_path / "run" / "model" / "encoder.safetensors")
    name = "encoder.layer.0.attention.self.query.weight"
    assert not (before[name] == after[f"model.{name}"]).all()
    # The model is whole without the folder that it began from.
    vectors = library.load(tmp_path / "run").embed(["a sailing ship"])
    shutil.rmtree(folder)
    np.testing.assert_array_equal(library.load(tmp_path / "run").embed(["a sailing ship"]), vectors)


def test_a_model_without_its_tokenizer(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run / "model", tmp_path / "model")
    (copy / "fitted" / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is missing or not the file"):
        library.load(copy)


def nothing(folder: Path) -> str:
    return str(folder / "gone.txt")


def white_space(folder: Path) -> Path:
    (folder / "a.txt").write_text(" \n\n\t\n")
    return folder / "a.txt"


def empty_values(folder: Path) -> Path:
    rows = [
        f'"{"" if number % 9 == 0 else text}"' for number, (_, text) in enumerate(sentences(40))
    ]
    (folder / "a.csv").write_text("text\n" + "\n".join(rows) + "\n")
    return folder / "a.csv"


def cyrillic(folder: Path) -> Path:
    (folder / "a.txt").write_bytes("привет, как дела\n".encode("cp1251") * 40)
    return folder / "a.txt"


def utf_16(folder: Path) -> Path:
    (folder / "a.txt").write_bytes("one line\nand another\n".encode("utf-16") * 20)
    return folder / "a.txt"


def one_line(folder: Path) -> Path:
    (folder / "a.txt").write_text("one line of words")
    return folder / "a.txt"


def one_token(folder: Path) -> Path:
    (folder / "a.txt").write_text("ha\n" * 40 + "ha ha ha\n" * 40)
    return folder / "a.txt"


def no_column(folder: Path) -> Path:
    (folder / "a.csv").write_text("txt,id\n" + "a ship,1\n" * 40)
    return folder / "a.csv"


def ragged_rows(folder: Path) -> Path:
    (folder / "a.csv").write_text("text,id\na,1\nb\n")
    return folder / "a.csv"


def broken_json(folder: Path) -> Path:
    (folder / "a.jsonl").write_text('{"text": "a"}\n{"text": \n')
    return folder / "a.jsonl"


def pictures(folder: Path) -> Path:
    (folder / "a.png").write_bytes(b"\x89PNG")
    return folder / "a.png"


BAD: dict[Make, list[str]] = {
    nothing: ["gone.txt", "neither an existing path nor a known set"],
    white_space: ["a.txt holds nothing but white space"],
    empty_values: ["5 of 40 texts (12.5%) cannot be decoded", "a.csv-0 (empty", "repair or remove"],
    cyrillic: ["is not UTF-8", "(data.encoding: ", "cp1251 reads 'привет, как'"],
    utf_16: ["a.txt is utf-16, of which single lines cannot be read; convert it to UTF-8"],
    one_line: ["1 usable samples are fewer than one batch of 16"],
    one_token: ["1 distinct tokens", "give other texts"],
    no_column: ["no column 'text'", "data.column", "txt, id"],
    ragged_rows: ["a.csv cannot be read as a table", "Row #3", "Expected 2 columns"],
    broken_json: ["a.jsonl cannot be read as JSON lines", "expected one object a line"],
    pictures: ["a.png is another kind of file", "expected a .txt file, a table"],
}


@pytest.mark.parametrize("make", BAD)
def test_data_that_cannot_be_trained_on(make: Make, tmp_path: Path, run: Path) -> None:
    source = make(tmp_path)
    assert isinstance(source, str | Path)
    new = tmp_path / "new" / "run"
    assert_refused(train(source, new), *BAD[make])
    assert not new.exists()
    # An older run is replaced only when the new one can begin.
    before = content(run)
    assert_refused(train(source, run, "--overwrite"), *BAD[make])
    assert content(run) == before


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("data.column=txet", ["no column 'txet'", "did you mean 'text'?"]),
        ("data.label=lable", ["no column 'lable'", "did you mean 'label'?"]),
        ("data.tokenizer=/no/such/folder", ["/no/such/folder is not a folder", "data.tokenizer"]),
        ("encoder={kind: convnet}", ["'convnet' does not read tokens"]),
        ("encoder={kind: text_transformer, checkpoint: /no/such}", ["/no/such is not a folder"]),
        ("data.vocabulary=12", ["data.vocabulary", "greater than or equal to 256"]),
        ("data.augment.dropp=0.1", ["unknown key", "did you mean", "drop"]),
    ],
)
def test_settings_that_do_not_fit(
    table: Path, tmp_path: Path, setting: str, words: list[str]
) -> None:
    encoder = VOCABULARY if setting.startswith("encoder=") else BAG
    said = train(table, tmp_path / "run", "--set", setting, encoder=encoder)
    assert_refused(said, *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_checkpoint_that_is_missing_a_file(table: Path, tmp_path: Path, missing: str) -> None:
    folder = checkpoint(tmp_path / "bert")
    (folder / "tokenizer.json").write_text(word_pieces().to_str())
    (folder / missing).unlink()
    settings = (
        "--set", f"encoder={{kind: text_transformer, checkpoint: {folder}}}",
        "--set", f"data.tokenizer={folder}",
    )  # fmt: skip
    said = train(table, tmp_path / "run", *settings, encoder=())
    assert_refused(said, f"has no {missing}", str(folder))


@pytest.mark.parametrize("lazily", [False, True])
def test_a_few_bad_texts_are_skipped_counted_and_listed(lazily: bool, tmp_path: Path) -> None:
    lines = [text.encode() for _, text in sentences(60)]
    lines[7] = b"caf\xe9 au lait"
    lines[30] = "\u2003".encode()
    lines[40] = b"word " * 200_000
    (tmp_path / "a.txt").write_bytes(b"\n".join(lines))
    run = tmp_path / "run"
    cache = ("--set", "data.cache_gib=0") if lazily else ()
    said = assert_done(train(tmp_path / "a.txt", run, *cache))
    assert said.out.startswith("Left out, since they cannot be decoded: 2 (see train.log)\n")
    log = (run / "train.log").read_text()
    assert log.count("skipped 'a.txt-8': not UTF-8: byte 0xe9 at 3") == 1
    assert log.count("skipped 'a.txt-31': empty") == 1
    assert log.count("skipped") == 2


def test_texts_that_change_under_a_run(tmp_path: Path) -> None:
    notes = write_lines(tmp_path / "notes.txt", 40)
    assert_done(train(notes, tmp_path / "run", "--set", "data.length=64"))
    notes.write_text("".join(notes.read_text().splitlines(keepends=True)[:-1]))
    said = natlib("train", "--resume", tmp_path / "run")
    assert_refused(said, "has changed", "1 sample removed (such as notes.txt-40)")
