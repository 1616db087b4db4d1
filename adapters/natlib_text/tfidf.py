"""TF-IDF of words and pairs of words: the raw-input baseline of texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from safetensors import SafetensorError
from safetensors.numpy import load, save

from natlib.errors import ConfigError

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import HashingVectorizer

__all__ = ["FILE", "TfIdf"]

FILE = "tfidf.safetensors"
"""The file of a run that holds it."""

_BUCKETS = 1 << 20
_MOST_TERMS = 1 << 17
# A term that occurs in a single text cannot relate it to another.
_FEWEST_TEXTS = 2
_BLOCK = 1024


def _hasher() -> "HashingVectorizer":
    from sklearn.feature_extraction.text import HashingVectorizer

    # Hashed, so that files hold numbers and not words of private texts.
    return HashingVectorizer(
        ngram_range=(1, 2), n_features=_BUCKETS, alternate_sign=False, norm=None, dtype=np.float32
    )


@dataclass(frozen=True)
class TfIdf:
    """Sublinear term frequency times inverse document frequency, rows of unit length.

    The weights are those of scikit-learn's ``TfidfVectorizer(ngram_range=(1, 2),
    sublinear_tf=True, min_df=2)``; terms are hashed into 2^20 buckets, of which the most
    frequent 131,072 are kept.

    Attributes:
        buckets: int32[r], ascending: the terms that are used.
        frequency: int32[r], number of texts that each occurred in.
        texts: number of texts.
    """

    buckets: npt.NDArray[np.int32]
    frequency: npt.NDArray[np.int32]
    texts: int

    @classmethod
    def fit(cls, texts: Iterable[str]) -> "TfIdf":
        """Count the texts that every term occurs in."""
        hasher, remaining, total = _hasher(), iter(texts), 0
        frequency = np.zeros(_BUCKETS, dtype=np.int32)
        while block := list(islice(remaining, _BLOCK)):
            frequency += np.bincount(hasher.transform(block).indices, minlength=_BUCKETS).astype(
                np.int32
            )
            total += len(block)
        buckets = np.flatnonzero(frequency >= _FEWEST_TEXTS)
        if len(buckets) > _MOST_TERMS:
            order = np.argsort(-frequency[buckets], kind="stable")[:_MOST_TERMS]
            buckets = np.sort(buckets[order])
        return cls(buckets.astype(np.int32), frequency[buckets], total)

    @classmethod
    def from_bytes(cls, content: bytes) -> "TfIdf":
        """Read a file that :meth:`to_bytes` wrote.

        Raises:
            ConfigError: the file is damaged.
        """
        try:
            arrays = load(content)
            return cls(arrays["buckets"], arrays["frequency"], int(arrays["texts"][0]))
        except (SafetensorError, KeyError, IndexError) as error:
            raise ConfigError(
                f"{FILE} is damaged ({error}); copy it from the run that it belongs to"
            ) from error

    def to_bytes(self) -> bytes:
        """A safetensors file."""
        content: bytes = save(
            {
                "buckets": self.buckets,
                "frequency": self.frequency,
                "texts": np.array([self.texts], dtype=np.int64),
            }
        )
        return content

    def transform(self, texts: Sequence[str]) -> sp.csr_array:
        """float32[n, r] with r at least 1; a text without a known term is a row of zeros."""
        counts = sp.csr_array(_hasher().transform(texts))
        column = np.searchsorted(self.buckets, counts.indices)
        known = np.zeros(len(column), dtype=bool)
        inside = column < len(self.buckets)
        known[inside] = self.buckets[column[inside]] == counts.indices[inside]
        # scikit-learn's smoothing: as if one more text contained every term.
        idf = (np.log((1 + self.texts) / (1 + self.frequency)) + 1).astype(np.float32)
        values = (1 + np.log(counts.data[known])) * idf[column[known]]
        ends = np.concatenate([[0], np.cumsum(known)])[counts.indptr]
        rows = sp.csr_array(
            (values, column[known], ends), shape=(len(texts), max(1, len(self.buckets)))
        )
        rows.sort_indices()
        norms = np.sqrt(np.asarray(rows.power(2).sum(axis=1)).ravel())
        rows.data /= np.repeat(np.where(norms > 0, norms, 1), np.diff(rows.indptr))
        return rows.astype(np.float32)
