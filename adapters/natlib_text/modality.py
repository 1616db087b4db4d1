"""Text as a modality of natlib."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, PrivateAttr, field_validator
from torch import Tensor

from natlib.component import Condition
from natlib.data import (
    Batch,
    DecodedSamples,
    Modality,
    Source,
    Split,
    Thumbnail,
    Unreadable,
    decode_items,
    stable_source,
)
from natlib.data.sparse import csr_tensor
from natlib.data.table_encoding import check_encoding
from natlib.data.table_format import TableFormat
from natlib.data.table_names import is_table
from natlib.encoders import EncoderRecipe
from natlib.errors import ConfigError, DataError
from natlib_text import tfidf, tokenizer
from natlib_text.augmentation import Augmentation, one_view
from natlib_text.collating import collate, texts_of
from natlib_text.decoder import TextDecoder, TextSamples
from natlib_text.decoding import extent_of
from natlib_text.encoders.bag_of_ngrams import BagOfNgrams
from natlib_text.encoders.transformer import TextTransformer
from natlib_text.fitting import fit
from natlib_text.length import LengthRule
from natlib_text.line_index import Unit
from natlib_text.sources import NAMES, find_source
from natlib_text.tfidf import TfIdf
from natlib_text.tokenizer import TextTokenizer

__all__ = ["Text"]

_THUMBNAIL = 160
_FITTED = (tfidf.FILE, tokenizer.FILE)


class Text(Modality):
    """Text: a file, a table, a folder, or the docstrings of Python's standard library."""

    kind: Literal["text"] = "text"
    presets: ClassVar[Path | None] = Path(__file__).parent / "presets"
    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("unit",),
            on=("source",),
            holds=lambda source: source is not None and source.lower().endswith(".txt"),
            remedy="set {source} to a .txt file",
        ),
        Condition(
            ("encoding",),
            on=("source",),
            holds=lambda source: source not in (None, *NAMES) and not is_table(Path(source)),
            remedy="set {source} to a .txt file or a folder of them",
        ),
        Condition(
            ("column", "label", "split", "table"),
            on=("source",),
            holds=lambda source: source is not None and is_table(Path(source)),
            remedy="set {source} to a table",
        ),
        Condition(
            ("vocabulary", "lowercase"),
            on=("tokenizer",),
            holds=lambda tokenizer: tokenizer is None,
            remedy="set {tokenizer} to null to train one",
        ),
    )

    source: str | None = None
    """A .txt file; a table (.csv, .tsv, .jsonl, .ndjson, each also with .gz, or .parquet) with a
    column of texts; a folder of .txt files (recursive; sub-folders ``train``, ``val``, ``test``
    are splits, folders under these are classes); or ``docstrings``, the default: those of
    Python's standard library."""
    unit: Unit = "line"
    """What a sample of a .txt file is: a ``line``, or a ``paragraph`` (lines up to a blank one).
    Blank lines are skipped."""
    encoding: str | None = None
    """Encoding of .txt files: ``utf-8``, ``cp1252``, or another that Python knows. By default what
    a byte order mark says, or else UTF-8. A file of many texts that is neither is ``cp1252`` where
    it looks like Western European text, and that is said."""
    column: str | None = None
    """Column of a table that holds the texts. By default ``text``, or the only one there is."""
    label: str | None = None
    """Column that holds labels, for evaluation only. By default ``label``, if there is one."""
    split: str | None = None
    """Column that holds train, val or test. By default ``split``, if there is one."""
    table: TableFormat = TableFormat()
    """How a table is written. What is not set is found from the file."""
    length: int | None = Field(default=None, ge=1)
    """Largest number of tokens of an input; longer texts are cut at the end. By default chosen from
    the training texts: a bag of n-grams reads all of each, up to 4,096 tokens; other encoders read
    as many as 95 of 100 texts have, up to 1,024 for a convnet, 512 for a transformer, or what a
    checkpoint was made for."""
    prompt: str = ""
    """Put before each text, where a checkpoint was trained with such a beginning."""
    tokenizer: str | None = None
    """A folder with a ``tokenizer.json``. By default a tokenizer is trained on the texts."""
    vocabulary: int = Field(default=8192, ge=256)
    """Number of tokens, including the 256 bytes (only if a tokenizer is trained)."""
    lowercase: bool = True
    """Convert texts to lower case (only if a tokenizer is trained)."""
    fit_samples: int = Field(default=50_000, ge=1)
    """Largest number of training texts that tokenizer and TF-IDF are fitted on."""
    cache_gib: float = Field(default=2.0, ge=0)
    """Keep all texts and their tokens in memory if they need at most this many GiB."""
    augment: Augmentation = Augmentation()
    """How views differ from each other."""

    _files: dict[str, bytes] = PrivateAttr(default_factory=dict)
    _rule: LengthRule = PrivateAttr(default=LengthRule())

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, encoding: str | None) -> str | None:
        if encoding is not None:
            check_encoding(encoding)
        return encoding

    def resolved(self) -> Self:
        name = "docstrings"
        if self.source is not None:
            name = stable_source("text", self.source, NAMES)
        source = find_source(
            name, self.unit, self.column, self.label, self.split, self.table, self.encoding
        )
        update: dict[str, Any] = {"source": name}
        if is_table(Path(name)):
            from natlib_text.sources.table import TextTable

            if isinstance(source, TextTable):  # a plug-in may read such a file in its own way
                update["column"] = source.text
                update |= {"label": source.label, "split": source.split_column}
        given = None
        if self.tokenizer is not None:
            folder = Path(self.tokenizer).expanduser().absolute()
            update["tokenizer"] = str(folder)
            given = tokenizer.read_tokenizer(folder)
        texts = source.split("train", None)
        if texts is None:
            raise DataError(f"{name} has no training texts")
        rows = self.subset("train", len(texts))
        update["length"], found = fit(
            texts,
            rows,
            name,
            given=given,
            length=self.length or self._rule,
            most=self.fit_samples,
            vocabulary=self.vocabulary,
            lowercase=self.lowercase,
            encoding=self.encoding,
        )
        return self.model_copy(update=update).with_fitted(found)

    def fitted(self) -> dict[str, bytes]:
        return dict(self._files)

    def with_fitted(self, files: dict[str, bytes]) -> Self:
        if set(files) != set(_FITTED):
            odd = min(set(files) ^ set(_FITTED))
            what = f"is not a file of {self.kind}" if odd in files else "is missing"
            raise ConfigError(
                f"the fitted files of the modality '{self.kind}' are not complete: '{odd}' {what}; "
                "copy the folder 'fitted' from the run that it belongs to"
            )
        _tokenizer(files[tokenizer.FILE])
        _tfidf(files[tfidf.FILE])
        modality = self.model_copy()
        modality._files = dict(files)
        return modality

    def encoder_in(self, folder: Path) -> EncoderRecipe:
        """See :meth:`Modality.encoder_in`: of ``transformers`` or ``sentence-transformers``."""
        return TextTransformer(checkpoint=str(folder.expanduser().absolute()))

    def for_encoder(self, recipe: EncoderRecipe | None, accelerator: bool = False) -> Self:
        """See :meth:`Modality.for_encoder`; an encoder may have a ``length_rule``."""
        found = super().for_encoder(recipe, accelerator).model_copy()
        rule = getattr(recipe or self.default_encoder(accelerator), "length_rule", None)
        found._rule = LengthRule() if rule is None else rule()
        return found

    def check_encoder(self, recipe: EncoderRecipe) -> None:
        """See :meth:`Modality.check_encoder`: one that has a ``vocabulary``."""
        if "vocabulary" not in type(recipe).model_fields:
            raise ConfigError(
                f"the encoder '{recipe.kind}' does not read tokens; use 'bag_of_ngrams', "
                "'text_convnet' or 'text_transformer', or give yours a setting 'vocabulary'"
            )

    def complete(self, recipe: EncoderRecipe) -> EncoderRecipe:
        """See :meth:`Modality.complete`: fills in ``vocabulary``, and what a checkpoint needs."""
        self.check_encoder(recipe)
        tokens = self._tokenizer()
        given = getattr(recipe, "vocabulary", None)
        if given is not None and given < tokens.size:
            raise ConfigError(
                f"the encoder has a vocabulary of {given:,}, but the tokenizer has {tokens.size:,} "
                "tokens; leave encoder.vocabulary out, it is filled in"
            )
        recipe = recipe.model_copy(update={"vocabulary": given or tokens.size})
        if isinstance(recipe, TextTransformer):
            trained = self.tokenizer is None
            return recipe.completed(tokens.special_tokens(), self._length(), trained)
        return recipe

    def with_source(self, source: str) -> Self:
        elsewhere = super().with_source(source)
        path = Path(source).expanduser()
        columns = {"label": self.label, "split": self.split}
        if source not in NAMES and path.is_file():
            # Another table may come without labels and splits.
            form = _form_of(path, self.table)
            there = _column_names(path, form)
            columns = {key: name for key, name in columns.items() if name in there}
            elsewhere = elsewhere.model_copy(update={"table": form})
        missing = {key: columns.get(key) for key in ("label", "split")}
        return elsewhere.model_copy(update=missing)

    def dataset(self, split: Split, cache: Path | None = None) -> TextSamples | None:
        decoder = self._decoder()
        texts = self._source().split(split, cache)
        if texts is None:
            return None
        rows = self.subset(split, len(texts))
        return DecodedSamples(texts, decoder, self.cache_gib, rows)

    def collate(self, samples: list[Any]) -> Batch:
        return collate(samples, self._tokenizer(), self._length(), self.prompt)

    @torch.no_grad()
    def views(self, batch: Batch, count: int) -> list[Tensor]:
        tokens = batch.data["tokens"].long()
        starts = _word_starts(self._file(tokenizer.FILE)).to(tokens.device)
        return [one_view(self.augment, tokens, starts) for _ in range(count)]

    def plain(self, batch: Batch) -> Tensor:
        return batch.data["tokens"].long()

    def raw(self, batch: Batch) -> Tensor:
        """TF-IDF of words and pairs of words, sparse CSR [b, r] on the CPU."""
        return csr_tensor(_tfidf(self._file(tfidf.FILE)).transform(texts_of(batch)))

    @property
    def input_axes(self) -> int | None:
        return 1

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self._length(),)

    def default_encoder(self, accelerator: bool) -> EncoderRecipe:
        return TextTransformer() if accelerator else BagOfNgrams()

    def default_preset(self) -> str:
        embedded = self.source is None or stable_source("text", self.source) in NAMES
        return "docstrings" if embedded else "nat"

    def samples(self, items: Sequence[Any]) -> list[Any]:
        """Read texts (strings, or bytes in UTF-8) or files of one text each (paths)."""
        return decode_items(self._decoder(), items, "text")

    def extents(self, items: Sequence[Any]) -> list[int] | None:
        """See :meth:`Modality.extents`."""
        return [extent_of(item) for item in items]

    def thumbnail(self, sample: Any) -> Thumbnail | None:
        if isinstance(sample, Unreadable):
            return None
        return _shortened(sample.text)

    def preview(self, inputs: Tensor) -> Thumbnail | None:
        """See :meth:`Modality.preview`: the text of the tokens."""
        return _shortened(self._tokenizer().decode(inputs.tolist()))

    def _source(self) -> Source:
        return find_source(
            self.source, self.unit, self.column, self.label, self.split, self.table, self.encoding
        )

    def _decoder(self) -> TextDecoder:
        return TextDecoder(self._tokenizer(), self._length(), self.encoding, self.prompt)

    def _length(self) -> int:
        if self.length is None:
            raise ConfigError("the length of inputs is not known yet; call resolved() first")
        return self.length

    def _tokenizer(self) -> TextTokenizer:
        return _tokenizer(self._file(tokenizer.FILE))

    def _file(self, name: str) -> bytes:
        if name not in self._files:
            raise ConfigError("the tokenizer is not known yet; call resolved() first")
        return self._files[name]


def _shortened(text: str) -> Thumbnail:
    """The first words of a text."""
    words = " ".join(text[: 2 * _THUMBNAIL].split())
    if len(words) > _THUMBNAIL or len(text) > 2 * _THUMBNAIL:
        words = words[: _THUMBNAIL - 1].rstrip() + "…"
    return Thumbnail.from_text(words)


# Cached by content, since the modality is copied and its fitted files stay the same.
@lru_cache(maxsize=4)
def _tokenizer(content: bytes) -> TextTokenizer:
    return TextTokenizer(content)


@lru_cache(maxsize=4)
def _word_starts(content: bytes) -> Tensor:
    return _tokenizer(content).word_starts()


def _form_of(path: Path, given: TableFormat) -> TableFormat:
    """How another table is written; what is given, if it is none."""
    if not is_table(path):
        return given
    from natlib.data.table_sniffing import format_of_another

    return format_of_another(path, given)


@lru_cache(maxsize=4)
def _column_names(path: Path, form: TableFormat) -> list[str]:
    """Names of the columns of a file; none if it is not a table."""
    if not is_table(path):
        return []
    from natlib.data.tables import column_names

    return column_names(path, form)


def _tfidf(content: bytes) -> TfIdf:
    return TfIdf.from_bytes(content)
