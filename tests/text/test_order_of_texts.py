"""Texts of similar length are embedded together, and come back in their own order."""

from pathlib import Path

import natlib
from natlib.data import Modality
from natlib_text import Text
from natlib_text.encoders.transformer import TextTransformer
from tests.text.corpora import write_table
from tests.text.tiny_checkpoints import write_modules


def test_the_order_of_texts_does_not_matter(tmp_path: Path) -> None:
    """They are sorted by length for the encoder, and come back in the order that was given."""
    folder = write_modules(tmp_path / "tiny", ("Normalize", {}))
    recipe = TextTransformer(checkpoint=str(folder))
    model = natlib.Embedder(recipe, Text(fit_samples=20))
    texts = ["a storm at sea", "rain", "the ship sails home on old quiet hills", "a", "sea rain"]
    whole = model.embed(texts, batch_size=2)
    for place, text in enumerate(texts):
        assert abs(whole[place] - model.embed([text])[0]).max() < 1e-6
    write_table(tmp_path / "texts.csv", 30)
    modality: Modality = model.modality.with_source(str(tmp_path / "texts.csv"))
    samples = modality.dataset("train")
    assert samples is not None
    found = model.embed_set(samples, batch_size=4)
    assert found.index.tolist() == samples.usable.tolist()
    for row in (0, 7, len(samples) - 1):
        alone = model.embed([samples[row].text])[0]
        assert abs(found.vectors[row] - alone).max() < 1e-6
