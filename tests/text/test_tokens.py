"""Tokenizers and batches: nothing unknown, nothing lost but what is cut, padding is 0."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from natlib.data import Unreadable
from natlib.errors import ConfigError, DataError
from natlib_text.collating import collate, texts_of
from natlib_text.decoding import DecodedText, decode
from natlib_text.tokenizer import FILE, TextTokenizer, read_tokenizer, train_tokenizer

from .corpora import sentences

TEXTS = [text for _, text in sentences(300)]
TRAINED = train_tokenizer(TEXTS, 400, lowercase=True)


def word_pieces() -> Tokenizer:
    """A tokenizer of BERT's kind."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "sail", "##ing", "ship", "##s"]
    numbers = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=7)
    tokenizer.enable_truncation(3)
    return tokenizer


class TestTraining:
    def test_is_reproducible(self) -> None:
        assert train_tokenizer(iter(TEXTS), 400, lowercase=True) == TRAINED

    def test_the_vocabulary_has_the_size_that_was_asked_for(self) -> None:
        assert TextTokenizer(TRAINED).size == 400
        # A short text does not have as many pieces.
        assert 256 <= TextTokenizer(train_tokenizer(["ab ab"], 400, True)).size < 300

    @given(text=st.text(min_size=1, max_size=40))
    def test_nothing_is_unknown(self, text: str) -> None:
        inner = Tokenizer.from_buffer(train_tokenizer(TEXTS, 400, lowercase=False))
        from tokenizers import decoders, normalizers

        inner.decoder = decoders.ByteLevel()
        found = inner.encode(text).ids
        expected = normalizers.NFKC().normalize_str(text)
        assert inner.decode(found).removeprefix(" ") == expected.removeprefix(" ")

    def test_frequent_words_are_one_token(self) -> None:
        (tokens,) = TextTokenizer(TRAINED).encode(["the captain"], 9)
        (spelt,) = TextTokenizer(TRAINED).encode(["xqzv"], 9)
        assert (len(tokens), len(spelt)) == (2, 5)  # a space begins a word

    def test_capitals(self) -> None:
        small, large = (
            TextTokenizer(train_tokenizer(TEXTS, 400, lowercase)).encode(["Ship", "ship"], 9)
            for lowercase in (True, False)
        )
        assert np.array_equal(small[0], small[1])
        assert not np.array_equal(large[0], large[1])


class TestTokens:
    def test_zero_is_left_for_padding_whatever_the_tokenizer_does(self) -> None:
        tokenizer = TextTokenizer(word_pieces().to_str().encode())
        first, second = tokenizer.encode(["a sailing ship", "[PAD]"], 4)
        assert first.tolist() == [5, 6, 7, 8]
        assert 0 not in second.tolist()
        assert tokenizer.size == 9

    @pytest.mark.parametrize("length", [1, 2, 100])
    def test_what_is_longer_is_cut(self, length: int) -> None:
        tokenizer = TextTokenizer(TRAINED)
        (full,) = tokenizer.encode(TEXTS[:1], 1000)
        (cut,) = tokenizer.encode(TEXTS[:1], length)
        assert cut.dtype == np.int32
        assert np.array_equal(cut, full[:length])

    def test_what_stands_around_a_text(self) -> None:
        assert TextTokenizer(word_pieces().to_str().encode()).special_tokens() == ((3,), (4,))
        assert TextTokenizer(TRAINED).special_tokens() == ((), ())

    def test_where_words_begin(self) -> None:
        pieces = TextTokenizer(word_pieces().to_str().encode())
        assert pieces.word_starts()[[5, 6, 7, 8, 9]].tolist() == [True, True, False, True, False]
        trained = TextTokenizer(TRAINED)
        (tokens,) = trained.encode(["captain xqz ship"], 20)
        starts = trained.word_starts()[torch.from_numpy(tokens).long()]
        # One token, a space and three letters, one token.
        assert starts.tolist() == [True, True, False, False, False, True]
        assert len(trained.word_starts()) == trained.size + 1

    def test_a_tokenizer_that_does_not_mark_words(self) -> None:
        bare = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
        assert TextTokenizer(bare.to_str().encode()).word_starts().all()

    def test_travels_to_worker_processes(self) -> None:
        tokenizer = TextTokenizer(TRAINED)
        copy = pickle.loads(pickle.dumps(tokenizer))
        assert np.array_equal(copy.encode(TEXTS[:1], 9)[0], tokenizer.encode(TEXTS[:1], 9)[0])


class TestFolders:
    def test_the_file_is_read_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / FILE).write_bytes(TRAINED)
        assert read_tokenizer(tmp_path) == TRAINED

    def test_what_is_missing_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"gone is not a folder; expected a folder with"):
            read_tokenizer(tmp_path / "gone")
        (tmp_path / "vocab.txt").touch()
        with pytest.raises(ConfigError, match=r"no readable tokenizer\.json \(found: vocab\.txt\)"):
            read_tokenizer(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"{}", b"text", b"\xff\x00", TRAINED[:100]])
    def test_a_file_that_is_no_tokenizer(self, content: bytes) -> None:
        with pytest.raises(ConfigError, match=r"tokenizer\.json is no tokenizer") as error:
            TextTokenizer(content)
        assert "\n" not in str(error.value)


class TestDecoding:
    def test_white_space_and_marks_go(self) -> None:
        assert decode(b"\xef\xbb\xbf a b \r\n", 100) == "a b"

    @pytest.mark.parametrize("content", [b"", b" \n\t", b"\xef\xbb\xbf", "\u2003".encode()])
    def test_nothing_in_it(self, content: bytes) -> None:
        with pytest.raises(ValueError, match="empty: nothing but white space"):
            decode(content, 100)

    @given(text=st.text(alphabet="aä☃𝄞", min_size=1), limit=st.integers(1, 12))
    def test_a_cut_through_a_character_loses_that_character_only(
        self, text: str, limit: int
    ) -> None:
        content = text.encode()
        expected = content[:limit].decode(errors="ignore")
        if expected:
            assert decode(content[: limit + 1], limit) == expected

    @pytest.mark.parametrize("encoding", ["utf-16", "cp1251", "shift_jis"])
    def test_files_in_other_encodings(self, encoding: str, tmp_path: Path) -> None:
        file = tmp_path / "a.txt"
        file.write_bytes("мир вам".encode(encoding))
        # A mark tells; for the others, a setting.
        assert decode(file, 99, None if encoding == "utf-16" else encoding) == "мир вам"
        # Cut inside a character, and inside its text.
        assert decode(file, {"utf-16": 5, "cp1251": 2, "shift_jis": 3}[encoding], encoding) in (
            "м",
            "ми",
        )
        with pytest.raises(DataError, match=r"^not UTF-8: .*; set data.encoding$|^not utf-8"):
            decode(file, 99, "utf-8")

    @pytest.mark.parametrize("limit", [3, 100])
    def test_bad_bytes_are_found_wherever_they_are(self, limit: int) -> None:
        with pytest.raises(ValueError, match="not UTF-8: byte 0xe9 at 1"):
            decode(b"r\xe9sum\xe9 and more", limit + 2 if limit == 3 else limit)

    def test_bad_bytes_at_the_end_of_a_whole_text(self) -> None:
        with pytest.raises(ValueError, match="not UTF-8: byte 0xe2 at 3"):
            decode(b"abc\xe2\x98", 100)


class TestBatches:
    tokenizer = TextTokenizer(TRAINED)

    def test_padding_is_on_the_right(self) -> None:
        samples = [DecodedText(7, "the ship"), DecodedText(3, "a " * 50)]
        batch = collate(samples, self.tokenizer, 8)
        assert batch.index.tolist() == [7, 3]
        tokens = batch.data["tokens"]
        assert (tokens.shape, tokens.dtype) == ((2, 8), torch.int32)
        assert (tokens != 0).tolist() == [[True] * 2 + [False] * 6, [True] * 8]

    def test_tokens_that_are_known_are_taken(self) -> None:
        known = np.array([5, 6], dtype=np.int32)
        batch = collate([DecodedText(0, "the"), DecodedText(1, "ship", known)], self.tokenizer, 4)
        assert batch.data["tokens"][1].tolist() == [5, 6, 0, 0]
        assert batch.data["tokens"][0, 0] == self.tokenizer.encode(["the"], 4)[0][0]

    def test_texts_come_back(self) -> None:
        texts = ["naïve ☃", "a", "long " * 20]
        batch = collate([DecodedText(i, t) for i, t in enumerate(texts)], self.tokenizer, 4)
        assert texts_of(batch) == texts

    def test_what_is_unreadable_is_passed_on(self) -> None:
        bad = Unreadable(4, "gone")
        batch = collate([bad, DecodedText(1, "a")], self.tokenizer, 4)
        assert (batch.index.tolist(), batch.unreadable) == ([1], [bad])
        nothing = collate([bad], self.tokenizer, 4)
        assert nothing.data["tokens"].shape == (0, 4)
        assert texts_of(nothing) == []

    def test_a_text_without_tokens(self) -> None:
        # BERT's tokenizers remove control characters.
        inner = json.loads(word_pieces().to_str())
        inner["normalizer"] = {"type": "BertNormalizer", "clean_text": True}
        inner["normalizer"] |= {"handle_chinese_chars": True, "strip_accents": None}
        inner["normalizer"] |= {"lowercase": True}
        tokenizer = TextTokenizer(json.dumps(inner).encode())
        batch = collate([DecodedText(0, "\x01"), DecodedText(1, "a")], tokenizer, 4)
        assert batch.index.tolist() == [1]
        assert batch.unreadable == [Unreadable(0, "the tokenizer finds no token in it")]
