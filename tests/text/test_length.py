"""How many tokens of a text are read: chosen from the texts, or given; and what is cut is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from natlib.encoders import EncoderRecipe
from natlib_text import Text
from natlib_text.decoder import TextDecoder
from natlib_text.encoders.bag_of_ngrams import BagOfNgrams
from natlib_text.encoders.convnet import TextConvNet
from natlib_text.encoders.transformer import TextTransformer
from natlib_text.length import LengthRule, natural_length
from natlib_text.tokenizer import TextTokenizer, train_tokenizer

TOKENIZER = TextTokenizer(train_tokenizer(["a b c d"], 300, lowercase=True))


def tokens_of(text: str) -> int:
    return len(TOKENIZER.encode([text], 10**6)[0])


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=20), st.floats(0.5, 1), st.integers(8, 400)
)
@settings(max_examples=50, deadline=None)
def test_holds_the_share_that_is_wanted(words: list[int], share: float, most: int) -> None:
    texts = ["x " * count for count in words]
    length = natural_length(TOKENIZER, texts, LengthRule(most, share))
    lengths = np.array([tokens_of(each) for each in texts])
    assert min(most, 128) <= length <= most
    if length < most:
        assert (lengths <= length).mean() >= share
        # No more than is needed, but for rounding, and for longer texts that may come later.
        assert length <= 128 or (lengths <= length - 8).mean() < share


def test_special_tokens_need_room() -> None:
    assert natural_length(TOKENIZER, ["x " * 500], LengthRule(64), beside=2) == 62


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ninety short texts and ten long ones, one of them very long."""
    file = tmp_path_factory.mktemp("texts") / "notes.txt"
    lines = [f"note {number} says hello" for number in range(90)]
    lines += [f"note {number} " + "goes on and " * 300 for number in range(9)]
    lines += ["the last one " + "never comes to an end " * 3000]
    file.write_text("\n".join(lines))
    return str(file)


def chosen(source: str, recipe: EncoderRecipe | None) -> int:
    length = Text(source=source, vocabulary=300).for_encoder(recipe).resolved().length
    assert length is not None
    return length


def test_depends_on_the_encoder(source: str) -> None:
    assert chosen(source, None) == chosen(source, BagOfNgrams()) == 4096
    assert 512 < chosen(source, TextConvNet()) <= 1024
    assert chosen(source, TextTransformer()) == 512


def test_what_is_given_stays(source: str) -> None:
    modality = Text(source=source, vocabulary=300, length=24).for_encoder(BagOfNgrams())
    assert modality.resolved().length == 24


def test_resolving_again_changes_nothing(source: str) -> None:
    once = Text(source=source, vocabulary=300).for_encoder(BagOfNgrams()).resolved()
    assert once.for_encoder(TextTransformer()).resolved().length == once.length


@pytest.mark.parametrize("length", [1, 8, 20, 40])
def test_what_is_cut_is_counted(length: int) -> None:
    texts = ["x " * count for count in (1, 3, 8, 9, 20, 30)]
    decoder = TextDecoder(TOKENIZER, length)
    notes = decoder.notes([decoder.decode(index, each) for index, each in enumerate(texts)])
    longer = sum(tokens_of(each.strip()) > length for each in texts)
    if not longer:
        assert notes == []
        return
    (note,) = notes
    assert note.startswith(
        f"{longer} of the 6 texts that were looked at ({100 * longer / 6:.0f} %) "
    )
    assert f"more than {length} tokens" in note
    assert "(data.length)" in note
