"""The modality as natlib meets it: resolving, what is fitted, defaults, a step of training."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from natlib.data import Modality, Unreadable
from natlib.data.sparse import is_sparse
from natlib.encoders import EncoderRecipe, MlpEncoder
from natlib.errors import ConfigError, DataError
from natlib.objectives import NAT
from natlib_text import Text
from natlib_text.encoders.bag_of_ngrams import BagOfNgrams
from natlib_text.encoders.convnet import TextConvNet
from natlib_text.encoders.transformer import TextTransformer

from .corpora import sentences, small, write_lines, write_table
from .test_encoders import checkpoint
from .test_tokens import TRAINED, word_pieces


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table") / "a.csv", 120)


@pytest.fixture(scope="module")
def modality(table: Path) -> Text:
    return small(table)


class TestResolving:
    def test_docstrings_are_the_default(self) -> None:
        resolved = Text(fit_samples=100).resolved()
        assert resolved.source == "docstrings"
        assert resolved.input_shape == (resolved.length,)
        assert resolved.default_preset() == "docstrings"

    def test_columns_are_written_down(self, modality: Text, table: Path) -> None:
        assert (modality.column, modality.label, modality.split) == ("text", "label", "split")
        assert modality.source == str(table)

    def test_is_a_fixed_point_and_survives_a_file(self, modality: Text) -> None:
        assert modality.resolved() == modality
        read = Modality.resolve(modality.model_dump(mode="json"))
        assert read != modality
        assert read.with_fitted(modality.fitted()) == modality

    def test_paths_become_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_lines(tmp_path / "a.txt")
        (tmp_path / "pieces").mkdir()
        (tmp_path / "pieces" / "tokenizer.json").write_bytes(TRAINED)
        monkeypatch.chdir(tmp_path)
        resolved = small("a.txt", tokenizer="pieces")
        assert resolved.source == str(tmp_path / "a.txt")
        assert resolved.tokenizer == str(tmp_path / "pieces")

    def test_only_the_samples_that_are_trained_on_are_fitted(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text(
            "text,split\n" + "sea ship,train\n" * 20 + "zzzzzzz zzzzzzz,test\n" * 20
        )
        files = small(tmp_path / "a.csv").fitted()
        (tmp_path / "a.csv").write_text("text\n" + "sea ship\n" * 20)
        assert small(tmp_path / "a.csv").fitted() == files

    def test_no_more_texts_are_fitted_than_asked_for(self, tmp_path: Path) -> None:
        path = write_lines(tmp_path / "a.txt", 200)
        few = small(path, fit_samples=20, vocabulary=2000).fitted()
        many = small(path, vocabulary=2000).fitted()
        assert len(few["tokenizer.json"]) < len(many["tokenizer.json"])

    @pytest.mark.parametrize("what", ["views", "plain", "raw", "collate", "dataset", "complete"])
    def test_too_early(self, modality: Text, what: str) -> None:
        early = Text()
        batch = modality.collate(modality.samples(["a ship"]))
        calls: dict[str, Any] = {
            "views": lambda: early.views(batch, 1),
            "plain": lambda: early.collate(early.samples(["a"])),
            "raw": lambda: early.raw(batch),
            "collate": lambda: early.collate([]),
            "dataset": lambda: early.dataset("train"),
            "complete": lambda: early.complete(BagOfNgrams()),
        }
        with pytest.raises(ConfigError, match=r"call resolved\(\) first"):
            calls[what]()


class TestFitted:
    def test_two_small_files(self, modality: Text) -> None:
        assert sorted(modality.fitted()) == ["tfidf.safetensors", "tokenizer.json"]

    def test_copies_keep_them(self, modality: Text) -> None:
        for copy in (
            modality.model_copy(update={"length": 9}),
            modality.with_source("docstrings"),
            pickle.loads(pickle.dumps(modality)),
        ):
            assert copy.fitted() == modality.fitted()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"tokenizer.json": None}, "'tokenizer.json' is missing"),
            ({"other.json": b""}, "'other.json' is not a file of text"),
            ({"tokenizer.json": b"{"}, r"tokenizer\.json is no tokenizer"),
            ({"tfidf.safetensors": b"{"}, r"tfidf\.safetensors is damaged"),
        ],
    )
    def test_files_that_are_missing_or_damaged(
        self, modality: Text, change: dict[str, bytes | None], message: str
    ) -> None:
        files = {name: f for name, f in (modality.fitted() | change).items() if f is not None}
        with pytest.raises(ConfigError, match=message):
            modality.with_fitted(files)


class TestEncoders:
    @pytest.mark.parametrize("recipe", [BagOfNgrams(), TextConvNet(), TextTransformer()])
    def test_the_vocabulary_is_filled_in(self, modality: Text, recipe: EncoderRecipe) -> None:
        completed = modality.complete(recipe)
        assert completed == recipe.model_copy(update={"vocabulary": 300})
        assert modality.complete(completed) == completed
        larger = recipe.model_copy(update={"vocabulary": 900})
        assert modality.complete(larger) == larger

    def test_one_that_is_too_small(self, modality: Text) -> None:
        with pytest.raises(ConfigError, match=r"of 20, but the tokenizer has 300 tokens"):
            modality.complete(BagOfNgrams(vocabulary=20))

    def test_one_that_does_not_read_tokens(self, modality: Text) -> None:
        with pytest.raises(ConfigError, match="'mlp' does not read tokens; use 'bag_of_ngrams'"):
            modality.complete(MlpEncoder())

    def test_a_checkpoint_with_its_tokenizer(self, table: Path, tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "bert")
        (folder / "tokenizer.json").write_text(word_pieces().to_str())
        recipe = TextTransformer(checkpoint=str(folder))
        with pytest.raises(ConfigError, match=r"set data\.tokenizer to the folder"):
            small(table).complete(recipe)
        with pytest.raises(ConfigError, match=r"at most 14 tokens .* lower data\.length \(15\)"):
            small(table, tokenizer=str(folder), length=15).complete(recipe)
        modality = small(table, tokenizer=str(folder), length=14)
        completed = modality.complete(recipe)
        assert isinstance(completed, TextTransformer)
        assert (completed.vocabulary, completed.before, completed.after) == (9, (3,), (4,))
        encoder = completed.build(modality.input_shape).eval()
        batch = modality.collate(modality.samples(["a sailing ship", "ships"]))
        assert encoder(modality.plain(batch)).shape == (2, 8)

    @pytest.mark.parametrize(
        ("accelerator", "kind"), [(False, "bag_of_ngrams"), (True, "text_transformer")]
    )
    def test_defaults(self, modality: Text, accelerator: bool, kind: str) -> None:
        assert modality.default_encoder(accelerator).kind == kind
        assert modality.default_preset() == "nat"


class TestElsewhere:
    """The same preparation for texts from another source."""

    def test_a_table_without_labels(self, modality: Text, tmp_path: Path) -> None:
        (tmp_path / "b.csv").write_text("id,text\n1,a ship\n2,an oven\n")
        elsewhere = modality.with_source(str(tmp_path / "b.csv"))
        samples = elsewhere.dataset("train")
        assert samples is not None
        assert (len(samples), samples.labels) == (2, None)
        assert elsewhere.dataset("test") is None

    def test_a_table_with_labels_under_another_name(self, table: Path, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("text,mood\na ship,good\nan oven,bad\n" * 9)
        (tmp_path / "b.csv").write_text("mood,text\nbad,a ship\n")
        elsewhere = small(tmp_path / "a.csv", label="mood").with_source(str(tmp_path / "b.csv"))
        samples = elsewhere.dataset("train")
        assert samples is not None
        assert samples.classes == ["bad"]

    def test_another_kind_of_source(self, modality: Text, tmp_path: Path) -> None:
        samples = modality.with_source(str(write_lines(tmp_path / "b.txt", 5))).dataset("train")
        assert samples is not None
        assert len(samples) == 5

    def test_a_table_without_the_column(self, modality: Text, tmp_path: Path) -> None:
        (tmp_path / "b.csv").write_text("id,txt\n1,a ship\n")
        with pytest.raises(DataError, match=r"no column 'text' .* did you mean 'txt'"):
            modality.with_source(str(tmp_path / "b.csv")).dataset("train")


class TestInputs:
    def test_views_and_plain_have_the_shape_that_is_promised(self, modality: Text) -> None:
        batch = modality.collate(modality.samples(["a ship", "the old captain " * 20]))
        for tensor in (*modality.views(batch, 3), modality.plain(batch)):
            assert (tensor.shape, tensor.dtype) == ((2, *modality.input_shape), torch.int64)

    def test_views_know_where_words_begin(self, modality: Text) -> None:
        augment = modality.augment.model_copy(
            update={"crop_scale": (1.0, 1.0), "delete": 0.0, "drop": 0.0, "shuffle": 3}
        )
        shuffling = modality.model_copy(update={"augment": augment})
        batch = modality.collate(modality.samples(["harbour qqq telescope"] * 50))
        plain = modality.plain(batch)[0]
        (view,) = shuffling.views(batch, 1)
        words = {tuple(tokens.tolist()) for tokens in _words(modality, plain)}
        for row in view:
            assert {tuple(tokens.tolist()) for tokens in _words(modality, row)} == words
        assert len(view.unique(dim=0)) == 6

    def test_raw_is_tf_idf_of_the_whole_text(self, modality: Text) -> None:
        long = "the old captain " * 20
        batch = modality.collate(modality.samples([long + "harbour", long + "telescope", "xyz"]))
        raw = modality.raw(batch)
        assert is_sparse(raw)
        rows = raw.to_dense()
        assert rows.shape[0] == 3
        # They differ only beyond what the encoder reads.
        assert torch.equal(batch.data["tokens"][0], batch.data["tokens"][1])
        assert not torch.allclose(rows[0], rows[1])
        assert torch.allclose(rows.norm(dim=1), torch.tensor([1.0, 1.0, 0.0]), atol=1e-5)

    def test_neighbours_in_the_batch_do_not_matter(self, modality: Text) -> None:
        alone = modality.collate(modality.samples(["a ship"]))
        beside = modality.collate(modality.samples(["a ship", "the old captain " * 9]))
        assert torch.equal(modality.plain(alone)[0], modality.plain(beside)[0])
        assert torch.equal(modality.raw(alone).to_dense()[0], modality.raw(beside).to_dense()[0])


def _words(modality: Text, tokens: torch.Tensor) -> list[torch.Tensor]:
    from natlib_text.tokenizer import TextTokenizer

    kept = tokens[tokens != 0]
    starts = TextTokenizer(modality.fitted()["tokenizer.json"]).word_starts()[kept]
    return list(torch.tensor_split(kept, starts.nonzero().flatten()[1:]))


class TestItems:
    def test_texts_and_files(self, modality: Text, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("a ship\n")
        samples = modality.samples(["a ship", tmp_path / "a.txt", " a ship "])
        assert [(s.index, s.text) for s in samples] == [(i, "a ship") for i in range(3)]

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            ("", "cannot read item 1 as text: empty"),
            (7, "cannot read item 1 as text: got int, expected a str or a Path"),
            (Path("/no/such/file.txt"), r"cannot read /no/such/file\.txt as text: .*No such file"),
        ],
    )
    def test_a_bad_item_is_named(self, modality: Text, item: object, message: str) -> None:
        with pytest.raises(DataError, match=message):
            modality.samples(["good", item])

    def test_thumbnails(self, modality: Text) -> None:
        short, long = modality.samples(["a\n ship", "word " * 200])
        shown = [modality.thumbnail(sample) for sample in (short, long)]
        assert shown[0] is not None
        assert shown[1] is not None
        assert (shown[0].media, shown[0].data) == ("text/plain", b"a ship")
        text = shown[1].data.decode()
        assert text.endswith("word…")
        assert len(text) <= 160
        assert modality.thumbnail(Unreadable(0, "gone")) is None


def test_found_by_its_name() -> None:
    assert isinstance(Modality.resolve("text"), Text)


def test_a_step_of_training(tmp_path: Path) -> None:
    """Everything between a source and a gradient fits together."""
    torch.manual_seed(0)
    modality = small(write_lines(tmp_path / "a.txt", 64))
    samples = modality.dataset("train")
    assert samples is not None
    samples.preload(workers=0)
    batch = modality.collate([samples[row] for row in range(64)])
    recipe = modality.complete(modality.default_encoder(accelerator=False))
    encoder = recipe.build(modality.input_shape)
    objective = NAT().build(encoder.dim)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *objective.parameters()], lr=2e-3)
    losses = []
    for _ in range(12):
        features = [encoder(view) for view in modality.views(batch, 2)]
        output = objective(features, batch.index)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(output.loss.item())
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_views_are_made_on_the_device_of_the_batch(modality: Text) -> None:
    device = torch.device("cuda")
    batch = modality.collate(modality.samples([text for _, text in sentences(8)])).to(device)
    for tensor in (*modality.views(batch, 2), modality.plain(batch)):
        assert tensor.device.type == "cuda"
    assert modality.raw(batch).device.type == "cpu"
