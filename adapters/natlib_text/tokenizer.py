"""Tokenizers: Hugging Face's, given or trained on the texts."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from natlib.encoders.pretrained import read_settings
from natlib.errors import ConfigError, one_line
from natlib.runtime.reading import MIB, read_bytes

__all__ = ["FILE", "TextTokenizer", "all_threads", "read_tokenizer", "train_tokenizer"]

FILE = "tokenizer.json"
"""The file of a tokenizer in a folder that Hugging Face's libraries wrote."""

# How tokenizers mark a token that begins a word, or one that continues it.
_WORD_BEGINS = ("Ġ", "▁")
_WORD_GOES_ON = "##"
_THREADS = "TOKENIZERS_PARALLELISM"


class TextTokenizer:
    """A tokenizer of Hugging Face's ``tokenizers``, with 0 left free for padding.

    An encoder reads 0 as padding and k + 1 as the tokenizer's token k, whatever number the
    tokenizer itself uses for padding.

    Args:
        content: the content of a ``tokenizer.json``.

    Raises:
        ConfigError: the content is not a tokenizer.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        try:
            self._tokenizer = Tokenizer.from_buffer(content)
        except Exception as error:  # the bindings raise Exception itself
            raise ConfigError(
                f"{FILE} is no tokenizer ({one_line(error)}); expected the file that "
                "tokenizer.save of Hugging Face's tokenizers writes"
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def __reduce__(self) -> tuple[type["TextTokenizer"], tuple[bytes]]:
        return TextTokenizer, (self.content,)

    @cached_property
    def size(self) -> int:
        """Number of tokens, which is the largest number that an encoder reads."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    def encode(self, texts: Sequence[str], length: int) -> list[npt.NDArray[np.int32]]:
        """The first tokens of each text, int32[t] with t <= ``length``, without special tokens."""
        self._tokenizer.enable_truncation(length)
        found = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(one.ids, dtype=np.int32) + 1 for one in found]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens; padding is left out."""
        if self._tokenizer.decoder is None:
            # Tokenizers trained here have no decoder: their tokens are bytes.
            self._tokenizer.decoder = decoders.ByteLevel()
        text: str = self._tokenizer.decode([token - 1 for token in tokens if token])
        return text

    def special_tokens(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The special tokens before and after a text ([CLS] and [SEP], say), as numbers."""
        self._tokenizer.no_truncation()
        bare = self._tokenizer.encode("a", add_special_tokens=False).ids
        full = self._tokenizer.encode("a", add_special_tokens=True).ids
        before = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), len(full))
        after = full[before + len(bare) :]
        return tuple(token + 1 for token in full[:before]), tuple(token + 1 for token in after)

    def word_starts(self) -> Tensor:
        """bool[size + 1], the tokens that begin a word; all, if the tokenizer marks none."""
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        starts = torch.ones(self.size + 1, dtype=torch.bool)
        begin = any(token.startswith(_WORD_BEGINS) for token in vocabulary)
        for token, number in vocabulary.items():
            if begin:
                starts[number + 1] = token.startswith(_WORD_BEGINS)
            elif token.startswith(_WORD_GOES_ON):
                starts[number + 1] = False
        return starts


def read_tokenizer(folder: Path) -> bytes:
    """The ``tokenizer.json`` of a folder.

    Raises:
        ConfigError: there is no such folder, or it has no such file.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"the tokenizer {folder} is not a folder; expected a folder with {FILE}, "
            "or nothing to train a tokenizer on the texts (data.tokenizer)"
        )
    try:
        content = read_bytes(folder / FILE, 256 * MIB)
    except OSError as error:
        found = ", ".join(sorted(file.name for file in folder.iterdir())[:6]) or "nothing"
        raise ConfigError(
            f"the tokenizer {folder} has no readable {FILE} (found: {found}); save it with "
            "save_pretrained of a fast tokenizer (data.tokenizer)"
        ) from error
    return _lowercased(content) if _lowers(folder) else content


def train_tokenizer(texts: Iterable[str], vocabulary: int, lowercase: bool) -> bytes:
    """Train a byte-level BPE tokenizer, which has no unknown tokens.

    Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", ACL 2016, on
    bytes as in GPT-2: a character that did not occur in training is encoded as bytes.

    Args:
        texts: the texts to train on.
        vocabulary: number of tokens, including 256 for the bytes; fewer if the texts do not have
            that many pairs that occur twice.
        lowercase: whether texts are converted to lower case.

    Returns:
        The content of a ``tokenizer.json``.
    """
    tokenizer = Tokenizer(models.BPE())
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    with all_threads():
        tokenizer.train_from_iterator(texts, trainer)
    # Serialised again, so that equal tokenizers are equal bytes.
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False).encode()


@contextmanager
def all_threads() -> Iterator[None]:
    """Tokenise with all threads inside, and with one afterwards, unless the user has set it.

    The library's threads do not survive a fork, and it would warn in every forked worker process.
    With a single thread, set before the fork, it does not.
    """
    if _THREADS in os.environ:
        yield
        return
    os.environ[_THREADS] = "true"
    try:
        yield
    finally:
        os.environ[_THREADS] = "false"


def _lowers(folder: Path) -> bool:
    """Whether ``sentence-transformers`` converts texts to lower case before it splits them."""
    settings = read_settings(
        folder / "sentence_bert_config.json", "sentence-transformers", optional=True
    )
    return settings.get("do_lower_case") is True


def _lowercased(content: bytes) -> bytes:
    tokenizer = Tokenizer.from_buffer(content)
    given = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *given])
    lowered: str = tokenizer.to_str()
    return lowered.encode()
