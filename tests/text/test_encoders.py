"""Encoders of tokens: padding never shows, checkpoints are what they were."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from natlib.encoders import Encoder, EncoderRecipe
from natlib.encoders.pretrained import weights_replaced
from natlib.errors import ConfigError, NatlibError
from natlib_text.encoders.bag_of_ngrams import BagOfNgrams
from natlib_text.encoders.convnet import TextConvNet
from natlib_text.encoders.tokens import mean_over_tokens, trimmed
from natlib_text.encoders.transformer import TextTransformer

LENGTH, VOCABULARY = 12, 60
SHAPE = (LENGTH,)
RECIPES: list[EncoderRecipe] = [
    BagOfNgrams(width=8, ngrams=1, vocabulary=VOCABULARY),
    BagOfNgrams(width=8, ngrams=3, buckets=64, vocabulary=VOCABULARY),
    TextConvNet(embedding=6, widths=(10, 8), vocabulary=VOCABULARY),
    TextConvNet(embedding=6, widths=(8,), kernel=5, vocabulary=VOCABULARY),
    TextTransformer(layers=2, width=8, heads=2, vocabulary=VOCABULARY),
]


def tokens(*lengths: int, seed: int = 0) -> Tensor:
    own = torch.Generator().manual_seed(seed)
    made = torch.randint(1, VOCABULARY + 1, (len(lengths), LENGTH), generator=own)
    return made * (torch.arange(LENGTH) < torch.tensor(lengths)[:, None])


def built(recipe: EncoderRecipe) -> Encoder:
    torch.manual_seed(0)
    return recipe.build(SHAPE).eval()


def checkpoint(folder: Path, kind: str = "bert", **config: Any) -> Path:
    """A folder as ``save_pretrained`` writes it."""
    import transformers

    values = {
        "vocab_size": VOCABULARY, "hidden_size": 8, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 16,
        **config,
    }  # fmt: skip
    torch.manual_seed(5)
    made = transformers.AutoConfig.for_model(kind, **values)
    transformers.AutoModel.from_config(made).save_pretrained(folder)
    return folder


def completed(folder: Path, **settings: Any) -> TextTransformer:
    recipe = TextTransformer(checkpoint=str(folder), vocabulary=VOCABULARY)
    return recipe.completed(
        settings.get("special_tokens", ((), ())),
        settings.get("length", LENGTH),
        settings.get("trained", False),
    )


@pytest.mark.parametrize("recipe", RECIPES)
class TestEveryEncoder:
    def test_shapes(self, recipe: EncoderRecipe) -> None:
        encoder = built(recipe)
        features = encoder(tokens(3, 12, 1))
        assert features.shape == (3, encoder.dim) == (3, 8)
        stages = encoder.stages(tokens(3, 12, 1))
        assert torch.equal(stages["features"], features)
        assert len(stages) >= 2
        # None at all, of a type that the model makes up for an empty batch.
        assert encoder(torch.empty(0, LENGTH)).shape == (0, 8)

    def test_neighbours_in_the_batch_do_not_matter(self, recipe: EncoderRecipe) -> None:
        encoder = built(recipe)
        together = encoder(tokens(2, 5, 12))
        for row, length in enumerate((2, 5, 12)):
            alone = encoder(tokens(2, 5, 12)[row : row + 1, :length])
            assert torch.allclose(alone[0], together[row], atol=1e-5)

    def test_padding_has_no_gradient(self, recipe: EncoderRecipe) -> None:
        encoder = built(recipe)
        encoder(tokens(3, 7)).square().sum().backward()
        seen = set(tokens(3, 7).unique().tolist()) - {0}
        tables = [p for p in encoder.parameters() if p.ndim == 2 and p.shape[0] > VOCABULARY]
        (table,) = [table for table in tables if table.grad is not None]
        assert table.grad is not None
        moved = table.grad[: VOCABULARY + 1].abs().sum(1).nonzero().flatten().tolist()
        assert set(moved) == seen

    def test_a_text_of_nothing_but_padding_is_finite(self, recipe: EncoderRecipe) -> None:
        assert torch.isfinite(built(recipe)(torch.zeros(2, LENGTH, dtype=torch.int64))).all()

    def test_dropout_makes_two_passes_differ_in_training_only(self, recipe: EncoderRecipe) -> None:
        encoder = built(recipe).train()
        assert not torch.equal(encoder(tokens(9, 9)), encoder(tokens(9, 9)))
        encoder.eval()
        assert torch.equal(encoder(tokens(9, 9)), encoder(tokens(9, 9)))

    def test_needs_a_vocabulary_and_tokens(self, recipe: EncoderRecipe) -> None:
        unknown = recipe.model_copy(update={"vocabulary": None})
        with pytest.raises(ConfigError, match="needs the number of tokens"):
            unknown.build(SHAPE)
        with pytest.raises(ConfigError, match=r"needs inputs \[tokens\], got \[3, 8, 8\]"):
            recipe.build((3, 8, 8))

    def test_found_by_its_name_and_survives_a_file(self, recipe: EncoderRecipe) -> None:
        assert EncoderRecipe.resolve(recipe.model_dump(mode="json")) == recipe


class TestBag:
    def test_is_the_mean_of_tokens_and_ngrams(self) -> None:
        recipe = BagOfNgrams(width=5, ngrams=2, buckets=7, vocabulary=VOCABULARY)
        encoder = built(recipe)
        table = encoder.get_parameter("bag.weight")
        text = tokens(4)
        a, b, c, d = text[0, :4].tolist()
        # The vector of a pair is what a text of that pair alone adds to its two tokens.
        pairs = []
        for pair in ((a, b), (b, c), (c, d)):
            mean = encoder(torch.tensor([pair]))[0]
            pairs.append(3 * mean - table[list(pair)].sum(0))
            buckets = table[VOCABULARY + 1 :]
            assert (buckets - pairs[-1]).abs().amax(1).min() < 1e-6
        expected = (table[[a, b, c, d]].sum(0) + torch.stack(pairs).sum(0)) / 7
        assert torch.allclose(encoder(text)[0], expected, atol=1e-6)

    def test_order_matters_to_ngrams_only(self) -> None:
        text = tokens(8)
        for ngrams, same in ((1, True), (2, False)):
            encoder = built(BagOfNgrams(width=8, ngrams=ngrams, vocabulary=VOCABULARY))
            turned = text.clone()
            turned[0, :8] = text[0, :8].flip(0)
            assert torch.allclose(encoder(text), encoder(turned), atol=1e-6) == same

    def test_ngrams_are_spread_over_the_buckets(self) -> None:
        encoder: Any = built(BagOfNgrams(width=2, ngrams=2, buckets=1000, vocabulary=8000))
        pairs = torch.cartesian_prod(torch.arange(1, 301), torch.arange(1, 301))
        found = encoder._numbers(pairs)[:, 2] - 8001
        counts = torch.bincount(found, minlength=1000).double()
        assert len(counts) == 1000
        # 90 pairs in a bucket: a fair spread has a variance of 90.
        assert 45 < float(counts.var()) < 180

    def test_without_ngrams_there_are_no_buckets(self) -> None:
        encoder = built(BagOfNgrams(width=8, ngrams=1, vocabulary=VOCABULARY))
        assert encoder.get_parameter("bag.weight").shape == (VOCABULARY + 1, 8)


class TestCheckpoint:
    def test_gives_what_transformers_gives(self, tmp_path: Path) -> None:
        import transformers

        folder = checkpoint(tmp_path / "bert")
        special_tokens = ((3,), (4, 5))
        encoder = completed(folder, special_tokens=special_tokens).build(SHAPE).eval()
        model = transformers.AutoModel.from_pretrained(folder).eval()
        text = tokens(3, 12)
        found = encoder(text)
        for row, length in enumerate((3, 12)):
            # An encoder's number is the tokenizer's plus one.
            numbers = [2, *(text[row, :length] - 1).tolist(), 3, 4]
            hidden = model(input_ids=torch.tensor([numbers])).last_hidden_state
            assert torch.allclose(found[row], hidden[0].mean(0), atol=1e-5)

    def test_a_model_that_numbers_positions_from_its_padding(self, tmp_path: Path) -> None:
        import transformers

        folder = checkpoint(tmp_path / "roberta", "roberta", pad_token_id=1)
        encoder = completed(folder).build(SHAPE).eval()
        model = transformers.AutoModel.from_pretrained(folder).eval()
        text = tokens(4, 12)
        hidden = model(input_ids=text[:1, :4] - 1).last_hidden_state
        assert torch.allclose(encoder(text)[0], hidden[0].mean(0), atol=1e-5)
        # 16 positions, of which the first two are never used.
        with pytest.raises(ConfigError, match=r"reads at most 14 tokens .* lower data\.length"):
            completed(folder, length=15)

    def test_a_trained_model_does_not_need_the_folder_any_more(self, tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "bert")
        recipe = completed(folder)
        encoder = recipe.build(SHAPE).eval()
        shutil.rmtree(folder)
        again = recipe.build(SHAPE).eval()
        assert not torch.allclose(again(tokens(5)), encoder(tokens(5)), atol=1e-3)
        again.load_state_dict(encoder.state_dict())
        assert torch.equal(again(tokens(5)), encoder(tokens(5)))

    def test_a_trained_model_does_not_look_at_the_folder(self, tmp_path: Path) -> None:
        """Its path may be one that a stranger has written."""
        folder = checkpoint(tmp_path / "bert")
        recipe = completed(folder)
        with weights_replaced():
            fresh = recipe.build(SHAPE)
        again = recipe.build(SHAPE)
        names = fresh.state_dict().keys()
        assert names == again.state_dict().keys()
        assert not all(
            torch.equal(fresh.state_dict()[name], again.state_dict()[name]) for name in names
        )

    def test_every_weight_has_a_gradient(self, tmp_path: Path) -> None:
        # Several processes wait for the gradient of each.
        encoder = completed(checkpoint(tmp_path / "bert")).build(SHAPE)
        encoder(tokens(5, 9)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in encoder.parameters())

    def test_nothing_is_printed(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        folder = checkpoint(tmp_path / "bert")
        capfd.readouterr()
        completed(folder).build(SHAPE)
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
    def test_a_file_that_is_missing(self, tmp_path: Path, missing: str) -> None:
        folder = checkpoint(tmp_path / "bert")
        (folder / missing).unlink()
        with pytest.raises(ConfigError, match=rf"has no {missing} \(found: \w+") as error:
            completed(folder)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("config.json", b"{", r"config\.json of the checkpoint .* cannot be read"),
            ("config.json", b"{}", "names no model_type"),
            (
                "config.json",
                b'{"model_type": "nonsense", "vocab_size": 99}',
                "names no model of transformers",
            ),
            ("model.safetensors", b"damaged", "cannot be read"),
        ],
    )
    def test_a_file_that_is_damaged(
        self, tmp_path: Path, name: str, content: bytes, message: str
    ) -> None:
        folder = checkpoint(tmp_path / "bert")
        (folder / name).write_bytes(content)
        with pytest.raises(ConfigError, match=message) as error:
            completed(folder).build(SHAPE)
        assert "\n" not in str(error.value)

    def test_weights_of_another_model(self, tmp_path: Path) -> None:
        folder, other = checkpoint(tmp_path / "a"), checkpoint(tmp_path / "b", num_hidden_layers=3)
        shutil.copy(other / "config.json", folder / "config.json")
        with pytest.raises(ConfigError, match=r"lacks \d+ weights \(encoder\.layer\.2"):
            completed(folder).build(SHAPE)

    def test_weights_that_only_a_pickle_holds_are_not_read(self, tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "bert")
        (folder / "model.safetensors").unlink()
        torch.save({}, folder / "pytorch_model.bin")
        with pytest.raises(ConfigError, match=r"has no model\.safetensors"):
            completed(folder)

    def test_what_does_not_fit(self, tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "bert")
        with pytest.raises(ConfigError, match="needs the tokenizer that it was trained with"):
            completed(folder, trained=True)
        with pytest.raises(ConfigError, match=r"reads at most 16 tokens of a text; lower"):
            completed(folder, length=17)
        with pytest.raises(ConfigError, match=r"reads at most 14 tokens of a text; lower"):
            completed(folder, length=15, special_tokens=((1,), (2,)))
        larger = TextTransformer(checkpoint=str(folder), vocabulary=VOCABULARY + 1)
        with pytest.raises(ConfigError, match=r"the tokenizer has 61 tokens, .* knows 60"):
            larger.completed(((), ()), LENGTH, False)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"is_encoder_decoder": True}))
        with pytest.raises(ConfigError, match="is an encoder with a decoder"):
            completed(folder)
        with pytest.raises(ConfigError, match=r"the checkpoint .*gone is not a folder"):
            completed(tmp_path / "gone")

    @pytest.mark.parametrize(
        "values",
        [
            {"num_hidden_layers": 10**7},
            {"intermediate_size": 10**9},
            {"vocab_size": "60"},
            {"vocab_size": 10**12},
            {"max_position_embeddings": "many"},
            {"max_position_embeddings": 10**10},
            {"model_type": "roberta", "pad_token_id": [1]},
            {"is_encoder_decoder": "yes"},
            {"model_type": {"bert": 1}},
        ],
        ids=str,
    )
    def test_a_config_that_somebody_wrote(self, values: dict[str, Any], tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "a")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | values))
        with pytest.raises(NatlibError) as caught:
            completed(folder).build(SHAPE)
        assert "\n" not in str(caught.value)

    def test_nothing_outside_the_folder_is_read(self, tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "a")
        (folder / "model.safetensors").rename(tmp_path / "outside.safetensors")
        index = {"weight_map": {"embeddings.word_embeddings.weight": "../outside.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(ConfigError, match=r"names '\.\./outside\.safetensors'; expected names"):
            completed(folder).build(SHAPE)


def test_heads_share_the_width() -> None:
    with pytest.raises(ValidationError, match="width 10 is not a multiple of heads 4"):
        TextTransformer(width=10, heads=4)


def test_trimmed_and_mean() -> None:
    assert trimmed(tokens(3, 5)).shape == (2, 5)
    assert trimmed(tokens(0, 0)).shape == (2, 1)
    values = torch.arange(12.0).view(2, 3, 2)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert mean_over_tokens(values, mask).tolist() == [[1.0, 2.0], [0.0, 0.0]]
