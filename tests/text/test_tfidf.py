"""TF-IDF is scikit-learn's, but for hashing."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from natlib.errors import ConfigError
from natlib_text import tfidf
from natlib_text.tfidf import TfIdf

from .corpora import sentences

TEXTS = [text for _, text in sentences(200)]
OTHERS = [text for _, text in sentences(50, seed=1)] + ["xyzzy plugh", "a"]


def test_agrees_with_scikit_learn() -> None:
    theirs = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit(TEXTS)
    ours = TfIdf.fit(iter(TEXTS))
    for texts in (TEXTS, OTHERS):
        expected, found = theirs.transform(texts), ours.transform(texts)
        # Columns have other places, which no dot product notices.
        assert found.shape == expected.shape
        assert np.allclose(
            (found @ found.T).toarray(), (expected @ expected.T).toarray(), atol=1e-5
        )
    norms = np.sqrt(ours.transform(OTHERS).power(2).sum(axis=1))
    assert np.allclose(norms[:50], 1, atol=1e-5)
    assert np.allclose(norms[50:], 0)


def test_survives_a_file() -> None:
    ours = TfIdf.fit(TEXTS)
    content = ours.to_bytes()
    again = TfIdf.from_bytes(content)
    assert again.to_bytes() == content == TfIdf.fit(TEXTS).to_bytes()
    assert (again.transform(OTHERS) != ours.transform(OTHERS)).nnz == 0


def test_the_most_frequent_terms_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    every = TfIdf.fit(TEXTS)
    monkeypatch.setattr(tfidf, "_MOST_TERMS", 20)
    few = TfIdf.fit(TEXTS)
    assert len(few.buckets) == 20
    assert few.frequency.min() >= np.sort(every.frequency)[-20]
    assert few.transform(TEXTS).shape == (200, 20)


def test_texts_without_a_term_that_occurs_twice() -> None:
    found = TfIdf.fit(["one", "two"]).transform(["one", "three"])
    assert (found.shape, found.nnz) == ((2, 1), 0)


@pytest.mark.parametrize("damage", [b"", b"text", TfIdf.fit(TEXTS).to_bytes()[:50]])
def test_a_file_that_is_damaged(damage: bytes) -> None:
    with pytest.raises(ConfigError, match=r"tfidf\.safetensors is damaged"):
        TfIdf.from_bytes(damage)
